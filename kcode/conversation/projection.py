"""Ledger to wire: a pure left fold, so that a longer ledger always extends the bytes of a shorter one.

Each entry is spelled once, as JSON bytes; requests are sent with exactly these bytes (the prefix law).
The fold also keeps the history legal whatever happened: a call whose result never came is answered as
interrupted before anything else follows, and a result that answers nothing is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kcode.conversation.ledger import (
    Assistant,
    Call,
    Entry,
    Epoch,
    System,
    ToolResult,
    Tools,
    User,
    WireEntry,
    live_entries,
)
from kcode.providers.arguments import NotArguments, read_arguments
from kcode.providers.dialect import Dialect

_LEGAL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{2,63}")  # k2 quirk B.2
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
NOT_RUN = "[interrupted: this call did not run]"
NO_OUTPUT = "(no output)"


@dataclass(frozen=True, slots=True)
class Projection:
    """What a request sends: the JSON array of tools (``b""`` for none) and one JSON object a message."""

    tools: bytes = b""
    messages: tuple[bytes, ...] = ()


def project(entries: Sequence[Entry], dialect: Dialect) -> Projection:
    """The wire form of the live conversation."""
    return Projector(dialect).update(entries)


class Projector:
    """The same fold, kept between requests, so that a step spells only what is new."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._seen = 0
        self._fold = _Fold(dialect)

    def update(self, entries: Sequence[Entry]) -> Projection:
        new = entries[self._seen :]
        if len(entries) < self._seen or any(isinstance(entry, Epoch) for entry in new):
            self._fold = _Fold(self._dialect)
            new = live_entries(entries)
        self._fold.feed(new)
        self._seen = len(entries)
        return Projection(self._fold.tools, tuple(self._fold.messages))


@dataclass(slots=True)
class _Fold:
    dialect: Dialect
    tools: bytes = b""
    messages: list[bytes] = field(default_factory=list)
    calls_so_far: int = 0
    pending: dict[str, tuple[str, str]] = field(default_factory=dict)  # call id -> (wire id, name)

    def feed(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, WireEntry):
                self._feed_one(entry)

    def _feed_one(self, entry: WireEntry) -> None:
        if isinstance(entry, ToolResult):
            if entry.call_id in self.pending:
                wire_id, name = self.pending.pop(entry.call_id)
                self._tool_message(wire_id, name, entry.text, entry.images if self.dialect.images else ())
            return
        self._answer_pending()
        if isinstance(entry, System):
            self._add({"role": "system", "content": entry.text})
        elif isinstance(entry, Tools):
            self.tools = _spell_tools(entry.json, self.dialect)
        elif isinstance(entry, User):
            self._add({"role": "user", "content": entry.text})
        else:
            self._assistant(entry)

    def _assistant(self, entry: Assistant) -> None:
        if not entry.content and not entry.calls:
            return  # servers refuse an empty assistant message
        message: dict[str, object] = {"role": "assistant"}
        reasoning = entry.reasoning
        if reasoning is None and entry.calls and self.dialect.reasoning_required:
            reasoning = ""
        if reasoning is not None and self.dialect.reasoning_field:
            message[self.dialect.reasoning_field] = reasoning
            if entry.signature and self.dialect.signature_field:
                message[self.dialect.signature_field] = entry.signature
        if entry.content:  # old vLLM templates print an empty content literally: leave it out
            message["content"] = entry.content
        if entry.calls:
            message["tool_calls"] = [self._call(call) for call in entry.calls]
        self._add(message)

    def _call(self, call: Call) -> dict[str, object]:
        wire_id, name = call.id, call.name if call.builtin else legal_name(call.name)
        if self.dialect.call_ids == "k2":
            wire_id = f"functions.{name}:{self.calls_so_far}"
        self.calls_so_far += 1
        self.pending[call.id] = (wire_id, name)
        return {
            "id": wire_id,
            "type": "builtin_function" if call.builtin else "function",
            "function": {"name": name, "arguments": legal_arguments(call.arguments)},
        }

    def _answer_pending(self) -> None:
        for wire_id, name in self.pending.values():
            self._tool_message(wire_id, name, NOT_RUN)
        self.pending.clear()

    def _tool_message(self, wire_id: str, name: str, text: str, images: Sequence[str] = ()) -> None:
        message: dict[str, object] = {"role": "tool", "tool_call_id": wire_id}
        if self.dialect.tool_message_name:
            message["name"] = name
        message["content"] = text or NO_OUTPUT
        if images:
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in images]
            message["content"] = [{"type": "text", "text": text or NO_OUTPUT}, *shown]
        self._add(message)

    def _add(self, message: dict[str, object]) -> None:
        self.messages.append(spell(message))


def spell(value: object) -> bytes:
    """One JSON spelling for everything that is sent: compact, UTF-8, insertion order."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # lone surrogates (undecodable file names) become "?"


def legal_name(name: str) -> str:
    """The tool name as sent back: a name that the model made up must not make the history illegal."""
    if _LEGAL_NAME.fullmatch(name):
        return name
    return f"tool_{_NOT_IN_NAMES.sub('_', name)}"[:64]


def legal_arguments(arguments: str) -> str:
    """The arguments as sent back: servers render them as JSON and refuse anything else.

    A slip with one meaning is sent back mended. What has none is kept, as the value of ``malformed``, so
    that the model sees its slip.
    """
    try:
        return read_arguments(arguments).text
    except NotArguments:
        return spell({"malformed": arguments}).decode()


def _spell_tools(declarations: str, dialect: Dialect) -> bytes:
    if dialect.strict_tools is None or not declarations:
        return declarations.encode("utf-8", "replace")
    tools = json.loads(declarations)
    for tool in tools:
        if tool.get("type", "function") == "function":  # the provider's builtins have a name, nothing else
            tool["function"].setdefault("strict", dialect.strict_tools)
    return spell(tools)
