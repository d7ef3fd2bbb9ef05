"""The Chat-Completions client: bytes of the ledger out, typed chunks back, over one HTTP connection.

The openai SDK is not on this path (it would spend its import and 5 to 90 ms a request); it is the oracle
of the tests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kcode.providers.answer import AnswerReader
from kcode.providers.base import Chunk, Request, Retrying, ServerFailed
from kcode.providers.body import spell
from kcode.providers.service import HttpProvider, facts, lower


class ChatProvider(HttpProvider):
    """A service that speaks Chat Completions."""

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        reader = AnswerReader()
        async with aclosing(self._exchange(request, reader, stream=True)) as chunks:
            async for chunk in chunks:
                yield chunk
        if reader.finish_reason == "tool_calls" and not reader.call_count:
            # some vLLM versions lose the calls under load, only when streaming (facts E.6)
            if reader.usage is not None:
                yield reader.usage
            yield Retrying(1, 0.0, f"{self._endpoint.label} announced tool calls and sent none")
            reader = AnswerReader()
            async with aclosing(self._exchange(request, reader, stream=False)) as chunks:
                async for chunk in chunks:
                    yield chunk
        for chunk in reader.ending():
            yield chunk

    async def _exchange(
        self, request: Request, reader: AnswerReader, *, stream: bool
    ) -> AsyncGenerator[Chunk, None]:
        body = spell(request, self.model, self.dialect, stream=stream)
        async with self.post("/chat/completions", body, stream=stream) as (response, number):
            payloads = self.payloads(response, number, lambda: bool(reader.finish_reason))
            async with aclosing(payloads) as parts:
                async for payload in parts:
                    for chunk in reader.read(payload):
                        yield chunk
            if not reader.anything:
                raise ServerFailed(
                    f"{self._endpoint.label} answered without an answer.",
                    "Try again.",
                    facts(lower(response)),
                )
