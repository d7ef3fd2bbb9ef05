"""Commands that choose who answers: the model and the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.commands.base import Command, interruptible, table, words_of
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _model(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import switching

    named = words_of(argument, 1, "/model [NAME]")
    if named:
        await switching.switch(session, switching.with_model(session.settings, named[0]))
    facts = _facts(session)
    if not named:
        listed = ", ".join(await interruptible(sitting, switching.list_models(session)) or [])
        facts += [(_("listed now"), listed or _("the provider gives no list"))]
    sitting.say(table(facts))


def _facts(session: Session) -> list[tuple[str, str]]:
    window = _("{count} tokens").format(count=figures.tokens(session.window))
    return [
        (_("model"), session.provider.model.id),
        (_("provider"), session.provider.name),
        (_("window"), window),
    ]


async def _provider(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import switching

    named = words_of(argument, 2, "/provider [NAME [ADDRESS]]")
    if not named:
        return _show(sitting, session)
    settings = switching.with_provider(sitting, session, named[0].lower(), *named[1:])
    if settings.provider == session.settings.provider and not named[1:]:
        sitting.say(_("{name} is in use").format(name=session.provider.name), "dim")
        return None
    await switching.switch(session, settings)
    endpoint = getattr(session.provider, "endpoint", None)  # the embedded model has none
    at = (_("address"), endpoint.host) if endpoint is not None else (_("address"), _("inside kcode"))
    sitting.say(table([*_facts(session), at]))
    if endpoint is not None and endpoint.notice:
        await sitting.notice(endpoint.notice, "dim")
    return None


def _show(sitting: Sitting, session: Session) -> None:
    """Every profile: whether a key is there, and which one is in use."""
    from kcode.providers.profiles import PROFILES

    rows = []
    for name, profile in PROFILES.items():
        used = name == session.provider.name
        given = session.settings.provider.api_key if used else ""
        rows.append((f"{'* ' if used else '  '}{name}", f"{profile.title}; {_key(name, given)}"))
    sitting.say(table(rows))
    sitting.say(_("/provider NAME goes on with another; the conversation is kept"), "dim")


def _key(name: str, given: str) -> str:
    """Whether the profile can be used as it is, in words; the key itself is nowhere in it. ``given``: in the
    settings, for the one in use."""
    import os

    from kcode.config.credentials import account_of, find_key
    from kcode.errors import KcodeError
    from kcode.providers.profiles import PROFILES

    profile = PROFILES[name]
    if not profile.needs_key:
        return _("no key needed")
    try:
        account = account_of(name, profile.base_url, profile.base_url)
        source = find_key(account, profile.key_variables, os.environ, given)[1]
    except KcodeError as problem:
        return problem.message
    if source:
        return _("key from {source}").format(source=source)
    return _("no key: kcode login {name}").format(name=name)


def _models(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.ui.switching import listed_models

    return [(name, "") for name in listed_models(sitting)]


def _profiles(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.providers.profiles import PROFILES

    return [(name, profile.title) for name, profile in PROFILES.items()]


COMMANDS = (
    Command(
        "model",
        "[NAME]",
        "show the model, or go on with another",
        _model,
        "model",
        "/model kimi-k2.6",
        choices=_models,
    ),
    Command(
        "provider",
        "[NAME [ADDRESS]]",
        "show the providers, or go on with another",
        _provider,
        "model",
        "/provider ark",
        choices=_profiles,
    ),
)
