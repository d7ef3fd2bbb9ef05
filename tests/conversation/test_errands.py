from __future__ import annotations

from pathlib import Path

import pytest

from kcode.conversation.cache import explain
from kcode.conversation.cost import SessionCost
from kcode.conversation.journal import Journal, find_session
from kcode.conversation.ledger import Assistant, Entry, UsageEntry, User
from kcode.conversation.spending import Reading
from kcode.errors import UsageError


def usage(prompt: int, *, aside: str = "", at: float = 1.0) -> UsageEntry:
    return UsageEntry("kimi-k2.6", prompt, 0, 10, cost="0.5", currency="CNY", at=at, aside=aside)


def test_an_errand_is_paid_for_and_never_continued(tmp_path: Path) -> None:
    talk = Journal.create(tmp_path)
    talk.append(User("hello", typed="hello"))
    talk.close()
    errand = Journal.create(tmp_path, errand="commit")
    errand.append(usage(900, aside="commit", at=5.0))
    errand.close()
    assert find_session(tmp_path) == talk.path
    assert [spent.entry.aside for spent in Reading().all() if isinstance(spent.entry, UsageEntry)] == [
        "commit"
    ]
    reopened, entries = Journal.open(errand.path)
    reopened.close()
    assert (reopened.header.errand, len(entries)) == ("commit", 1)


def test_where_there_are_only_errands_there_is_nothing_to_continue(tmp_path: Path) -> None:
    Journal.create(tmp_path, errand="review").close()
    with pytest.raises(UsageError, match="no session to continue"):
        find_session(tmp_path)


def test_a_request_beside_the_conversation_costs_and_breaks_no_prefix() -> None:
    talk: list[Entry] = [
        User("x" * 4000),
        Assistant("y", None, ()),
        usage(1000),
        usage(9000, aside="review", at=2.0),
        User("z"),
        Assistant("y", None, ()),
        usage(1010, at=3.0),
    ]
    assert SessionCost.of(talk).requests == 3
    report = explain(talk)
    assert (report.requests, report.prompt) == (2, 2010)
