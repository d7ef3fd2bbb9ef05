"""The answer's length: a server stops at the request's limit, reasoning and arguments included."""

from __future__ import annotations

from dataclasses import replace

from tests.k2sim.answers import Answer, Call
from tests.k2sim.tokens import count, tokenize


def completion_tokens(answer: Answer) -> int:
    """Tokens of reasoning, text and calls together."""
    return count(answer.reasoning or "") + count(answer.text) + sum(_call_tokens(c) for c in answer.calls)


def cut_to(answer: Answer, limit: int) -> Answer:
    """``answer`` as far as ``limit`` tokens go, finished by ``length`` where that is not all of it.

    Generation order: reasoning, text, calls; the last call keeps the part of its arguments that fits.
    A limit of 0 is none.
    """
    if not limit or completion_tokens(answer) <= limit:
        return answer
    left = limit
    reasoning, left = _cut(answer.reasoning or "", left)
    text, left = _cut(answer.text, left)
    calls: list[Call] = []
    for call in answer.calls:
        if left <= 0:
            break
        arguments, left = _cut(call.arguments, left - count(call.name))
        calls.append(replace(call, arguments=arguments))
    return replace(
        answer,
        reasoning=None if answer.reasoning is None else reasoning,
        text=text,
        calls=tuple(calls),
        finish="length",
    )


def _call_tokens(call: Call) -> int:
    return count(call.name) + count(call.arguments)


def _cut(text: str, left: int) -> tuple[str, int]:
    tokens = tokenize(text)
    return "".join(tokens[: max(left, 0)]), left - len(tokens)
