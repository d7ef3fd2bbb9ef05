from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.config.project import sessions_dir
from kcode.conversation.journal import (
    Journal,
    JournalProblem,
    SessionBusy,
    find_session,
    fork,
    load,
)
from kcode.conversation.ledger import Epoch, System, User
from kcode.conversation.records import FORMAT
from kcode.errors import UsageError

ONE = b"""{"kcode_journal":1,"session":"old","root":"/r","created":5.0}
{"t":"Together","entries":[{"t":"Epoch","at":6.0,"reason":"start","detail":"","keep_upto":null},\
{"t":"System","at":6.0,"text":"s"}]}
{"t":"User","at":7.5,"text":"hello","typed":"hello"}
{"t":"Epoch","at":8.0,"reason":"rewind","detail":"","keep_upto":2}
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "a.txt").write_text("a\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        git(root, *command)
    return root


def begun(root: Path, *words: str) -> Path:
    journal = Journal.create(root)
    for word in words or ("hello",):
        journal.append(User(word))
    journal.close()
    return journal.path


def test_a_journal_of_format_1_is_migrated_and_goes_on(tmp_path: Path) -> None:
    folder = sessions_dir(tmp_path)
    folder.mkdir(parents=True)
    path = folder / "old.jsonl"
    path.write_bytes(ONE + b'{"t":"User","te')
    journal, entries = Journal.open(path)
    journal.append(User("more"))
    journal.close()
    header, records = load(path)
    assert header.format == FORMAT
    assert (header.session, header.created) == ("old", 5.0)
    assert [record.entry for record in records] == [*entries, User("more")]
    assert entries == [Epoch("start"), System("s"), User("hello", "hello"), Epoch("rewind", keep_upto=2)]
    assert [record.at for record in records[:4]] == [6.0, 6.0, 7.5, 8.0]
    assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in folder.iterdir()] == ["old.jsonl"]


def test_a_migrated_journal_stays_locked(tmp_path: Path) -> None:
    folder = sessions_dir(tmp_path)
    folder.mkdir(parents=True)
    (folder / "old.jsonl").write_bytes(ONE)
    journal, _ = Journal.open(folder / "old.jsonl")
    code = (
        "from pathlib import Path;from kcode.conversation.journal import Journal;"
        f"Journal.open(Path({str(journal.path)!r}))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    journal.close()
    assert "another kcode has the session" in other.stderr


def test_a_damaged_journal_of_format_1_is_left_as_it_is(tmp_path: Path) -> None:
    folder = sessions_dir(tmp_path)
    folder.mkdir(parents=True)
    path = folder / "old.jsonl"
    damaged = ONE.replace(b'{"t":"User"', b'{"t":User"')
    path.write_bytes(damaged)
    with pytest.raises(JournalProblem, match="line 3"):
        Journal.open(path)
    assert path.read_bytes() == damaged


def test_an_open_session_can_be_forked(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    journal.append(User("one"))
    with pytest.raises(SessionBusy) as busy:
        Journal.open(journal.path)
    assert "kcode session fork" in busy.value.remedy
    copy = fork(journal.path, tmp_path)
    journal.append(User("two"))
    journal.close()
    again, entries = Journal.open(copy)
    again.close()
    assert entries == [User("one")]
    assert again.header.parent == journal.header.session
    assert again.header.session == copy.stem != journal.header.session


def test_a_fork_of_a_damaged_session_ends_before_the_damage(tmp_path: Path) -> None:
    path = begun(tmp_path, "one", "two", "three")
    lines = path.read_bytes().split(b"\n")
    lines[2] = b"\xff" + lines[2]
    path.write_bytes(b"\n".join(lines))
    again, entries = Journal.open(fork(path, tmp_path))
    again.close()
    assert entries == [User("one")]


def test_worktrees_find_the_sessions_of_their_project_and_their_own_first(
    repository: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    main = begun(repository)
    assert find_session(tree) == main
    own = begun(tree)
    later = begun(repository)
    assert own.parent == main.parent
    assert find_session(tree) == own
    assert find_session(repository) == later


def test_a_moved_repository_finds_its_sessions(repository: Path, tmp_path: Path) -> None:
    path = begun(repository)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    repository.rename(moved)
    found = find_session(moved)
    assert found.name == path.name
    assert not path.exists()
    again = begun(moved)
    assert find_session(moved) == again


def test_a_repository_copied_to_another_disk_and_removed_there_is_recognised(
    repository: Path, tmp_path: Path
) -> None:
    path = begun(repository)
    shutil.copytree(repository, tmp_path / "copy")
    shutil.rmtree(repository)
    assert find_session(tmp_path / "copy").name == path.name


def test_a_copy_beside_its_original_has_sessions_of_its_own(repository: Path, tmp_path: Path) -> None:
    begun(repository)
    shutil.copytree(repository, tmp_path / "copy")
    with pytest.raises(UsageError, match="no session"):
        find_session(tmp_path / "copy")


def test_a_moved_folder_without_git_finds_its_sessions(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text(name)
    path = begun(folder)
    (folder / "d").write_text("d")
    folder.rename(tmp_path / "moved")
    assert find_session(tmp_path / "moved").name == path.name


def test_another_folder_in_the_place_of_a_removed_one_inherits_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "a").write_text("a")
    begun(folder)
    shutil.rmtree(folder)
    other = tmp_path / "two"
    other.mkdir()  # often with the number that the removed folder had
    (other / "b").write_text("b")
    with pytest.raises(UsageError, match="no session"):
        find_session(other)


def test_sessions_a_worktree_had_of_its_own_are_still_found(repository: Path, tmp_path: Path) -> None:
    from kcode.config.paths import state_dir
    from kcode.config.project import project_key

    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    old = state_dir() / "sessions" / project_key(tree) / "20250101-000000-abcdef.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text(
        json.dumps({"kcode_journal": 1, "session": old.stem, "root": str(tree), "created": 1}) + "\n"
    )
    assert find_session(tree) == old


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_said(tmp_path: Path, own_home: Path) -> None:
    own_home.chmod(0o500)
    try:
        with pytest.raises(JournalProblem, match="cannot be written"):
            Journal.create(tmp_path)
    finally:
        own_home.chmod(0o700)


def test_a_state_folder_that_is_a_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(JournalProblem, match="cannot be written") as problem:
        Journal.create(tmp_path)
    assert "XDG_STATE_HOME" in problem.value.remedy
