from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcode.conversation.journal import Journal, SessionBusy, load
from kcode.conversation.ledger import Assistant, Entry, Epoch, Fee, Note, UsageEntry, User
from kcode.conversation.sessions import choose, matching, prune, remove, summaries, summary
from kcode.errors import UsageError


def session(root: Path, *entries: Entry, at: float = 0.0) -> Path:
    journal = Journal.create(root)
    for entry in entries:
        journal.append(entry)
    journal.close()
    if at:
        os.utime(journal.path, (at, at))
    return journal.path


def test_a_summary_tells_what_a_list_shows(tmp_path: Path) -> None:
    path = session(
        tmp_path,
        Note("session", data={"branch": "main", "model": "kimi-k2.6"}),
        User("first words\n<context>", "first words"),
        Assistant("an answer"),
        UsageEntry("kimi-k2.6", 10, 0, 5, cost="0.10", currency="CNY"),
        Note("snapshot", "start", {"branch": "topic"}),
        Fee("$web_search", "0.03", "CNY"),
        UsageEntry("kimi-k2.6", 10, 0, 5, cost="0.20", currency="USD"),
        User("not typed by anybody"),
        Assistant("  "),
    )
    found = summary(path)
    assert (found.title, found.last, found.branch) == ("first words", "an answer", "topic")
    assert [(name, str(amount)) for name, amount in found.cost] == [("CNY", "0.13"), ("USD", "0.20")]
    assert (found.messages, found.requests, found.damage) == (1, 2, "")


def test_sessions_in_which_nothing_was_said_are_not_listed_and_the_latest_is_first(tmp_path: Path) -> None:
    session(tmp_path, at=900)
    older = session(tmp_path, User("a", "a"), at=100)
    latest = session(tmp_path, User("b", "b"), at=200)
    assert [found.path for found in summaries(tmp_path)] == [latest, older]


def test_a_torn_last_line_is_no_damage(tmp_path: Path) -> None:
    path = session(tmp_path, User("a", "a"))
    with path.open("ab") as file:
        file.write(b'{"t":"User","te')
    assert summary(path).damage == ""
    with path.open("ab") as file:
        file.write(b"\n")
    assert summary(path).damage == "line 3 is damaged"


def test_every_word_has_to_fit_and_an_id_goes_first(tmp_path: Path) -> None:
    one = session(tmp_path, User("repair the shop", "repair the shop"))
    two = session(tmp_path, User("修复 the 商店", "修复 the 商店"))
    found = summaries(tmp_path)
    assert [each.path for each in matching(found, "SHOP repair")] == [one]
    assert [each.path for each in matching(found, "商店")] == [two]
    assert len(matching(found, "the")) == 2
    assert [each.path for each in matching(found, two.stem)] == [two]
    assert choose(tmp_path, one.stem) == one
    with pytest.raises(UsageError, match="fits several"):
        choose(tmp_path, "the")
    with pytest.raises(UsageError, match="no session fits"):
        choose(tmp_path, "nothing like it")


def test_open_sessions_are_neither_removed_nor_pruned(tmp_path: Path) -> None:
    path = session(tmp_path, User("a", "a"), at=100)
    journal, _ = Journal.open(path)
    with pytest.raises(SessionBusy):
        remove(path)
    assert prune([path], older_than=1e12).sessions == 0
    journal.close()
    assert prune([path], older_than=1e12).sessions == 1
    assert not path.exists()


def test_pruning_by_size_takes_the_oldest_first(tmp_path: Path) -> None:
    paths = [session(tmp_path, User("x" * 1_000, "x"), at=100 + n) for n in range(4)]
    size = paths[0].stat().st_size
    done = prune(paths, max_bytes=size * 2 + size // 2)
    assert done.sessions == 2
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_restoring_epoch_comes_back_from_disk(tmp_path: Path) -> None:
    path = session(tmp_path, User("a"), Epoch("rewind", restore_upto=0))
    assert [record.entry for record in load(path)[1]] == [User("a"), Epoch("rewind", restore_upto=0)]
