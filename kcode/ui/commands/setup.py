"""Commands about kcode itself: settings, theme, and whether everything it needs is there."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command, not_known, table, words_of

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

_FORM = "/config [KEY [VALUE]], /config unset KEY"
DOCTOR_PATIENCE_S = 120.0
_AT_ONCE = (  # settings, or whole sections, that are read each time they matter
    "provider.temperature",
    "provider.max_output_tokens",
    "agent.max_turns",
    "agent.max_seconds",
    "agent.max_cost",
    "agent.max_cost_day",
    "agent.guide_tokens",
    "tests",
    "ui",
    "safety",
    "commit",
)
_AT_START = ("ui.editing_mode", "ui.paste_fold_lines")  # of the sections above: the input is made with them


# --- config ------------------------------------------------------------------------------------


async def _config(sitting: Sitting, session: Session, argument: str) -> None:
    key, _space, value = argument.partition(" ")
    value = value.strip()
    if not key:
        return _list(sitting, session)
    if key == "unset":
        words = words_of(value, 1, _FORM)
        if not words:
            raise UsageError(_("which setting?"), _FORM)
        return await _set(sitting, session, words[0], None)
    if value:
        return await _set(sitting, session, key, _unquoted(value))
    return _get(sitting, session, key)


def _list(sitting: Sitting, session: Session) -> None:
    """Every setting that is not its default, then how to see the others."""
    from kcode.config.keys import flatten
    from kcode.config.settings import Settings

    origins = _origins(session)
    defaults = flatten(Settings())
    values = flatten(session.settings)
    rows = [
        (key, f"{_shown(key, values[key])} ({origins.get(key, '')})")
        for key in values
        if values[key] != defaults[key] or origins.get(key, "default") != "default"
    ]
    sitting.say(table(rows) if rows else _("every setting is its default"))
    count = len(values) - len(rows)
    hint = _("{count} more are defaults: /config KEY shows one, /config KEY VALUE changes it in your file")
    sitting.say(hint.format(count=count), "dim")


def _get(sitting: Sitting, session: Session, key: str) -> None:
    from kcode.config.keys import expected, field_of, flatten, sections

    if key in sections():
        values = {k: v for k, v in flatten(session.settings).items() if k.startswith(f"{key}.")}
        origins = _origins(session)
        return sitting.say(table([(k, f"{_shown(k, v)} ({origins.get(k, '')})") for k, v in values.items()]))
    field = field_of(key)
    rows = [
        (key, _shown(key, flatten(session.settings)[key])),
        (_("from"), _origins(session).get(key, "")),
        (_("means"), _(field.description or "")),
        (_("takes"), expected(field)),
        (_("a change counts"), _("at once") if at_once(key) else _("from the next start")),
    ]
    return sitting.say(table(rows))


async def _set(sitting: Sitting, session: Session, key: str, text: str | None) -> None:
    """Change the user's file, and the session where that setting is read each time."""
    from kcode.config.edit import set_value, unset
    from kcode.config.keys import SECRET_KEYS, field_of
    from kcode.config.layers import load_settings
    from kcode.config.paths import user_config_file

    field_of(key)
    if key in SECRET_KEYS and text is not None:
        raise UsageError(
            _("a key typed here would stay in the history and on the screen"),
            _("kcode login stores it where it belongs"),
        )
    path = user_config_file()
    if text is None:
        await asyncio.to_thread(lambda: unset(path, key, project=False))
    else:
        await asyncio.to_thread(lambda: set_value(path, key, text, project=False))
    loaded = await asyncio.to_thread(load_settings, session.root)
    now = _value(loaded.settings, key)
    sitting.say(f"{key} = {_shown(key, now)}  ({_tilde(path)})")
    origin = loaded.origins[key]
    if not origin.startswith("user file") and origin != "default":
        sitting.say(_("it does not count: the {origin} says otherwise").format(origin=origin), "yellow")
        return
    if not at_once(key):
        sitting.say(_("it counts from the next start; this session goes on as it is"), "dim")
        return
    apply(sitting, session, key, now)
    sitting.say(_("it counts at once"), "dim")


def at_once(key: str) -> bool:
    """Whether a change of the setting counts in a session that runs."""
    return key not in _AT_START and (key in _AT_ONCE or key.partition(".")[0] in _AT_ONCE)


def apply(sitting: Sitting, session: Session, key: str, value: Any) -> None:
    """Let a setting count in the running session."""
    section, _dot, name = key.partition(".")
    for holder in (session, sitting, session.context):
        part = getattr(holder.settings, section).model_copy(update={name: value})
        holder.settings = holder.settings.model_copy(update={section: part})
    if key == "ui.theme":
        sitting.look = _look(sitting, str(value))
        _repaint(sitting)
    elif key == "ui.language":
        from kcode import i18n

        i18n.choose(None if value == "auto" else value)


def _value(settings: Any, key: str) -> Any:
    section, _dot, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _origins(session: Session) -> dict[str, str]:
    """Where each value comes from; what no file and no variable says was a flag, or said in this session."""
    from kcode.config.keys import flatten
    from kcode.config.layers import load_settings

    loaded = load_settings(session.root)
    said, now = flatten(loaded.settings), flatten(session.settings)
    here = _("this session")
    return {key: here if said[key] != now[key] else _short(origin) for key, origin in loaded.origins.items()}


