"""Tool declarations as Moonshot's flavour of JSON Schema takes them.

No ``$ref``, a ``type`` on every property, no unions with null, no decoration: the endpoint answers
"type is not defined" otherwise. The spelling is stable, as the prefix law needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from kcode.config.prompts import load_prompt
from kcode.providers.mfjs import normal
from kcode.tools.base import Tool

MOST_TOOLS = 128
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9-_]{2,63}")
_KEPT = ("type", "enum", "items", "properties", "required", "anyOf")


def declarations(tools: Sequence[Tool[Any]]) -> str:
    """The JSON array of declarations, sorted by name, one stable spelling."""
    array = [declaration(tool) for tool in sorted(tools, key=lambda tool: tool.name)]
    check(array)
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


def normalised(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of an argument model with only what the endpoint needs, in one order of keys.

    Raises ValueError for what Moonshot's flavour cannot say (:func:`kcode.providers.mfjs.normal`).
    """
    parameters = _bare(normal(model.model_json_schema()))
    parameters.setdefault("properties", {})
    return parameters


def check(array: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValueError for a list of declarations that the endpoint refuses: too many, a name it does not
    take, two of one name (facts B.2). ``$``-prefixed names are the provider's own tools."""
    if len(array) > MOST_TOOLS:
        raise ValueError(f"{len(array)} tools are declared; a request takes {MOST_TOOLS}")
    seen: set[str] = set()
    for item in array:
        name = str(item["function"]["name"])
        own = item.get("type") == "builtin_function" and name.startswith("$")
        if not own and not NAME.fullmatch(name):
            raise ValueError(f"the tool name {name!r} is not one: 3 to 64 of letters, digits, _ and -")
        if name in seen:
            raise ValueError(f"two tools are named {name!r}")
        seen.add(name)


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    out = {key: schema[key] for key in _KEPT if key in schema}
    if "items" in out:
        out["items"] = _bare(out["items"])
    if "properties" in out:
        out["properties"] = {name: _bare(value) for name, value in out["properties"].items()}
    if "anyOf" in out:
        out["anyOf"] = [_bare(option) for option in out["anyOf"]]
    if isinstance(schema.get("additionalProperties"), Mapping):  # a map: its values have a type too
        out["additionalProperties"] = _bare(schema["additionalProperties"])
    return out
