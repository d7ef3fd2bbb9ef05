from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import BackgroundEnded, CallProgress, CallStarted, Event
from kcode.agent.session import Session
from kcode.conversation.ledger import ToolResult
from kcode.safety.longrun import LongRun
from tests.agent.conftest import Person, run_turn, tool_texts
from tests.k2sim import TEST_KEY, call, say, use
from tests.safety.test_process import asleep, nap

Open = Callable[..., Session]
AUTO = {"agent": {"mode": "auto"}}
OPEN = {**AUTO, "safety": {"sandbox": "off"}}


def in_background(command: str, **more: Any) -> Any:
    return call("run_command", command=command, background=True, **more)


def turns(session: Session, *texts: str, pause: Callable[[], bool] = lambda: True) -> list[Event]:
    """Several turns in one event loop, as a sitting has them; ``pause`` is waited for between them."""

    def wait() -> None:
        while not pause():
            time.sleep(0.01)

    async def go() -> list[Event]:
        events: list[Event] = []
        session.on_event = events.append
        for text in texts:
            events += [event async for event in session.turn(text)]
            await asyncio.to_thread(wait)
        await session.close()
        return events

    return asyncio.run(go())


def test_a_server_runs_on_while_other_calls_run_and_is_ended_with_the_session(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    here, child = nap(), nap()
    serve = f"echo listening; {child} & {here}"
    seen: list[bool] = []

    def answer(request: Any) -> Any:
        if request.step == 1:
            return use(in_background(serve))
        if request.step == 2:
            seen.append(asleep(here) and asleep(child))
            return use(call("run_command", command="echo meanwhile"))
        return use(call("command_output", id="bg1")) if request.step == 3 else say("it runs")

    sim = k2sim(answer)
    session = open_session(sim, **OPEN)
    turns(session, "serve it")
    started, meanwhile, news = tool_texts(session)
    assert meanwhile.startswith("meanwhile")
    assert started == "listening\n[bg1 runs in the background]"
    assert news == "(nothing new was printed)\n[bg1 runs in the background]"
    assert seen == [True]
    assert not asleep(here)
    assert not asleep(child)
    assert all(step.extends for step in sim.prefix_report())


def test_one_that_fails_at_once_is_told_with_its_code(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(in_background("echo no such port; exit 4")), say("it failed")])
    session = open_session(sim, **OPEN)
    turns(session, "serve it")
    assert tool_texts(session) == ["no such port\n[bg1 ended with exit code 4]"]
    result = next(entry for entry in session.ledger if isinstance(entry, ToolResult))
    assert (result.ok, result.brief) == (False, "bg1 exit 4")


