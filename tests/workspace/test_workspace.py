from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.errors import EnvironmentProblem, UsageError
from kcode.workspace import errors, repo
from kcode.workspace.change import FileEdit
from kcode.workspace.workspace import Workspace


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(root).as_posix(): (
            os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes(),
            stat.S_IMODE(path.lstat().st_mode),
        )
        for path in root.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


# --- paths ---


def test_the_root_is_the_top_of_the_repository(repository: Workspace) -> None:
    (repository.root / "a" / "b").mkdir(parents=True)
    opened = Workspace.open(repository.root / "a" / "b")
    assert opened.root == repository.root
    assert opened.is_git


def test_a_folder_without_git_is_a_workspace_too(plain: Workspace) -> None:
    assert not plain.is_git
    with pytest.raises(UsageError):
        Workspace.open(plain.root / "missing")


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "~/x", "out/file", "out", "/", "..", "a/../../project2"]
)
def test_paths_that_leave_the_workspace_are_refused(plain: Workspace, path: str) -> None:
    (plain.root / "out").symlink_to("/etc")
    (plain.root.parent / "project2").mkdir()
    with pytest.raises(errors.PathOutside) as caught:
        plain.resolve(path)
    assert "workspace" in caught.value.message


def test_a_nul_in_a_path_is_refused(plain: Workspace) -> None:
    with pytest.raises(errors.WorkspaceError):
        plain.resolve("a\0b")


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/../a.txt", "inner/a.txt"])
def test_paths_inside_are_accepted_however_they_are_spelled(plain: Workspace, path: str) -> None:
    (plain.root / "a.txt").write_text("x")
    (plain.root / "sub").mkdir()
    (plain.root / "inner").symlink_to(".")
    assert plain.relative(plain.resolve(path)) == "a.txt"
    assert plain.relative(plain.resolve(str(plain.root / path))) == "a.txt"


