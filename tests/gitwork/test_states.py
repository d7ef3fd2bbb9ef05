"""Repositories as they are found: what works says nothing, what cannot says why and how to mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conflicted import put, shop
from tests.gitwork.conftest import Project
from tests.k2sim import Simulator, call, say, use

Sim = Callable[..., Simulator]
NO_MODEL = {"KCODE_PROVIDER": "no-such-provider"}  # what fails before a model is needed


def clone(project: Project, name: str, *options: str) -> Project:
    where = project.root.parent / name
    project.git("clone", "-q", *options, project.root.as_uri(), str(where))
    return Project(where)


def shallow(project: Project) -> Project:
    put(project, "shop.py", "x = 2\n", "second")
    return clone(project, "shallow", "--depth", "1")


def detached(project: Project) -> Project:
    put(project, "shop.py", "x = 2\n", "second")
    project.git("checkout", "-q", "HEAD~1")
    return project


def worktree_of_a_bare_one(project: Project) -> Project:
    bare = clone(project, "shop.git", "--bare")
    bare.git("worktree", "add", "-q", "../tree", "main")
    return Project(project.root.parent / "tree")


def in_a_submodule(project: Project) -> Project:
    outer = Project(project.root.parent / "outer")
    outer.root.mkdir()
    outer.git("init", "-q")
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(project.root), "lib")
    outer.git("commit", "-qm", "lib")
    return Project(outer.root / "lib")


def sha256(project: Project) -> Project:
    other = Project(project.root.parent / "sha256")
    other.root.mkdir()
    other.git("init", "-q", "--object-format=sha256")
    put(other, "shop.py", "x = 1\n", "start")
    return other


def unborn(project: Project) -> Project:
    other = Project(project.root.parent / "unborn")
    other.root.mkdir()
    other.git("init", "-q")
    return other


def bisecting(project: Project) -> Project:
    for number in range(3):
        put(project, "shop.py", f"x = {number + 5}\n", str(number))
    project.git("bisect", "start", "HEAD", "HEAD~3")
    return project


WORKING = [shallow, detached, worktree_of_a_bare_one, in_a_submodule, sha256, unborn, bisecting]


@pytest.mark.parametrize("made", WORKING, ids=lambda made: made.__name__)
def test_work_goes_on_as_anywhere(project: Project, k2sim: Sim, made: Callable[[Project], Project]) -> None:
    place = made(project)
    place.write("shop.py", "x = 77\n")
    place.write("new.py", "y = 1\n")
    sim = k2sim(
        [use(call("git_status"), call("git_diff"), call("git_log")), say("Seen."), say("Count to 77")]
    )
    talk = place.kcode(sim, "-p", "what changed?")
    assert (talk.returncode, talk.stdout.strip()) == (0, "Seen."), talk.stderr
    told = "\n".join(m["content"] for m in sim.chats[1].json["messages"] if m["role"] == "tool")
    assert "new.py" in told
    done = place.kcode(sim, "commit", "--all", "--yes")
    assert done.returncode == 0, done.stderr
    assert place.message() == "Count to 77"
    assert place.git("status", "--short") == ""


def broken_index(project: Project) -> Project:
    (project.root / ".git" / "index").write_bytes(b"not an index")
    return project


def locked(project: Project) -> Project:
    project.write("shop.py", "x = 2\n")
    (project.root / ".git" / "index.lock").touch()
    return project


def no_head(project: Project) -> Project:
    (project.root / ".git" / "HEAD").unlink()
    return project


def bare(project: Project) -> Project:
    return clone(project, "shop.git", "--bare")


def nothing(project: Project) -> Project:
    other = Project(project.root.parent / "nothing")
    other.root.mkdir()
    return other


def foreign(project: Project) -> Project:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    for path in (project.root, *project.root.rglob("*")):
        os.chown(path, 4242, 4242, follow_symlinks=False)
    return project


FAILING = [
    (broken_index, "commit", ExitCode.ENVIRONMENT, "the index is damaged, your files are not"),
    (broken_index, "resolve", ExitCode.ENVIRONMENT, "rm .git/index; git reset"),
    (locked, "commit", ExitCode.ENVIRONMENT, "another git is at work here"),
    (no_head, "commit", ExitCode.ENVIRONMENT, "git does not take for one"),
    (no_head, "explain HEAD", ExitCode.ENVIRONMENT, "git does not take for one"),
    (bare, "commit", ExitCode.USAGE, "this is a bare repository"),
    (bare, "resolve", ExitCode.USAGE, "this is a bare repository"),
    (bare, "review", ExitCode.USAGE, "this is a bare repository"),
    (nothing, "commit", ExitCode.USAGE, "this folder is no git repository"),
    (nothing, "review", ExitCode.USAGE, "or give a patch"),
    (nothing, "explain HEAD", ExitCode.USAGE, "no git repository"),
    (foreign, "commit", ExitCode.ENVIRONMENT, "safe.directory"),
    (foreign, "changelog", ExitCode.ENVIRONMENT, "safe.directory"),
    (foreign, "review", ExitCode.ENVIRONMENT, "the repository belongs to another user"),
    (unborn, "changelog", ExitCode.USAGE, "there are no commits yet"),
]


@pytest.mark.parametrize(
    ("made", "command", "code", "words"), FAILING, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_cannot_be_done_is_said_before_a_model_is_asked(
    project: Project,
    k2sim: Sim,
    made: Callable[[Project], Project],
    command: str,
    code: ExitCode,
    words: str,
) -> None:
    done = made(project).kcode(k2sim([]), *command.split(), env=NO_MODEL)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("made", [broken_index, no_head, bare, nothing, shop], ids=lambda made: made.__name__)
def test_a_talk_is_possible_everywhere_and_a_tool_says_what_is_wrong(
    project: Project, k2sim: Sim, made: Callable[[Project], Project]
) -> None:
    place = made(project)
    sim = k2sim([use(call("git_status")), say("I see.")])
    done = place.kcode(sim, "-p", "what changed?")
    assert (done.returncode, done.stdout.strip()) == (0, "I see."), done.stderr
    (told,) = [m["content"] for m in sim.chats[1].json["messages"] if m["role"] == "tool"]
    expected = {"shop": "UU shop.py", "broken_index": "index", "no_head": "not a git repository"}
    assert expected.get(made.__name__, "not a git repository") in told


def test_without_git_on_the_path(project: Project, k2sim: Sim, tmp_path: Path) -> None:
    only = tmp_path / "bin"
    only.mkdir()
    for name in ("sh", "env"):
        found = shutil.which(name)
        assert found
        (only / name).symlink_to(found)
    env = {"PATH": str(only)}
    for command in ("commit", "resolve", "review", "changelog"):
        done = project.kcode(k2sim([]), command, env={**NO_MODEL, **env})
        assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
        assert "install git" in done.stderr
    done = project.kcode(k2sim([say("Fine.")]), "-p", "hello", env=env)
    assert (done.returncode, done.stdout.strip()) == (0, "Fine."), done.stderr


def test_lfs_pointers_are_diffed_as_what_they_are(project: Project, k2sim: Sim) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize {}\n"
    project.stage(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    project.stage("big.bin", pointer.format(12))
    project.git("commit", "-qm", "lfs")
    project.write("big.bin", pointer.format(13))
    sim = k2sim([say("Grow the file")])
    done = project.kcode(sim, "commit", "--all", "--yes")
    assert done.returncode == 0, done.stderr
    assert "+size 13" in "\n".join(m["content"] for m in sim.chats[0].json["messages"])


def test_in_the_middle_of_a_conflict_a_commit_names_resolve(project: Project, k2sim: Sim) -> None:
    shop(project)
    done = project.kcode(k2sim([]), "commit", env=NO_MODEL)
    assert done.returncode == ExitCode.USAGE
    assert "a merge is under way here" in done.stderr
    assert "kcode resolve" in done.stderr


def test_many_files_do_not_slow_a_status_down_to_the_model(project: Project, k2sim: Sim) -> None:
    for number in range(3_000):
        project.write(f"many/{number:04}.txt", "x\n")
    sim = k2sim([use(call("git_status")), say("Many.")])
    assert project.kcode(sim, "-p", "what changed?").returncode == 0
    (told,) = [m["content"] for m in sim.chats[1].json["messages"] if m["role"] == "tool"]
    assert len(told) < 60_000
