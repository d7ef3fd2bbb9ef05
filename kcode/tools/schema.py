"""Tool declarations as Moonshot's flavour of JSON Schema takes them.

No ``$ref``, a ``type`` on every property, no unions with null, no decoration: the endpoint answers
"type is not defined" otherwise. The spelling is stable, as the prefix law needs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kcode.config.prompts import load_prompt
from kcode.tools.base import Arguments, Tool

_KEPT = ("type", "description", "enum", "items", "properties", "required")


def declarations(tools: Sequence[Tool[Any]]) -> str:
    """The JSON array of declarations, sorted by name, one stable spelling."""
    array = [declaration(tool) for tool in sorted(tools, key=lambda tool: tool.name)]
    return json.dumps(array, ensure_ascii=False, separators=(",", ":"))


def declaration(tool: Tool[Any]) -> dict[str, Any]:
    description, arguments = described(tool.name)
    parameters = normalised(tool.arguments)
    for path, text in arguments.items():
        target: dict[str, Any] = parameters
        for part in path.split("."):
            target = target.get("items", target)["properties"][part]
        target["description"] = text
    return {
        "type": "function",
        "function": {"name": tool.name, "description": description, "parameters": parameters},
    }


def described(name: str) -> tuple[str, dict[str, str]]:
    """A tool's prompt file: its text, and the arguments its ``- name: text`` lines describe."""
    text: list[str] = []
    arguments: dict[str, str] = {}
    for line in load_prompt(f"tools/{name}").splitlines():
        head, colon, rest = line.removeprefix("- ").partition(": ")
        if line.startswith("- ") and colon:
            arguments[head] = rest.strip()
        else:
            text.append(line)
    return " ".join("\n".join(text).split()), arguments


def normalised(model: type[Arguments]) -> dict[str, Any]:
    """The schema of an argument model with only what the endpoint needs."""
    raw = model.model_json_schema()
    parameters = _clean(raw, raw.get("$defs", {}))
    parameters.setdefault("properties", {})
    return parameters


def _clean(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _clean(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for union in ("anyOf", "allOf", "oneOf"):
        options = [option for option in schema.get(union, ()) if option.get("type") != "null"]
        if options:
            return _clean(options[0], definitions)
    out = {key: schema[key] for key in _KEPT if key in schema and key != "description"}
    if "enum" in out:
        out.setdefault("type", "string")
    if "items" in out:
        out["items"] = _clean(out["items"], definitions)
    if "properties" in out:
        out["properties"] = {name: _clean(value, definitions) for name, value in out["properties"].items()}
    return out
