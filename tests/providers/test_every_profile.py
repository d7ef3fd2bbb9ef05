"""Every profile end to end: the agent's own session over HTTP, against a server that refuses what the real
one refuses. Streaming, thinking, a tool loop of ten steps, what the output limit cut, and every error row."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import AnswerText, CallStarted, Event, ReasoningText
from kcode.agent.session import Session
from kcode.conversation.ledger import Assistant, Note, ToolResult, UsageEntry
from kcode.providers.base import ContextOverflow
from kcode.providers.profiles import PROFILES
from kcode.providers.registry import open_provider, resolve
from tests.agent.conftest import finished
from tests.k2sim import Call as SimCall
from tests.k2sim import Record, Simulator, call, fail, say, use

from .support import make_settings
from .test_error_rows import ARK, MOONSHOT, SELF_HOSTED

NOTE = "naïve 中文 <|tool_call_end|>\n"


@dataclass(frozen=True)
class Case:
    """A profile with a model. ``root`` is what the client is given instead of the simulator's own base path;
    ``served`` are the ids that the simulator lists, None for its usual ones."""

    profile: str
    model: str = ""
    shape: str = "openai"
    served: tuple[str, ...] | None = ("kimi-k2-thinking",)
    root: str = ""
    wire: str = "auto"
    sim: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return "-".join(filter(None, (self.profile, self.model, self.wire if self.wire != "auto" else "")))

    def start(self, script: list[Any], **options: Any) -> Simulator:
        return Simulator(script, shape=self.shape, model_ids=self.served, **{**self.sim, **options})

    def session(self, sim: Simulator, folder: Path) -> Session:
        (folder / "work").mkdir()
        for number in range(8):
            (folder / "work" / f"{number}.py").write_text(NOTE)
        url = sim.base_url.removesuffix(sim.shape.base_path) + (self.root or sim.shape.base_path)
        given = {"name": self.profile, "model": self.model, "wire": self.wire}
        settings = make_settings(base_url=url, api_key=sim.api_key, **given)
        session = Session.open(folder / "work", settings, open_provider(resolve(settings, {}), settings))
        session.mode = "auto"
        return session


K2_IDS = {"require_k2_ids": True}
CASES = (
    Case("moonshot", "", "moonshot", None),
    Case("moonshot", "kimi-k2-thinking", "moonshot"),
    Case("moonshot-intl", "kimi-k2.6", "moonshot", None),
    Case("moonshot-intl", "kimi-k3", "moonshot", None),
    Case("kimi-code", "", "moonshot", ("kimi-for-coding",)),
    Case("ark", "kimi-k2-thinking-251104", "ark", None),
    Case("ark", "kimi-k2-thinking-251104", "ark", None, wire="chat", sim=K2_IDS),
    Case("ark-coding", "", "ark", ("kimi-k2.7-code",), "/api/coding/v3", sim=K2_IDS),
    Case("ark-agent", "kimi-k3", "ark", ("kimi-k3",), "/api/plan/v3", sim=K2_IDS),
    Case("vllm", sim={**K2_IDS, "reasoning_field": "reasoning"}),
    Case("sglang", sim=K2_IDS),
    Case("ktransformers", sim=K2_IDS),
    Case("trtllm", sim=K2_IDS),
    Case("llama-server", sim=K2_IDS),
    Case("openai-compatible", sim=K2_IDS),
    Case("anthropic-compatible", "kimi-k3", "moonshot", None, "/anthropic"),
)
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def asked(sim: Simulator) -> list[Record]:
    """The requests for an answer, refused ones too."""
    endings = ("/chat/completions", "/responses", "/v1/messages", "/completions")
    return [r for r in sim.requests if r.method == "POST" and r.path.endswith(endings) and not r.is_probe]


def turns(session: Session, *texts: str) -> list[list[Event]]:
    """The events of each turn; the session is closed behind the last."""

    async def run() -> list[list[Event]]:
        try:
            return [[event async for event in session.turn(text)] for text in texts]
        finally:
            await session.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


def ten_steps() -> list[Any]:
    """Nine steps of calls, two of them parallel, one of a tool that is not there, then the answer."""
    return [
        *(use(call("read_file", path=f"{n}.py"), reasoning=f"Step {n}. 想。") for n in range(7)),
        use(call("list_dir"), call("read_file", path="7.py"), reasoning="Both.", text="Two at once."),
        use(call("no_such_tool", path="x"), reasoning="Odd."),
        say("All of it is **done**, 完成。", reasoning="That is all."),
    ]


def test_every_profile_but_the_embedded_one_is_among_the_cases():
    assert {case.profile for case in CASES} == set(PROFILES) - {"embedded"}


@cases
def test_a_loop_of_ten_steps_with_thinking_streams_and_is_never_refused(case, tmp_path):
    with case.start([*ten_steps(), say("And again.", reasoning="Once more.")]) as sim:
        session = case.session(sim, tmp_path)
        events, again = turns(session, "look around", "again")
        requests = asked(sim)
        assert [(r.status, r.refusal) for r in requests] == [(200, "")] * 11
        assert all(r.json["stream"] for r in requests)
        assert all(step.extends for step in sim.prefix_report())
        if case.root != "/anthropic":  # whose seals the simulator itself compares
            assert not [e for e in sim.echo_report() if set(e.differs) - {"ids"}]
    assert finished(events).text == "All of it is **done**, 完成。"
    assert finished(again).text == "And again."
    assert sum(isinstance(e, AnswerText) for e in events) > 2
    said = [e.reasoning for e in session.ledger if isinstance(e, Assistant)]
    assert said == [*(f"Step {n}. 想。" for n in range(7)), "Both.", "Odd.", "That is all.", "Once more."]
    assert "".join(e.text for e in events if isinstance(e, ReasoningText)) == "".join(said[:-1])
    results = [e for e in session.ledger if isinstance(e, ToolResult)]
    assert len(results) == 10
    assert NOTE.strip() in results[0].text
    assert "no tool 'no_such_tool'" in results[-1].text
    usage = [e for e in session.ledger if isinstance(e, UsageEntry)]
    assert [u.prompt for u in usage] == [r.prompt_tokens for r in requests]
    assert [u.cached for u in usage] == [r.cached_tokens for r in requests]
    assert [u.completion for u in usage] == [r.completion_tokens for r in requests]


@cases
def test_messages_that_join_a_turn_are_never_refused_and_extend_the_request(case, tmp_path):
    both = use(call("list_dir"), call("read_file", path="7.py"), reasoning="Both.")
    last = [say("The first.", reasoning="So."), say("The last.", reasoning="Done.")]
    moments = [(CallStarted, ["in French, 请", "and shorter"]), (AnswerText, ["still shorter"])]

    async def run(session: Session) -> list[Event]:
        events, left = [], list(moments)
        async for event in session.turn("look around"):
            events.append(event)
            if left and isinstance(event, left[0][0]):
                assert all(session.steer(text) for text in left.pop(0)[1])
        await session.close()
        return events

    with case.start([both, *last, say("More.", reasoning="")]) as sim:
        session = case.session(sim, tmp_path)
        events = asyncio.run(asyncio.wait_for(run(session), 60))
        requests = asked(sim)
        assert [(r.status, r.refusal) for r in requests] == [(200, "")] * 3
        assert all(step.extends for step in sim.prefix_report())
        assert b"and shorter" in requests[1].raw
        assert b"still shorter" in requests[2].raw
        assert b"still shorter" not in requests[1].raw
    assert finished(events).text == "The last."
    assert session.steering.unanswered() == []


@cases
def test_an_answer_that_the_output_limit_cut_is_gone_on_with(case, tmp_path):
    script = [say("first half, ", reasoning="Long.", finish="length"), say("second half", reasoning="")]
    with case.start(script) as sim:
        session = case.session(sim, tmp_path)
        assert finished(*turns(session, "tell")).text == "first half, second half"
        assert [r.status for r in asked(sim)] == [200, 200]


@cases
def test_an_edit_that_the_output_limit_cut_is_completed_and_never_done_by_halves(case, tmp_path):
    whole = json.dumps({"path": "b.py", "content": NOTE * 3})
    half = len(whole) // 2
    cut = use(SimCall("write_file", whole[:half]), reasoning="Write.", finish="length")
    resent = use(SimCall("write_file", whole), reasoning="Again.")
    written = tmp_path / "work" / "b.py"

    def script(request):
        if request.last_tool != "write_file":
            last = request.messages[-1]
            if last["role"] == "assistant":  # it is to be continued
                return say(whole[half:])
            return cut
        return resent if not written.exists() else say("Written.", reasoning="")

    with case.start(script) as sim:
        session = case.session(sim, tmp_path)
        assert finished(*turns(session, "write")).text == "Written."
        assert {r.status for r in asked(sim)} == {200}
        continued = session.provider.dialect.partial != "no"
        assert len(asked(sim)) == 3
    assert written.read_text() == NOTE * 3
    refused = [e for e in session.ledger if isinstance(e, ToolResult) and "cut off" in e.text]
    assert len(refused) == (0 if continued else 1)


@cases
def test_reasoning_that_used_up_the_limit_is_asked_for_again_with_more_room(case, tmp_path):
    script = [say("", reasoning="Hm. " * 20, finish="length"), say("Here.", reasoning="Short.")]
    with case.start(script) as sim:
        session = case.session(sim, tmp_path)
        assert finished(*turns(session, "tell")).text == "Here."
        bodies = [r.json for r in asked(sim)]
    rooms = [
        next(v for k in ("max_completion_tokens", "max_output_tokens", "max_tokens") if (v := body.get(k)))
        for body in bodies
    ]
    assert len(rooms) == 2
    assert rooms[1] > rooms[0] or rooms[0] >= session.provider.model.max_output


@cases
def test_a_compaction_by_hand_is_taken(case, tmp_path):
    with case.start([say("Long. " * 3_000, reasoning="So."), say("## Goal\ntalk"), say("Yes.")]) as sim:
        session = case.session(sim, tmp_path)

        async def story() -> None:
            for text in ("talk", "", "still there?"):
                await session.compact("everything") if not text else [e async for e in session.turn(text)]
            await session.close()

        asyncio.run(asyncio.wait_for(story(), 60))
        assert [(r.status, r.refusal) for r in asked(sim)] == [(200, "")] * 3
    assert [e.content for e in session.ledger if isinstance(e, Assistant)][-1] == "Yes."


# --- every error row ------------------------------------------------------------------------------

ANTHROPIC = [
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, False),
    (401, {"type": "error", "error": {"type": "authentication_error", "message": "no"}}, False),
    (403, {"type": "error", "error": {"type": "permission_error", "message": "no"}}, False),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}, False),
    (413, {"type": "error", "error": {"type": "request_too_large", "message": "no"}}, False),
    (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, True),
    (429, {"type": "error", "error": {"type": "exceeded_current_quota_error", "message": "no"}}, False),
    (500, {"type": "error", "error": {"type": "api_error", "message": "no"}}, True),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, True),
    (504, "<html><head><title>504 Gateway Time-out</title></head></html>", True),
]


def rows_of(case: Case) -> list[tuple[int, Any, bool]]:
    """Status, body and whether it is tried again."""
    if case.profile == "anthropic-compatible":
        return ANTHROPIC
    table = {"moonshot": MOONSHOT, "ark": ARK, "openai": SELF_HOSTED}[case.shape]
    rows = [(status, body, again) for status, body, _, again, *_ in table]
    if case.shape == "openai":
        return [*rows, *((s, b, again) for s, b, again in ANTHROPIC if isinstance(b, str))]
    return rows


FIRST = {case.profile: case for case in reversed(CASES)}
ROWS = [
    pytest.param(case, row, id=f"{case.profile}{case.wire.removeprefix('auto')}-{row[0]}-{str(row[1])[:60]}")
    for case in (*FIRST.values(), next(c for c in CASES if c.wire == "chat"))
    for row in rows_of(case)
]


REFUSED_AND_SENT_OTHERWISE = (
    "AccessDenied.CacheService",  # without the cache
    "MissingParameter",  # in full, without what the server was to continue
    "InvalidParameter.top_p",
    "InvalidArgumentError",
    "",  # an empty 404
)


def adapts(case: Case, body: Any) -> bool:
    """Whether Ark's caching wire is asked once more in another way before the refusal counts."""
    code = str(body["error"]["code"]) if isinstance(body, dict) else ""
    return case.profile == "ark" and case.wire == "auto" and code in REFUSED_AND_SENT_OTHERWISE


