"""What the API refuses in tool declarations: names, counts, schemas (Moonshot-flavoured JSON Schema)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.k2sim.shapes import Refusal, Shape

TOOL_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$")
MAX_TOOLS = 128
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def check_tools(tools: Any, shape: Shape) -> None:
    """Raise :class:`Refusal` at the first declaration the server would refuse."""
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        raise Refusal("invalid", "tools must be a non-empty array", "tools")
    if len(tools) > MAX_TOOLS:
        raise Refusal("invalid", f"tools: at most {MAX_TOOLS} functions, got {len(tools)}", "tools")
    seen: set[str] = set()
    for position, tool in enumerate(tools):
        name = _check_tool(tool, position, shape)
        if name in seen:
            raise Refusal("invalid", f"function name {name} is duplicated", f"tools[{position}]")
        seen.add(name)


def _check_tool(tool: Any, position: int, shape: Shape) -> str:
    where = f"tools[{position}]"
    if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
        raise Refusal("invalid", f"{where} must be an object with a function", where)
    function = tool["function"]
    name = function.get("name")
    if tool.get("type") == "builtin_function" and shape.name == "moonshot":
        if name != "$web_search":
            raise Refusal("invalid", f"builtin function {name!r} is not known", where)
        _refuse_unknown(tool, {"type", "function"}, where)
        _refuse_unknown(function, {"name"}, f"{where}.function")
        return str(name)
    if tool.get("type") != "function":
        raise Refusal("invalid", f"{where}.type must be 'function', got {tool.get('type')!r}", where)
    _refuse_unknown(tool, {"type", "function"}, where)
    _refuse_unknown(function, {"name", "description", "parameters", "strict"}, f"{where}.function")
    check_function_name(name, f"{where}.function.name")
    if not isinstance(function.get("description", ""), str):
        raise Refusal("invalid", f"{where}.function.description must be a string", where)
    if "strict" in function and not isinstance(function["strict"], bool):
        raise Refusal("invalid", f"{where}.function.strict must be a boolean", where)
    if "parameters" in function:
        check_schema(function["parameters"], f"{where}.function.parameters")
    return str(name)


def check_function_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not TOOL_NAME.match(name):
        raise Refusal(
            "invalid",
            f"function name {name!r} is invalid: it must match {TOOL_NAME.pattern}",
            where,
        )


def check_schema(schema: Any, where: str) -> None:
    """Check a schema whose top must be an object: every property typed, no ``$ref``, no mixed enum."""
    if not isinstance(schema, dict):
        raise Refusal("invalid", f"{where} must be a JSON schema object", where)
    if schema.get("type") != "object":
        raise Refusal("invalid", f"{where}: the schema's top level must be of type object", where)
    _check_node(schema, "", where)


def _check_node(node: Any, path: str, where: str) -> None:
    if not isinstance(node, dict):
        raise Refusal("invalid", f"At path '{path}': schema must be an object", where)
    for key in ("$ref", "$defs", "definitions"):
        if key in node:
            raise Refusal("invalid", f"At path '{path}': {key} is not supported", where)
    if "anyOf" in node:
        _check_any_of(node, path, where)
        return
    if "type" not in node:
        raise Refusal("invalid", f"At path '{path}': type is not defined", where)
    type_ = node["type"]
    if not isinstance(type_, str) or type_ not in _TYPES:
        raise Refusal("invalid", f"At path '{path}': type {type_!r} is not one of {sorted(_TYPES)}", where)
    if "enum" in node:
        _check_enum(node["enum"], type_, path, where)
    properties = node.get("properties", {})
    if not isinstance(properties, dict):
        raise Refusal("invalid", f"At path '{_join(path, 'properties')}': must be an object", where)
    for name, child in properties.items():
        _check_node(child, _join(path, f"properties.{name}"), where)
    if "items" in node:
        _check_node(node["items"], _join(path, "items"), where)
    for key in ("oneOf", "allOf", "prefixItems"):
        for position, child in enumerate(node.get(key) or ()):
            _check_node(child, _join(path, f"{key}.{position}"), where)
    if isinstance(node.get("additionalProperties"), Mapping):
        _check_node(node["additionalProperties"], _join(path, "additionalProperties"), where)


def _check_any_of(node: Mapping[str, Any], path: str, where: str) -> None:
    if "type" in node:
        raise Refusal(
            "invalid",
            f"At path '{path}': when using anyOf, type should be defined in anyOf items "
            "instead of the parent schema",
            where,
        )
    if not isinstance(node["anyOf"], list) or not node["anyOf"]:
        raise Refusal("invalid", f"At path '{path}': anyOf must be a non-empty array", where)
    for position, child in enumerate(node["anyOf"]):
        _check_node(child, _join(path, f"anyOf.{position}"), where)


def _check_enum(values: Any, type_: str, path: str, where: str) -> None:
    if not isinstance(values, list) or not values:
        raise Refusal("invalid", f"At path '{path}': enum must be a non-empty array", where)
    allowed = _PYTHON_TYPES[type_]
    for value in values:
        fits = isinstance(value, allowed) and (type_ == "boolean" or not isinstance(value, bool))
        if not fits:
            raise Refusal("invalid", f"At path '{path}': enum value {value!r} is not of type {type_}", where)


def _refuse_unknown(value: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in value:
        if key not in known:
            raise Refusal("invalid", f"unknown field '{key}' in {where}", f"{where}.{key}")


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step
