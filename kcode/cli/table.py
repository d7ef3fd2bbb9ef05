"""The commands and the root options as a table: the parser, the help, the manual and the completion read it.

Examples of use are in :mod:`kcode.cli.examples`: the bare help does not show them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple


class OptionRow(NamedTuple):
    """One root option. ``name`` is the parameter's name; ``metavar`` is empty for a switch."""

    name: str
    flags: tuple[str, ...]
    metavar: str
    help: str
    group: str = "run"


class CommandRow(NamedTuple):
    """One command; ``module`` holds its ``app``, imported when the command is used."""

    name: str
    module: str
    help: str
    group: str = "work"


SUMMARY = "A coding assistant for the Kimi K2 family. Without a command: a session here."

# The name of each group of commands, as narrow lines of one column.
GROUPS: dict[str, tuple[str, ...]] = {
    "work": ("Work",),
    "models": ("Models,", "accounts"),
    "sessions": ("Sessions",),
    "setup": ("Set-up",),
}
OPTION_GROUPS: dict[str, str] = {
    "task": "What to do",
    "model": "Who answers",
    "allowed": "What is allowed",
    "run": "How it runs",
}
# The bare help shows the most used options, and some commands share a line: it is one screen.
SHOWN_OPTIONS = ("prompt", "continue_", "model", "mode")
SHARED: dict[str, tuple[str, str]] = {
    "fix": ("fix, demo", "Repair a failing test, and prove it; an example."),
    "demo": ("", ""),
    "commit": ("commit, resolve", "Commit with a drafted message; resolve conflicts."),
    "resolve": ("", ""),
    "review": ("review, explain", "Look for bugs in a change; say what code does."),
    "explain": ("", ""),
    "map": ("map, changelog", "The files that matter most; a range for users."),
    "changelog": ("", ""),
    "logout": ("", ""),
    "man": ("", ""),
    "help": ("", ""),
    "login": ("login, logout", "Store a service's key, never shown; remove it."),
    "completion": ("completion, man", "Complete commands by Tab; the manual page."),
}

OPTIONS: tuple[OptionRow, ...] = (
    OptionRow("prompt", ("-p", "--print"), "PROMPT", "Do one task, print the answer and exit.", "task"),
    OptionRow("continue_", ("-c", "--continue"), "", "Continue the project's last session.", "task"),
    OptionRow("resume", ("--resume",), "[ID|WORDS]", "Continue this session; without: choose one.", "task"),
    OptionRow("attach", ("--attach",), "FILE", "Send this file along; may be given several times.", "task"),
    OptionRow("model", ("--model",), "NAME", "The model to use.", "model"),
    OptionRow(
        "provider", ("--provider",), "NAME", "The provider profile: embedded, moonshot, ark, …", "model"
    ),
    OptionRow("base_url", ("--base-url",), "URL", "Address of the API.", "model"),
    OptionRow("mode", ("--mode",), "MODE", "plan, ask, edits or auto: what runs without asking.", "allowed"),
    OptionRow("allow", ("--allow",), "RULE", "Allow this without asking, as 'command: make *'.", "allowed"),
    OptionRow("deny", ("--deny",), "RULE", "Refuse this, as 'path: vendor/*'. Both: repeatable.", "allowed"),
    OptionRow("output", ("--output",), "FORMAT", "With -p: text, json or stream-json."),
    OptionRow("max_turns", ("--max-turns",), "N", "At most N model requests per turn.", "allowed"),
    OptionRow(
        "max_cost", ("--max-cost",), "SUM", "Cost limit of the session: 5, ¥5, '5 CNY', '$2'.", "allowed"
    ),
    OptionRow("max_seconds", ("--max-seconds",), "S", "Time limit of a turn, in seconds.", "allowed"),
    OptionRow("cwd", ("--cwd",), "FOLDER", "Work in this folder."),
    OptionRow("debug", ("--debug",), "", "Show the stack trace of an error."),
    OptionRow("version", ("-V", "--version"), "", "Show the version and exit."),
    OptionRow("help", ("-h", "--help"), "", "Show this message and exit."),
)

