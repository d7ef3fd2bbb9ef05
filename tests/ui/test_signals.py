"""kcode is told to end, loses its terminal, or is stopped and continued, whatever it is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.conversation.journal import find_session, load
from kcode.conversation.ledger import Assistant, ToolResult, User
from tests.chaos.people import stray_modes
from tests.k2sim import ChatRequest, Chunking, Simulator, call, say, use
from tests.ui.conftest import environment
from tests.ui.sitting import KCODE, Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = "(ask|auto) mode · kimi"
WAITS = "echo $$ > pid; until test -e go; do sleep 0.1; done; echo it went"
SLOW = Chunking(delay_ms=40)


def answer(request: ChatRequest) -> object:
    if request.last_tool:
        return say("The command has ended.")
    return {
        "talk": say("begun " + "word " * 400, chunking=SLOW),
        "run": use(call("run_command", command=WAITS), text="I run it."),
        "go on": say("Continued."),
    }.get(request.last_user.split("\n")[0], say("Hello."))


def bring_to(person: Sitting, state: str, repo: Path) -> None:
    """``idle``, ``streaming``, ``command`` or ``question``."""
    person.see(READY)
    if state == "idle":
        person.type("hello\r")
        person.see(r"Hello\.\n")
    elif state == "streaming":
        person.type("talk\r")
        person.see("begun word")
    else:
        person.type("run\r")
        person.see(r"Run this\?" if state == "question" else r"\$ echo")
        if state == "command":
            wait_for(lambda: (repo / "pid").exists() and bool((repo / "pid").read_text().strip()))


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(repo: Path) -> bool:
    """Whether the command that waits still does so, whatever its numbers inside a sandbox are."""

    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"until test -e go" in (entry / "cmdline").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and (entry / "cwd").readlink() == repo:
                    return True
        except OSError:
            continue
    return False


def the_session_is_whole(repo: Path, state: str) -> None:
    entries = [record.entry for record in load(find_session(repo))[1]]
    said = [entry for entry in entries if isinstance(entry, User) and entry.typed]
    assert len(said) == 1
    called = [c.id for entry in entries if isinstance(entry, Assistant) for c in entry.calls]
    assert called == [entry.call_id for entry in entries if isinstance(entry, ToolResult)]
    assert len(called) == (state in ("command", "question"))
    spoken = "".join(entry.content for entry in entries if isinstance(entry, Assistant))
    assert {"idle": "Hello.", "streaming": "begun word"}.get(state, "I run it.") in spoken


def it_goes_on(sim: Simulator, repo: Path) -> None:
    done = subprocess.run(
        [KCODE, "-c", "-p", "go on"],
        cwd=repo,
        env=environment(sim),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout == "Continued.\n"


@pytest.mark.parametrize("state", ["idle", "command", "question"])
def test_sigterm_ends_it_with_the_session_saved_the_terminal_as_it_was_and_nothing_left_running(
    sit: Sit, k2sim: Sim, repo: Path, state: str
) -> None:
    sim = k2sim(answer)
    person = sit(sim, *(["--mode", "auto"] if state == "command" else []))
    before = person.settings()
    bring_to(person, state, repo)
    person.process.send_signal(signal.SIGTERM)
    assert person.end() == -signal.SIGTERM  # for a shell: 143
    assert person.settings() == before
    assert not stray_modes("".join(person.terminal.raw))
    wait_for(lambda: not alive(repo))
    the_session_is_whole(repo, state)
    it_goes_on(sim, repo)


@pytest.mark.parametrize("state", ["idle", "streaming", "command", "question"])
def test_a_terminal_that_goes_away_ends_it_with_the_session_saved_and_nothing_left_running(
    sit: Sit, k2sim: Sim, repo: Path, state: str
) -> None:
    sim = k2sim(answer)
    person = sit(sim, *(["--mode", "auto"] if state == "command" else []))
    bring_to(person, state, repo)
    person.hang_up()
    assert person.process.wait(timeout=60) == -signal.SIGHUP  # for a shell: 129
    wait_for(lambda: not alive(repo))
    the_session_is_whole(repo, state)
    it_goes_on(sim, repo)


def test_ctrl_z_and_fg_at_the_prompt_while_a_command_runs_and_at_a_question(
    sit: Sit, k2sim: Sim, repo: Path
) -> None:
    sim = k2sim(answer)
    person = sit(sim, argv=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ "})
    person.see(r"\$")
    person.type(f"{KCODE}\r")
    bring_to(person, "idle", repo)
    person.type("ru")
    person.see("❯ ru")
    to_the_shell_and_back(person, "one", "❯ ru")
    person.type("n\r")
    person.see(r"Run this\?")
    to_the_shell_and_back(person, "two", r"Run this\?")
    person.type("y")
    person.see(r"\$ echo[\s\S]+working")
    wait_for(lambda: (repo / "pid").exists())
    to_the_shell_and_back(person, "three", "working")
    (repo / "go").touch()
    person.see(r"The command has ended\.[\s\S]+in, .* out")
    person.type("/exit\r")
    person.see(r"kcode -c continues[\s\S]+\n\$")
    assert [entry.text for entry in results(repo)] == ["it went\n[exit code 0]"]
    person.type("exit\r")
    person.end()
    assert not stray_modes("".join(person.terminal.raw))


def to_the_shell_and_back(person: Sitting, word: str, redrawn: str) -> None:
    """Stop it, use the shell as one does, and see what was there drawn again below that."""
    person.type("\x1a")
    person.see(r"Stopped")
    person.settle(0.3)
    person.type(f"echo th{'e'} shell; stty -a | grep -c ' icanon .* echo ' ; echo {word}$((40+2))\r")
    person.see(rf"\n{word}42\n")
    person.type("clear -x\r")
    person.settle(0.3)
    person.type("fg\r")
    person.see(rf"\$ fg\n[\s\S]*{redrawn}")


def results(repo: Path) -> list[ToolResult]:
    return [r.entry for r in load(find_session(repo))[1] if isinstance(r.entry, ToolResult)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_script_ends_the_command_that_runs_and_keeps_a_true_history(
    k2sim: Sim, repo: Path, number: signal.Signals
) -> None:
    sim = k2sim(answer)
    process = subprocess.Popen(
        [KCODE, "--mode", "auto", "-p", "run"],
        cwd=repo,
        env=environment(sim),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    wait_for(lambda: (repo / "pid").exists())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGTERM: 130, signal.SIGHUP: 129}[number]
    assert "Traceback" not in said
    wait_for(lambda: not alive(repo))
    the_session_is_whole(repo, "command")
    it_goes_on(sim, repo)


STOPS = 40
STARTING_AND_STOPPING = f"""
import asyncio, os, subprocess, threading
from kcode.ui.stage.jobcontrol import heeded, stop_group

def starting():
    while True:
        subprocess.run(["true"])

async def main():
    terminal = os.openpty()[1]
    with heeded(print, print):
        for _ in range(2):
            threading.Thread(target=starting, daemon=True).start()
        for _ in range({STOPS}):
            await asyncio.sleep(0.02)
            stop_group(terminal, print, print)
    os._exit(0)

asyncio.run(main())
"""


def test_ctrl_z_stops_it_also_while_it_starts_a_program() -> None:
    stopping = subprocess.Popen([sys.executable, "-c", STARTING_AND_STOPPING], process_group=0)
    try:
        for _ in range(STOPS):
            wait_for(lambda: os.WIFSTOPPED(os.waitpid(stopping.pid, os.WNOHANG | os.WUNTRACED)[1]))
            os.killpg(stopping.pid, signal.SIGCONT)
        assert stopping.wait(timeout=60) == 0
    finally:
        if stopping.poll() is None:
            os.killpg(stopping.pid, signal.SIGKILL)
