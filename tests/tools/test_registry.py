from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.tools.base import ToolRefused
from kcode.tools.registry import all_tools, declarations, parse_call

DECLARED = {
    "read_file": "path start_line line_count more_paths",
    "list_dir": "path depth",
    "find_files": "pattern path newest",
    "grep": "pattern path glob type context ignore_case fixed word show max_results",
    "find_symbol": "name max_results",
    "references": "name max_results",
    "outline": "path",
    "map": "focus budget",
    "apply_patch": "patch",
    "edit_file": "path edits",
    "write_file": "path content",
    "move_path": "path to",
    "delete_path": "path",
    "run_tests": "target timeout_s",
    "command_output": "id wait_s stop",
    "run_command": "command timeout_s background",
    "git_status": "",
    "git_diff": "range path staged form",
    "git_log": "range path max_count lines search",
    "git_show": "rev",
    "update_todo": "items",
}


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    for schema in value.get("properties", {}).values():
        yield schema
        yield from schemas(schema)
        if "items" in schema:
            yield schema["items"]
            yield from schemas(schema["items"])


def test_the_tools_and_their_arguments_are_the_documented_ones() -> None:
    found = {
        item["function"]["name"]: " ".join(item["function"]["parameters"]["properties"])
        for item in json.loads(declarations(all_tools()))
    }
    assert found == DECLARED
    assert list(found) == sorted(found)


def test_declarations_keep_to_the_providers_schema_rules() -> None:
    for item in json.loads(declarations(all_tools())):
        assert item["type"] == "function"
        assert re.fullmatch(r"[a-z_]{3,}", item["function"]["name"])
        parameters = item["function"]["parameters"]
        assert parameters["type"] == "object"
        assert set(parameters.get("required", [])) <= set(parameters["properties"])
        for schema in schemas(parameters):
            assert isinstance(schema["type"], str)
            assert set(schema) <= {"type", "description", "enum", "items", "properties", "required"}
    text = declarations(all_tools())
    for forbidden in ("$ref", "$defs", "anyOf", '"title"', '"default"', "null"):
        assert forbidden not in text


def test_every_argument_and_tool_is_described_briefly() -> None:
    text = declarations(all_tools())
    assert len(text.encode()) <= 500 * len(all_tools())  # bytes: they are part of every conversation
    for item in json.loads(text):
        assert item["function"]["description"]
        assert all(
            schema.get("description") for schema in item["function"]["parameters"]["properties"].values()
        )


def test_declarations_are_the_same_bytes_in_every_process() -> None:
    code = "from kcode.tools.registry import *; print(declarations(all_tools()))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4711")
    }
    assert texts == {declarations(all_tools())}


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    with pytest.raises(ToolRefused, match=r"did you mean grep\? .*run_tests"):
        parse_call("gerp", "{}")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("read_file", "{", "not valid JSON"),
        ("read_file", "[1]", "JSON object, not an array"),
        ("read_file", "{}", "path is missing"),
        ("read_file", '{"path": "a", "lines": 3}', "lines is not an argument of read_file"),
        ("read_file", '{"path": "a", "start_line": "many"}', "start_line: "),
        ("read_file", '{"path": 3}', "path: "),
        ("read_file", '{"path": "a", "start_line": 0}', "start_line: "),
        ("edit_file", '{"path": "a", "edits": []}', "edits: "),
        ("edit_file", '{"path": "a", "edits": [{"old_text": "x"}]}', "edits.0.new_text is missing"),
        ("edit_file", '{"path": "a", "edits": "nonsense"}', "edits: "),
        ("update_todo", '{"items": [{"text": "a", "status": "half"}]}', "items.0.status: "),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_and_what_is_allowed(
    name: str, arguments: str, words: str
) -> None:
    with pytest.raises(ToolRefused) as caught:
        parse_call(name, arguments)
    assert words in str(caught.value)
    if arguments.startswith('{"') or arguments == "{}":
        assert f"{name} takes: " in str(caught.value)


def test_what_has_one_meaning_is_understood() -> None:
    assert parse_call("read_file", '{"path": "a", "start_line": "3"}')[1].start_line == 3  # type: ignore[attr-defined]
    assert parse_call("read_file", '{"path": "a", "start_line": null}')[1].start_line is None  # type: ignore[attr-defined]
    assert parse_call("git_status", "")[0].name == "git_status"
    assert parse_call("read_file", json.dumps('{"path": "a"}'))[1].path == "a"  # type: ignore[attr-defined]
    one = {"old_text": "a", "new_text": "b"}
    for edits in ([one], json.dumps([one]), one, json.dumps(one)):
        args = parse_call("edit_file", json.dumps({"path": "a", "edits": edits}))[1]
        assert args.edits[0].old_text == "a"  # type: ignore[attr-defined]
    assert parse_call("write_file", '{"path": "a", "content": "x\ny"}')[1].content == "x\ny"  # type: ignore[attr-defined]
    assert parse_call("grep", '{"pattern": "a", "fixed": "true"}')[1].fixed is True  # type: ignore[attr-defined]


@given(
    st.sampled_from(sorted(DECLARED)),
    st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["path", "edits", "items", "command"]), inner)
        ),
    ).map(json.dumps),
)
def test_whatever_the_model_sends_is_a_call_or_a_refusal(name: str, arguments: str) -> None:
    try:
        tool, _, _ = parse_call(name, arguments)
    except ToolRefused as problem:
        assert str(problem)
    else:
        assert tool.name == name


def test_importing_the_registry_does_not_import_gitpython_or_an_sdk() -> None:
    code = (
        "import sys, kcode.tools.registry as r; r.all_tools();"
        "print([m for m in ('git', 'openai', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
