"""Files that kcode reads and others may have written: settings, rules, catalogues, journals, ignore files,
custom commands, notebooks."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kcode.config import keys, tomlfile
from kcode.config.layers import file_values
from kcode.config.money import parse_sum
from kcode.conversation import journal
from kcode.conversation.records import JournalProblem, parse_records
from kcode.errors import KcodeError
from kcode.providers.catalog_file import read_models, read_tiers
from kcode.safety.rules import file_rules
from kcode.tools.filekinds import notebook
from kcode.ui import customs
from kcode.workspace.ignore import Rules
from tests.fuzz.hostile import damaged, fuzz, nested, objects, texts

SETTINGS = (
    '[provider]\nname = "moonshot"\nmodel = "kimi"\nbase_url = "https://x.example"\n'
    '[agent]\nmode = "auto"\nmax_cost = 3\n'
    '[ui]\ntheme = "dark"\n',
)
TOML = texts(
    [
        *(f"{key} = " for key in keys.all_keys()),
        *(f"[{section}]\n" for section in keys.sections()),
        '"x"',
        "1",
        "true",
        "1e999",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "=",
        '"""',
        "'''",
        "inf",
        "nan",
        "1979-05-27",
        "[[models]]\n",
        'id = "a"\n',
        'provider = "b"\n',
        "context = ",
        "prices = [{input = 1, output = 2}]\n",
        'like = "a"\n',
        'allow = ["command: ls"]\n',
        'deny = ["path: **/x["]\n',
    ]
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def written(room: Path, said: str, name: str = "x.toml") -> Path:
    file = room / name
    file.write_bytes(said.encode("utf-8", "surrogateescape" if "\udcff" in said else "replace"))
    return file


@fuzz(150)
@given(st.one_of(damaged(SETTINGS), TOML), st.booleans())
@example("[" * 30_000, True)
@example("a = " + "[" * 30_000, False)
@example("a = " + "9" * 5_000, False)
@example("a." * 5_000 + "b = 1", True)
def test_settings_are_read_or_the_line_is_told(room: Path, said: str, project: bool) -> None:
    file = written(room, said)
    with contextlib.suppress(KcodeError):
        for key, _ in file_values(file, project=project):
            assert key in keys.all_keys()
    tomlfile.line_of(said, "provider.name")


@fuzz(100)
@given(st.one_of(TOML, damaged(['[[models]]\nid = "a"\nprovider = "moonshot"\ncontext = 1000\n'])))
def test_a_catalogue_and_rules_are_read_or_refused(room: Path, said: str) -> None:
    file = written(room, said)
    for read in (
        lambda: read_models(file, {}),
        lambda: read_tiers(file),
        lambda: list(file_rules(file, "user")),
    ):
        with contextlib.suppress(KcodeError):
            read()


@fuzz()
@given(texts(["3", "CNY", "$", "¥", " ", ".", ",", "USD"], most=6))
def test_a_sum_of_money_is_one_or_not(said: str) -> None:
    with contextlib.suppress(ValueError, KcodeError):
        parse_sum(said)


# --- journals -------------------------------------------------------------------------------------

HEAD = {"kcode_journal": 2, "session": "s", "root": "/x", "created": 1.0}
LINES = [
    {"t": "System", "at": 1, "text": "x"},
    {"t": "User", "at": 1, "text": "hi", "typed": "hi"},
    {
        "t": "Assistant",
        "at": 1,
        "content": "x",
        "reasoning": None,
        "calls": [{"id": "1", "name": "grep", "arguments": "{}"}],
    },
    {"t": "ToolResult", "at": 1, "call_id": "1", "name": "grep", "text": "x"},
    {"t": "Note", "at": 1, "kind": "session", "text": "", "data": {"masked": "yes"}},
    {"t": "Together", "entries": [{"t": "User", "at": 1, "text": "x"}]},
]
WHOLE = "".join(json.dumps(line) + "\n" for line in (HEAD, *LINES))
FIELDS = (
    "t",
    "at",
    "text",
    "kcode_journal",
    "session",
    "root",
    "created",
    "entries",
    "calls",
    "kind",
    "data",
    "paths",
    "images",
)


