from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.config.paths import state_dir
from kcode.workspace import snapshots
from kcode.workspace.private_git import private_git
from kcode.workspace.restore import restore
from kcode.workspace.snapshots import SnapshotProblem, SnapshotStore
from kcode.workspace.workspace import Workspace


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def contents(root: Path) -> dict[str, tuple[str, bytes]]:
    """Every file and link below ``root`` but those of git, with kind, mode and bytes."""
    found = {}
    for folder, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in [*names, *(f for f in folders if (Path(folder) / f).is_symlink())]:
            path = Path(folder) / name
            info = path.lstat()
            if stat.S_ISLNK(info.st_mode):
                found[str(path.relative_to(root))] = ("link", os.fsencode(path.readlink()))
            else:
                found[str(path.relative_to(root))] = (f"{info.st_mode:o}", path.read_bytes())
    return found


def users_side(root: Path) -> dict[str, bytes]:
    """What is the user's own in ``.git``: index, refs, stash, hooks, configuration, logs."""
    own = root / ".git"
    kept = [own / "index", own / "HEAD", own / "config", own / "packed-refs"]
    for name in ("refs", "hooks", "logs"):
        kept += [path for path in (own / name).rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in kept if path.is_file()}


def rewind(workspace: Workspace, to: str) -> list[tuple[str, str]]:
    now = workspace.snapshots.take().commit
    return restore(workspace, workspace.snapshots.between(to, now), {})


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    root = tmp_path / "repo"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a = 1\n")
    (root / "src" / "b.py").write_text("b = 1\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "data.bin").write_bytes(bytes(range(256)) * 10)
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "start")
    (root / "untracked.txt").write_text("mine\n")
    (root / "link").symlink_to("src/a.py")
    return Workspace.open(root)


def test_everything_comes_back_exactly(work: Workspace) -> None:
    root = work.root
    (root / "src" / "a.py").write_text("staged\n")
    git(root, "add", "src/a.py")
    (root / "src" / "a.py").write_text("and edited\r\nmixed\n")
    before = contents(root)
    theirs = users_side(root)
    moment = work.snapshots.take().commit

    (root / "src" / "a.py").unlink()
    (root / "src" / "b.py").rename(root / "renamed.py")
    (root / "run.sh").chmod(0o755)
    (root / "data.bin").write_bytes(b"\0\xff")
    (root / "untracked.txt").write_text("gone\n")
    (root / "link").unlink()
    (root / "link").symlink_to("/nowhere")
    (root / "new" / "deep").mkdir(parents=True)
    (root / "new" / "deep" / "made.txt").write_text("made")
    (root / "breit 宽 \n name.txt").write_text("odd")

    assert rewind(work, moment) == []
    assert contents(root) == before
    assert not (root / "new").exists()
    assert users_side(root) == theirs
    assert git(root, "status", "--porcelain").splitlines() == ["MM src/a.py", "?? link", "?? untracked.txt"]


def test_a_rewind_can_be_taken_back(work: Workspace) -> None:
    moment = work.snapshots.take().commit
    (work.root / "src" / "a.py").write_text("later\n")
    (work.root / "x").write_bytes(b"\x00")
    later = contents(work.root)
    now = work.snapshots.take().commit
    rewind(work, moment)
    rewind(work, now)
    assert contents(work.root) == later


def test_files_become_folders_and_links_and_return(work: Workspace) -> None:
    root = work.root
    before = contents(root)
    moment = work.snapshots.take().commit
    (root / "run.sh").unlink()
    (root / "run.sh").mkdir()
    (root / "run.sh" / "inner").write_text("x")
    shutil.rmtree(root / "src")
    (root / "src").write_text("a file now")
    (root / "data.bin").unlink()
    (root / "data.bin").symlink_to("run.sh")
    assert rewind(work, moment) == []
    assert contents(root) == before