def test_one_that_ends_before_its_time_limit_is_set_up_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(threading.Timer):
        def __init__(self, *arguments: Any) -> None:
            time.sleep(0.3)
            super().__init__(*arguments)

    monkeypatch.setattr(threading, "Timer", Slow)
    ended = threading.Event()
    run = LongRun(["true"], cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log", timeout_s=60)
    run.when_ended(ended.set)
    assert ended.wait(30)
    assert (run.running, run.code) == (False, 0)


def test_the_end_is_waited_for_and_its_output_is_news_once(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim(
        [
            use(in_background("while [ ! -e go ]; do sleep 0.05; done; echo built")),
            use(call("command_output", id="bg1", wait_s=60)),
            use(call("command_output", id="bg1")),
            say("done"),
        ]
    )
    session = open_session(sim, **OPEN)

    async def go() -> list[Event]:
        events = []
        async for event in session.turn("build it"):
            events.append(event)
            if isinstance(event, CallStarted) and event.name == "command_output":
                (repo / "go").touch()
        await session.close()
        return events

    events = asyncio.run(go())
    texts = tool_texts(session)
    assert texts[1] == "built\n[bg1 ended with exit code 0]"
    assert texts[2] == "(nothing new was printed)\n[bg1 ended with exit code 0]"
    assert not any(isinstance(event, BackgroundEnded) for event in events)
    assert not any("<news>" in text for text in texts)


def test_stop_ends_it_and_what_it_started(k2sim: Any, open_session: Open, repo: Path) -> None:
    child = nap()
    sim = k2sim(
        [
            use(in_background(f"{child} & touch made; wait")),
            use(call("command_output", id="bg1", stop=True)),
            say("stopped"),
        ]
    )
    session = open_session(sim, **OPEN)

    async def go() -> None:
        async for _ in session.turn("serve it and stop it"):
            pass
        assert (repo / "made").exists()
        assert not asleep(child)
        assert [(task.id, task.running, task.code) for task in session.background] == [("bg1", False, 143)]
        await session.close()

    asyncio.run(go())
    assert "ended with exit code 143" in tool_texts(session)[1]


def test_the_model_and_the_interface_are_told_when_one_ends_between_turns(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    slow = "while [ ! -e go ]; do sleep 0.05; done; echo built; exit 7"
    sim = k2sim([use(in_background(slow)), say("started"), say("I see")])
    session = open_session(sim, **OPEN)
    ended: list[bool] = []

    def pause() -> bool:
        (repo / "go").touch()
        ended[:] = [task.running for task in session.background]
        return ended == [False]

    events = turns(session, "build it", "and now?", pause=pause)
    told = sim.chats[-1].json["messages"][-1]["content"]
    assert "bg1 has ended with exit code 7" in told
    assert "built" in told
    assert [(event.id, event.code) for event in events if isinstance(event, BackgroundEnded)] == [("bg1", 7)]
    assert all(step.extends for step in sim.prefix_report())


def test_one_that_ends_during_a_turn_is_told_with_the_next_result(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    def answer(request: Any) -> Any:
        if request.step == 1:
            return use(in_background("while [ ! -e go ]; do sleep 0.05; done; echo built"))
        if request.step == 2:
            return use(call("run_command", command="touch go; sleep 1"))
        return use(call("list_dir")) if request.step == 3 else say("done")

    sim = k2sim(answer)
    session = open_session(sim, **OPEN)
    turns(session, "build it")
    told = "".join(tool_texts(session)[1:])
    assert told.count("bg1 has ended with exit code 0") == 1
    assert all(step.extends for step in sim.prefix_report())


def test_it_is_judged_and_shown_like_any_command(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([use(in_background("touch made")), say("ok")])
    session = open_session(sim)
    person = Person()
    session.approver = person
    run_turn(session, "serve it")
    asyncio.run(session.close())
    assert person.asked[0].title == "$ touch made (in the background)"
    assert person.asked[0].intent.command == "touch made"


def test_it_stays_confined(k2sim: Any, open_session: Open, repo: Path) -> None:
    from kcode.safety.sandbox import status

    if not status().holds:
        pytest.skip("no sandbox here")
    outside = Path(sys.prefix) / f"touched-{os.getpid()}"  # a sandbox may have a /tmp of its own
    sim = k2sim([use(in_background(f"touch {outside}; echo $? > code")), say("ok")])
    session = open_session(sim, **AUTO)
    session.approver = Person()
    turns(session, "try", pause=lambda: not any(task.running for task in session.background))
    assert not outside.exists()
    assert (repo / "code").read_text() != "0\n"


def test_a_killed_kcode_leaves_none_behind(k2sim: Any, repo: Path) -> None:
    child = nap()
    serve = in_background(f"{child} & touch made; wait")
    sim = k2sim([use(serve), use(call("run_command", command="sleep 300"))])
    environment = {
        **os.environ,
        "KCODE_PROVIDER": "moonshot",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_SAFETY__SANDBOX": "off",
    }
    program = Path(sys.executable).parent / "kcode"
    running = subprocess.Popen(
        [program, "--mode", "auto", "-p", "serve it"],
        cwd=repo,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (repo / "made").exists() or len(sim.chats) < 2:
        time.sleep(0.02)
        assert running.poll() is None
    assert asleep(child)
    running.kill()
    running.wait()
    while asleep(child):
        time.sleep(0.02)


def test_a_resumed_session_says_that_they_are_gone(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(in_background("sleep 300")), say("runs"), use(in_background("true")), say("I see")])
    session = open_session(sim, **OPEN)
    turns(session, "serve it")
    again = open_session(sim, resume=True, **OPEN)
    turns(again, "go on")
    users = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert "the commands in the background have ended (bg1)" in users[-1]
    assert "[bg2 " in tool_texts(again)[-1]


def test_a_flood_is_bounded_in_the_file_and_for_the_model(k2sim: Any, open_session: Open, repo: Path) -> None:
    from kcode.safety.longrun import LOG_LIMIT

    flood = "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo last"
    sim = k2sim([use(in_background(flood)), use(call("command_output", id="bg1", wait_s=60)), say("ok")])
    session = open_session(sim, **OPEN)

    async def go() -> None:
        async for _ in session.turn("flood"):
            pass
        scratch = session.context.scratch
        assert scratch is not None
        sizes = [path.stat().st_size for path in scratch.glob("bg1.log*")]
        assert 0 < sum(sizes) <= 2 * LOG_LIMIT
        assert (scratch / "bg1.log").read_bytes().endswith(b"last\n")
        await session.close()
        assert not scratch.exists()

    asyncio.run(go())
    assert sum(map(len, tool_texts(session))) < 40_000
    assert "last\n" in "".join(tool_texts(session))


def test_not_more_than_eight_run_at_once_and_an_unknown_one_is_named(k2sim: Any, open_session: Open) -> None:
    many = [in_background("sleep 300") for _ in range(9)]
    sim = k2sim([use(*many), use(call("command_output", id="bg77")), say("ok")])
    session = open_session(sim, **OPEN)
    turns(session, "serve all")
    texts = tool_texts(session)
    assert "8 commands run in the background" in texts[8]
    assert "there is no background command 'bg77'; there are: bg1, " in texts[9]


def test_output_of_a_running_command_is_shown_as_it_comes(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("run_command", command="echo 数; echo two")), use(call("run_tests")), say("ok")])
    session = open_session(sim, **OPEN)
    events = run_turn(session, "go")
    told = [event for event in events if isinstance(event, CallProgress)]
    command = told[0].call_id
    assert "".join(event.text for event in told if event.call_id == command) == "数\ntwo\n"
    tests = [event for event in told if event.call_id != command]
    assert (tests[-1].passed, tests[-1].failed, tests[-1].total) == (0, 1, 1)
