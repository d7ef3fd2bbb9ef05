"""Asks a provider every case, a few at a time, and hands each result out as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from kcode.errors import ConfigError
from kcode.providers.base import (
    AuthError,
    CallDelta,
    Finish,
    ModelNotFound,
    Provider,
    ProviderError,
    QuotaExhausted,
    Request,
    Retrying,
    TextDelta,
    Unreachable,
    Usage,
    WrongAddress,
)
from kcode.providers.verify.cases import Case, request_for

FATAL = (AuthError, QuotaExhausted, ModelNotFound, WrongAddress, Unreachable, ConfigError)
"""What one case meets all of them would: the run ends, to be resumed."""

Row = dict[str, Any]


async def run(
    provider: Provider,
    cases: Sequence[Case],
    done: Callable[[Row], None],
    *,
    concurrency: int,
    temperature: float | None = None,
) -> None:
    """Each case is asked once, under the provider's own retry policy; ``done`` gets its row.

    Raises the first error that would meet every case, when what was under way has been given up. Cancelled,
    it ends at once; what ``done`` has got stays true.
    """
    waiting = iter(cases)

    async def worker() -> None:
        for case in waiting:
            request = request_for(case, provider.model, provider.dialect, temperature)
            done(await _asked(provider, request, case))

    workers = [asyncio.create_task(worker()) for _ in range(min(concurrency, len(cases)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def _asked(provider: Provider, request: Request, case: Case) -> Row:
    row: Row = {"data_index": case.index, "case": case.key}
    try:
        return row | await _answer(provider.stream(request))
    except FATAL:
        raise
    except ProviderError as error:
        return row | {"status": "failed", "error_type": type(error).__name__, "error": error.message}


async def _answer(chunks: AsyncIterator[Any]) -> Row:
    calls: dict[int, dict[str, Any]] = {}
    found: Row = {"status": "success", "finish_reason": "stop", "tool_calls": [], "usage": None}
    retries, said = 0, 0
    async with aclosing(chunks) as stream:  # type: ignore[type-var]  # a provider's stream is a generator
        async for chunk in stream:
            if isinstance(chunk, Retrying):
                retries, said = retries + 1, 0
                calls.clear()
            elif isinstance(chunk, TextDelta):
                said += len(chunk.text)
            elif isinstance(chunk, CallDelta):
                _take(calls, chunk)
            elif isinstance(chunk, Usage):
                found["usage"] = _usage(chunk)
            elif isinstance(chunk, Finish):
                found["finish_reason"] = chunk.reason
    found["tool_calls"] = [calls[index] for index in sorted(calls)]
    return found | {"text_chars": said, "retries": retries}


def _take(calls: dict[int, dict[str, Any]], chunk: CallDelta) -> None:
    empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    call = calls.setdefault(chunk.index, empty)
    call["id"] = call["id"] or chunk.id or ""
    function = call["function"]
    function["name"] = function["name"] or chunk.name or ""
    function["arguments"] += chunk.arguments


def _usage(usage: Usage) -> Mapping[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
    }
