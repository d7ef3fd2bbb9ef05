"""``kcode explain`` and ``kcode changelog``: what is asked about, bounded, and answered on stdout."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conftest import Project, environment
from tests.k2sim import Simulator, say
from tests.ui.sitting import KCODE

Sim = Callable[..., Simulator]


def asked(sim: Simulator) -> str:
    return "\n".join(message["content"] for message in sim.chats[-1].json["messages"])


def test_a_commit_is_explained_with_its_message_and_diff(project: Project, k2sim: Sim) -> None:
    project.stage("shop.py", "def total(prices):\n    return sum(prices[:-1])\n")
    project.git("commit", "-qm", "Drop the last price\n\nIt was counted twice.")
    sim = k2sim([say("It drops the last price.")])
    done = project.kcode(sim, "explain", "HEAD")
    assert (done.returncode, done.stdout) == (0, "It drops the last price.\n"), done.stderr
    assert "cost: ¥" in done.stderr
    assert "It was counted twice." in asked(sim)
    assert "+    return sum(prices[:-1])" in asked(sim)


def test_lines_come_with_their_last_commit(project: Project, k2sim: Sim) -> None:
    project.stage("long.py", "".join(f"a{n} = {n}\n" for n in range(1, 400)))
    project.git("commit", "-qm", "Many names")
    sim = k2sim(lambda request: say("A name."))
    assert project.kcode(sim, "explain", "long.py:200").returncode == 0
    assert "  200 a200 = 200" in asked(sim)
    assert "Many names" in asked(sim)
    assert "a20 = 20\n" not in asked(sim)
    assert project.kcode(sim, "explain", "long.py:1-3").returncode == 0
    assert "lines 1-3 of long.py" in asked(sim)


@pytest.mark.parametrize("word", ["nowhere.py", "HEAD~9", "--output=x", "shop.py:99"])
def test_what_is_not_there_is_told_before_anything_is_asked(project: Project, k2sim: Sim, word: str) -> None:
    sim = k2sim([])
    assert project.kcode(sim, "explain", "--", word).returncode == ExitCode.USAGE
    assert not sim.chats


def test_a_file_needs_no_repository_and_a_key_file_is_not_sent(k2sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n')
    (tmp_path / ".env").write_text("NAME=market\n")
    sim = k2sim([say("A key.")])
    here = Project(tmp_path)
    assert here.kcode(sim, "explain", "a.py").returncode == 0
    assert "Zk3vQ9xT7" not in asked(sim)
    assert here.kcode(sim, "explain", ".env").returncode == ExitCode.USAGE
    assert "no git repository" in here.kcode(sim, "explain", "HEAD").stderr
    assert "no git repository" in here.kcode(sim, "changelog").stderr
    assert len(sim.chats) == 1


def test_a_changelog_goes_from_the_last_tag(project: Project, k2sim: Sim) -> None:
    project.git("tag", "v1")
    project.git("commit", "-q", "--allow-empty", "-m", "Add carts\n\nThey can be emptied.")
    sim = k2sim(lambda request: say("### Added\n\n- Carts"))
    done = project.kcode(sim, "changelog")
    assert (done.returncode, done.stdout) == (0, "### Added\n\n- Carts\n"), done.stderr
    assert "The commits of v1..HEAD" in asked(sim)
    assert "They can be emptied." in asked(sim)
    assert "start" not in asked(sim).rpartition("v1..HEAD")[2]
    assert project.kcode(sim, "changelog", "v1..v1").returncode == ExitCode.USAGE
    assert project.kcode(sim, "changelog", "v7").returncode == ExitCode.USAGE
    assert len(sim.chats) == 1


def test_a_long_range_is_bounded_and_that_is_said(project: Project, k2sim: Sim) -> None:
    stream = "".join(
        f"commit refs/heads/main\ncommitter T <t@example.invalid> {1_700_000_000 + n} +0000\n"
        f"data <<E\nChange number {n} {'x' * 60}\nE\n{'from refs/heads/main^0' if n == 0 else ''}\n\n"
        for n in range(800)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=project.root, input=stream, text=True, check=True)
    sim = k2sim([say("### Changed")])
    done = project.kcode(sim, "changelog", "HEAD~700..HEAD")
    assert done.returncode == 0, done.stderr
    assert "only a part of it" in done.stderr
    assert len(asked(sim)) < 30_000


def test_it_fits_a_small_window(project: Project, k2sim: Sim) -> None:
    project.write("long.py", "".join(f"value_{n} = {n}\n" for n in range(4_000)))
    sim = k2sim([say("Values.")])
    done = subprocess.run(
        [KCODE, "explain", "long.py"],
        cwd=project.root,
        env=environment(sim, {"KCODE_PROVIDER__CONTEXT": "4096"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(asked(sim)) < 8_000
    assert "only a part of it" in done.stderr


def test_a_file_of_another_project_is_explained_by_its_own_history(project: Project, k2sim: Sim) -> None:
    other = Project(project.root.parent / "library")
    other.root.mkdir()
    other.git("init", "-q")
    other.stage("lib.py", "a = 1\n")
    other.git("commit", "-qm", "The library begins")
    other.write(".env", "NAME=1\n")
    sim = k2sim([say("A name.")])
    done = project.kcode(sim, "explain", "../library/lib.py:1")
    assert (done.returncode, done.stdout) == (0, "A name.\n"), done.stderr
    assert "The library begins" in asked(sim)
    assert project.kcode(sim, "explain", "../library/.env").returncode == ExitCode.USAGE


def test_the_last_commit_of_a_shallow_clone_is_not_taken_for_the_whole_tree(
    project: Project, k2sim: Sim
) -> None:
    project.git("commit", "-q", "--allow-empty", "-m", "Later")
    project.git("clone", "-q", "--depth", "1", project.root.as_uri(), str(project.root.parent / "shallow"))
    sim = k2sim([])
    done = Project(project.root.parent / "shallow").kcode(sim, "explain", "HEAD")
    assert done.returncode == ExitCode.USAGE
    assert "this clone is shallow" in done.stderr
    assert "git fetch --deepen" in done.stderr
    assert not sim.chats


def test_a_bare_repository_has_a_changelog(project: Project, k2sim: Sim) -> None:
    project.git("clone", "-q", "--bare", str(project.root), str(project.root.parent / "bare.git"))
    done = Project(project.root.parent / "bare.git").kcode(k2sim([]), "changelog", "--no-model")
    assert done.stdout.startswith("### Changed\n\n- start ("), done.stderr
