from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.memory import with_note
from kcode.agent.rewind import moments, plan_files, plan_undo, rewind, undo
from kcode.agent.session import Session
from kcode.errors import KcodeError, UsageError
from kcode.workspace.errors import StaleFile
from tests.agent.conftest import run_turn, tool_texts
from tests.k2sim import Simulator, call, say, use

Open = Callable[..., Session]
EDITS = {"agent": {"mode": "edits"}}


def last_message(sim: Simulator) -> str:
    return str(sim.chats[-1].json["messages"][-1]["content"])


def write(path: str, content: str) -> Any:
    return use(call("write_file", path=path, content=content))


# --- #note -----------------------------------------------------------------------------------------


def test_a_note_makes_an_agents_md_with_a_heading_and_the_model_hears_of_it(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([say("1"), say("2"), say("3")])
    session = open_session(sim)
    run_turn(session, "first")
    assert session.remember("run make before a commit") == "AGENTS.md"
    text = (repo / "AGENTS.md").read_text()
    assert text.startswith("# ")
    assert text.endswith("## Notes\n\n- run make before a commit\n")
    run_turn(session, "second")
    assert "run make before a commit" in last_message(sim)
    run_turn(session, "third")
    assert last_message(sim) == "third"


def test_a_note_before_the_first_message_is_in_the_guide_that_it_carries(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "CLAUDE.md").write_text("rule: old\n")
    sim = k2sim([say("1")])
    session = open_session(sim)
    assert session.remember("a new one") == "CLAUDE.md"
    assert not (repo / "AGENTS.md").exists()
    run_turn(session, "first")
    assert last_message(sim).count("a new one") == 1


def test_a_note_in_a_guide_that_was_given_is_told_alone(k2sim: Any, open_session: Open, repo: Path) -> None:
    (repo / "AGENTS.md").write_text("rule: old\n")
    sim = k2sim([say("1"), say("2")])
    session = open_session(sim)
    run_turn(session, "first")
    session.remember("a new one")
    run_turn(session, "second")
    assert "a new one" in last_message(sim)
    assert "rule: old" not in last_message(sim)


def test_undo_takes_a_note_back_alone_and_redo_brings_it_again(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), say("1")])
    session = open_session(sim, **EDITS)
    run_turn(session, "first")
    session.remember("keep it short")
    assert session.undo() == ["AGENTS.md"]
    assert not (repo / "AGENTS.md").exists()
    assert (repo / "a.txt").exists()
    assert session.undo() == ["a.txt"]
    assert session.redo() == ["a.txt"]
    assert session.redo() == ["AGENTS.md"]
    assert "keep it short" in (repo / "AGENTS.md").read_text()


def test_encoding_and_line_endings_of_the_file_are_kept(k2sim: Any, open_session: Open, repo: Path) -> None:
    (repo / "AGENTS.md").write_bytes(
        "# 指南\r\n\r\n## Notes\r\n\r\n- 一\r\n\r\n## 其他\r\n".encode("gb18030")
    )
    session = open_session(k2sim([]))
    session.remember("二")
    raw = (repo / "AGENTS.md").read_bytes()
    assert raw == "# 指南\r\n\r\n## Notes\r\n\r\n- 一\r\n- 二\r\n\r\n## 其他\r\n".encode("gb18030")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# A\n\ntext", "# A\n\ntext\n\n## Notes\n\n- new\n"),
        ("## Notes\n", "## Notes\n\n- new\n"),
        ("## Notes\n\n- a\n  more\n\n\n# Z\n", "## Notes\n\n- a\n  more\n- new\n\n\n# Z\n"),
        ("### NOTES ##\n- a", "### NOTES ##\n- a\n- new\n"),
        ("```\n## Notes\n```\n", "```\n## Notes\n```\n\n## Notes\n\n- new\n"),
        ("## Notes\n- a\n### Sub\nx\n## B\n", "## Notes\n- a\n### Sub\nx\n- new\n## B\n"),
    ],
)
def test_a_note_goes_to_the_end_of_the_section_of_notes(before: str, after: str) -> None:
    assert with_note(before, "new") == after


def test_a_note_of_several_lines_is_one_item() -> None:
    assert with_note("## Notes\n", " first\n  second \n\nthird").endswith("- first\n  second\n  third\n")


def test_an_empty_note_is_an_error(k2sim: Any, open_session: Open) -> None:
    with pytest.raises(UsageError, match="nothing to remember"):
        open_session(k2sim([])).remember("  ")


# --- /redo -----------------------------------------------------------------------------------------


