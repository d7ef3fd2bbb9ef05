"""A request in OpenAI shape, told as a chat that a small model's template understands.

Calls become the JSON object the model wrote, results become turns of the user's, and the tool list goes
into the system text in one line a tool. Pure: the same request renders to the same turns, and a longer
conversation begins with the turns of the shorter one, so that the runtime finds its prefix again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kcode.providers.base import Request
from kcode.providers.embedded.toolschema import call_schema, declared, possible_now, tool_lines

# What is read in files must not end a turn: a special token that is spelled in content is broken up.
_SPECIAL = re.compile(r"<\|(?=[a-zA-Z_]+\|>)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """Chat turns, the schema the answer must follow, and whether that schema is the call schema."""

    turns: tuple[dict[str, str], ...]
    schema: Mapping[str, Any] | None
    calls_tools: bool

    @property
    def prefix(self) -> tuple[dict[str, str], ...]:
        """The turns every conversation of this project begins with."""
        return self.turns[:1] if self.turns and self.turns[0]["role"] == "system" else ()


def render(request: Request, tools_prompt: str) -> Rendered:
    """``tools_prompt`` is the text that explains the calls, with ``{tools}`` where the list goes."""
    functions = declared(request.tools)
    wants_schema = request.response_schema is not None
    system = tools_prompt.replace("{tools}", tool_lines(functions)) if functions else ""
    turns: list[dict[str, str]] = []
    names: dict[str, str] = {}
    asked = ""
    for raw in request.messages:
        message = json.loads(raw)
        if message["role"] == "system" and not turns:
            system = "\n\n".join(part for part in (_text(message), system) if part)
            continue
        names.update((call["id"], call["function"]["name"]) for call in message.get("tool_calls") or ())
        asked = _text(message) if message["role"] == "user" else ""
        _append(turns, _turn(message, names, bool(functions)))
    if system:
        turns.insert(0, {"role": "system", "content": _harmless(system)})
    if wants_schema:
        return Rendered(tuple(turns), request.response_schema, False)
    if not functions:
        return Rendered(tuple(turns), None, False)
    offered = possible_now(functions, list(names.values()), asked)
    return Rendered(tuple(turns), call_schema(offered), True)


def _turn(message: Mapping[str, Any], names: Mapping[str, str], tools: bool) -> dict[str, str]:
    role, text = str(message["role"]), _text(message)
    if role == "tool":
        name = message.get("name") or names.get(str(message.get("tool_call_id")), "the tool")
        return {"role": "user", "content": _harmless(f"Result of {name}:\n{text}")}
    if role == "assistant":
        return {"role": "assistant", "content": _harmless(_spoken(message, text, tools))}
    return {"role": "user" if role != "system" else "system", "content": _harmless(text)}


def _spoken(message: Mapping[str, Any], text: str, tools: bool) -> str:
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    if calls:
        return "\n".join(
            f'{{"tool": {json.dumps(c["function"]["name"])}, "arguments": {c["function"]["arguments"]}}}'
            for c in calls
        )
    return json.dumps({"answer": text}, ensure_ascii=False) if tools else text


def _append(turns: list[dict[str, str]], turn: dict[str, str]) -> None:
    """Results of one step's calls become one turn."""
    if (
        turns
        and turn["role"] == "user" == turns[-1]["role"]
        and turns[-1]["content"].startswith("Result of ")
    ):
        turns[-1] = {"role": "user", "content": f"{turns[-1]['content']}\n\n{turn['content']}"}
    else:
        turns.append(turn)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return str(content or "")


def _harmless(text: str) -> str:
    return _SPECIAL.sub("< |", text)
