"""The provider's own tools in a session: offered where the settings name them, frozen with its epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kcode.agent.prompt import system_text
from kcode.config.settings import Settings
from kcode.conversation.ledger import Epoch, System, Tools, User, wire_entries
from kcode.conversation.projection import spell
from kcode.providers.base import OfficialTools, Provider, ProviderError
from kcode.tools.registry import all_tools, declarations

if TYPE_CHECKING:
    from kcode.agent.session import Session


def offered(provider: Provider, settings: Settings) -> OfficialTools | None:
    """The tools that the settings name and this provider runs; None for none."""
    if not settings.provider.official_tools:
        return None
    from kcode.providers.moonshot.official import open_official

    return open_official(provider, settings, [tool.name for tool in all_tools(settings)])


async def declare(session: Session) -> str:
    """Before the first message: the provider's own tools join kcode's in the epoch's declarations.

    Returns what went wrong, or "".
    """
    if session.official is None or any(isinstance(entry, User) for entry in wire_entries(session.ledger)):
        return ""
    try:
        theirs = await session.official.declarations()
    except ProviderError as error:
        session.official = None
        return f"the provider's own tools are not offered: {error.message}"
    ours = json.loads(declarations(all_tools(session.settings)))
    session.begin(
        Epoch("tools", "the provider's own tools"),
        System(system_text()),
        Tools(spell([*ours, *theirs]).decode()),
    )
    return ""