def test_redo_brings_back_what_undo_took_and_tells_the_model(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    both = use(call("write_file", path="a.txt", content="1"), call("write_file", path="a.txt", content="2"))
    sim = k2sim([both, write("b.txt", "b"), say("1"), say("2")])
    session = open_session(sim, **EDITS)
    run_turn(session, "first")
    assert set(session.undo()) == {"a.txt", "b.txt"}
    assert set(session.redo()) == {"a.txt", "b.txt"}
    assert (repo / "a.txt").read_text() == "2"
    assert {edit.path for edit in session.changes()} == {"a.txt", "b.txt"}
    run_turn(session, "second")
    assert "brought your changes back" in last_message(sim)
    assert set(session.undo()) == {"a.txt", "b.txt"}
    assert not (repo / "a.txt").exists()
    assert set(session.redo()) == {"a.txt", "b.txt"}


def test_redo_goes_through_several_undos_the_last_first(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([write("a.txt", "a"), say("1"), write("b.txt", "b"), say("2")])
    session = open_session(sim, **EDITS)
    run_turn(session, "first")
    run_turn(session, "second")
    assert [session.undo(), session.undo()] == [["b.txt"], ["a.txt"]]
    asyncio.run(session.close())
    session = open_session(sim, resume=True, **EDITS)
    assert [session.redo(), session.redo()] == [["a.txt"], ["b.txt"]]
    with pytest.raises(UsageError, match="no undo to take back"):
        session.redo()


@pytest.mark.parametrize("act", ["undo", "redo"])
def test_a_file_that_was_changed_meanwhile_stops_it_before_anything_is_touched_unless_forced(
    k2sim: Any, open_session: Open, repo: Path, act: str
) -> None:
    sim = k2sim([write("a.txt", "a"), write("b.txt", "b"), say("1")])
    session = open_session(sim, **EDITS)
    run_turn(session, "first")
    if act == "redo":
        session.undo()
    (repo / "a.txt").write_text("by hand")
    there = (repo / "b.txt").exists()
    with pytest.raises(StaleFile, match=r"a\.txt was changed"):
        getattr(session, act)()
    assert (repo / "b.txt").exists() == there
    getattr(session, act)(force=True)
    assert (repo / "a.txt").exists() == (act == "redo")


# --- /add-dir --------------------------------------------------------------------------------------


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "core.py").write_text("def core():\n    return 1\n")
    (folder / ".env").write_text("KEY=42-is-it\n")
    return folder.resolve()


def test_an_added_folder_is_read_searched_and_edited_by_absolute_and_relative_paths(
    k2sim: Any, open_session: Open, repo: Path, beside: Path
) -> None:
    core = f"{beside}/src/core.py"
    change = [{"old_text": "return 1", "new_text": "return 2"}]
    sim = k2sim(
        [
            use(
                call("read_file", path="../lib/src/core.py"),
                call("grep", pattern="def core", path=str(beside)),
                call("grep", pattern="def core", path=f"{beside}/src", glob="*.py"),
                call("list_dir", path=str(beside)),
                call("find_files", pattern="*.py", path="../lib"),
            ),
            use(call("edit_file", path=core, edits=change)),
            use(call("write_file", path=f"{beside}/new/deep.txt", content="x")),
            say("done"),
        ]
    )
    session = open_session(sim, **EDITS)
    assert session.add_dir(Path("../lib")) == beside
    run_turn(session, "look")
    read, grep, below, listed, found, *_ = tool_texts(session)
    assert "return 1" in read
    assert grep == below == f"{core}:1:def core():"
    assert "src/core.py" in listed
    assert found == core
    assert "return 2" in Path(core).read_text()
    assert session.undo() == [f"{beside}/new/deep.txt", core]
    assert "return 1" in Path(core).read_text()
    assert not (beside / "new").exists()


def test_a_rewind_brings_back_edits_there_and_forth_again(
    k2sim: Any, open_session: Open, repo: Path, beside: Path
) -> None:
    core = beside / "src" / "core.py"
    before = core.read_text()
    edits = [
        call("write_file", path=str(core), content="new\n"),
        call("write_file", path="a.txt", content="a"),
    ]
    sim = k2sim([use(call("read_file", path=str(core))), use(*edits), say("1")])
    session = open_session(sim, **EDITS)
    session.add_dir(beside)
    run_turn(session, "first")

    async def back_and_forth() -> None:
        position = moments(session.ledger)[0].position
        done = await rewind(session, position, "both", await plan_files(session, position))
        assert set(done.restored) == {str(core), "a.txt"}
        assert core.read_text() == before
        position, plan = await plan_undo(session)
        done = await undo(session, position, plan)
        assert set(done.restored) == {str(core), "a.txt"}
        assert core.read_text() == "new\n"

    asyncio.run(back_and_forth())


def test_the_model_is_told_and_a_resumed_session_still_has_it(
    k2sim: Any, open_session: Open, beside: Path
) -> None:
    sim = k2sim([say("1"), use(call("read_file", path=f"{beside}/src/core.py")), say("2")])
    session = open_session(sim)
    session.add_dir(beside)
    run_turn(session, "first")
    assert f"added the folder {beside}" in last_message(sim)
    asyncio.run(session.close())
    again = open_session(sim, resume=True)
    run_turn(again, "second")
    assert "def core" in tool_texts(again)[0]


def test_a_guide_of_an_added_folder_is_told_when_it_is_entered(
    k2sim: Any, open_session: Open, beside: Path
) -> None:
    (beside / "AGENTS.md").write_text("rule: lib")
    sim = k2sim([use(call("read_file", path=f"{beside}/src/core.py")), say("1")])
    session = open_session(sim)
    session.add_dir(beside)
    run_turn(session, "first")
    assert "rule: lib" in tool_texts(session)[0]


def test_sensitive_files_of_an_added_folder_stay_sensitive(
    k2sim: Any, open_session: Open, beside: Path
) -> None:
    sim = k2sim(
        [
            use(call("read_file", path=f"{beside}/.env"), call("grep", pattern="KEY", path=str(beside))),
            say("1"),
        ]
    )
    session = open_session(sim)
    session.add_dir(beside)
    run_turn(session, "first")
    assert not any("42-is-it" in text for text in tool_texts(session))


def test_commands_may_write_there(k2sim: Any, open_session: Open, beside: Path) -> None:
    from tests.agent.conftest import Person

    sim = k2sim([use(call("run_command", command=f"echo 1 > {beside}/made")), say("1")])
    session = open_session(sim)
    session.approver = Person()
    session.add_dir(beside)
    run_turn(session, "first")
    assert (beside / "made").read_text() == "1\n"


def test_without_it_the_folder_is_outside(k2sim: Any, open_session: Open, beside: Path) -> None:
    sim = k2sim([use(call("read_file", path="../lib/src/core.py")), say("1")])
    session = open_session(sim)
    run_turn(session, "first")
    assert "outside the workspace" in tool_texts(session)[0]


@pytest.mark.parametrize("path", ["nowhere", "shop.py", "/", "~/.ssh", "../lib/.git"])
def test_what_cannot_be_added_is_said_why(
    k2sim: Any, open_session: Open, beside: Path, own_home: Path, path: str
) -> None:
    (own_home / ".ssh").mkdir()
    (beside / ".git").mkdir()
    session = open_session(k2sim([]))
    with pytest.raises(KcodeError):
        session.add_dir(Path(path))
    assert session.workspace.added == ()


# --- the mode --------------------------------------------------------------------------------------


def test_the_mode_is_told_once_when_it_is_another(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say(str(number)) for number in range(5)])
    session = open_session(sim)
    run_turn(session, "first")
    assert "<mode" not in last_message(sim)
    session.mode = "plan"
    run_turn(session, "second")
    assert '<mode name="plan">' in last_message(sim)
    run_turn(session, "third")
    assert last_message(sim) == "third"
    session.mode = "edits"
    run_turn(session, "fourth")
    assert '<mode name="edits">' in last_message(sim)
    asyncio.run(session.close())
    session = open_session(sim, resume=True, **EDITS)
    run_turn(session, "fifth")
    assert last_message(sim) == "fifth"
    assert all(step.extends for step in sim.prefix_report())