@fuzz(200)
@given(
    st.one_of(
        damaged([WHOLE]),
        st.lists(st.one_of(st.sampled_from([HEAD, *LINES]), objects(FIELDS, nested(FIELDS))), max_size=5).map(
            lambda lines: "".join(json.dumps(line) + "\n" for line in lines)
        ),
    ),
    st.booleans(),
)
@example(json.dumps({**HEAD, "created": "soon"}) + "\n", False)
@example(json.dumps({**HEAD, "created": []}) + "\n", False)
@example(json.dumps({**HEAD, "kcode_journal": -5}) + "\n" + json.dumps(LINES[0]) + "\n", False)
@example(json.dumps(HEAD) + "\n" + "[" * 50_000 + "\n", False)
@example("[" * 50_000 + "\n", True)
def test_a_journal_is_entries_or_damaged(room: Path, said: str, upto: bool) -> None:
    data = said.encode("utf-8", "surrogatepass")
    with contextlib.suppress(JournalProblem):
        header, records = parse_records(data, "s", upto_damage=upto)
        assert isinstance(header.session, str)
        assert len(records) <= 2 * said.count("\n") + said.count('"t"')
    file = room / "s.jsonl"
    file.write_bytes(data)
    with contextlib.suppress(JournalProblem):
        journal.load(file)


def test_every_beginning_of_a_journal_is_read_or_damaged() -> None:
    data = WHOLE.encode()
    for end in range(len(data)):
        whole = data[: data[:end].rfind(b"\n") + 1]
        if whole:
            parse_records(whole, "s")


# --- rule files, commands, notebooks -----------------------------------------------------------------


@fuzz(100)
@given(
    texts(
        [
            "*",
            "**",
            "/",
            "!",
            "#",
            "a",
            "b/",
            "\\",
            "[",
            "]",
            "[a-z]",
            "[!",
            "?",
            "\n",
            " ",
            "***",
            "{a,b}",
            "..",
            "[[:alpha:]]",
        ]
    ),
    st.lists(st.text("ab/.[]*\\ ", min_size=1, max_size=8), max_size=4),
)
def test_ignore_patterns_are_rules_or_nothing(tmp_path: Path, said: str, paths: list[str]) -> None:
    (tmp_path / ".gitignore").write_text(said, "utf-8", "replace")
    rules = Rules(tmp_path, (".gitignore",))
    visible = rules.visible(path.strip("/") or "a" for path in paths)
    assert len(visible) <= len(paths)


@fuzz(100)
@given(
    texts(
        [
            "---\n",
            "description: x\n",
            "mode: auto\n",
            "model: y\n",
            "argument-hint: [a]\n",
            "$ARGUMENTS",
            "$1",
            "@a.py",
            "```\n",
            "`",
            "\n",
        ]
    )
)
@example("---\n" * 5_000)
@example("`" * 50_000)
@example("@" * 50_000)
def test_a_custom_command_is_one_or_the_line_is_told(said: str) -> None:
    with contextlib.suppress(KcodeError):
        found = customs.parse(said, "x", Path("x.md"), "user")
        assert found.body in said.replace("\r\n", "\n") or found.body.strip() in said


CELLS = (
    "cells",
    "cell_type",
    "source",
    "outputs",
    "metadata",
    "language_info",
    "name",
    "text",
    "data",
    "text/plain",
    "ename",
    "evalue",
)


@fuzz(100)
@given(
    st.one_of(
        nested(CELLS), st.lists(objects(CELLS, nested(CELLS)), max_size=3).map(lambda cells: {"cells": cells})
    )
)
def test_a_notebook_is_read_or_refused(value: object) -> None:
    said = notebook(json.dumps(value))
    assert said is None or said
