"""Reasoning sent back in history, to servers of which nobody knows whether they take it.

Ark documents it for other models than Kimi (facts C.2). Kimi's thinking models want it, so it is sent; a 400
that names it is answered by leaving it out, from then on, for the life of the provider. Which dialects that
holds for is ``Dialect.reasoning_refusable``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from kcode.providers.ark_refusals import names_reasoning
from kcode.providers.base import Chunk, InvalidRequest, Request, Retrying
from kcode.providers.dialect import Dialect
from kcode.providers.endpoint import Endpoint


class Echoing(Protocol):
    """A provider that remembers that reasoning was refused."""

    echo_refused: bool

    @property
    def dialect(self) -> Dialect: ...

    @property
    def endpoint(self) -> Endpoint: ...


async def echoed(
    provider: Echoing, request: Request, answer: Callable[[Request], AsyncGenerator[Chunk, None]]
) -> AsyncGenerator[Chunk, None]:
    """The chunks of ``answer``, asked once more without reasoning where the server refuses it."""
    bare = without_reasoning(request, provider.dialect)
    if not provider.echo_refused:
        try:
            async with aclosing(answer(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except InvalidRequest as refused:
            if bare is request or not names_reasoning(refused):
                raise
        provider.echo_refused = True
        yield Retrying(1, 0.0, f"{provider.endpoint.label} refuses reasoning in history; going on without it")
    async with aclosing(answer(bare)) as chunks:
        async for chunk in chunks:
            yield chunk


def without_reasoning(request: Request, dialect: Dialect) -> Request:
    """The request without reasoning, everything else byte for byte; the same object where it has none, or the
    dialect does not let it be left out."""
    name = dialect.reasoning_field
    if not (name and dialect.reasoning_refusable):
        return request
    messages = tuple(_bare(message, name) for message in request.messages)
    return request if messages == request.messages else replace(request, messages=messages)


def _bare(spelled: bytes, name: str) -> bytes:
    if b'"role":"assistant"' not in spelled or b'"%b":' % name.encode() not in spelled:
        return spelled
    message = json.loads(spelled)
    if message.get("role") != "assistant" or name not in message:
        return spelled
    del message[name]
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