def test_a_session_that_begins_in_plan_mode_says_so_with_its_first_message(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("1"), say("2")])
    session = open_session(sim, agent={"mode": "plan"})
    run_turn(session, "first")
    assert "numbered steps" in last_message(sim)
    system = sim.chats[0].json["messages"][0]
    session.clear()
    run_turn(session, "second")
    assert "numbered steps" in last_message(sim)
    assert sim.chats[1].json["messages"][0] == system


# --- the to-do list --------------------------------------------------------------------------------


def test_the_to_do_list_is_told_and_comes_back_with_the_session(k2sim: Any, open_session: Open) -> None:
    from kcode.agent.events import TodoChanged

    items = [
        {"text": "read", "status": "done"},
        {"text": "[x] edit", "status": "in_progress"},
        {"text": "test"},
    ]
    sim = k2sim([use(call("update_todo", items=items)), say("1"), say("2")])
    session = open_session(sim)
    events = run_turn(session, "first")
    wanted = (("read", "done"), ("[x] edit", "in_progress"), ("test", "pending"))
    assert [event.items for event in events if isinstance(event, TodoChanged)] == [wanted]
    asyncio.run(session.close())
    again = open_session(sim, resume=True)
    assert again.todo == wanted
    again.clear()
    assert again.todo == ()
