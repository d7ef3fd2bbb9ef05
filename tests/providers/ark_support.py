from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kcode.conversation.ledger import Assistant, Call, Entry, System, ToolResult, Tools, User
from kcode.conversation.projection import project
from kcode.providers.base import CallDelta, Chunk, ReasoningDelta, Request, Retrying, TextDelta, Usage
from kcode.providers.registry import resolve
from kcode.providers.responses import ResponsesProvider
from kcode.providers.retry import RetryPolicy
from tests.k2sim import Simulator, call, use
from tests.k2sim.responses_store import ark

from .support import KEY, make_settings

THINKING = "kimi-k2-thinking-251104"
INSTRUCT = "kimi-k2-250905"
SYSTEM = System("You are kcode. " * 200)


def declare(*names: str) -> Tools:
    parameters = {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "the file"}, "depth": {"type": "integer"}},
        "required": ["path"],
    }
    functions = [{"name": n, "description": "Look.", "parameters": parameters} for n in names]
    return Tools(json.dumps([{"type": "function", "function": f} for f in functions]))


TOOLS = declare("read_file")
READ = use(call("read_file", path="a.py"), reasoning="Look.")


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(story, 60))


def ark_provider(
    sim: Simulator | str, *, model: str = THINKING, retries: int = 2, timeout_s: float = 20.0, **dialect: Any
) -> ResponsesProvider:
    settings = make_settings(
        name="ark", base_url=sim if isinstance(sim, str) else sim.base_url, model=model, api_key=KEY
    )
    endpoint = resolve(settings, {})
    assert endpoint.dialect.wire == "responses"
    quick = replace(endpoint.dialect, **{"chain_pause_s": 0.0, **dialect})
    return ResponsesProvider(
        replace(endpoint, dialect=quick), timeout_s=timeout_s, policy=RetryPolicy(retries, base_s=0.01)
    )


@dataclass
class Talk:
    """A conversation as the agent holds one: a ledger that is projected, sent and appended to."""

    provider: ResponsesProvider
    ledger: list[Entry] = field(default_factory=lambda: [SYSTEM, TOOLS])
    session: str = "session-1"
    chunks: list[Chunk] = field(default_factory=list)

    async def ask(self, text: str = "", **fields: Any) -> Assistant:
        """One request; what the model said is appended."""
        if text:
            self.ledger.append(User(text))
        wire = project(self.ledger, self.provider.dialect)
        values = {"max_output_tokens": 1024, "session_id": self.session} | fields
        request = Request(self.provider.model.id, wire.tools, wire.messages, **values)
        self.chunks = [chunk async for chunk in self.provider.stream(request)]
        said = collect(self.chunks)
        self.ledger.append(said)
        return said

    def answer_calls(self, result: str = "the content") -> None:
        last = self.ledger[-1]
        assert isinstance(last, Assistant)
        self.ledger += [ToolResult(c.id, c.name, f"{result} of {c.arguments}") for c in last.calls]

    async def loop(self, text: str) -> Assistant:
        """Until the model makes no more calls."""
        said = await self.ask(text)
        while said.calls:
            self.answer_calls()
            said = await self.ask()
        return said

    @property
    def usage(self) -> Usage:
        return next(c for c in self.chunks if isinstance(c, Usage))

    @property
    def retried(self) -> list[str]:
        return [c.why for c in self.chunks if isinstance(c, Retrying)]


def collect(chunks: Sequence[Chunk]) -> Assistant:
    text, reasoning, calls = "", None, {}
    for chunk in chunks:
        match chunk:
            case Retrying():
                text, reasoning, calls = "", None, {}
            case TextDelta(piece):
                text += piece
            case ReasoningDelta(piece):
                reasoning = (reasoning or "") + piece
            case CallDelta(index, call_id, name, arguments):
                known = calls.get(index, Call("", "", ""))
                calls[index] = Call(
                    known.id or call_id or "", known.name or name or "", known.arguments + arguments
                )
    return Assistant(text, reasoning, tuple(calls.values()))


def talk(sim, story, **options):
    """Run ``story`` with a conversation at the simulator; the conversation."""

    async def tell():
        talking = Talk(ark_provider(sim, **options))
        try:
            await story(talking)
        finally:
            await talking.provider.close()
        return talking

    return run(tell())


def made_by(sim, record):
    """The id of the stored response that answered this request."""
    mark = f"in_{record.number:06d}"
    return next(s.id for s in ark(sim).stored.values() if s.input_items[0]["id"].startswith(mark))


def once(text: str = "hi", **fields):
    async def story(talking):
        await talking.ask(text, **fields)

    return story


def loop(text: str = "look at a.py"):
    async def story(talking):
        await talking.loop(text)

    return story
