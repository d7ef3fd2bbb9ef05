"""Which tools there are, and reading a model's call of one."""

from __future__ import annotations

import difflib
import json
from functools import cache
from typing import Any

from pydantic import ValidationError

from kcode.tools.base import Arguments, Tool, ToolRefused
from kcode.tools.schema import declarations as declarations
from kcode.tools.schema import normalised


@cache
def _tools() -> dict[str, Tool[Any]]:
    from kcode.tools.command import RunCommand
    from kcode.tools.edit import EditFile, WriteFile
    from kcode.tools.git import GitDiff, GitLog, GitShow, GitStatus
    from kcode.tools.grep import Grep
    from kcode.tools.listing import FindFiles, ListDir
    from kcode.tools.move import DeletePath, MovePath
    from kcode.tools.read import ReadFile
    from kcode.tools.tests import RunTests
    from kcode.tools.todo import UpdateTodo

    tools: list[Tool[Any]] = [
        DeletePath(), EditFile(), FindFiles(), GitDiff(), GitLog(), GitShow(), GitStatus(), Grep(), ListDir(),
        MovePath(), ReadFile(), RunCommand(), RunTests(), UpdateTodo(), WriteFile(),
    ]  # fmt: skip
    return {tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}


def all_tools() -> list[Tool[Any]]:
    """Every tool, sorted by name."""
    return list(_tools().values())


def parse_call(name: str, arguments_json: str) -> tuple[Tool[Any], Arguments]:
    """The tool and its checked arguments.

    Raises :class:`ToolRefused` with a message that names what is wrong and what is allowed. Tolerant
    where only one thing can be meant: ``"3"`` for 3, null for "not given", a list sent as JSON text.
    """
    tool = _tools().get(name)
    if tool is None:
        near = difflib.get_close_matches(name, _tools(), 1, 0.6)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ToolRefused(f"there is no tool {name!r}; {hint}The tools are: {', '.join(_tools())}")
    given = _object(name, arguments_json)
    fields = tool.arguments.model_fields
    given = {key: value for key, value in given.items() if value is not None or key not in fields}
    try:
        return tool, tool.arguments.model_validate(given)
    except ValidationError as problem:
        raise ToolRefused(_explained(tool, problem)) from None


def _object(name: str, text: str) -> dict[str, Any]:
    value: Any = text.strip() or "{}"
    for _ in range(2):  # some engines encode the object twice
        if isinstance(value, str):
            try:
                value = json.loads(value, strict=False)  # raw line feeds in strings are plain enough
            except (ValueError, RecursionError) as problem:
                raise ToolRefused(f"the arguments of {name} are not valid JSON: {problem}") from None
    if not isinstance(value, dict):
        raise ToolRefused(f"the arguments of {name} must be a JSON object, not {type(value).__name__}")
    return value


def _explained(tool: Tool[Any], problem: ValidationError) -> str:
    wrong = []
    for error in problem.errors(include_url=False, include_input=False)[:5]:
        place = ".".join(map(str, error["loc"])) or "arguments"
        if error["type"] == "missing":
            wrong.append(f"{place} is missing")
        elif error["type"] == "extra_forbidden":
            wrong.append(f"{place} is not an argument of {tool.name}")
        else:
            wrong.append(f"{place}: {error['msg']}")
    return f"{'; '.join(wrong)}. {tool.name} takes: {_signature(normalised(tool.arguments))}"


def _signature(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    parts = []
    for name, value in schema["properties"].items():
        kind = value["type"]
        if kind == "array" and value["items"].get("properties"):
            kind = f"array of {{{_signature(value['items'])}}}"
        parts.append(f"{name} ({kind}{'' if name in required else ', optional'})")
    return ", ".join(parts) or "no arguments"
