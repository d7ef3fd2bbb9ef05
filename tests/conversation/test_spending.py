from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from kcode.conversation.cost import SessionCost
from kcode.conversation.journal import Journal
from kcode.conversation.ledger import Entry, Fee, Note, System, UsageEntry, User
from kcode.conversation.spending import Reading, SpentToday, journals, today


def used(at: float, cost: str = "0.5", currency: str = "CNY", **more: object) -> UsageEntry:
    fields = {"provider": "moonshot", "cost": cost, "currency": currency, "at": at} | more
    return UsageEntry("kimi-k3", 1_000, 768, 100, **fields)  # type: ignore[arg-type]


def written(root: Path, *entries: Entry, session: str | None = None) -> Path:
    journal = Journal.create(root, session)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return journal.path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def test_the_money_of_all_projects_is_found(project: Path, tmp_path: Path) -> None:
    written(project, System("s"), User("hi"), used(1_000.0), Fee("$web_search", "0.03", "CNY", 1_001.0))
    written(tmp_path, used(2_000.0, currency="USD"))
    reading = Reading()
    found = list(reading.all())
    assert [(spent.at, spent.project) for spent in found] == [
        (1_000.0, str(project)), (1_001.0, str(project)), (2_000.0, str(tmp_path)),
    ]  # fmt: skip
    total = SessionCost.of(spent.entry for spent in found)
    assert total.money == {"CNY": Decimal("0.53"), "USD": Decimal("0.5")}
    assert reading.damaged == []


def test_text_that_speaks_of_usage_is_not_money(project: Path) -> None:
    written(project, User('{"t":"UsageEntry","cost":"99"}'), Note("x", data={"t": "UsageEntry"}), used(1.0))
    assert len(list(Reading().all())) == 1


def test_what_came_before_is_left_out(project: Path) -> None:
    written(project, used(1_000.0), used(2_000.0))
    assert [spent.at for spent in Reading(since=1_500.0).all()] == [2_000.0]


def test_journals_that_were_not_touched_since_are_not_even_opened(project: Path) -> None:
    old = written(project, used(1_000.0))
    os.utime(old, (1_500.0, 1_500.0))
    assert journals(since=2_000.0) == []
    assert journals() == [old]


def test_a_fork_does_not_pay_its_parents_requests_again(project: Path) -> None:
    fee = Fee("$web_search", "0.03", "CNY", 3.0)
    parent: list[Entry] = [used(1.0), fee, fee, used(2.0)]
    written(project, *parent)
    written(project, *parent, used(9.0))
    assert [spent.at for spent in Reading().all()] == [1.0, 3.0, 3.0, 2.0, 9.0]


def test_an_epoch_s_entries_on_one_line_are_counted(project: Path) -> None:
    journal = Journal.create(project)
    journal.append_all([System("s"), used(1.0), used(2.0)])
    journal.close()
    assert len(list(Reading().all())) == 2


def test_damage_is_named_and_the_rest_is_counted(project: Path) -> None:
    good = written(project, used(1.0), session="20260101-000000-aaaaaa")
    damaged = written(project, used(2.0), used(3.0), session="20260101-000000-bbbbbb")
    lines = damaged.read_bytes().splitlines(keepends=True)
    damaged.write_bytes(lines[0] + lines[1][:40] + b"\n" + lines[2])
    nothing = good.with_name("nothing.jsonl")
    nothing.write_bytes(b"\x00\x01\n")
    reading = Reading()
    assert sorted(spent.at for spent in reading.all()) == [1.0, 3.0]
    assert sorted(reading.damaged) == [
        f"{damaged}, line 2: damaged, left out",
        f"{nothing}: not a session, or its first line is damaged",
    ]


def test_a_line_that_is_being_written_is_no_damage(project: Path) -> None:
    path = written(project, used(1.0), used(2.0))
    path.write_bytes(path.read_bytes()[:-10])
    reading = Reading()
    assert [spent.at for spent in reading.all()] == [1.0]
    assert reading.damaged == []


def test_entries_of_older_versions_are_read_with_the_time_of_their_line(project: Path) -> None:
    path = written(project)
    record = {"t": "UsageEntry", "at": 77.0, "model": "m", "prompt": 1, "cached": 0, "completion": 1}
    line = json.dumps(record | {"cost": "0.1", "currency": "CNY"}, separators=(",", ":"))
    path.write_text(path.read_text() + line + "\n")
    (spent,) = Reading().all()
    assert (spent.at, spent.entry.currency) == (77.0, "CNY")


def test_today_counts_all_sessions_and_this_one_s_ledger(project: Path, tmp_path: Path) -> None:
    now = today() + 1
    own: list[Entry] = [used(now), used(now - 86_400), used(now + 1, "1", "USD")]
    written(project, *own, session="mine")
    other = written(tmp_path, used(now + 2, "0.25"), used(now - 10, "9"), session="other")
    counter = SpentToday("mine")
    assert counter.total("CNY", own) == Decimal("0.75")
    assert counter.total("USD", own) == Decimal("1")
    with other.open("ab") as file:
        file.write(
            Path(written(tmp_path, used(now + 3, "2"), session="third")).read_bytes().splitlines()[1] + b"\n"
        )
    assert counter.total("CNY", own) == Decimal("2.75")
