from __future__ import annotations

import re
from pathlib import Path

from kcode.ui import customs
from kcode.ui.commands.helping import groups
from kcode.ui.commands.table import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs/repl.md").read_text("utf-8")
TABLE = [line for line in PAGE.splitlines() if line.startswith("| `/")]


def test_the_page_names_every_command_and_marks_what_answers_beside_a_turn() -> None:
    named = {name: line for line in TABLE for name in re.findall(r"`/([a-z-]+)", line.split(" | ")[0])}
    assert set(named) == {command.name for command in COMMANDS}
    for command in COMMANDS:
        marked = "*" in named[command.name].split(" | ")[0]
        assert marked == command.while_working, command.name


def test_the_page_writes_the_arguments_as_the_help_does() -> None:
    for command in COMMANDS:
        for line in TABLE:
            written = re.search(rf"`/{command.name} ([^`]+)`", line)
            if written and written[1] != "…":
                assert written[1].replace(r"\|", "|") == command.argument, command.name


def test_the_page_names_the_fields_of_a_command_file() -> None:
    for field in customs.FIELDS:
        assert field in PAGE


def test_every_command_is_in_a_group_that_help_shows() -> None:
    assert {command.group for command in COMMANDS} <= {key for key, _name in groups()}
