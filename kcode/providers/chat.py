"""The Chat-Completions client: bytes of the ledger out, typed chunks back, over one HTTP connection.

The openai SDK is not on this path (it would spend its import and 5 to 90 ms a request); it is the oracle
of the tests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from kcode.providers.answer import AnswerReader, read_answer
from kcode.providers.base import CallDelta, Chunk, ProviderError, Request, Retrying
from kcode.providers.body import reasoning_renamed, spell, spells_reasoning
from kcode.providers.dialect import Dialect
from kcode.providers.echo import echoed
from kcode.providers.habits import recalled, remember
from kcode.providers.service import HttpProvider

PATH = "/chat/completions"


class ChatProvider(HttpProvider):
    """A service that speaks Chat Completions.

    A server of the user's that says it has no tool parser is asked by raw text from then on, for the life of
    the provider (:mod:`kcode.providers.completions`).
    """

    echo_refused = False  # the server does not take reasoning in history
    _raw = False  # the server has no tool parser
    _reasoning_name = ""  # under which reasoning came, and goes back
    _settled = False  # reasoning was sent back: the name stays

    @property
    def dialect(self) -> Dialect:
        if not self._raw:
            return super().dialect
        from kcode.providers.completions import raw_dialect

        return raw_dialect(super().dialect)

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        if not self._raw:
            try:
                async with aclosing(echoed(self, request, self._chat)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except ProviderError as refused:
                if not self._lacks_a_parser(refused):
                    raise
            self._raw = True
            why = f"{self._endpoint.label} has no tool parser: kcode writes and reads K2's own markup now"
            yield Retrying(1, 0.0, why)
        from kcode.providers.completions import raw_answer

        async with aclosing(raw_answer(self, request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _chat(self, request: Request) -> AsyncGenerator[Chunk, None]:
        request = self._as_received(request)
        reader = AnswerReader()
        collected = 0
        async with aclosing(self._exchange(request, reader, stream=True)) as chunks:
            async for chunk in chunks:
                collected += isinstance(chunk, CallDelta)
                yield chunk
        if reader.finish_reason == "tool_calls" and not collected:
            # some vLLM versions lose the calls under load, only when streaming (facts E.6)
            if reader.usage is not None:
                yield reader.usage
            yield Retrying(1, 0.0, f"{self._endpoint.label} announced tool calls and sent none")
            reader = AnswerReader()
            async with aclosing(self._exchange(request, reader, stream=False)) as chunks:
                async for chunk in chunks:
                    yield chunk
        if not self._settled:
            self._reasoning_name = self._reasoning_name or reader.reasoning_name
        for chunk in reader.ending():
            yield chunk

    def _exchange(
        self, request: Request, reader: AnswerReader, *, stream: bool
    ) -> AsyncGenerator[Chunk, None]:
        stream = stream and (self.dialect.stream_tools or not request.tools)
        body = spell(request, self.model, self.dialect, stream=stream)
        chunks = read_answer(self, PATH, body, reader, stream=stream)
        if not self.dialect.heal:
            return chunks
        from kcode.providers.healing import healed, reader_for

        return healed(chunks, reader_for(request), reader)

    def _as_received(self, request: Request) -> Request:
        """The request with history's reasoning under the name that this server uses (facts F.7).

        The name is settled once, by the first answer with reasoning or, in a session that is resumed, by the
        first history with any, and stays: so no byte that was sent is ever sent otherwise.
        """
        written = self.dialect.reasoning_field
        if not written or not spells_reasoning(request, written):
            return request
        if not self._settled:
            known = recalled(self._endpoint.base_url) or written
            self._reasoning_name, self._settled = self._reasoning_name or known, True
            if self._reasoning_name != known:
                remember(self._endpoint.base_url, self._reasoning_name)
        return reasoning_renamed(request, written, self._reasoning_name)

    def _lacks_a_parser(self, refused: ProviderError) -> bool:
        said = refused.facts.message.lower()
        if not any(text in said for text in self.dialect.no_parser_texts):
            return False
        from kcode.providers.completions import is_k2

        if is_k2(self.model):
            return True
        refused.remedy = (
            "Start the server with its tool parser (vLLM: --enable-auto-tool-choice --tool-call-parser NAME)."
            " For Kimi K2 under another name: provider.wire = completions."
        )
        return False
