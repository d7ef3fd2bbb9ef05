from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import typer

from kcode.cli.examples import EXAMPLES
from kcode.cli.root import Flags, command
from kcode.cli.table import COMMANDS, GROUPS, OPTION_GROUPS, OPTIONS, help_text
from tests.cli.conftest import Run


def parser_options() -> dict[str, Any]:
    return {parameter.name: parameter for parameter in command().params}


def test_the_parser_takes_exactly_the_options_of_the_table() -> None:
    parsed = parser_options()
    assert {row.name for row in OPTIONS} == {*parsed, "help"}
    for row in OPTIONS:
        if row.name != "help":
            assert tuple(parsed[row.name].opts) == row.flags
            assert parsed[row.name].help == row.help
            assert bool(getattr(parsed[row.name], "is_flag", False)) is (row.metavar == "")


def test_every_flag_reaches_its_place() -> None:
    switches = {"debug", "version", "help"}
    assert set(inspect.signature(Flags).parameters) == {row.name for row in OPTIONS} - switches


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_every_command_of_the_table_is_there_with_its_words(row: Any) -> None:
    group = command()
    found = group.get_command(typer.Context(group), row.name)
    assert found is not None
    assert (found.help or "").splitlines()[0].startswith(row.help.split(".")[0].split(",")[0])


def test_the_help_fits_a_screen_of_80_columns_and_24_rows_with_the_next_prompt() -> None:
    lines = help_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 23


def test_the_help_names_every_command_and_says_where_the_options_are() -> None:
    shown = help_text()
    for row in COMMANDS:
        assert re.search(rf"\b{row.name}\b", shown), row.name
    assert "kcode help options" in shown
    assert "kcode COMMAND --help" in shown


def test_every_group_is_shown_and_every_row_is_in_a_group_that_is_there() -> None:
    assert {row.group for row in COMMANDS} == set(GROUPS)
    assert {row.group for row in OPTIONS} == set(OPTION_GROUPS)
    for label in GROUPS.values():
        assert f"\n{label[0]}" in help_text()


def test_every_option_is_documented_by_help_options(kcode: Run) -> None:
    shown = kcode("help", "options").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for row in OPTIONS:
        assert row.help in shown
        for flag in row.flags:
            assert re.search(rf"(^|[ ,]){re.escape(flag)}\b", shown, re.MULTILINE), flag


def every_command() -> list[tuple[str, Any, Any]]:
    """All commands and subcommands: path, command, its context."""
    root = command()
    found: list[tuple[str, Any, Any]] = []

    def walk(at: Any, path: str, ctx: Any) -> None:
        found.append((path, at, ctx))
        for name, below in getattr(at, "commands", {}).items():
            walk(below, f"{path} {name}", typer.Context(below, info_name=name, parent=ctx))

    top = typer.Context(root, info_name="kcode")
    for row in COMMANDS:
        at = root.get_command(top, row.name)
        walk(at, row.name, typer.Context(at, info_name=row.name, parent=top))
    return found


ALL = every_command()


@pytest.mark.parametrize(("path", "at", "ctx"), ALL, ids=[path for path, _, _ in ALL])
def test_the_help_of_every_command_and_subcommand_has_an_example(path: str, at: Any, ctx: Any) -> None:
    shown = at.get_help(ctx)
    assert shown.startswith(f"Usage: kcode {path} ")
    examples = shown.partition("\nExamples:\n")[2]
    assert re.search(rf"^  .*\bkcode (\S+ )*{path}\b", examples, re.MULTILINE)
    for option in at.params:
        for flag in (*option.opts, *option.secondary_opts):
            assert option.param_type_name == "argument" or re.search(
                rf"(^|[ ,]){flag}\b", shown, re.MULTILINE
            )
    assert "--help" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_examples_are_of_commands_that_are_there_with_options_that_they_take() -> None:
    known = {path: {flag for p in at.params for flag in (*p.opts, *p.secondary_opts)} for path, at, _ in ALL}
    top = {flag for row in OPTIONS for flag in row.flags}
    assert set(EXAMPLES) <= {"", *known}
    for path, examples in EXAMPLES.items():
        for line, says in examples:
            assert says
            called = re.search(r"\bkcode\b(.*?)(?: [|>] .*|\)| -- .*)?$", line)
            assert called, line
            flags = re.findall(r"(?<=\s)--?[a-z][a-z-]*", re.sub(r"'[^']*'|\"[^\"]*\"", "", called[1]))
            assert set(flags) <= known.get(path, set()) | top, line


def test_help_shows_the_same_as_the_flag(kcode: Run) -> None:
    assert kcode("help").stdout == help_text()
    assert kcode("help", "config", "set").stdout == kcode("config", "set", "--help").stdout
    wrong = kcode("help", "config", "sett")
    assert wrong.returncode == 2
    assert "did you mean 'set'?" in wrong.stderr


def test_all_ways_to_the_root_help_show_the_same(kcode: Run) -> None:
    bare = kcode("--help")
    assert bare.returncode == 0
    assert bare.stdout == help_text()
    assert kcode("-h").stdout == bare.stdout
    assert kcode("--mode", "ask", "--help").stdout == bare.stdout


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_every_command_explains_itself(row: Any, kcode: Run) -> None:
    for flag in ("--help", "-h"):
        shown = kcode(row.name, flag)
        assert shown.returncode == 0
        assert f"kcode {row.name}" in shown.stdout
        assert shown.stderr == ""


def test_the_version_says_the_same_everywhere(kcode: Run) -> None:
    from kcode import __version__

    for arguments in (["--version"], ["-V"], ["--debug", "--version"]):
        shown = kcode(*arguments)
        assert (shown.returncode, shown.stdout) == (0, f"kcode {__version__}\n")
