"""A part of a planned change accepted: exactly that is made, and the model is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.agent.approval import Answer, Question
from kcode.agent.events import CallAnswered, CallFinished
from kcode.agent.session import Session
from kcode.conversation.ledger import Approval, ToolResult
from kcode.safety.rules import Rule
from kcode.tools.base import FileEdit
from tests.agent.conftest import Person, run_turn
from tests.k2sim import Simulator, call, say, use

Open = Callable[..., Session]
Sim = Callable[..., Simulator]
PATCH = call(
    "apply_patch",
    patch="*** Begin Patch\n*** Update File: run.sh\n*** Move to: bin/run.sh\n@@\n-echo 1\n+echo 2\n"
    "*** Update File: shop.py\n@@\n-    return sum(prices) - 1\n+    return sum(prices)\n*** End Patch\n",
)
READS = [call("read_file", path="run.sh"), call("read_file", path="shop.py")]


def result(session: Session) -> ToolResult:
    return [entry for entry in session.ledger if isinstance(entry, ToolResult)][-1]


def approval(session: Session) -> Approval:
    return [entry for entry in session.ledger if isinstance(entry, Approval)][-1]


def answered(session: Session, *answers: Answer) -> Person:
    person = Person([*answers])
    session.approver = person
    return person


@pytest.fixture
def script(repo: Path) -> Path:
    path = repo / "run.sh"
    path.write_text("#!/bin/sh\necho 1\n")
    path.chmod(0o755)
    return path


def test_a_move_alone_is_accepted_and_keeps_its_mode(
    open_session: Open, k2sim: Sim, repo: Path, script: Path
) -> None:
    session = open_session(k2sim([use(*READS), use(PATCH), say("Done.")]))
    moved = (
        FileEdit("run.sh", "#!/bin/sh\necho 1\n", None),
        FileEdit("bin/run.sh", None, "#!/bin/sh\necho 2\n"),
    )
    person = answered(session, Answer("yes", "shop.py is fine as it is", edits=moved))
    before = (repo / "shop.py").read_text()
    run_turn(session, "go")
    assert person.asked[0].intent.moves == (("run.sh", "bin/run.sh"),)
    assert not script.exists()
    assert (repo / "bin/run.sh").read_text() == "#!/bin/sh\necho 2\n"
    assert (repo / "bin/run.sh").stat().st_mode & 0o111
    assert (repo / "shop.py").read_text() == before
    told = result(session)
    assert told.ok
    assert "shop.py: not changed, the user declined it." in told.text
    assert "Their reason: shop.py is fine as it is" in told.text
    assert told.brief.endswith("in part")
    assert approval(session).answer == "part"
    session.undo()
    assert script.read_text() == "#!/bin/sh\necho 1\n"


def test_a_part_keeps_the_encoding_and_the_line_ends(open_session: Open, k2sim: Sim, repo: Path) -> None:
    (repo / "gbk.txt").write_bytes("一\r\n二\r\n三\r\n".encode("gb18030"))
    edit = call("edit_file", path="gbk.txt", edits=[{"old_text": "一", "new_text": "壹"},
                                                     {"old_text": "三", "new_text": "叁"}])  # fmt: skip
    session = open_session(k2sim([use(call("read_file", path="gbk.txt")), use(edit), say("Done.")]))
    answered(session, Answer("yes", edits=(FileEdit("gbk.txt", "一\r\n二\r\n三\r\n", "壹\r\n二\r\n三\r\n"),)))
    run_turn(session, "go")
    assert (repo / "gbk.txt").read_bytes() == "壹\r\n二\r\n三\r\n".encode("gb18030")


def test_a_text_that_the_file_cannot_hold_is_refused_whole(
    open_session: Open, k2sim: Sim, repo: Path
) -> None:
    data = "一二三四五六七八九十\n".encode("gbk") * 5
    (repo / "gbk.txt").write_bytes(data)
    text = data.decode("gbk")
    edit = call("edit_file", path="gbk.txt", edits=[{"old_text": text, "new_text": text + "完\n"}])
    session = open_session(k2sim([use(call("read_file", path="gbk.txt")), use(edit), say("Done.")]))
    person = answered(session)
    run_turn(session, "go")  # whole, to learn what was planned
    planned = person.asked[0].intent.edits[0]
    (repo / "gbk.txt").write_bytes(data)
    session = open_session(k2sim([use(call("read_file", path="gbk.txt")), use(edit), say("Done.")]))
    answered(session, Answer("yes", edits=(FileEdit("gbk.txt", planned.before, text + "\ud83d\n"),)))
    run_turn(session, "go")
    assert (repo / "gbk.txt").read_bytes() == data
    assert not result(session).ok


def test_edits_that_nobody_asked_about_are_not_made(open_session: Open, k2sim: Sim, repo: Path) -> None:
    edit = call("write_file", path="new.txt", content="new\n")
    session = open_session(k2sim([use(edit), say("Done.")]))
    answered(session, Answer("yes", edits=(FileEdit("other.txt", None, "x\n"),)))
    run_turn(session, "go")
    assert not (repo / "other.txt").exists()
    assert not (repo / "new.txt").exists()
    assert "was not part of the question" in result(session).text


def test_the_next_edit_goes_by_what_was_made(open_session: Open, k2sim: Sim, repo: Path) -> None:
    first = call("write_file", path="a.txt", content="1\n2\n")
    second = call("edit_file", path="a.txt", edits=[{"old_text": "one", "new_text": "ONE"}])
    session = open_session(k2sim([use(first), use(second), say("Done.")]))
    answered(session, Answer("yes", edits=(FileEdit("a.txt", None, "one\n2\n"),)), Answer("yes"))
    run_turn(session, "go")
    assert (repo / "a.txt").read_text() == "ONE\n2\n"
    assert result(session).ok


def test_edits_as_asked_are_the_tool_itself(open_session: Open, k2sim: Sim, repo: Path) -> None:
    session = open_session(k2sim([use(call("write_file", path="a.txt", content="1\n")), say("Done.")]))
    answered(session, Answer("yes", edits=(FileEdit("a.txt", None, "1\n"),)))
    run_turn(session, "go")
    assert approval(session).answer == "yes"
    assert result(session).text.startswith("Created a.txt")


def test_a_rule_of_the_answer_holds_and_is_journalled(open_session: Open, k2sim: Sim, repo: Path) -> None:
    touch = call("run_command", command="touch made")
    session = open_session(k2sim([use(touch), use(touch), say("Done.")]))
    rule = Rule("allow", "command", "touch made", "session")
    person = answered(session, Answer("yes", rules=(rule,)))
    run_turn(session, "go")
    assert len(person.asked) == 1
    assert approval(session).rules == "allow command: touch made (session)"
    assert session.rules == [rule]


def test_the_question_says_the_part_and_the_sandbox(open_session: Open, k2sim: Sim) -> None:
    script = [use(call("run_command", command="ls && touch made")), say("Done.")]
    session = open_session(k2sim(script), safety={"sandbox": "off"})
    person = answered(session, Answer("no"))
    run_turn(session, "go")
    (question,) = person.asked
    assert question.part == "touch made"
    assert question.sandbox == "not confined: the setting safety.sandbox is off"
    assert question.root == session.root


class Away(Person):
    """Somebody who comes back an hour later."""

    async def ask(self, question: Question) -> Answer:
        await asyncio.sleep(0.4)
        return await super().ask(question)


def test_the_time_an_answer_takes_is_neither_the_calls_nor_the_turns(
    open_session: Open, k2sim: Sim, script: Path
) -> None:
    session = open_session(k2sim([use(*READS), use(PATCH), say("Done.")]))
    session.approver = Away([Answer("yes")])
    events = run_turn(session, "go")
    answered = next(event for event in events if isinstance(event, CallAnswered))
    ended = next(e for e in events if isinstance(e, CallFinished) and e.call_id == answered.call_id)
    assert answered.waited_s >= 0.4
    assert events.index(answered) < events.index(ended)
    assert session.waited == {ended.call_id: answered.waited_s}
    run_turn(session, "and on")
    assert session.waited == {}
