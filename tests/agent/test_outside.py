"""A command that fails because of the sandbox: the user is asked whether it may run once without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.agent.approval import Answer, RefuseAll
from kcode.agent.session import Session
from kcode.conversation.ledger import Approval, ToolResult
from kcode.safety import sandbox
from tests.agent.conftest import Person, run_turn
from tests.k2sim import Simulator, call, say, use

Open = Callable[..., Session]
Sim = Callable[..., Simulator]


@pytest.fixture(autouse=True)
def held() -> None:
    if not sandbox.status().holds:
        pytest.skip("no sandbox works here")


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside") / "made"


def write(outside: Path) -> dict[str, object]:
    return call("run_command", command=f"touch {outside} && echo done-{len(str(outside))}")


def result(session: Session) -> ToolResult:
    return [entry for entry in session.ledger if isinstance(entry, ToolResult)][-1]


def opened(open_session: Open, sim: Simulator, *answers: Answer, **safety: object) -> tuple[Session, Person]:
    session = open_session(sim, agent={"mode": "auto"}, safety=safety)
    person = Person([*answers])
    session.approver = person
    return session, person


def test_after_a_yes_it_runs_once_outside_and_the_model_gets_both_results(
    open_session: Open, k2sim: Sim, outside: Path
) -> None:
    sim = k2sim([use(write(outside)), say("Done.")])
    session, person = opened(open_session, sim, Answer("yes"), Answer("yes"))
    run_turn(session, "go")
    assert outside.exists()
    again = person.asked[-1]
    assert "outside of the sandbox" in again.title
    assert "not confined" in again.sandbox
    assert not again.lasting
    told = result(session)
    assert told.ok
    assert "perhaps because of the sandbox" in told.text
    assert told.text.index("outside of the sandbox:]") < told.text.index("[exit code 0]")
    assert [entry.answer for entry in session.ledger if isinstance(entry, Approval)][-1] == "yes"
    assert session.context.outside is False


def test_after_a_no_nothing_more_happens_and_the_model_is_told(
    open_session: Open, k2sim: Sim, outside: Path
) -> None:
    sim = k2sim([use(write(outside)), say("Done.")])
    session, _ = opened(open_session, sim, Answer("yes"), Answer("no", "not now"))
    run_turn(session, "go")
    assert not outside.exists()
    assert "not run again outside of the sandbox: not now" in result(session).text
    assert not result(session).ok


def test_one_yes_is_for_one_run(open_session: Open, k2sim: Sim, outside: Path) -> None:
    second = outside.with_name("second")
    sim = k2sim([use(write(outside)), use(write(second)), say("Done.")])
    session, _ = opened(open_session, sim, *[Answer("yes")] * 2, Answer("yes"), Answer("no"))
    run_turn(session, "go")
    assert outside.exists()
    assert not second.exists()


def test_where_nobody_can_be_asked_it_stays_inside(open_session: Open, k2sim: Sim, outside: Path) -> None:
    sim = k2sim(
        [
            use(call("run_command", command='mkdir x; cd x; python3 -c \'open("/usr/kcode-test", "w")\'')),
            say("Done."),
        ]
    )
    session = open_session(sim, agent={"mode": "auto"})
    session.approver = RefuseAll()
    run_turn(session, "go")
    assert "not run again outside of the sandbox: not allowed without a person to ask" in result(session).text


def test_in_auto_mode_a_sandbox_that_is_turned_off_holds_all_the_same(
    open_session: Open, k2sim: Sim, outside: Path
) -> None:
    sim = k2sim([use(call("run_command", command=f"sh -c 'touch {outside}'")), say("Done.")])
    session, _ = opened(open_session, sim, Answer("yes"), Answer("no"), sandbox="off")
    run_turn(session, "go")
    assert not outside.exists()


def test_an_ordinary_failure_asks_nothing(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([use(call("run_command", command="echo wrong; exit 3")), say("Done.")])
    session, person = opened(open_session, sim)
    run_turn(session, "go")
    assert person.asked == []
    assert "sandbox" not in result(session).text
