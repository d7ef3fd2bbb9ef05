"""Tool calls for a model that does not call tools by itself: a JSON schema that leaves it no other way.

``tool_choice`` is accepted and not enforced by the runtime, and the default model answers with prose that
only looks like a call. So every turn with tools is constrained to one object: a call, or an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_KEPT = (
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
)
_DESCRIPTION_LIMIT = 110  # characters; each costs reading time in every first request


# A small model chooses badly among many tools, and what these do it can do with others or not at all.
_LEFT_OUT = frozenset({"apply_patch", "update_todo", "move_path", "delete_path", "git_log", "git_show"})
_FILE_NAME = re.compile(
    r"(?<![\w./:-])(?!e\.g\b|i\.e\b)(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.[A-Za-z]{1,5}(?![\w/.]*\()\b"
)
_NEEDS_A_LOOK = {"edit_file": "read_file"}  # exact text that was not read can only be invented


def declared(tools: bytes) -> list[dict[str, Any]]:
    """The ``function`` objects a small model is offered, of an array of tool declarations, in its order."""
    functions = [tool["function"] for tool in json.loads(tools)] if tools else []
    return [f for f in functions if f["name"] not in _LEFT_OUT]


def possible_now(
    functions: list[dict[str, Any]], called: Sequence[str], asked: str = ""
) -> list[dict[str, Any]]:
    """Those that make sense as the next call. ``called``: the tools called so far, in order.

    No edit before a file was read; not the same tool three times in a row; and where ``asked`` (the
    user's request that no call followed yet) names files, one of them is read first. Measured: left to
    choose, the default model began with a search that found nothing and then gave up.
    """
    by_name = {f["name"]: f for f in functions}
    named = list(dict.fromkeys(_FILE_NAME.findall(asked)))
    if named and "read_file" in by_name:
        return [_reading_one_of(by_name["read_file"], named)]
    left_out = {name for name, look in _NEEDS_A_LOOK.items() if look in by_name and look not in called}
    if len(called) >= 2 and called[-1] == called[-2]:
        left_out.add(called[-1])
    return [f for f in functions if f["name"] not in left_out]


def _reading_one_of(function: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"path": {"enum": paths}}, "required": ["path"]}
    return {**function, "parameters": schema}


def call_schema(functions: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of one turn: ``{"tool", "arguments"}`` for each tool, or ``{"answer"}``."""
    turns = [
        _object({"tool": {"const": f["name"]}, "arguments": plain(f.get("parameters") or {})})
        for f in functions
    ]
    return {"anyOf": [*turns, _object({"answer": {"type": "string"}})]}


def tool_lines(functions: list[dict[str, Any]]) -> str:
    """One line a tool: its signature and the first sentence of its description."""
    return "\n".join(f"- {_signature(f)}: {_short(str(f.get('description', '')))}" for f in functions)


def plain(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema with references put in place, and without what a grammar cannot or need not express."""
    definitions = schema.get("$defs") or definitions or {}
    if "$ref" in schema:
        return plain(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if choices := schema.get("anyOf"):
        useful = [plain(choice, definitions) for choice in choices if choice.get("type") != "null"]
        return useful[0] if len(useful) == 1 else {"anyOf": useful}
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "properties" in kept:
        kept["properties"] = {k: plain(v, definitions) for k, v in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = plain(kept["items"], definitions)
    if kept.get("type") == "object" or "properties" in kept:
        kept = {"type": "object", "properties": {}, **kept, "additionalProperties": False}
    return kept


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _signature(function: dict[str, Any]) -> str:
    schema = plain(function.get("parameters") or {})
    required = schema.get("required", ())
    names = [_shape(name, part, name in required) for name, part in schema.get("properties", {}).items()]
    return f"{function['name']}({', '.join(names)})"


def _shape(name: str, schema: dict[str, Any], required: bool) -> str:
    shown = name if required else f"{name}?"
    inner = schema.get("items", {}).get("properties")
    if inner:
        needed = schema["items"].get("required", ())
        fields = ", ".join(key if key in needed else f"{key}?" for key in inner)
        return f"{shown}: [{{{fields}}}]"
    return shown


def _short(description: str) -> str:
    text = " ".join(description.split())
    sentence = text.split(". ", 1)[0].rstrip(".")
    return sentence if len(sentence) <= _DESCRIPTION_LIMIT else sentence[: _DESCRIPTION_LIMIT - 1] + "…"
