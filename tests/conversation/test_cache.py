from __future__ import annotations

from decimal import Decimal

from kcode.conversation.cache import TTL_S, Break, CacheHistory, explain
from kcode.conversation.ledger import (
    Assistant,
    Call,
    Entry,
    Epoch,
    System,
    ToolResult,
    Tools,
    UsageEntry,
    User,
)
from kcode.providers import catalog

MODEL = "kimi-k2-0905-preview"
HEAD: list[Entry] = [Epoch("start"), System("You help. " * 300), Tools("[]")]


def used(prompt: int, cached: int, at: float, model: str = MODEL, provider: str = "moonshot") -> UsageEntry:
    return UsageEntry(model, prompt, cached, 10, provider=provider, at=at)


def talk(*usages: UsageEntry) -> list[Entry]:
    """A conversation of one message a request."""
    entries = list(HEAD)
    for number, usage in enumerate(usages):
        entries += [User(f"message {number}"), usage, Assistant(f"answer {number}")]
    return entries


def test_blocks_and_the_growth_of_the_prompt_decide_what_was_possible() -> None:
    report = explain(talk(used(1_000, 0, 0.0), used(1_300, 768, 1.0), used(1_600, 1_280, 2.0)))
    assert (report.possible, report.cached, report.breaks) == (768 + 1_280, 768 + 1_280, ())


def test_a_long_pause_is_why_a_cache_was_empty() -> None:
    report = explain(talk(used(1_000, 0, 0.0), used(1_300, 768, 1.0), used(1_600, 0, TTL_S + 100)))
    (expired,) = report.breaks
    assert (expired.kind, expired.request, expired.lost) == ("expired", 3, 1_280)
    assert "minutes" in expired.why
    assert expired.cost == Decimal(1_280 * 3) / 1_000_000
    assert report.share == 768 / (768 + 1_280)


def test_a_provider_that_never_reports_hits_is_not_called_forgetful() -> None:
    usages = [used(1_000, 0, 0.0, "kimi-k2-250905", "ark"), used(1_300, 0, 1.0, "kimi-k2-250905", "ark")]
    (never,) = explain(talk(*usages)).breaks
    assert (never.kind, never.lost) == ("never", 768)


def test_going_back_to_an_earlier_message_reads_what_was_sent_then() -> None:
    entries = talk(used(1_000, 0, 0.0), used(1_300, 768, 1.0), used(1_600, 1_280, 2.0))
    entries += [Epoch("rewind", keep_upto=6), User("another way"), used(1_310, 1_024, 3.0), Assistant("ok")]
    (rewound,) = explain(entries).breaks
    assert (rewound.kind, rewound.lost) == ("rewind", 0)


def test_an_answer_recorded_before_its_usage_belongs_to_the_request_too() -> None:
    entries: list[Entry] = [*HEAD, User("a"), Assistant("b"), used(1_000, 0, 0.0)]
    entries += [User("c"), Assistant("d"), used(1_300, 768, 1.0)]
    assert explain(entries).breaks == ()


def test_an_unknown_model_breaks_without_a_price() -> None:
    report = explain(talk(used(1_000, 0, 0.0, "new"), used(1_300, 512, 1.0, "new")))
    (missed,) = report.breaks
    assert (missed.kind, missed.lost, missed.cost, missed.currency) == ("missed", 256, None, "")


def test_it_is_read_as_the_ledger_grows() -> None:
    entries = talk(used(1_000, 0, 0.0), used(1_300, 768, 1.0), used(1_600, 0, TTL_S + 100))
    history = CacheHistory()
    for length in range(len(entries) + 1):
        history.update(entries[:length])
    assert history.report() == explain(entries)


def test_hits_are_expected_only_where_there_were_some_and_in_time() -> None:
    model = catalog.find(MODEL, "moonshot")
    assert model is not None
    history = CacheHistory()
    entries = talk(used(1_000, 0, 0.0))
    entries.append(User("next"))
    history.update(entries)
    assert history.expected("moonshot", model, 1_300, 1.0) == 0
    entries = [*entries, used(1_300, 768, 1.0), Assistant("fine"), User("more")]
    history.update(entries)
    assert history.expected("moonshot", model, 1_600, 2.0) == 1_280
    assert history.expected("moonshot", model, 1_600, 2.0 + TTL_S) == 0
    assert history.expected("moonshot-intl", model, 1_600, 2.0) == 0


def test_reasoning_of_a_finished_loop_is_what_a_looping_template_drops() -> None:
    thinking = "kimi-k2-thinking"
    call = Call("a:0", "read_file", "{}")
    entries: list[Entry] = [
        *HEAD, User("q"), used(1_000, 0, 0.0, thinking), Assistant("", "hm " * 900, (call,), "tool_calls"),
        ToolResult("a:0", "read_file", "text " * 900), used(3_000, 768, 1.0, thinking),
        Assistant("done", "so"), User("next"), used(2_200, 768, 2.0, thinking), Assistant("ok"),
    ]  # fmt: skip
    (dropped,) = explain(entries).breaks
    assert (dropped.kind, dropped.request, dropped.cached) == ("thinking", 3, 768)
    assert isinstance(dropped, Break)
    always = [
        UsageEntry("kimi-k2.7-code", e.prompt, e.cached, 10, provider="moonshot", at=e.at)
        if isinstance(e, UsageEntry)
        else e
        for e in entries
    ]
    assert [b.kind for b in explain(always).breaks] == ["missed"]
