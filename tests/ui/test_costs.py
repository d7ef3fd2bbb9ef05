from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from kcode.conversation.cache import Break, CacheReport
from kcode.conversation.cost import SessionCost
from kcode.conversation.ledger import Fee, UsageEntry
from kcode.ui import costs
from kcode.ui.look import figures
from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]


def test_cost_shows_every_item_of_every_currency() -> None:
    cost = SessionCost.of([
        UsageEntry(
            "kimi-k3.1-pro", 20_000, 10_000, 500, 100, "0.047", "USD", input_cost="0.02", cached_cost="0.002",
            output_cost="0.005", write="0.02", saved="0.018",
        ),
        UsageEntry("kimi-k2-250905", 10, 0, 1, cost="0.06", currency="CNY", storage="0.06"),
        UsageEntry("new", 10, 0, 1),
        Fee("$web_search", "0.03", "CNY"),
        Fee("fetch", "", "CNY"),
    ])  # fmt: skip
    rows = dict(costs.cost_rows(cost))
    assert rows["input"] == "10.0k tokens: $0.0200"
    assert rows["cached input"] == "10.0k tokens, 50% of the prompts: $0.0020"
    assert rows["output"] == "502 tokens: $0.0050"
    assert rows["  of it reasoning"] == "100 tokens"
    assert rows["saved by caching"] == "$0.0180"
    assert rows["cache writes"] == "$0.0200"
    assert rows["cache storage"] == "¥0.0600"
    assert rows["fees"] == "1 × $web_search, 1 × fetch: ¥0.0300"
    assert rows["cost"] == "$0.0470 + ¥0.0900"
    assert rows["price unknown"] == "1 of new; not in the cost"


def test_requests_of_older_versions_are_said_to_be_in_the_total_only() -> None:
    old = SessionCost.of([UsageEntry("m", 10, 0, 1, cost="0.06", currency="CNY")])
    assert ("", "older requests are in the total only") in costs.cost_rows(old)


def test_the_cache_rows_say_what_was_possible_and_what_breaks_cost() -> None:
    broken = Break(4, 0.0, "model", "another model went on", 9_000, 0, 8_960, 8_960, Decimal("0.0627"), "CNY")
    free = Break(9, 0.0, "clear", "/clear", 3_000, 2_816, 2_816, 0, Decimal(0), "CNY")
    report = CacheReport(10, 50_000, 30_000, 40_000, 31_040, (broken, free))
    rows = dict(costs.cache_rows(report))
    assert rows["read from cache"] == "30.0k tokens (60%)"
    assert rows["blocks of 256 allow"] == "31.0k tokens; 40.0k tokens without any break"
    assert rows["of that was read"] == "96.6%"
    assert rows["breaks cost"] == "¥0.0627"
    assert costs.break_rows(report.breaks) == [
        ("request 4", "9.0k tokens read again, ¥0.0627: another model went on"),
        ("request 9", "nothing read again: /clear"),
    ]


def test_money_too_small_for_four_digits_is_not_nothing() -> None:
    assert figures.money("0.00001", "CNY") == "< ¥0.0001"


@pytest.mark.parametrize("model", ["kimi-k2-thinking"])
def test_a_sitting_explains_cost_cache_and_window(sit: Sit, k2sim: Sim, repo: Path, model: str) -> None:
    (repo / "long.txt").write_text("a line that has to be read again\n" * 200)
    thought = "I look at the file. " * 40
    answers = [use(call("read_file", path="long.txt"), reasoning=thought), say("Read.", reasoning=thought)]
    sim = k2sim([*answers, *answers])
    person = sit(sim, "--max-cost", "¥5", env={"KCODE_MODEL": model}, rows=80, columns=100)
    person.type("read it\r")
    person.see(r"Read\.[\s\S]+❯")
    person.type("read it again\r")
    person.see(r"Read\.[\s\S]+Read\.[\s\S]+❯")
    person.type("/cost\r")
    text = person.see(r"kcode cost")
    assert re.search(r"requests +4\n", text)
    assert re.search(r"cached input +[\d.]+k? tokens, \d+% of the prompts: ¥0\.\d{4}", text)
    assert re.search(r"saved by caching +¥0\.\d{4}", text)
    assert re.search(r"limit of this session +¥0\.\d{4} of ¥5\.0000 \(\d%\)", text)
    assert re.search(r"balance +¥49\.5900", text)
    person.type("/cache\r")
    person.see(r"breaks cost +¥0\.\d{4}")
    person.see(r"request 3 \d\d:\d\d +[\d.]+k? tokens read again, ¥0\.\d{4}: the turn was answered")
    person.type("/context\r")
    text = person.see(r"free +[\d.]+[kM]? +\d+%")
    for kind in ("tools", "system", "user", "assistant", "calls", "results", "answer's reserve"):
        assert re.search(rf"{kind} +[\d.]+k? +\d+%", text), kind
