"""JSON schemas as Moonshot's flavour takes them (facts B.2): what pydantic writes is brought to it.

No ``$ref``, a type on every node, no union with null, no enum of several types, an object at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = ("type", "description", "enum", "items", "properties", "required", "anyOf", "additionalProperties")
_TYPE_OF: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def normal(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in this flavour; one that is in it already comes back equal.

    Optional properties stay so by not being ``required``; null is not offered. Raises ValueError for what
    the flavour cannot say: a schema that contains itself or refers to nothing, an enum of several types, a
    top that is no object.
    """
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    found = _node(schema, definitions, ())
    if found.get("type") != "object":
        raise ValueError("the top of a schema must be an object")
    return found


def _node(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], within: tuple[str, ...]
) -> dict[str, Any]:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in within or name not in definitions:
            raise ValueError(f"the schema {name} contains itself, or is not there")
        named = {**definitions[name], **{key: schema[key] for key in schema if key != "$ref"}}
        return _node(named, definitions, (*within, name))
    for union in ("anyOf", "oneOf", "allOf"):
        options = [option for option in schema.get(union, ()) if option.get("type") != "null"]
        if len(options) == 1:
            rest = {key: schema[key] for key in schema if key not in (union, "type")}
            return _node({**options[0], **rest}, definitions, within)
        if options:  # the type stands in the options, not beside them
            return {"anyOf": [_node(option, definitions, within) for option in options]}
    out = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        out["enum"] = [schema["const"]]
    out["type"] = _type(out)
    if isinstance(out.get("properties"), Mapping):
        properties = out["properties"].items()
        out["properties"] = {name: _node(value, definitions, within) for name, value in properties}
    if out["type"] == "array":
        out["items"] = _node(out.get("items") or {"type": "string"}, definitions, within)
    if isinstance(out.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _node(out["additionalProperties"], definitions, within)
    return out


def _type(node: Mapping[str, Any]) -> str:
    given = node.get("type")
    if isinstance(given, list):
        given = next((kind for kind in given if kind != "null"), "string")
    if "enum" in node:
        kinds = {_TYPE_OF.get(type(value), "") for value in node["enum"]}
        if len(kinds) != 1 or "" in kinds:
            raise ValueError(f"an enum of several types: {node['enum']}")
        return str(given or kinds.pop())
    if given:
        return str(given)
    return "object" if "properties" in node else "array" if "items" in node else "string"