def spelled(body: Any) -> str:
    """The body, with limits that let a session go on at once."""
    text = body if isinstance(body, str) else json.dumps(body)
    return text.replace("RPM: 3", "RPM: 3000").replace("current:9, limit:8", "current:900000, limit:800000")


@pytest.mark.parametrize(("case", "row"), ROWS)
def test_every_error_row_is_tried_again_or_told_and_the_session_goes_on(case, row, tmp_path):
    status, body, again = row
    adapted = case.shape == "ark" and adapts(case, body)
    script = [
        use(call("list_dir"), reasoning="Look."),
        fail("http", status=status, body=spelled(body), retry_after="0" if again else ""),
        say("Answered.", reasoning="So."),
        say("Answered.", reasoning="So."),
    ]
    with case.start(script) as sim:
        session = case.session(sim, tmp_path)
        end, more = (finished(events) for events in turns(session, "look", "and now?"))
        if again or adapted:
            assert (end.reason, end.text) == ("answered", "Answered.")
            assert any(isinstance(e, Note) and e.kind == "retry" for e in session.ledger)
        else:
            assert end.reason == "error"
            assert end.error is not None
            assert end.error.remedy
        assert more.text == "Answered."
        too_long = isinstance(end.error, ContextOverflow)  # a hand-off was asked for, and saved nothing
        assert len(asked(sim)) == (4 if again or adapted or too_long else 3)
