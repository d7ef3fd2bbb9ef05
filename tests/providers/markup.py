"""What the markup tests share: an answer read in any pieces, told in a form that does not depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kcode.providers.base import CallDelta, Chunk, ReasoningDelta, Retrying, TextDelta
from kcode.providers.k2_markup import MarkupParser

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
BEGIN, ARGUMENT, END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
TOOLS = ("read_file", "grep", "glob", "git_status", "read", "write_file")


def one(call_id: str, arguments: str = "{}") -> str:
    return f"{BEGIN}{call_id}{ARGUMENT}{arguments}{END}"


def section(*calls: str) -> str:
    return f"{SECTION}{''.join(calls)}{SECTION_END}"


def read(
    text: str | Sequence[str], tools: Sequence[str] = TOOLS, *, channel: str = "content", **options: Any
) -> tuple[str, str, list[tuple[str, str]]]:
    """Text, reasoning and (name, arguments) of the calls, whatever the pieces were."""
    parser = MarkupParser(tools, **options)
    pieces = [text] if isinstance(text, str) else text
    chunks = [chunk for piece in pieces for chunk in getattr(parser, channel)(piece)]
    return told([*chunks, *parser.end()])


def told(chunks: Sequence[Chunk]) -> tuple[str, str, list[tuple[str, str]]]:
    since = max((n for n, c in enumerate(chunks) if isinstance(c, Retrying)), default=-1)
    kept = chunks[since + 1 :]
    return (
        "".join(c.text for c in kept if isinstance(c, TextDelta)),
        "".join(c.text for c in kept if isinstance(c, ReasoningDelta)),
        [(c.name or "", c.arguments) for c in kept if isinstance(c, CallDelta)],
    )
