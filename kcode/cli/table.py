"""The commands and the root options as a table: the parser, the help and the completion read it."""

from __future__ import annotations

from typing import NamedTuple


class OptionRow(NamedTuple):
    """One root option. ``name`` is the parameter's name; ``metavar`` is empty for a switch."""

    name: str
    flags: tuple[str, ...]
    metavar: str
    help: str


class CommandRow(NamedTuple):
    """One command; ``module`` holds its ``app``, imported when the command is used."""

    name: str
    module: str
    help: str


SUMMARY = "A coding assistant for the Kimi K2 family. Without a command: a session here."

OPTIONS: tuple[OptionRow, ...] = (
    OptionRow("prompt", ("-p", "--print"), "PROMPT", "Do one task, print the answer and exit."),
    OptionRow("continue_", ("-c", "--continue"), "", "Continue the project's last session."),
    OptionRow("resume", ("--resume",), "[ID|WORDS]", "Continue this session; without: choose one."),
    OptionRow("attach", ("--attach",), "FILE", "Send this file along; may be given several times."),
    OptionRow("model", ("--model",), "NAME", "The model to use."),
    OptionRow("provider", ("--provider",), "NAME", "The provider profile: embedded, moonshot, ark, …"),
    OptionRow("base_url", ("--base-url",), "URL", "Address of the API."),
    OptionRow("mode", ("--mode",), "MODE", "plan, ask, edits or auto: what runs without asking."),
    OptionRow("allow", ("--allow",), "RULE", "Allow this without asking, as 'command: make *'."),
    OptionRow("deny", ("--deny",), "RULE", "Refuse this, as 'path: vendor/*'. Both: repeatable."),
    OptionRow("output", ("--output",), "FORMAT", "With -p: text, json or stream-json."),
    OptionRow("max_turns", ("--max-turns",), "N", "At most N model requests per turn."),
    OptionRow("max_cost", ("--max-cost",), "SUM", "Cost limit of the session: 5, ¥5, '5 CNY', '$2'."),
    OptionRow("max_seconds", ("--max-seconds",), "S", "Time limit of a turn, in seconds."),
    OptionRow("cwd", ("--cwd",), "FOLDER", "Work in this folder."),
    OptionRow("debug", ("--debug",), "", "Show the stack trace of an error."),
    OptionRow("version", ("-V", "--version"), "", "Show the version and exit."),
    OptionRow("help", ("-h", "--help"), "", "Show this message and exit."),
)

COMMANDS: tuple[CommandRow, ...] = (
    CommandRow("fix", "kcode.cli.fix", "Repair a failing test, and prove it by the tests."),
    CommandRow("commit", "kcode.cli.commit", "Draft a commit message for what is staged, and commit."),
    CommandRow("demo", "kcode.cli.demo", "Repair a bug in a small example repository."),
    CommandRow("models", "kcode.cli.models", "List the models; pull, verify or remove embedded ones."),
    CommandRow("login", "kcode.cli.login", "Store a service's key, never shown."),
    CommandRow("logout", "kcode.cli.logout", "Remove a stored key."),
    CommandRow("balance", "kcode.cli.balance", "Show what is left on the account."),
    CommandRow("provider", "kcode.cli.provider", "List providers, check one, verify a vendor."),
    CommandRow("cost", "kcode.cli.cost", "Show what the sessions cost, by model, project, day."),
    CommandRow("session", "kcode.cli.session", "List, show, export, fork or remove sessions."),
    CommandRow("config", "kcode.cli.config", "Show and change settings."),
    CommandRow("permissions", "kcode.cli.permissions", "Explain what is allowed or asked; trust a folder."),
    CommandRow("hook", "kcode.cli.hook", "Install or remove git hooks, or run their checks."),
    CommandRow("doctor", "kcode.cli.doctor", "Check what kcode finds on this machine."),
)


def option(name: str) -> OptionRow:
    return next(row for row in OPTIONS if row.name == name)


def help_text() -> str:
    """The whole ``kcode --help``, at most 80 columns wide."""
    options = [(_spelled(row), row.help) for row in OPTIONS]
    commands = [(row.name, row.help) for row in COMMANDS]
    return (
        "Usage: kcode [OPTIONS] [COMMAND] [ARGS]...\n\n"
        f"  {SUMMARY}\n\n"
        f"Options:\n{_columns(options, 24)}\n"
        f"Commands:\n{_columns(commands, 24)}\n"
        "`kcode COMMAND --help` tells more about a command.\n"
    )


def _spelled(row: OptionRow) -> str:
    flags = ", ".join(row.flags) if row.flags[0].count("-") == 1 else "    " + ", ".join(row.flags)
    return f"{flags} {row.metavar}".rstrip()


def _columns(rows: list[tuple[str, str]], width: int) -> str:
    return "".join(f"  {left:<{width}}{right}\n" for left, right in rows)
