"""The cases: requests with tools, one JSON object a line, as the K2 Vendor Verifier's sets have them.

Read are ``messages`` (chat form; the role ``_input`` is ``system``), ``tools``, ``max_tokens``, and, where a
case says what is right, ``expected_finish`` (``tool_calls`` or ``stop``). Other fields are passed over: the
model and its sampling are those of the provider under test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcode.errors import UsageError
from kcode.providers.base import Request
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect

SHIPPED = Path(__file__).with_name("cases.jsonl")
THINKING_ANSWER = 64000
"""Tokens an answer of a thinking model may have, as in Moonshot's own runs (facts H.2)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request. ``index`` is its line, from 1; ``key`` names its content, whatever line it is on."""

    index: int
    key: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...]
    max_tokens: int = 0
    expected: str = ""

    def schema_of(self, name: str) -> Mapping[str, Any] | None:
        """The parameters of the declared tool with this name, None where there is none."""
        for tool in self.tools:
            if tool["function"]["name"] == name:
                schema: Mapping[str, Any] = tool["function"].get("parameters") or {"type": "object"}
                return schema
        return None


def read_cases(path: Path) -> list[Case]:
    """The cases of a file. Raises UsageError naming the line that cannot be used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise UsageError(
            f"{path} cannot be read: {problem.strerror}", "Name a JSONL file of requests."
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8.", "Name a JSONL file of requests.") from None
    cases = [_case(n, line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not cases:
        raise UsageError(f"{path} holds no case.", "It has one JSON object a line, with messages and tools.")
    return cases


def digest(cases: Sequence[Case]) -> str:
    """Names the whole set, in its order."""
    return hashlib.sha256("".join(case.key for case in cases).encode()).hexdigest()[:16]


def request_for(case: Case, model: Model, dialect: Dialect, temperature: float | None = None) -> Request:
    """The request as this provider is asked: its ids of calls, its name for reasoning, its room."""
    wanted = case.max_tokens
    if model.thinking != "no":
        wanted = max(wanted, min(THINKING_ANSWER, model.context // 2))
    messages = _k2_ids(case.messages) if dialect.call_ids == "k2" else case.messages
    return Request(
        model=model.id,
        tools=_spell(case.tools) if case.tools else b"",
        messages=tuple(_spell(_message(message, dialect)) for message in messages),
        max_output_tokens=wanted,
        temperature=temperature,
    )


# --- reading -----------------------------------------------------------------------------------


def _case(index: int, line: str, where: str) -> Case:
    try:
        given = json.loads(line)
    except ValueError as problem:
        raise UsageError(f"{where}: not valid JSON: {problem}") from None
    if not isinstance(given, dict):
        raise UsageError(f"{where}: a case is a JSON object.")
    messages, tools = given.get("messages"), given.get("tools") or []
    if not isinstance(messages, list) or not messages:
        raise UsageError(f"{where}: `messages` is missing or empty.")
    if not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages):
        raise UsageError(f"{where}: every message is an object with a `role`.")
    if not isinstance(tools, list) or not all(_is_tool(tool) for tool in tools):
        raise UsageError(f"{where}: `tools` is a list of function declarations.")
    limit = given.get("max_tokens") or given.get("max_completion_tokens") or 0
    expected = given.get("expected_finish", "")
    if expected not in ("", "tool_calls", "stop"):
        raise UsageError(f"{where}: `expected_finish` is tool_calls or stop, not {expected!r}.")
    roles = [{**m, "role": "system"} if m["role"] == "_input" else m for m in messages]
    return Case(
        index,
        hashlib.sha256(_spell([roles, tools])).hexdigest()[:16],
        tuple(roles),
        tuple(tools),
        limit if isinstance(limit, int) and limit > 0 else 0,
        expected,
    )


def _is_tool(tool: object) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)


# --- spelling ----------------------------------------------------------------------------------


def _message(message: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The message with its reasoning under the dialect's name, right after the role, as kcode sends it."""
    reasoning = message.get("reasoning_content")
    rest = {k: v for k, v in message.items() if k not in ("role", "reasoning_content") and v is not None}
    if message["role"] == "assistant":
        if reasoning is None and message.get("tool_calls") and dialect.reasoning_required:
            reasoning = ""
        if isinstance(reasoning, str) and dialect.reasoning_field:
            return {"role": "assistant", dialect.reasoning_field: reasoning, **rest}
    return {"role": message["role"], **rest}


def _k2_ids(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The messages with ``functions.name:n`` for the ids of calls, one counter over all (facts E.4)."""
    renamed: dict[str, str] = {}
    number = 0
    for message in messages:
        changed = dict(message)
        if calls := message.get("tool_calls"):
            changed["tool_calls"] = []
            for call in calls:
                renamed[call.get("id", "")] = f"functions.{call['function']['name']}:{number}"
                changed["tool_calls"].append({**call, "id": renamed[call.get("id", "")]})
                number += 1
        if "tool_call_id" in message:
            changed["tool_call_id"] = renamed.get(message["tool_call_id"], message["tool_call_id"])
        yield changed


def _spell(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
