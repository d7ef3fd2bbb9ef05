from __future__ import annotations

import inspect
from typing import Any

import pytest
import typer

from kcode.cli.root import Flags, command
from kcode.cli.table import COMMANDS, OPTIONS, help_text
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


def test_the_help_fits_80_columns() -> None:
    assert max(map(len, help_text().splitlines())) <= 80


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
