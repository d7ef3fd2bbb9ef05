from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from kcode.cli.cost import moment
from kcode.conversation.journal import Journal
from kcode.conversation.ledger import Entry, Fee, UsageEntry
from kcode.errors import ExitCode, UsageError
from tests.cli.conftest import Run
from tests.cli.test_print import at
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]
NOW = datetime.now().timestamp()
DAY = 86_400


def used(model: str = "kimi-k3", when: float = NOW, **more: object) -> UsageEntry:
    fields = {
        "provider": "moonshot", "cost": "0.43", "currency": "CNY", "input_cost": "0.03", "cached_cost": "0.2",
        "output_cost": "0.2", "saved": "1.8", "at": when,
    }  # fmt: skip
    return UsageEntry(model, 100_000, 90_000, 2_000, 500, **(fields | more))  # type: ignore[arg-type]


def session(root: Path, *entries: Entry) -> Path:
    root.mkdir(exist_ok=True)
    journal = Journal.create(root)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return journal.path


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    session(tmp_path / "shop", used(), used(when=NOW - 3 * DAY), Fee("$web_search", "0.03", "CNY", NOW))
    session(tmp_path / "bank", used("kimi-k3.1-pro", currency="USD", provider="moonshot-intl", cost="0.5"))
    return session(tmp_path / "bank", used("new-model", cost="", currency="", saved=""))


def test_nothing_spent_is_said(kcode: Run) -> None:
    assert kcode("cost").stdout == "nothing was spent\n"


@pytest.mark.usefixtures("spent")
def test_all_sessions_are_summed_by_item_and_currency(kcode: Run) -> None:
    done = kcode("cost")
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines() if "  " in line.strip())
    assert rows["sessions"].strip() == "3"
    assert "¥0.8900 + $0.5000" in rows["cost"]
    assert "40.0k tokens" in rows["input"]
    assert "90% of the prompts: ¥0.4000 + $0.2000" in rows["cached input"]
    assert "1 × $web_search: ¥0.0300" in rows["fees"]
    assert "¥3.6000 + $1.8000" in rows["saved by caching"]
    assert "1 of new-model" in rows["price unknown"]


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", ["$web_search", "moonshot-intl/kimi-k3.1-pro", "moonshot/kimi-k3", "moonshot/new-model"]),
        ("project", ["bank", "shop"]),
    ],
)
def test_the_sum_is_split_as_asked(kcode: Run, tmp_path: Path, by: str, names: list[str]) -> None:
    lines = kcode("cost", "--by", by).stdout.splitlines()
    assert lines[0].split()[0] == by
    assert [line.split()[0].removeprefix(f"{tmp_path}/") for line in lines[1:-1]] == names
    assert lines[-1].startswith("total")


@pytest.mark.usefixtures("spent")
def test_days_are_local_and_since_cuts(kcode: Run) -> None:
    days = [line.split()[0] for line in kcode("cost", "--by", "day").stdout.splitlines()[1:-1]]
    assert days == [datetime.fromtimestamp(t).strftime("%Y-%m-%d") for t in (NOW - 3 * DAY, NOW)]
    recent = json.loads(kcode("cost", "--since", "2d", "--json").stdout)
    assert recent["total"]["requests"] == 3


@pytest.mark.usefixtures("spent")
def test_json_keeps_amounts_exact_and_apart(kcode: Run) -> None:
    found = json.loads(kcode("cost", "--json", "--by", "model").stdout)
    assert found["schema"] == "kcode.cost/1"
    assert found["sessions"] == 3
    assert found["total"]["prompt_tokens"] == 400_000
    assert [(m["currency"], m["amount"], m["fees"]) for m in found["total"]["cost"]] == [
        ("CNY", "0.89", "0.03"), ("USD", "0.5", "0"),
    ]  # fmt: skip
    assert found["total"]["unpriced"] == {"new-model": 1}
    assert {group["model"] for group in found["groups"]} >= {"moonshot/kimi-k3"}


def test_a_damaged_journal_is_named_and_the_rest_summed(kcode: Run, spent: Path) -> None:
    spent.write_bytes(b"not a journal\n")
    done = kcode("cost", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["sessions"] == 2
    assert str(spent) in done.stderr


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--since", "2026-13-01"], ["--by", "mood"]])
def test_what_is_not_understood_is_a_usage_error(kcode: Run, arguments: list[str]) -> None:
    done = kcode("cost", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" not in done.stderr


def test_times_are_read_in_local_time() -> None:
    now = datetime(2026, 11, 22, 15, 30).astimezone()
    assert moment("", now) == 0
    assert moment("today", now) == datetime(2026, 11, 22).astimezone().timestamp()
    assert moment("2026-11-01", now) == datetime(2026, 11, 1).astimezone().timestamp()
    assert moment("36h", now) == now.timestamp() - 36 * 3600
    assert moment("2w", now) == now.timestamp() - 14 * DAY
    with pytest.raises(UsageError):
        moment("7", now)


def test_a_real_run_shows_up_with_what_it_cost(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("fine")])
    run = kcode("-p", "hi", "--model", "kimi-k3", "--output", "json", env=at(sim))
    (cost,) = json.loads(run.stdout)["cost"]
    (summed,) = json.loads(kcode("cost", "--json", "--since", "today").stdout)["total"]["cost"]
    assert (summed["amount"], summed["currency"]) == (cost["amount"], "CNY")
