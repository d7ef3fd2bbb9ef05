"""From chunks to an answer: what the model said in one request, put together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from kcode.config.jsontext import read_json
from kcode.conversation.ledger import Assistant, Call
from kcode.providers.base import CallDelta, Chunk, Finish, ReasoningDelta, TextDelta, Usage


@dataclass(slots=True)
class _OpenCall:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    builtin: bool = False
    healed: bool = False


@dataclass(slots=True)
class Answer:
    """One answer while it streams. ``reasoning`` stays None until the model sends some."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] | None = None
    calls: dict[int, _OpenCall] = field(default_factory=dict)
    usage: Usage | None = None
    finish: str = ""
    signature: str = ""
    begun_anyway: bool = False  # something arrived that is not shown here

    def take(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextDelta):
            self.text.append(chunk.text)
        elif isinstance(chunk, ReasoningDelta):
            if self.reasoning is None:
                self.reasoning = []
            self.reasoning.append(chunk.text)
            self.signature = chunk.signature or self.signature
        elif isinstance(chunk, CallDelta):
            call = self.calls.setdefault(chunk.index, _OpenCall())
            call.id = call.id or chunk.id or ""
            call.name = call.name or chunk.name or ""
            call.arguments.append(chunk.arguments)
            call.builtin = call.builtin or chunk.builtin
            call.healed = call.healed or chunk.healed
        elif isinstance(chunk, Usage):
            self.usage = chunk
        elif isinstance(chunk, Finish):
            self.finish = chunk.reason

    @property
    def content(self) -> str:
        return "".join(self.text)

    @property
    def empty(self) -> bool:
        """Nothing to show and nothing to run: reasoning alone is not an answer."""
        return not self.content.strip() and not self.calls

    @property
    def begun(self) -> bool:
        """Something arrived, so the provider bills the request even if it never reports its usage."""
        return bool(self.begun_anyway or self.text or self.reasoning is not None or self.calls)

    @property
    def thought(self) -> str | None:
        return None if self.reasoning is None else "".join(self.reasoning)

    @property
    def healed(self) -> int:
        """Calls that were read out of raw markup in the text."""
        return sum(call.healed for call in self.calls.values())

    @property
    def cut_call(self) -> bool:
        """The output limit cut the arguments of the last call."""
        return self.finish == "length" and bool(self.calls) and not _whole(self.last_call()[1])

    def last_call(self) -> tuple[int, _OpenCall]:
        return max(self.calls.items(), key=lambda item: item[0])

    def joined(self, more: Answer) -> Answer:
        """This answer and what came behind it, as one."""
        reasoning = self.reasoning if more.reasoning is None else [*(self.reasoning or ()), *more.reasoning]
        offset = max(self.calls, default=-1) + 1
        return Answer(
            text=[*self.text, *more.text],
            reasoning=reasoning,
            calls={**self.calls, **{offset + index: call for index, call in more.calls.items()}},
            usage=more.usage or self.usage,
            finish=more.finish,
            signature=more.signature or self.signature,
            begun_anyway=self.begun_anyway or more.begun_anyway,
        )

    def partial(self) -> Assistant:
        """What really was said when the turn was interrupted: text and reasoning, no unfinished calls."""
        return Assistant(self.content, self.thought, (), "interrupted", self.signature)

    def assistant(self, taken_ids: Collection[str], calls_so_far: int) -> Assistant:
        """The ledger entry. Ids that are missing or already taken are replaced by unique ones: models
        restart their counters, and results are matched by id. A filtered answer's calls are not run."""
        calls: list[Call] = []
        seen = set(taken_ids)
        collected = {} if self.finish == "content_filter" else self.calls
        for offset, (_, call) in enumerate(sorted(collected.items())):
            call_id, number = call.id, calls_so_far + offset
            while not call_id or call_id in seen:
                call_id = f"functions.{call.name}:{number}"
                number += 1
            seen.add(call_id)
            calls.append(Call(call_id, call.name, "".join(call.arguments), call.builtin))
        return Assistant(self.content, self.thought, tuple(calls), self.finish or "stop", self.signature)


def _whole(call: _OpenCall) -> bool:
    try:
        read_json("".join(call.arguments), strict=False)
    except ValueError:
        return False
    return True


def cut_off(assistant: Assistant) -> str:
    """The id of the call that the output limit cut, or ``""``: only the last one can be."""
    if assistant.finish != "length" or not assistant.calls:
        return ""
    last = assistant.calls[-1]
    try:
        read_json(last.arguments)
    except ValueError:
        return last.id
    return ""