def test_nothing_is_written_through_a_link_that_leads_out(work: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("not ours\n")
    moment = work.snapshots.take().commit
    shutil.rmtree(work.root / "src")
    (work.root / "src").symlink_to(outside)
    now = work.snapshots.take().commit
    found = [d for d in work.snapshots.between(moment, now) if d.path.startswith("src/")]
    left = restore(work, found, {})  # without the link itself
    assert {path for path, _ in left} == {"src/a.py", "src/b.py"}
    assert (outside / "a.py").read_text() == "not ours\n"


def test_line_endings_filters_and_encodings_do_not_change_a_byte(work: Workspace) -> None:
    root = work.root
    (root / ".gitattributes").write_text(
        "*.txt text eol=crlf\n*.id ident\n*.utf working-tree-encoding=UTF-16\n*.big filter=lfs\n* text=auto\n"
    )
    git(root, "config", "core.autocrlf", "true")
    git(root, "config", "filter.lfs.clean", "echo changed")
    git(root, "config", "filter.lfs.smudge", "echo changed")
    git(root, "config", "filter.lfs.required", "true")
    files = {
        "a.txt": b"one\r\ntwo\nthree\r",
        "b.id": b"$Id: 1234 $\n",
        "c.utf": b"not utf-16 at all\xff",
        "d.big": b"large file\n",
        "e.c": b"x\r\ny\r\n",
    }
    for name, data in files.items():
        (root / name).write_bytes(data)
    moment = work.snapshots.take().commit
    for name in files:
        (root / name).write_bytes(b"other\n")
    assert rewind(work, moment) == []
    assert {name: (root / name).read_bytes() for name in files} == files


def test_no_hook_or_monitor_of_the_users_is_started(work: Workspace, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = f"#!/bin/sh\necho $0 >> '{ran}'\n"
    for name in ("pre-commit", "post-index-change", "reference-transaction", "post-commit", "fsmonitor"):
        hook = work.root / ".git" / "hooks" / name
        hook.write_text(script)
        hook.chmod(0o755)
    git(work.root, "config", "core.fsmonitor", str(work.root / ".git" / "hooks" / "fsmonitor"))
    moment = work.snapshots.take().commit
    (work.root / "src" / "a.py").write_text("x\n")
    rewind(work, moment)
    assert not ran.exists()


def test_ignored_files_are_not_covered_and_not_touched(work: Workspace) -> None:
    (work.root / "a.log").write_text("one")
    moment = work.snapshots.take().commit
    (work.root / "a.log").write_text("two")
    (work.root / "build").mkdir()
    (work.root / "build" / "x").write_text("x")
    rewind(work, moment)
    assert (work.root / "a.log").read_text() == "two"
    assert (work.root / "build" / "x").exists()


def test_a_tracked_file_is_covered_although_a_rule_ignores_it(work: Workspace) -> None:
    (work.root / "kept.log").write_text("one")
    git(work.root, "add", "-f", "kept.log")
    moment = work.snapshots.take().commit
    (work.root / "kept.log").write_text("two")
    rewind(work, moment)
    assert (work.root / "kept.log").read_text() == "one"


def test_nested_repositories_are_left_alone(work: Workspace) -> None:
    for name, commits in (("inner", True), ("empty", False)):
        nested = work.root / name
        nested.mkdir()
        git(nested, "init", "-q")
        (nested / "f").write_text("one")
        if commits:
            git(nested, "add", ".")
            git(nested, "commit", "-qm", "inner")
    moment = work.snapshots.take().commit
    (work.root / "inner" / "f").write_text("two")
    (work.root / "src" / "a.py").write_text("x\n")
    assert rewind(work, moment) == []
    assert (work.root / "inner" / "f").read_text() == "two"
    assert (work.root / "src" / "a.py").read_text() == "a = 1\n"


def test_objects_are_shared_with_the_repository(work: Workspace) -> None:
    big = work.root / "big.bin"
    big.write_bytes(os.urandom(3_000_000))
    git(work.root, "add", "big.bin")
    git(work.root, "commit", "-qm", "big")
    work.snapshots.take()
    assert snapshots.size_of(work.snapshots.folder) < 500_000
    assert work.snapshots.folder.is_relative_to(state_dir())
    assert work.snapshots.folder.stat().st_mode & 0o077 == 0


def test_a_snapshot_survives_that_the_repository_throws_objects_away(work: Workspace) -> None:
    work.snapshots.take()
    git(work.root, "commit", "--amend", "-qm", "another")
    git(work.root, "reflog", "expire", "--expire=now", "--all")
    git(work.root, "rm", "-rq", "--cached", ".")
    git(work.root, "update-ref", "-d", "HEAD")
    git(work.root, "gc", "-q", "--prune=now")
    moment = SnapshotStore(work.root, True).take().commit
    before = contents(work.root)
    (work.root / "src" / "a.py").write_text("x\n")
    assert rewind(work, moment) == []
    assert contents(work.root) == before


def test_content_that_is_gone_is_named_and_nothing_else_is_lost(work: Workspace) -> None:
    moment = work.snapshots.take().commit
    blob = git(work.root, "hash-object", "src/b.py").strip()
    (work.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    (work.root / "src" / "a.py").write_text("x\n")
    (work.root / "src" / "b.py").write_text("y\n")
    ((path, why),) = rewind(work, moment)
    assert path == "src/b.py"
    assert "gone" in why
    assert (work.root / "src" / "a.py").read_text() == "a = 1\n"
    assert (work.root / "src" / "b.py").read_text() == "y\n"


def test_a_folder_without_git_has_snapshots_too(plain: Workspace) -> None:
    (plain.root / ".gitignore").write_text("*.tmp\n")
    (plain.root / "a").write_bytes(b"\x00one")
    (plain.root / "x.tmp").write_text("1")
    before = contents(plain.root)
    moment = plain.snapshots.take().commit
    (plain.root / "a").unlink()
    (plain.root / "b").write_text("new")
    assert rewind(plain, moment) == []
    assert contents(plain.root) == before
    assert not (plain.root / ".git").exists()


def test_a_huge_folder_without_git_is_refused_with_a_way_out(
    plain: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "PLAIN_FILES", 3)
    for number in range(5):
        (plain.root / f"f{number}").write_text("x")
    with pytest.raises(SnapshotProblem, match="up to 3 files") as problem:
        plain.snapshots.take()
    assert "git init" in problem.value.remedy


def test_unreadable_and_very_large_files_are_named(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LARGEST_FILE", 1_000)
    (work.root / "huge").write_bytes(b"x" * 2_000)
    assert "huge" in work.snapshots.take().left_out
    (work.root / "huge").write_bytes(b"x")
    assert "huge" not in work.snapshots.take().left_out


def test_kcodes_own_folders_inside_the_workspace_are_not_covered(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(work.root / "state"))
    store = SnapshotStore(work.root, True)
    first = store.take().commit
    (state_dir() / "sessions").mkdir(parents=True)
    (state_dir() / "sessions" / "s").write_text("x")
    assert store.between(first, store.take().commit) == []


@pytest.mark.parametrize("remains", ["index.lock", "HEAD.lock"])
def test_what_a_killed_kcode_left_does_not_stop_the_next_snapshot(work: Workspace, remains: str) -> None:
    work.snapshots.take()
    (work.snapshots.folder / remains).write_text("")
    (work.root / "src" / "a.py").write_text("x\n")
    assert SnapshotStore(work.root, True).take().commit


def test_a_damaged_index_is_built_anew(work: Workspace) -> None:
    moment = work.snapshots.take().commit
    (work.snapshots.folder / "index").write_bytes(b"DIRC broken")
    store = SnapshotStore(work.root, True)
    assert store.between(moment, store.take().commit) == []


def test_without_git_there_is_one_clear_word(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SnapshotProblem, match="git was not found"):
        work.snapshots.take()


def test_variables_of_git_do_not_lead_astray(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    other = work.root.parent / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    moment = work.snapshots.take().commit
    (work.root / "src" / "a.py").write_text("x\n")
    rewind(work, moment)
    assert (work.root / "src" / "a.py").read_text() == "a = 1\n"
    assert not (other / "index").exists()


def test_old_snapshots_are_dropped_and_new_ones_work(work: Workspace) -> None:
    (work.root / "noise").write_bytes(os.urandom(400_000))
    old = work.snapshots.take().commit
    (work.root / "noise").write_bytes(os.urandom(400_000))
    new = work.snapshots.take().commit
    os.utime(work.snapshots.folder / "refs" / "kcode" / old, (1, 1))
    assert work.snapshots.prune(1_000, 10**9) >= 400_000
    assert not work.snapshots.has(old)
    assert work.snapshots.has(new)
    assert work.snapshots.prune(0, 1_000) > 0
    assert not work.snapshots.has(new)
    moment = work.snapshots.take().commit
    (work.root / "src" / "a.py").write_text("x\n")
    rewind(work, moment)
    assert (work.root / "src" / "a.py").read_text() == "a = 1\n"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "d/x", "d/y", "d/e/z", "名"]), st.binary(max_size=20), max_size=5
        ),
        min_size=2,
        max_size=4,
    )
)
def test_every_state_can_be_returned_to(
    tmp_path_factory: pytest.TempPathFactory, states: list[Mapping[str, bytes]]
) -> None:
    root = tmp_path_factory.mktemp("w")
    git(root, "init", "-q")
    work = Workspace.open(root)
    moments = []
    for state in states:
        for entry in root.iterdir():
            if entry.name != ".git":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, data in state.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        moments.append((work.snapshots.take().commit, contents(root)))
    for commit, expected in reversed(moments):
        assert rewind(work, commit) == []
        assert contents(root) == expected


def test_beyond_a_sum_the_largest_files_wait_for_the_next_snapshot(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MOST_AT_ONCE", 9_000)
    for number in range(4):
        (work.root / f"big{number}").write_bytes(b"x" * (1_000 + 1_000 * number))
    taken = work.snapshots.take()
    assert taken.left_out == ("big3",)
    assert work.snapshots.left_out(taken.commit) == ["big3"]
    again = work.snapshots.take()
    assert again.left_out == ()
    assert [d.path for d in work.snapshots.between(taken.commit, again.commit)] == ["big3"]


def test_what_is_left_out_does_not_make_a_snapshot_of_its_own_each_time(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LARGEST_FILE", 1_000)
    taken = work.snapshots.take()
    assert taken.left_out == ("data.bin",)
    assert work.snapshots.take() == taken
    assert SnapshotStore(work.root, True).take() == taken


def test_git_gets_all_of_a_long_input_however_slowly_it_reads(work: Workspace, tmp_path: Path) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 0.6\nexec wc -c\n")
    slow.chmod(0o755)
    text = b"x" * 1_000_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
        assert int(private_git(tmp_path, work.root, "anything", input=text)) == len(text)