def _short(origin: str) -> str:
    for kind in ("user file ", "project file "):
        if origin.startswith(kind):
            return kind + _tilde(Path(origin[len(kind) :]))
    return origin


def _tilde(path: Path) -> str:
    home = str(Path.home())
    return f"~{str(path)[len(home) :]}" if str(path).startswith(f"{home}/") else str(path)


def _shown(key: str, value: Any) -> str:
    """A secret as its last four characters; anything else as it is written in the file."""
    from kcode.config.keys import SECRET_KEYS

    if key in SECRET_KEYS and value:
        return "…" + value[-4:] if len(value) >= 12 else "…"
    if value is None:
        return "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


# --- theme -------------------------------------------------------------------------------------


async def _theme(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.look.theme import list_themes

    words = words_of(argument, 1, "/theme [NAME]")
    names = list_themes()
    if words and words[0] not in names:
        raise not_known(words[0], _("/theme {names}").format(names="|".join(names)))
    if words:
        apply(sitting, session, "ui.theme", words[0])
        sitting.say(_("{name} until you leave; for good: /config ui.theme {name}").format(name=words[0]))
        return
    now = session.settings.ui.theme
    sitting.say(table([(f"{'* ' if name == now else '  '}{name}", "") for name in names]))
    if not sitting.look.colour:
        sitting.say(_("this terminal shows no colours: NO_COLOR is set, or TERM has none"), "dim")


def _look(sitting: Sitting, name: str) -> Any:
    """The present look in another theme; what was found out about the terminal stays."""
    from kcode.ui.look.terminal import look_at
    from kcode.ui.look.theme import theme_of

    fresh = look_at(sys.stdout, theme=name)
    dark = name == "dark" or (name != "light" and _background(sitting))
    look = replace(sitting.look, theme=name, colour=fresh.colour, dark=dark)
    theme_of(look)  # a broken theme of the user's is told before anything is painted with it
    return look


def _background(sitting: Sitting) -> bool:
    """Whether the terminal is dark; a theme that was forced says nothing about that."""
    from kcode.ui.look.terminal import look_at

    forced = sitting.look.theme in ("dark", "light")
    return look_at(sys.stdout).dark if forced else sitting.look.dark


def _repaint(sitting: Sitting) -> None:
    """The input and the status line in the new colours; a plain terminal has neither."""
    from prompt_toolkit.styles import Style

    from kcode.ui.look.theme import prompt_rules

    application = getattr(sitting.stage, "app", None)
    if application is not None:
        application.style = Style(prompt_rules(sitting.theme))
        application.invalidate()


def _theme_choices(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.ui.look.theme import list_themes

    return [(name, "") for name in list_themes()]


def _config_choices(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.config.keys import all_keys

    return [(key, _(field.description or "")) for key, field in all_keys().items()]


# --- doctor ------------------------------------------------------------------------------------


async def _doctor(sitting: Sitting, session: Session, argument: str) -> None:
    """The checks of ``kcode doctor``, made by it on this terminal: a fresh process has nothing cached."""
    words = words_of(argument, 1, "/doctor [online]")
    if words and words[0] != "online":
        raise not_known(words[0], "/doctor [online]")
    # -P: a folder called kcode in the project is not the program.
    command = [sys.executable, "-P", "-m", "kcode.cli.entry", "doctor", *(f"--{word}" for word in words)]
    in_time = await sitting.aside(lambda: asyncio.to_thread(_checked, command, session))
    if not in_time:
        sitting.say(_("the checks took too long and were ended"), "yellow")


def _checked(command: list[str], session: Session) -> bool:
    """Run the checks with their output on the terminal; whether they came to their end in time."""
    from kcode.safety import process

    environment = _with_settings(process.child_environment(keep_keys=True), session)
    child = process.spawn(command, env=environment, stdin=subprocess.DEVNULL, stdout=None, stderr=None)
    try:
        child.process.wait(DOCTOR_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill_group()
        return False
    return True


def _with_settings(environment: dict[str, str], session: Session) -> dict[str, str]:
    """With what flags and commands gave this session, as variables."""
    from kcode.config.keys import flatten
    from kcode.config.layers import SHORTCUTS, load_settings

    said, now = flatten(load_settings(session.root).settings), flatten(session.settings)
    changed = {key: value for key, value in now.items() if value != said[key]}
    for variable, key in SHORTCUTS.items():
        if key in changed:
            environment.pop(variable, None)
    for key, value in changed.items():
        environment[f"KCODE_{key.replace('.', '__', 1).upper()}"] = "" if value is None else _text(value)
    return environment


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


COMMANDS = (
    Command(
        "config",
        "[KEY [VALUE]]",
        "settings and where they come from; change one; unset KEY takes it back",
        _config,
        "setup",
        "/config agent.max_turns 80",
        choices=_config_choices,
    ),
    Command(
        "theme",
        "[NAME]",
        "the themes; try one",
        _theme,
        "setup",
        "/theme high-contrast",
        choices=_theme_choices,
    ),
    Command(
        "doctor",
        "[online]",
        "check terminal, git, keys, model, sandbox, disk; online asks the provider too",
        _doctor,
        "looking",
        "/doctor online",
    ),
)
