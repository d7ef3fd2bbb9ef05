"""The embedded provider: llama.cpp in a worker process, spoken to like any other provider."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from kcode.config.prompts import load_prompt
from kcode.config.settings import EmbeddedSettings
from kcode.providers.base import (
    Chunk,
    Completion,
    EmbeddedUnavailable,
    Finish,
    Request,
    TextDelta,
    Usage,
    Weight,
)
from kcode.providers.catalog import Model
from kcode.providers.dialect import DIALECTS, Dialect
from kcode.providers.embedded.answers import AnswerReader
from kcode.providers.embedded.client import WorkerClient
from kcode.providers.embedded.gguf import read_head
from kcode.providers.embedded.kvcache import KvCache
from kcode.providers.embedded.machine import SLOTS, plan
from kcode.providers.embedded.prefix import SavedPrefix
from kcode.providers.embedded.rendering import render


class EmbeddedProvider:
    """A GGUF model on this machine. Implements ``Provider`` and ``Infiller``.

    The worker starts with the first request and again after it died. Raises
    :class:`EmbeddedUnavailable` at once where the file is not a model.
    """

    def __init__(self, model_path: Path, model: Model, settings: EmbeddedSettings) -> None:
        head = read_head(model_path)
        self._path = model_path
        self._plan = plan(head, settings)
        self._model = dataclasses.replace(model, context=self._plan.context)
        self._kv = KvCache(model_path, settings.kv_cache_mb * 1024**2)
        self._prefix = SavedPrefix(self._kv)
        self._worker: WorkerClient | None = None
        self._starting = threading.Lock()

    @property
    def name(self) -> str:
        return "embedded"

    @property
    def dialect(self) -> Dialect:
        return DIALECTS["embedded"]

    @property
    def model(self) -> Model:
        return self._model

    @property
    def advice(self) -> str:
        """A sentence about this machine and this model that the user should see, or empty."""
        return self._plan.advice

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def list_models(self) -> list[str]:
        return [self._model.id]

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            if worker.alive:
                await self._prefix.keep_conversation(worker)
            await asyncio.to_thread(worker.stop)

    async def warm_up(self) -> None:
        """Load the model now, so that the first request does not wait for it."""
        await self._ready()

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Answer one request. With tools the answer is a constrained object, read as it streams."""
        worker = await self._ready()
        rendered = render(request, load_prompt("embedded/tools") if request.tools else "")
        slot = await self._prefix.bring(worker, rendered.prefix, request.session_id)
        body: dict[str, Any] = {
            "messages": list(rendered.turns),
            "max_tokens": request.max_output_tokens or self._model.default_output,
            "temperature": self._model.temperature if request.temperature is None else request.temperature,
        }
        if slot is not None:
            body["id_slot"] = slot
        if rendered.schema is not None:
            shape = {"name": "turn", "schema": dict(rendered.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        reader = AnswerReader() if rendered.calls_tools else None
        reason = "stop"
        async with aclosing(worker.stream("chat", body=body)) as chunks:
            async for chunk in chunks:
                for choice in chunk.get("choices") or ():
                    text = (choice.get("delta") or {}).get("content") or ""
                    for piece in reader.feed(text) if reader else [TextDelta(text)]:
                        if piece != TextDelta(""):
                            yield piece
                    reason = choice.get("finish_reason") or reason
                if usage := chunk.get("usage"):
                    for piece in reader.finish() if reader else ():
                        yield piece
                    yield _usage(usage, chunk.get("timings") or {})
        yield Finish("tool_calls" if reader and reader.called and reason == "stop" else reason)

    async def infill(
        self,
        prefix: str,
        suffix: str,
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 64,
        stop: Sequence[str] = ("\n",),
    ) -> list[Completion]:
        """Distinct continuations between ``prefix`` and ``suffix``, in the order they were sampled.

        ``n`` samples share one evaluation of the prompt; samples with equal text are returned once.
        """
        many = await self.infill_many(
            [(prefix, suffix)], n=n, temperature=temperature, max_tokens=max_tokens, stop=stop
        )
        return many[0]

    async def infill_many(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 64,
        stop: Sequence[str] = ("\n",),
    ) -> list[list[Completion]]:
        """:meth:`infill` for several (prefix, suffix) pairs at once; one list of completions per pair."""
        worker = await self._ready()
        if not worker.facts.get("infill"):
            raise EmbeddedUnavailable(
                f"the model {self._path.name} cannot fill in the middle",
                "use a model that was trained for it, such as qwen2.5-coder-1.5b",
            )
        self._prefix.give_up_slot()
        rounds = [min(SLOTS, n - done) for done in range(0, n, SLOTS)]
        per_request = max(1, SLOTS // rounds[0])
        lists: list[list[Completion]] = []
        for start in range(0, len(pairs), per_request):
            group = pairs[start : start + per_request]
            gathered: list[list[dict[str, Any]]] = [[] for _ in group]
            for samples in rounds:
                body = {
                    "prompts": [{"prefix": before, "suffix": after} for before, after in group],
                    "n": samples,
                    "temperature": temperature,
                    "max_tokens": max_tokens,
                    "stop": list(stop),
                }
                result = await worker.ask("complete", body=body)
                for known, choices in zip(gathered, result["choices"], strict=True):
                    known.extend(choices)
            lists.extend(_distinct(choices) for choices in gathered)
        return lists

    async def weigh(self, prefix: str, suffix: str, text: str, *, top: int = 1) -> list[Weight]:
        """How likely ``text``, one line, is between ``prefix`` and ``suffix``; after :meth:`infill` of the
        same place the prompt is not read again."""
        worker = await self._ready()
        if not worker.facts.get("weighs") or not worker.facts.get("infill"):
            return []
        self._prefix.give_up_slot()
        body = {"prefix": prefix, "suffix": suffix, "text": text, "top": top}
        found, offset = [], 0
        for token, logprob, others in (await worker.ask("weigh", body=body))["tokens"]:
            found.append(Weight(offset, logprob, tuple((str(other), value) for other, value in others)))
            offset += len(token)
        return found

    async def _ready(self) -> WorkerClient:
        worker = self._worker
        if worker is not None and worker.alive:
            return worker
        return await asyncio.to_thread(self._start)

    def _start(self) -> WorkerClient:
        with self._starting:
            if self._worker is None or not self._worker.alive:
                if self._worker is not None:
                    self._worker.stop()
                    self._worker = None
                self._worker = WorkerClient.start(
                    {
                        "model": str(self._path),
                        "threads": self._plan.threads,
                        "context": self._plan.context,
                        "parallel": SLOTS,
                        "prompt_cache_mb": self._plan.prompt_cache_mb,
                        "kv_dir": str(self._kv.prepare()),
                    }
                )
            return self._worker


def _usage(usage: dict[str, Any], timings: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        prompt=int(usage.get("prompt_tokens", 0)),
        completion=int(usage.get("completion_tokens", 0)),
        cached=int(details.get("cached_tokens") or timings.get("cache_n") or 0),
    )


def _distinct(choices: Sequence[dict[str, Any]]) -> list[Completion]:
    seen: dict[str, Completion] = {}
    for choice in choices:
        completion = Completion(choice["text"], choice.get("logprob"), int(choice.get("tokens", 0)))
        seen.setdefault(completion.text, completion)
    return list(seen.values())
