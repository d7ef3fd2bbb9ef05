"""The session of a git hook's question: nothing is fetched and nobody is asked; imported at every commit."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings


@contextlib.asynccontextmanager
async def hook_session(settings: Settings, top: Path) -> AsyncIterator[Session]:
    """A session of its own in ``top``; what it cost is said on stderr at the end.

    Raises EmbeddedUnavailable where the embedded model is meant and is not on this machine.
    """
    from kcode.agent.session import Session
    from kcode.cli.start import open_provider
    from kcode.config.paths import data_dir
    from kcode.i18n import _
    from kcode.providers.base import EmbeddedUnavailable
    from kcode.providers.embedded.store import ModelStore, is_path
    from kcode.providers.registry import resolve

    name = settings.provider.model or settings.embedded.model
    embedded = resolve(settings, os.environ).profile.embedded
    if embedded and not is_path(name) and not ModelStore(data_dir()).path(name).exists():
        raise EmbeddedUnavailable(
            "there is no key, and no embedded model on this machine", "kcode login, or kcode models pull"
        )
    session = Session.open(top, settings, open_provider(settings), errand="hook")
    try:
        yield session
    finally:
        if session.cost.requests:
            print(_("cost: {cost}").format(cost=session.cost.text()), file=sys.stderr)
        await session.close()
