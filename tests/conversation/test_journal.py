from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.journal import Journal, JournalProblem, SessionBusy, find_session
from kcode.conversation.ledger import Entry, Epoch, System, User
from kcode.conversation.projection import project
from kcode.conversation.records import decode, encode, parse
from kcode.errors import UsageError
from kcode.providers.dialect import DIALECTS
from tests.conversation.strategies import conversations

HEADER = b'{"kcode_journal":2,"session":"s","root":"/r","created":1.0}\n'


def as_lines(ledger: list[Entry]) -> bytes:
    return HEADER + b"".join(
        json.dumps({**encode(entry), "at": 1.0}, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        for entry in ledger
    )


@given(conversations())
def test_every_entry_comes_back_from_disk_equal(ledger: list[Entry]) -> None:
    assert [decode(json.loads(json.dumps(encode(entry)))) for entry in ledger] == ledger


@given(conversations(), st.data())
def test_cut_at_any_byte_a_journal_still_loads_with_every_whole_entry(
    ledger: list[Entry], data: st.DataObject
) -> None:
    whole = as_lines(ledger)
    cut = data.draw(st.integers(len(HEADER), len(whole)))
    kept = whole[:cut][: whole[:cut].rfind(b"\n") + 1]
    _, entries = parse(kept, "s")
    assert entries == ledger[: kept.count(b"\n") - 1]


def test_resume_sends_the_same_bytes(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    entries: list[Entry] = [User("修复 \x07 it", "修复")]
    for entry in entries:
        journal.append(entry)
    journal.close()
    again, loaded = Journal.open(find_session(tmp_path))
    again.close()
    assert project(loaded, DIALECTS["moonshot"]) == project(entries, DIALECTS["moonshot"])


def test_a_torn_last_line_is_dropped_and_the_next_entry_stands_alone(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(User("one"))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"t":"User","text":"tw')
    again, entries = Journal.open(journal.path)
    again.append(User("three"))
    again.close()
    last, entries = Journal.open(journal.path)
    last.close()
    assert entries == [User("one"), User("three")]


def test_a_damaged_line_in_the_middle_is_named_and_the_file_left_alone(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    for text in ("one", "two", "three"):
        journal.append(User(text))
    journal.close()
    lines = journal.path.read_bytes().split(b"\n")
    lines[2] = lines[2][:9] + b"\xff" + lines[2][10:]
    journal.path.write_bytes(b"\n".join(lines))
    before = journal.path.read_bytes()
    with pytest.raises(JournalProblem, match="line 3"):
        Journal.open(journal.path)
    assert journal.path.read_bytes() == before


def test_a_second_process_is_told_that_the_session_is_open(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    code = (
        "from pathlib import Path;from kcode.conversation.journal import Journal;"
        f"Journal.open(Path({str(journal.path)!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    journal.close()
    assert "another kcode has the session" in result.stderr


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(HEADER.replace(b":2,", b":99,", 1))
    with pytest.raises(JournalProblem, match="newer kcode"):
        Journal.open(path)


def test_nothing_to_continue_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no session"):
        find_session(tmp_path)


def test_only_the_user_may_read_a_session(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.close()
    assert journal.path.stat().st_mode & 0o077 == 0
    assert journal.path.parent.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        import resource, signal
        from pathlib import Path
        from kcode.conversation.journal import Journal, JournalProblem
        from kcode.conversation.ledger import User
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal.create(Path({str(tmp_path)!r}))
        journal.append(User("kept"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            journal.append(User("x" * 9000))
        except JournalProblem as error:
            print("said:", error.message)
        """
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "said: the session cannot be written" in result.stdout
    again, entries = Journal.open(find_session(tmp_path))
    again.close()
    assert entries == [User("kept")]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
def test_a_journal_that_is_deleted_while_it_is_open_comes_back_with_the_next_entry(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(User("one"))
    shutil.rmtree(journal.path.parents[1])
    journal.append(User("two"))
    journal.append(User("three"))
    with pytest.raises(SessionBusy):
        Journal.open(find_session(tmp_path))
    journal.close()
    again, entries = Journal.open(find_session(tmp_path))
    assert entries == [User("one"), User("two"), User("three")]
    again.path.unlink()
    again.append(User("four"))
    again.close()
    assert Journal.open(find_session(tmp_path))[1][-1] == User("four")
    assert journal.path.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
def test_what_took_the_place_of_a_deleted_journal_is_kept(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.path.unlink()
    journal.path.write_text("another")
    journal.append(User("one"))
    journal.close()
    assert [path.read_text() for path in journal.path.parent.glob("*.jsonl.*")] == ["another"]
    assert Journal.open(journal.path)[1] == [User("one")]


def test_sigkill_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from kcode.conversation.journal import Journal
        from kcode.conversation.ledger import User
        journal = Journal.create(Path({str(tmp_path)!r}))
        number = 0
        while True:
            journal.append(User(str(number) * 50))
            print(number, flush=True)
            number += 1
        """
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait()
    journal, entries = Journal.open(find_session(tmp_path))
    journal.close()
    whole = [line for line in acknowledged if line.endswith("\n")]
    assert len(entries) >= len(whole)
    assert entries == [User(str(number) * 50) for number in range(len(entries))]


def test_a_session_killed_before_its_header_is_passed_over(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(User("kept"))
    journal.close()
    torn = journal.path.with_name("99999999-000000-torn.jsonl")
    torn.write_bytes(HEADER[:20])
    assert find_session(tmp_path) == journal.path


@given(st.floats(0, 1))
def test_an_epoch_and_what_it_begins_with_are_on_disk_together_or_not_at_all(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder))
        journal.append(User("before"))
        size = journal.path.stat().st_size
        together: list[Entry] = [Epoch("compaction"), System("s"), User("hand-off")]
        journal.append_all(together)
        journal.close()
        whole = journal.path.read_bytes()
        cut = size + round(share * (len(whole) - size))
        journal.path.write_bytes(whole[:cut])
        again, entries = Journal.open(journal.path)
        again.close()
    assert entries == [User("before"), *(together if cut == len(whole) else [])]
