from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.config.paths import state_dir
from kcode.conversation.journal import Journal, find_session, session_files
from kcode.errors import ExitCode
from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, ChatRequest, Simulator, call, say, use

SECRET = "sk-Q8zr4Tn2Wb7Lc5Xp9Km3Vd6H"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "notes.txt").write_text("notes\n")
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    return root


def environment(sim: Simulator) -> dict[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
    }


@pytest.fixture
def talk(k2sim: Any, kcode: Run, project: Path) -> Callable[..., Simulator]:
    """``talk("message", …)``: one session for each message, each answered."""

    def run(*messages: str) -> Simulator:
        sim: Simulator = k2sim(lambda request: say(f"Answer to {request.last_user.splitlines()[0]}"))
        for message in messages:
            done = kcode("-p", message, cwd=project, env=environment(sim))
            assert done.returncode == 0, done.stderr
        return sim

    return run


def test_the_list_tells_age_cost_branch_title_and_last_message(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    talk("repair the shop", "修复商店的测试 please")
    done = kcode("session", "list", cwd=project)
    assert done.returncode == 0, done.stderr
    latest, first = done.stdout.splitlines()
    assert "修复商店的测试" in latest
    assert "Answer to 修复" in latest
    assert "main" in first
    assert "¥0." in first
    assert re.match(r"\d{8}-\d{6}-[0-9a-f]{6}  +\d+[sm]", first)


def test_the_list_as_json_is_documented_fields_and_search_narrows_it(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    talk("repair the shop", "write a poem")
    rows = json.loads(kcode("session", "list", "--json", cwd=project).stdout)
    assert [row["title"] for row in rows] == ["write a poem", "repair the shop"]
    assert set(rows[0]) == {
        "session_id", "title", "last", "branch", "model", "root", "created", "changed", "messages",
        "requests", "cost", "parent", "damage", "size", "path",
    }  # fmt: skip
    assert rows[0]["cost"][0]["currency"] == "CNY"
    (found,) = json.loads(kcode("session", "list", "SHOP repair", "--json", cwd=project).stdout)
    assert found["title"] == "repair the shop"
    elsewhere = kcode("session", "list", "--all", "--json", cwd=project.parent)
    assert len(json.loads(elsewhere.stdout)) == 2
    assert json.loads(kcode("session", "list", "--json", cwd=project.parent).stdout) == []


def test_resume_takes_an_id_or_words_and_sends_the_same_prefix(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("repair the shop", "write a poem")
    done = kcode("--resume", "shop", "-p", "go on", cwd=project, env=environment(sim))
    assert done.returncode == 0, done.stderr
    users = [m["content"].splitlines()[0] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert users == ["repair the shop", "go on"]
    poem = json.loads(kcode("session", "list", "poem", "--json", cwd=project).stdout)[0]["session_id"]
    done = kcode("--resume", poem[:18], "-p", "more", cwd=project, env=environment(sim))
    assert done.returncode == 0, done.stderr
    assert sim.chats[-1].json["messages"][1]["content"].startswith("write a poem")


def test_words_that_fit_several_sessions_name_them(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("repair the shop", "repair the door")
    done = kcode("--resume", "repair", "-p", "x", cwd=project, env=environment(sim))
    assert done.returncode == ExitCode.USAGE
    assert "repair the shop" in done.stderr
    assert "repair the door" in done.stderr


def test_resume_without_a_value_and_a_terminal_lists_and_says_how(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("repair the shop")
    for arguments in (["--resume"], ["--resume", "-p", "go on"]):
        done = kcode(*arguments, cwd=project, env=environment(sim))
        assert done.returncode == ExitCode.USAGE
        assert "repair the shop" in done.stdout
        assert "kcode --resume ID" in done.stderr


def test_a_session_that_is_open_elsewhere_can_be_forked(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("repair the shop")
    journal, _ = Journal.open(find_session(project))
    try:
        refused = kcode("-c", "-p", "go on", cwd=project, env=environment(sim))
        assert refused.returncode == ExitCode.USAGE
        assert "another kcode has the session" in refused.stderr
        assert f"kcode session fork {journal.path.stem}" in refused.stderr
    finally:
        journal.close()
    forked = kcode("session", "fork", journal.path.stem, cwd=project).stdout.strip()
    done = kcode("--resume", forked, "-p", "go on", cwd=project, env=environment(sim))
    assert done.returncode == 0, done.stderr


def test_show_tells_what_a_session_is(talk: Callable[..., Simulator], kcode: Run, project: Path) -> None:
    talk("repair the shop")
    done = kcode("session", "show", cwd=project)
    assert "kimi-k2-0905-preview" in done.stdout
    assert "repair the shop" in done.stdout
    assert json.loads(kcode("session", "show", "--json", cwd=project).stdout)["messages"] == 1


@pytest.mark.parametrize("form", ["md", "json", "html"])
def test_no_key_leaves_with_an_export(
    k2sim: Any, kcode: Run, project: Path, tmp_path: Path, form: str
) -> None:
    own = "plain-words-as-a-key-0123"

    def answer(request: ChatRequest) -> Any:
        if request.last_tool:
            return say(f"The key is {SECRET} </pre> <script> ```")
        return use(
            call("write_file", path="made.py", content=f'api_key = "{SECRET[3:]}"\nsecond = "{own}"\n')
        )

    sim = k2sim(answer, api_key=own)
    env = {**environment(sim), "KCODE_API_KEY": own}
    done = kcode("--mode", "edits", "-p", f"use {SECRET} and 钥匙", cwd=project, env=env)
    assert done.returncode == 0, done.stderr
    shown = kcode("session", "export", "--format", form, cwd=project, env=env)
    assert shown.returncode == 0, shown.stderr
    assert SECRET not in shown.stdout
    assert SECRET[3:] not in shown.stdout
    assert own not in shown.stdout
    assert "钥匙" in shown.stdout
    assert "made.py" in shown.stdout
    if form == "json":
        whole = json.loads(shown.stdout)
        assert whole["schema"] == "kcode.session/1"
        assert [e["type"] for e in whole["entries"] if e["type"] == "tool_result"]
    if form == "html":
        assert "<script>" not in shown.stdout
    if form == "md":
        assert re.match(r"# use KCODE_SECRET_API_KEY_[0-9A-F]{8} and 钥匙\n", shown.stdout)


def test_an_export_does_not_overwrite_a_file(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    talk("hello")
    assert kcode("session", "export", "-o", "out.md", cwd=project).returncode == 0
    assert (project / "out.md").read_text().startswith("# hello")
    again = kcode("session", "export", "-o", "out.md", cwd=project)
    assert again.returncode == ExitCode.USAGE
    assert "exists already" in again.stderr


def test_fork_rm_and_prune(talk: Callable[..., Simulator], kcode: Run, project: Path) -> None:
    talk("one")
    forked = kcode("session", "fork", cwd=project).stdout.strip()
    rows = json.loads(kcode("session", "list", "--json", cwd=project).stdout)
    assert rows[0]["session_id"] == forked
    assert rows[0]["parent"] == rows[1]["session_id"]
    assert kcode("session", "rm", forked, cwd=project).returncode == 0
    assert kcode("session", "rm", forked, cwd=project).returncode == ExitCode.USAGE
    (left,) = session_files(project)
    old = time.time() - 40 * 86_400
    os.utime(left, (old, old))
    kept = kcode("session", "prune", "--older-than", "60d", "--json", cwd=project)
    assert json.loads(kept.stdout)["sessions"] == 0
    gone = kcode("session", "prune", "--older-than", "30d", "--json", cwd=project)
    assert json.loads(gone.stdout)["sessions"] == 1
    assert session_files(project) == []


def test_prune_by_size_takes_the_oldest_first_and_leaves_open_ones(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    talk("one", "two", "three")
    oldest, middle, latest = session_files(project)
    journal, _ = Journal.open(oldest)
    done = kcode("session", "prune", "--max-size", f"{latest.stat().st_size * 2.9 / 1000:.3f}kb", cwd=project)
    journal.close()
    assert done.returncode == 0, done.stderr
    assert oldest in session_files(project)
    assert middle not in session_files(project)


@pytest.mark.parametrize("arguments", [["--older-than", "soon"], ["--max-size", "5"]])
def test_a_measure_that_is_not_understood_is_a_usage_error(
    kcode: Run, project: Path, arguments: list[str]
) -> None:
    done = kcode("session", "prune", *arguments, cwd=project)
    assert done.returncode == ExitCode.USAGE
    assert "is not understood" in done.stderr


def test_old_sessions_go_by_themselves_at_most_once_a_day(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("old")
    (path,) = session_files(project)
    old = time.time() - 40 * 86_400
    os.utime(path, (old, old))
    kcode("-p", "today", cwd=project, env=environment(sim))
    assert path.exists()  # this day's tidying has been
    os.utime(state_dir() / "tidied", (old, old))
    kcode("-p", "tomorrow", cwd=project, env=environment(sim))
    assert not path.exists()


def test_a_damaged_session_is_listed_as_such_and_can_be_forked(
    talk: Callable[..., Simulator], kcode: Run, project: Path
) -> None:
    sim = talk("one")
    path = find_session(project)
    lines = path.read_bytes().split(b"\n")
    lines[-3] = b'{"t":"Usage' + lines[-3][20:]
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    (row,) = json.loads(kcode("session", "list", "--json", cwd=project).stdout)
    assert "is damaged" in row["damage"]
    refused = kcode("-c", "-p", "go on", cwd=project, env=environment(sim))
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "kcode session fork" in refused.stderr
    assert path.read_bytes() == before
    forked = kcode("session", "fork", path.stem, cwd=project).stdout.strip()
    done = kcode("--resume", forked, "-p", "go on", cwd=project, env=environment(sim))
    assert done.returncode == 0, done.stderr