def test_a_new_file_is_not_written_through_a_link_that_leads_out(plain: Workspace, tmp_path: Path) -> None:
    (plain.root / "link.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(errors.PathOutside):
        plain.apply([FileEdit("link.txt", None, "x\n")], label="write")
    assert not (tmp_path / "outside.txt").exists()


def test_a_missing_path_names_the_nearest_ones(plain: Workspace) -> None:
    (plain.root / "src").mkdir()
    (plain.root / "src" / "parser.py").write_text("")
    with pytest.raises(errors.NotThere, match=r"src/parser\.py"):
        plain.read("parser.py")
    with pytest.raises(errors.NotThere, match=r"src/parser\.py"):
        plain.read("src/parsr.py")


def test_sensitive_files_are_known_through_links_too(plain: Workspace) -> None:
    (plain.root / ".env").write_text("x")
    (plain.root / "notes.txt").symlink_to(".env")
    assert plain.sensitive(".env")
    assert plain.sensitive("notes.txt")
    assert plain.sensitive(".git/hooks/pre-commit")
    assert not plain.sensitive("a.py")


# --- listing ---


def test_git_and_the_walk_list_the_same_files(repository: Workspace) -> None:
    root = repository.root
    for name in (
        "a.py",
        "b.log",
        "keep.log",
        "build/x.py",
        "sub/c.py",
        "sub/d.tmp",
        "sub/deep/e.tmp",
        "中文 name.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (root / "sub" / ".gitignore").write_text("*.tmp\n!deep/e.tmp\n")
    listed = repository.list_files()
    assert "b.log" not in listed
    assert "中文 name.txt" in listed
    assert listed == Workspace(root, False).list_files()


def test_deleted_files_are_not_listed(repository: Workspace) -> None:
    (repository.root / "a").write_text("x")
    git(repository.root, "add", ".")
    (repository.root / "a").unlink()
    assert repository.list_files() == []


# --- changing and undoing ---


def test_a_stale_plan_is_refused_and_the_users_change_survives(plain: Workspace) -> None:
    (plain.root / "a").write_text("theirs\n")
    with pytest.raises(errors.StaleFile):
        plain.apply([FileEdit("a", "old\n", "new\n")], label="edit")
    with pytest.raises(errors.StaleFile):
        plain.apply([FileEdit("a", None, "new\n")], label="write")
    assert (plain.root / "a").read_text() == "theirs\n"


def test_undo_restores_edits_creations_deletions_moves_and_modes_exactly(plain: Workspace) -> None:
    root = plain.root
    (root / "edit.txt").write_bytes("中\r\nb\n".encode("gb18030"))
    (root / "edit.txt").chmod(0o640)
    (root / "gone.sh").write_text("x\n")
    (root / "gone.sh").chmod(0o755)
    (root / "pictures").mkdir()
    (root / "pictures" / "p.png").write_bytes(b"\x89PNG\0\1\2")
    (root / "pictures" / "link").symlink_to("p.png")
    before = snapshot(root)
    text = plain.read("edit.txt").text
    first = plain.apply(
        [
            FileEdit("edit.txt", text, text + "more\n"),
            FileEdit("new/deep/file.txt", None, "new\n"),
            FileEdit("gone.sh", "x\n", None),
        ],
        label="edit",
    )
    second = plain.move("pictures", "images", label="move")
    assert (root / "images" / "link").is_symlink()
    assert not (root / "pictures").exists()
    third = plain.delete("images", label="delete")
    assert not (root / "images").exists()
    for identity in (third, second, first):
        plain.undo(identity)
    assert snapshot(root) == before
    assert not (root / "new").exists()


def test_empty_folders_are_deleted_and_moved_and_come_back(plain: Workspace) -> None:
    root = plain.root
    (root / "bare").mkdir()
    (root / "mixed" / "hollow" / "inner").mkdir(parents=True)
    (root / "mixed" / "file.txt").write_text("x\n")
    first = plain.delete("bare", label="delete")
    assert not (root / "bare").exists()
    second = plain.move("mixed", "other", label="move")
    assert not (root / "mixed").exists()
    assert (root / "other" / "hollow" / "inner").is_dir()
    third = plain.delete("other/hollow", label="delete")
    assert not (root / "other" / "hollow").exists()
    plain.undo(third)
    assert (root / "other" / "hollow" / "inner").is_dir()
    plain.undo(second)
    assert not (root / "other").exists()
    assert (root / "mixed" / "hollow" / "inner").is_dir()
    plain.undo(first)
    assert (root / "bare").is_dir()


def test_a_file_keeps_its_content_and_bits_when_only_the_case_of_its_name_changes(plain: Workspace) -> None:
    path = plain.root / "readme.txt"
    path.write_bytes("caf\xe9\r\n".encode("latin-1"))
    path.chmod(0o750)
    identity = plain.move("readme.txt", "README.txt", label="move")
    assert [each.name for each in plain.root.iterdir()] == ["README.txt"]
    assert (plain.root / "README.txt").read_bytes() == b"caf\xe9\r\n"
    assert (plain.root / "README.txt").stat().st_mode & 0o777 == 0o750
    plain.undo(identity)
    assert [each.name for each in plain.root.iterdir()] == ["readme.txt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.text("xy\r\n", max_size=5))), max_size=8
    )
)
def test_undoing_in_reverse_restores_every_state(
    plain: Workspace, steps: list[tuple[str, str | None]]
) -> None:
    done = []
    for name, after in steps:
        path = plain.root / name
        before = path.read_bytes().decode() if path.exists() else None
        if before == after:
            continue
        state = snapshot(plain.root)
        done.append((plain.apply([FileEdit(name, before, after)], label="step"), state))
    for identity, state in reversed(done):
        plain.undo(identity)
        assert snapshot(plain.root) == state


def test_undo_does_not_overwrite_what_a_person_changed_since(plain: Workspace) -> None:
    (plain.root / "a").write_text("1\n")
    identity = plain.apply([FileEdit("a", "1\n", "2\n")], label="edit")
    (plain.root / "a").write_text("mine\n")
    with pytest.raises(errors.StaleFile):
        plain.undo(identity)
    assert (plain.root / "a").read_text() == "mine\n"
    assert plain.undo(identity, force=True) == ["a"]
    assert (plain.root / "a").read_text() == "1\n"
    kept = plain.checkpoints.load(plain.checkpoints.ids()[-1])
    content = plain.checkpoints.content(kept, 0)
    assert content is not None
    assert content.data == b"mine\n"


def test_a_checkpoint_is_announced_before_the_change(plain: Workspace) -> None:
    (plain.root / "a").write_text("1\n")
    seen: list[tuple[list[str], str]] = []
    plain.on_checkpoint = lambda identity, paths: seen.append((list(paths), (plain.root / "a").read_text()))
    identity = plain.apply([FileEdit("a", "1\n", "2\n")], label="edit")
    plain.undo(identity)
    assert seen == [(["a"], "1\n")]


def test_what_several_checkpoints_changed_is_shown_from_first_to_now(plain: Workspace) -> None:
    (plain.root / "a").write_text("1\n")
    ids = [
        plain.apply([FileEdit("a", "1\n", "2\n")], label="edit"),
        plain.apply([FileEdit("a", "2\n", "3\n"), FileEdit("b", None, "b\n")], label="edit"),
        plain.apply([FileEdit("c", None, "c\n")], label="edit"),
    ]
    (plain.root / "c").unlink()
    assert plain.changes_since(ids) == [FileEdit("a", "1\n", "3\n"), FileEdit("b", None, "b\n")]


def test_checkpoints_are_private_and_a_damaged_one_says_so(plain: Workspace) -> None:
    (plain.root / "a").write_text("1\n")
    identity = plain.apply([FileEdit("a", "1\n", "2\n")], label="edit")
    folder = plain.checkpoints.folder / identity
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir())
    (folder / "0.blob").write_text("tampered")
    with pytest.raises(EnvironmentProblem, match="damaged"):
        plain.undo(identity)
    assert (plain.root / "a").read_text() == "2\n"
    (folder / "meta.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match="damaged"):
        plain.undo(identity)
    with pytest.raises(errors.NotThere):
        plain.undo("../../x")


def test_moving_never_overwrites_and_never_leaves(plain: Workspace) -> None:
    (plain.root / "a").write_text("a")
    (plain.root / "b").write_text("b")
    with pytest.raises(errors.WorkspaceError, match="exists already"):
        plain.move("a", "b", label="move")
    with pytest.raises(errors.PathOutside):
        plain.move("a", "../a", label="move")
    with pytest.raises(errors.WorkspaceError):
        plain.delete(".", label="delete")
    assert (plain.root / "b").read_text() == "b"


def test_deleting_a_link_leaves_its_target(plain: Workspace) -> None:
    (plain.root / "a").write_text("a")
    (plain.root / "link").symlink_to("a")
    plain.delete("link", label="delete")
    assert (plain.root / "a").read_text() == "a"


# --- git ---


def test_head_is_told_without_commits_and_detached(repository: Workspace) -> None:
    root = repository.root
    assert repo.head(root) == repo.Head("main", "")
    (root / "a").write_text("x")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    commit = repo.head(root).commit
    assert len(commit) == 40
    git(root, "checkout", "-q", "--detach")
    assert repo.head(root) == repo.Head("", commit)


def test_no_repository_is_an_environment_problem(plain: Workspace) -> None:
    with pytest.raises(EnvironmentProblem):
        repo.head(plain.root)


def test_changed_files_come_with_their_codes(repository: Workspace) -> None:
    root = repository.root
    (root / "old name").write_text("x" * 100)
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "mv", "old name", "new name")
    (root / "中").write_text("x")
    assert repo.changed_files(root) == [repo.Changed("R ", "new name"), repo.Changed("??", "中")]
    assert repo.branch_and_changes(root) == ("main", 2)


def test_programs_in_the_repositorys_configuration_are_not_run(repository: Workspace) -> None:
    root = repository.root
    (root / "evil.sh").write_text("#!/bin/sh\ntouch ran\n")
    (root / "evil.sh").chmod(0o755)
    (root / ".gitattributes").write_text("* diff=evil\n")
    for key in ("core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command"):
        git(root, "config", key, str(root / "evil.sh"))
    subprocess.run(["git", "-c", "core.fsmonitor=", "add", "."], cwd=root, check=True)
    (root / "evil.sh").write_text("#!/bin/sh\ntouch ran\n#\n")
    (root / "ran").unlink(missing_ok=True)
    repo.changed_files(root)
    repository.list_files()
    repo.check(repo.git_sync(root, "diff", *repo.NO_PROGRAMS), "git diff")
    assert not (root / "ran").exists()
