"""``kcode man``: the manual page, made from the parser, the tables and the exit codes."""

from __future__ import annotations

import os
import re
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from kcode.errors import ExitCode

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FILES = (
    ("~/.config/kcode/config.toml", "your settings; KCODE_CONFIG names another file"),
    ("~/.config/kcode/themes/NAME.toml", "themes of yours"),
    (".kcode/config.toml", "the project's settings"),
    ("AGENTS.md", "what the model should know about the project"),
    ("~/.local/state/kcode", "sessions, history, stack traces of defects"),
    ("~/.local/share/kcode", "embedded models"),
)
VARIABLES = (
    ("MOONSHOT_API_KEY, KIMI_API_KEY, ARK_API_KEY", "keys of the services"),
    ("KCODE_PROVIDER, KCODE_MODEL, KCODE_BASE_URL, KCODE_API_KEY", "who answers, and where"),
    ("KCODE_SECTION__KEY", "any setting, such as KCODE_AGENT__MODE"),
    ("NO_COLOR", "no colours"),
    ("VISUAL, EDITOR", "the editor"),
    ("XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "where things are kept"),
)

MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.NOT_ACHIEVED: (
        "tried and not done: no repair found, a patch not applied or not committed as asked, a check or a "
        "hook found something, "
        "kcode review found something at or above --fail-on, kcode commit made no commit, kcode resolve "
        "left a conflict, the provider's content filter ended the answer"
    ),
    ExitCode.USAGE: (
        "a wrong flag, a wrong setting, a path that is not there, words that fit several failing tests"
    ),
    ExitCode.AUTH: "no key, a wrong key, a key of another platform",
    ExitCode.QUOTA: "the balance or the plan's quota is used up",
    ExitCode.LIMIT: "a limit of yours was reached: turns, time, cost, window",
    ExitCode.PROVIDER: "the provider failed or was not there; trying again later may help",
    ExitCode.NOTHING_FAILS: "kcode fix: the tests pass already",
    ExitCode.CANNOT_RUN_TESTS: "kcode fix: there are no tests, or they cannot start",
    ExitCode.ENVIRONMENT: "the machine: disk, permissions, a corrupt file, a model that is not there",
    ExitCode.WOULD_ASK: "kcode permissions explain: the command would be asked about",
    ExitCode.DENIED: "kcode permissions explain: the command would be denied",
    ExitCode.INTERNAL: "a defect of kcode; its stack trace is under the state folder, in crash/",
    ExitCode.INTERRUPTED: "Ctrl-C",
    ExitCode.PIPE_CLOSED: "whoever read the output went away, as in kcode … | head",
}


@app.command()
def man(
    ctx: typer.Context,
    install: Annotated[bool, typer.Option("--install", help="Put it where `man kcode` finds it.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove it from there.")] = False,
) -> int:
    """Print the manual page, in man's own format; or install it."""
    from kcode.cli.placing import put, remove
    from kcode.errors import UsageError
    from kcode.i18n import _

    if install and uninstall:
        raise UsageError(_("--install and --uninstall do not go together"))
    place = man_file()
    if install:
        put(place, page(ctx.find_root()))
    elif uninstall:
        remove(place)
    else:
        print(page(ctx.find_root()), end="")
    return 0


def man_file() -> Path:
    """In the user's own part of the manual, which ``man`` searches where ``~/.local/bin`` is in the path."""
    named = os.environ.get("XDG_DATA_HOME", "")
    data = Path(named) if named and Path(named).is_absolute() else Path.home() / ".local" / "share"
    return data / "man" / "man1" / "kcode.1"


def page(root: Any) -> str:
    """The page in roff. ``root`` is the context of the whole command line."""
    from kcode import __version__
    from kcode.cli.examples import examples_of
    from kcode.cli.table import OPTION_GROUPS, OPTIONS, SUMMARY, spelled

    made = time.strftime("%Y-%m-%d", time.gmtime(Path(__file__).stat().st_mtime))
    out = [f'.TH KCODE 1 "{made}" "kcode {__version__}" "User Commands"']
    out += [".SH NAME", r"kcode \- a coding assistant for the Kimi K2 family"]
    out += [".SH SYNOPSIS", r".B kcode", r"[\fIOPTIONS\fR] [\fICOMMAND\fR] [\fIARGS\fR]..."]
    out += [".SH DESCRIPTION", _prose(SUMMARY)]
    out.append(_prose("With -p it does one task and prints the answer, for scripts and pipes."))
    out.append(".SH OPTIONS")
    for group, label in OPTION_GROUPS.items():
        out.append(f".SS {roff(label)}")
        for row in OPTIONS:
            if row.group == group:
                out += _item(spelled(row).strip(), row.help)
    out.append(".SH COMMANDS")
    for name, command in _commands(root):
        out += _command(name, command, root)
    out.append(".SH EXAMPLES")
    out += _examples(examples_of(""))[1:]  # no paragraph begins behind a heading
    out.append(".SH EXIT STATUS")
    for code, meaning in exit_codes():
        out += _item(code, meaning)
    out.append(".SH ENVIRONMENT")
    for name, meaning in VARIABLES:
        out += _item(name, meaning)
    out.append(".SH FILES")
    for name, meaning in FILES:
        out += _item(name, meaning)
    return "\n".join(out) + "\n"


def _commands(root: Any) -> Iterable[tuple[str, Any]]:
    from kcode.cli.helping import below
    from kcode.cli.table import COMMANDS

    for row in COMMANDS:
        command = root.command.get_command(root, row.name)
        yield row.name, command
        for name, sub in below(command):
            yield f"{row.name} {name}", sub


def _command(path: str, command: Any, root: Any) -> list[str]:
    from kcode.cli.examples import examples_of
    from kcode.cli.helping import shown, spelled, usage_of, value_of

    ctx = type(root)(command, info_name=path, parent=root)
    out = [f".SS {roff(usage_of(command, path, ctx))}"]
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        out += [".PP"] * (number > 0) + [_prose(paragraph)]
    for parameter in shown(command, ctx):
        if parameter.param_type_name == "argument":
            out += _item(value_of(parameter), parameter.help) if parameter.help else []
        elif "--help" not in parameter.opts:
            out += _item(spelled(parameter), parameter.help or "")
    return out + _examples(examples_of(path))


def _item(term: str, text: str) -> list[str]:
    return [".TP", rf"\fB{roff(term)}\fR", _prose(text)]


def _prose(text: str) -> str:
    """In short lines, as mandoc's style asks for."""
    return "\n".join(roff(line) for line in textwrap.wrap(" ".join(text.split()), 60))


def _examples(examples: Iterable[tuple[str, str]]) -> list[str]:
    out: list[str] = []
    for line, says in examples:
        out += [".PP", _prose(says), ".PP", ".RS 4", ".nf", roff(line), ".fi", ".RE"]
    return out


def exit_codes() -> list[tuple[str, str]]:
    """Number and meaning of every exit code, in the words of docs/exit-codes.md."""
    return [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


def roff(text: str) -> str:
    """``text`` as it is to be read: nothing in it is a request or an escape of roff."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    text = text.replace("^", r"\(ha").replace("~", r"\(ti")
    text = "".join(char if ord(char) < 128 else rf"\[u{ord(char):04X}]" for char in text)
    return re.sub(r"(?m)^\.", r"\\&.", text)
