"""Hosts that confined commands reach: asked about at the first use, once, while the command runs."""

from __future__ import annotations

import http.server
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.approval import INTERRUPTED, Answer, RefuseAll
from kcode.agent.session import Session
from kcode.conversation.ledger import Approval, ToolResult
from kcode.safety import rooms, sandbox, wayout
from kcode.safety.rules import rule_from
from tests.agent.conftest import Person, run_turn
from tests.k2sim import Simulator, call, say, use

Open = Callable[..., Session]
Sim = Callable[..., Simulator]


@pytest.fixture(autouse=True)
def held(tmp_path: Path) -> None:
    if not sandbox.status().holds or (rooms.room_for(tmp_path, ()) is None and not sandbox._one_port()):
        pytest.skip("no sandbox with a way out works here")
    wayout.leave(tmp_path)


@pytest.fixture(autouse=True)
def one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up outside: of names that are allowed, this machine answers."""
    known = socket.getaddrinfo

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        return known("127.0.0.1" if str(host).endswith(".test") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


@pytest.fixture
def port() -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"served\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def fetch(*addresses: str) -> dict[str, object]:
    """In a script: the command itself names no host."""
    script = (
        "import sys, urllib.request as u\n"
        "for a in sys.stdin.read().split():\n"
        "    try: print(u.urlopen(a, timeout=20).read().decode())\n"
        "    except u.HTTPError as p: print(p.code, p.read().decode())\n"
        "    except OSError as p: print(p)\n"
        "sys.exit(4)\n"
    )
    given = " ".join(addresses)
    command = f"cat > fetch.py <<'END'\n{script}END\nprintf '%s ' {given} | {sys.executable} fetch.py"
    return call("run_command", command=command)


def results(session: Session) -> list[str]:
    return [entry.text for entry in session.ledger if isinstance(entry, ToolResult)]


def opened(open_session: Open, sim: Simulator, *answers: Answer) -> tuple[Session, Person]:
    session = open_session(sim, agent={"mode": "auto"})
    person = Person([*answers])
    session.approver = person
    return session, person


def test_a_host_is_asked_about_once_and_a_no_holds(open_session: Open, k2sim: Sim) -> None:
    one = fetch("http://shop.test/", "http://shop.test/again")
    sim = k2sim([use(one), use(one), say("Done.")])
    session, person = opened(open_session, sim, Answer("no", "not that one"))
    run_turn(session, "go")
    assert [question.title.partition(", for")[0] for question in person.asked] == ["connect to shop.test:80"]
    assert all("shop.test (the user said no: not that one)" in text for text in results(session))
    kept = [entry for entry in session.ledger if isinstance(entry, Approval)]
    assert (kept[-1].answer, kept[-1].reason) == ("no", "shop.test: not that one")


def test_a_yes_holds_for_the_session_and_opens_no_address_of_this_machine(
    open_session: Open, k2sim: Sim, port: int
) -> None:
    one = fetch(f"http://shop.test:{port}/")
    sim = k2sim([use(one), use(one), say("Done.")])
    session, person = opened(open_session, sim, Answer("yes"))
    run_turn(session, "go")
    assert len([question for question in person.asked if question.tool == "network"]) == 1
    for text in results(session):
        assert "shop.test leads to an address of this machine" in text
        assert "served" not in text


def test_a_rule_that_names_the_host_opens_it_without_a_question(
    open_session: Open, k2sim: Sim, port: int
) -> None:
    sim = k2sim([use(fetch(f"http://shop.test:{port}/")), say("Done.")])
    session, person = opened(open_session, sim)
    session.rules.append(rule_from("host: shop.test", "allow", "session", "here"))
    run_turn(session, "go")
    assert not person.asked
    assert "served" in results(session)[-1]


def test_an_answer_that_is_kept_is_a_rule(open_session: Open, k2sim: Sim) -> None:
    rule = rule_from("host: shop.test", "allow", "session", "here")
    sim = k2sim([use(fetch("http://shop.test/")), say("Done.")])
    session, _ = opened(open_session, sim, Answer("yes", rules=(rule,)))
    run_turn(session, "go")
    assert rule in session.rules


def test_without_a_person_nothing_is_asked_and_the_model_is_told(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([use(fetch("http://shop.test/")), say("Done.")])
    session, _ = opened(open_session, sim)
    session.approver = RefuseAll()
    run_turn(session, "go")
    assert "shop.test (no rule allows it, and there is nobody to ask now)" in results(session)[-1]


def test_a_denied_host_is_not_asked_about(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([use(fetch("http://shop.test/")), say("Done.")])
    session, person = opened(open_session, sim)
    session.rules.append(rule_from("host: *.test", "deny", "session", "here"))
    run_turn(session, "go")
    assert not [question for question in person.asked if question.tool == "network"]
    assert "denied by the rule deny host: *.test (session)" in results(session)[-1]


def test_a_question_that_was_interrupted_is_no_answer(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([use(fetch("http://shop.test/")), use(fetch("http://shop.test/")), say("Done.")])
    session, person = opened(open_session, sim, Answer("no", INTERRUPTED), Answer("no"))
    run_turn(session, "go")
    assert len([question for question in person.asked if question.tool == "network"]) == 2


def test_a_host_in_a_command_that_a_person_allowed_is_not_asked_about_again(
    open_session: Open, k2sim: Sim, port: int
) -> None:
    named = call("run_command", command=f"curl -sS http://shop.test:{port}/")
    sim = k2sim([use(named), say("Done.")])
    session = open_session(sim, agent={"mode": "ask"})
    session.approver = person = Person([Answer("yes"), Answer("no")])
    run_turn(session, "go")
    assert [question.tool for question in person.asked][:1] == ["run_command"]
    assert not [question for question in person.asked if question.tool == "network"]


def test_the_time_in_which_a_person_is_asked_is_not_the_commands(open_session: Open, k2sim: Sim) -> None:
    import asyncio

    class Slow(Person):
        async def ask(self, question: Any) -> Answer:
            if question.tool == "network":
                await asyncio.sleep(3)
            return await super().ask(question)

    asked = call("run_command", command="curl -sS http://shop.test/; sleep 0.1", timeout_s=2)
    sim = k2sim([use(asked), say("Done.")])
    session, _ = opened(open_session, sim)
    session.approver = slow = Slow([Answer("no")])
    run_turn(session, "go")
    assert [question.tool for question in slow.asked] == ["network"]
    assert "stopped after" not in results(session)[-1]
    assert "the user said no" in results(session)[-1]
