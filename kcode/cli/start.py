"""What commands begin with: the project's folder, the settings, the provider, the session."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.cli.root import Flags
    from kcode.config.layers import LoadedSettings
    from kcode.config.settings import Settings
    from kcode.providers.base import Provider
    from kcode.providers.endpoint import Endpoint
    from kcode.safety.rules import Rule, Verdict


@dataclass(frozen=True)
class Start:
    """The project and its settings, read once per command."""

    root: Path
    loaded: LoadedSettings

    @property
    def settings(self) -> Settings:
        return self.loaded.settings


def begin(flags: Flags, more: dict[str, object] | None = None) -> Start:
    """Read the settings for the current folder. ``more`` are further flags by dotted key."""
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root
    from kcode.i18n import choose

    root = project_root(Path.cwd())
    start = Start(root, load_settings(root, {**flags.overrides(), **(more or {})}))
    choose(start.settings.ui.language)
    _tell_ignored(start.loaded.ignored)
    return start


def _tell_ignored(names: tuple[str, ...]) -> None:
    if not names:
        return
    import sys

    from kcode.i18n import _

    said = _("this folder is not trusted: its settings {names} are not used (kcode permissions trust)")
    print(said.format(names=", ".join(names)), file=sys.stderr)


def endpoint_of(settings: Settings) -> Endpoint:
    from kcode.providers.registry import resolve

    return resolve(settings, os.environ)


def open_provider(settings: Settings) -> Provider:
    from kcode.agent.allowance import limits
    from kcode.providers.registry import open_provider as open_

    endpoint = endpoint_of(settings)
    limits(settings.agent, endpoint.model)  # a limit in another currency is told before anything is sent
    return open_(endpoint, settings)


def open_session(start: Start, flags: Flags) -> Session:
    from kcode.agent.session import Session

    resume: bool | str = flags.resume if flags.resume is not None else flags.continue_
    rules = flag_rules(flags)
    session = Session.open(Path.cwd(), start.settings, open_provider(start.settings), resume=resume)
    session.flag_rules = rules
    return session


def flag_rules(flags: Flags) -> tuple[Rule, ...]:
    """The rules of ``--allow`` and ``--deny``. Raises ConfigError for what is no rule."""
    given: list[tuple[Verdict, str]] = [("allow", text) for text in flags.allow or ()]
    given += [("deny", text) for text in flags.deny or ()]
    if not given:
        return ()
    from kcode.safety.rules import rule_from

    return tuple(rule_from(text, verdict, "command line", f"--{verdict}") for verdict, text in given)
