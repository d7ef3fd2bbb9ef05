from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from kcode.ui.stage import history
from kcode.ui.stage.history import ProjectHistory, open_history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "entries"
    file.touch(0o600)
    return file


def entries(path: Path) -> list[str]:
    """Oldest first."""
    return list(ProjectHistory(path).load_history_strings())[::-1]


def test_entries_of_several_lines_come_back_as_they_were(path: Path) -> None:
    texts = ["one", "two\nlines", "# a note\n\n+ plus\n", "三 行\n"]
    writer = ProjectHistory(path)
    for text in texts:
        writer.append_string(text)
    assert entries(path) == texts


def test_the_same_text_twice_in_a_row_is_one_entry(path: Path) -> None:
    writer = ProjectHistory(path)
    for text in ("a", "a", "b", "a"):
        writer.append_string(text)
    assert entries(path) == ["a", "b", "a"]


def test_what_another_session_added_is_there_after_a_refresh(path: Path) -> None:
    mine, other = ProjectHistory(path), ProjectHistory(path)
    list(mine.load_history_strings())
    assert not mine.refresh()
    other.append_string("from the other")
    assert mine.refresh()
    assert list(mine.load_history_strings()) == ["from the other"]
    assert not mine.refresh()


def test_own_entries_need_no_refresh(path: Path) -> None:
    mine = ProjectHistory(path)
    list(mine.load_history_strings())
    mine.append_string("mine")
    assert not mine.refresh()


def test_sessions_that_write_at_once_lose_nothing(path: Path) -> None:
    def write(name: str) -> None:
        writer = ProjectHistory(path)
        for number in range(50):
            writer.append_string(f"{name} {number}\nsecond line")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entries(path)) == sorted(f"{n} {i}\nsecond line" for n in "abcd" for i in range(50))


def test_a_file_that_grows_too_large_keeps_its_newest_entries(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LARGEST", 2_000)
    monkeypatch.setattr(history, "KEPT", 500)
    writer = ProjectHistory(path)
    for number in range(300):
        writer.append_string(f"entry {number}")
        assert path.stat().st_size <= 2_000 + 20
    kept = entries(path)
    assert kept == [f"entry {n}" for n in range(300 - len(kept), 300)]
    assert len(kept) > 10


def test_a_file_of_an_older_kcode_is_read(path: Path) -> None:
    path.write_text("\n# 2026-01-02 03:04:05.6\n+one\n+two\n\n# 2026-01-02 03:05:00.1\n+three\n")
    assert entries(path) == ["one\ntwo", "three"]


def test_only_the_owner_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    writer = open_history(tmp_path)
    writer.append_string("secret plans")
    (file,) = tmp_path.rglob("history/*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
