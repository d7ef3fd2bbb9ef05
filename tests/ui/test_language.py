"""A Chinese interface on a real terminal; what the model is sent does not depend on it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.ui.conftest import environment
from tests.ui.sitting import KCODE, Sitting
from tests.ui.test_repl import answer

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]
Kcode = Callable[..., subprocess.CompletedProcess[str]]
CHINESE = {"LANG": "zh_CN.UTF-8"}
READ = use(call("read_file", path="shop.py"))
TOUCH = use(call("run_command", command="touch made"))
TURN = [
    use(
        call("read_file", path="shop.py"),
        call("read_file", path="nothing.py"),
        call("grep", pattern="("),
        call("no_such_tool", path="x"),
        call("edit_file", path="shop.py"),
    ),
    use(call("run_command", command="touch made")),
    use(call("write_file", path="new.py", content="x = 1\n")),
    say("Done."),
]


def fits(screen: str, columns: int) -> bool:
    return all(len(line) <= columns for line in screen.splitlines())


def test_an_approval_is_told_in_chinese_on_a_narrow_pane(k2sim: Sim, sit: Sit, repo: Path) -> None:
    sim = k2sim(
        [use(call("read_file", path="shop.py")), use(call("run_command", command="touch made")), say("好")]
    )
    person = sit(sim, env=CHINESE, columns=60)
    person.see("ask 模式")
    person.type("go\r")
    person.see("读取 shop.py")
    screen = person.see("运行这条命令吗？")
    assert "询问原因：ask 模式在运行命令前询问" in screen
    assert fits(screen, 60)
    answer(person, "运行这条命令吗？", "n")
    person.see("好")
    assert not (repo / "made").exists()
    person.type("/help\r")
    person.see("对话")
    person.type("/nosuch\r")
    person.see("没有命令 /nosuch")
    person.type("/exit\r")
    person.end()


def test_a_refused_key_is_told_in_chinese(k2sim: Sim, kcode: Kcode) -> None:
    sim = k2sim([say("Never.")])
    ended = kcode(sim, "-p", "hi", env={**CHINESE, "KCODE_API_KEY": "sk-test-another-key"})
    assert ended.returncode == 3
    assert "拒绝了密钥" in ended.stderr


def bodies(sim: Simulator) -> list[bytes]:
    """The request bodies, without the id that every session has of its own."""
    return [re.sub(rb'"prompt_cache_key":"[^"]*"', b"", record.raw) for record in sim.chats]


def fresh(repo: Path) -> None:
    subprocess.run(["git", "checkout", "-q", "."], cwd=repo, check=True)
    subprocess.run(["git", "clean", "-qfd"], cwd=repo, check=True)


@pytest.mark.parametrize("mode", ["plan", "ask", "auto"])
def test_the_model_is_sent_the_same_bytes_in_both_languages(
    k2sim: Sim, kcode: Kcode, repo: Path, mode: str
) -> None:
    sent = []
    for language in ({}, CHINESE):
        sim = k2sim(TURN)
        ended = kcode(sim, "--mode", mode, "-p", "看一下 shop.py", env=language)
        assert ended.returncode == 0, ended.stderr
        sent.append(bodies(sim))
        fresh(repo)
    assert len(sent[0]) == len(TURN)
    assert without_times(sent[0]) == without_times(sent[1])


def without_times(found: list[bytes]) -> list[bytes]:
    return [re.sub(rb"\d+\.\d+ s\b", b"", body) for body in found]


def test_a_session_sends_the_same_bytes_in_both_languages(k2sim: Sim, sit: Sit, repo: Path) -> None:
    sent = []
    for language in ({}, CHINESE):
        sim = k2sim(
            [use(call("run_command", command="touch made")), use(call("todo", items=1)), say("Done.")]
        )
        person = sit(sim, env=language)
        person.see("ask 模式|ask mode")
        person.type("go\r")
        answer(person, r"运行这条命令吗？|Run this\?", "n")
        person.see("Done")
        person.type("/exit\r")
        person.end()
        sent.append(bodies(sim))
        fresh(repo)
    assert len(sent[0]) == 3
    assert without_times(sent[0]) == without_times(sent[1])


def test_a_gb18030_pipe_gets_the_words_in_its_encoding(k2sim: Sim, repo: Path) -> None:
    sim = k2sim([READ, say("好的")])
    env = {**environment(sim), "LANG": "zh_CN.GB18030", "PYTHONIOENCODING": "gb18030"}
    ended = subprocess.run(
        [KCODE, "-p", "hi"], cwd=repo, env=env, capture_output=True, timeout=120, input=b""
    )
    assert ended.returncode == 0
    assert ended.stdout.decode("gb18030") == "好的\n"
    assert "读取 shop.py" in ended.stderr.decode("gb18030")