COMMANDS: tuple[CommandRow, ...] = (
    CommandRow("fix", "kcode.cli.fix", "Repair a failing test, and prove it by the tests."),
    CommandRow("commit", "kcode.cli.commit", "Draft a commit message for what is staged, and commit."),
    CommandRow("resolve", "kcode.cli.resolve", "Resolve merge conflicts hunk by hunk."),
    CommandRow("review", "kcode.cli.review", "Look for bugs in a change: file, line, severity, fix."),
    CommandRow("explain", "kcode.cli.explain", "Explain a commit, a range, a file or a line."),
    CommandRow("changelog", "kcode.cli.changelog", "Write the changelog of a range for users."),
    CommandRow("map", "kcode.cli.map", "Show the files that matter most and what they define."),
    CommandRow("demo", "kcode.cli.demo", "Repair a bug in a small example repository."),
    CommandRow(
        "models", "kcode.cli.models", "List the models; pull, verify or remove embedded ones.", "models"
    ),
    CommandRow("provider", "kcode.cli.provider", "List providers, check one, verify a vendor.", "models"),
    CommandRow("login", "kcode.cli.login", "Store a service's key, never shown.", "models"),
    CommandRow("logout", "kcode.cli.logout", "Remove a stored key.", "models"),
    CommandRow("balance", "kcode.cli.balance", "Show what is left on the account.", "models"),
    CommandRow("session", "kcode.cli.session", "List, show, export, fork or remove sessions.", "sessions"),
    CommandRow("cost", "kcode.cli.cost", "Show what the sessions cost, by model, project, day.", "sessions"),
    CommandRow("config", "kcode.cli.config", "Show and change settings.", "setup"),
    CommandRow(
        "permissions", "kcode.cli.permissions", "Explain what is allowed or asked; trust a folder.", "setup"
    ),
    CommandRow("hook", "kcode.cli.hook", "Install or remove git hooks, or run their checks.", "setup"),
    CommandRow("doctor", "kcode.cli.doctor", "Check what kcode finds on this machine.", "setup"),
    CommandRow(
        "completion",
        "kcode.cli.completion",
        "Complete commands, options and values by Tab.",
        "setup",
    ),
    CommandRow("man", "kcode.cli.manpage", "Print the manual page, or install it.", "setup"),
    CommandRow("help", "kcode.cli.help", "Show the options, or a command's help and examples.", "setup"),
)


def option(name: str) -> OptionRow:
    return next(row for row in OPTIONS if row.name == name)


def help_text() -> str:
    """The whole ``kcode --help``: it fits a screen of 80 columns and 24 rows."""
    say = translator()
    usage = say("Usage: {usage}").format(usage="kcode [OPTIONS] [COMMAND] [ARGS]...")
    lines = [usage, say(SUMMARY), ""]
    for group, label in GROUPS.items():
        rows = [SHARED.get(row.name, (row.name, row.help)) for row in COMMANDS if row.group == group]
        lines += _block([say(part) for part in label], [(name, say(text)) for name, text in rows if name])
    shown = [(_short(option(name)), say(option(name).help)) for name in SHOWN_OPTIONS]
    lines += _block([say("Options")], shown)
    lines.append(say("All options: kcode help options. More about a command: kcode COMMAND --help"))
    return "\n".join(lines) + "\n"


def options_text() -> str:
    """``kcode help options``: every root option, by group."""
    say = translator()
    parts = [say("Usage: {usage}").format(usage="kcode [OPTIONS] [COMMAND] [ARGS]...") + "\n"]
    for group, label in OPTION_GROUPS.items():
        rows = [(spelled(row), say(row.help)) for row in OPTIONS if row.group == group]
        parts.append(f"{say(label)}:\n" + "".join(f"  {left:<24}{right}\n" for left, right in rows))
    return "\n".join(parts)


def spelled(row: OptionRow) -> str:
    """``-p, --print PROMPT``, the long spellings of all options in one column."""
    flags = ", ".join(row.flags) if row.flags[0].count("-") == 1 else "    " + ", ".join(row.flags)
    return f"{flags} {row.metavar}".rstrip()


def translator() -> Callable[[str], str]:
    """Puts texts of these tables into the interface's language; English needs no import for that."""
    names = ("KCODE_UI__LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    if any(os.environ.get(name, "")[:2].lower() == "zh" for name in names) or _settings_name_one():
        from kcode.i18n import _

        return _
    return str


def _settings_name_one() -> bool:
    """Whether the user's settings file may name a language, by a look that needs no library."""
    file = os.environ.get("KCODE_CONFIG", "")
    folder = os.environ.get("XDG_CONFIG_HOME", "") or os.path.expanduser("~/.config")  # noqa: PTH111
    try:
        with open(file or f"{folder}/kcode/config.toml", "rb") as opened:  # noqa: PTH123
            return b"language" in opened.read()
    except OSError:
        return False


def _short(row: OptionRow) -> str:
    return f"{row.flags[0]} {row.metavar.strip('[]').partition('|')[0]}".rstrip()


def _block(label: list[str], rows: list[tuple[str, str]]) -> list[str]:
    """``rows`` with the lines of ``label`` to their left."""
    beside = label + [""] * (len(rows) - len(label))
    return [
        f"{padded(beside[number], 9)}{left:<17}{right}".rstrip() for number, (left, right) in enumerate(rows)
    ]


def cells(text: str) -> int:
    """The terminal cells of ``text``: Chinese letters and full-width signs fill two."""
    return len(text) if text.isascii() else sum(2 if _is_wide(char) else 1 for char in text)


def padded(text: str, width: int, right: bool = False) -> str:
    """``text`` filled up to ``width`` terminal cells, with ``right`` at its left side."""
    filling = " " * (width - cells(text))
    return filling + text if right else text + filling


def _is_wide(char: str) -> bool:
    return "\u2e80" <= char <= "\ud7a3" or "\uf900" <= char <= "\ufaff" or "\uff01" <= char <= "\uff60"
