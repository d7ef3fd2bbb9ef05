from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import Notice
from kcode.agent.rewind import Rewound, What, moments, plan_files, plan_undo, rewind, undo
from kcode.agent.session import Session
from kcode.conversation.ledger import Epoch, Note, System, Tools, User, wire_entries
from kcode.errors import UsageError
from tests.agent.conftest import run_turn
from tests.k2sim import call, say, use

Open = Callable[..., Session]
ALL = {"agent": {"mode": "auto"}, "safety": {"sandbox": "off"}}


def write(path: str, content: str) -> Any:
    return use(call("write_file", path=path, content=content))


def command(text: str) -> Any:
    return use(call("run_command", command=text))


def back(session: Session, number: int, what: What = "both", *, force: bool = False) -> Rewound:
    """Rewind to the ``number``-th message of the user's, from 0."""

    async def go() -> Rewound:
        position = moments(session.ledger)[number].position
        plan = await plan_files(session, position)
        return await rewind(session, position, what, plan, force=force)

    return asyncio.run(go())


def forth(session: Session, *, force: bool = False) -> Rewound:
    async def go() -> Rewound:
        position, plan = await plan_undo(session)
        return await undo(session, position, plan, force=force)

    return asyncio.run(go())


def typed(session: Session) -> list[str]:
    return [moment.text for moment in moments(session.ledger)]


def settle(session: Session) -> None:
    asyncio.run(session.files.settle())


def test_conversation_and_files_go_back_together_and_forth_again(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), write("a.txt", "two"), say("2"), say("3")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    run_turn(session, "second")
    done = back(session, 1)
    assert (repo / "a.txt").read_text() == "one"
    assert done.text == "second"
    assert typed(session) == ["first"]
    run_turn(session, "another way")
    sent = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert [text.split("\n")[0] for text in sent] == ["first", "another way"]
    forth(session)
    assert (repo / "a.txt").read_text() == "two"
    assert typed(session) == ["first", "second"]


def test_what_commands_did_comes_back_too(k2sim: Any, open_session: Open, repo: Path) -> None:
    (repo / "mine.bin").write_bytes(b"\x00\xff")
    (repo / "link").symlink_to("shop.py")
    (repo / "secret").write_text("s")
    (repo / "secret").chmod(0o600)
    script = (
        "printf 'x\\001' > mine.bin; git mv test_shop.py renamed.py; chmod +x shop.py; rm link;"
        " ln -s elsewhere link; mkdir -p new/deep; echo made > new/deep/f; chmod 644 secret;"
        " git stash list; git add -A"
    )
    sim = k2sim([command(script), say("done")])
    session = open_session(sim, **ALL)
    tests = (repo / "test_shop.py").read_bytes()
    mode = (repo / "shop.py").stat().st_mode
    run_turn(session, "do it")
    index = (repo / ".git" / "index").read_bytes()
    done = back(session, 0)
    assert (repo / "mine.bin").read_bytes() == b"\x00\xff"
    assert (repo / "test_shop.py").read_bytes() == tests
    assert not (repo / "renamed.py").exists()
    assert (repo / "shop.py").stat().st_mode == mode
    assert (repo / "link").readlink() == Path("shop.py")
    assert not (repo / "new").exists()
    assert (repo / "secret").stat().st_mode & 0o777 == 0o600
    assert done.left == ()
    assert (repo / ".git" / "index").read_bytes() == index
    forth(session)
    assert (repo / "link").readlink() == Path("elsewhere")
    assert (repo / "new" / "deep" / "f").read_text() == "made\n"


def test_the_users_own_changes_are_named_and_kept_unless_forced(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), command("echo b > b.txt"), say("1"), write("c.txt", "c"), say("2")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    settle(session)
    (repo / "a.txt").write_text("the user's")
    (repo / "own.txt").write_text("new")
    run_turn(session, "second")
    settle(session)
    (repo / "shop.py").write_text("edited by hand")
    done = back(session, 0)
    assert {path for path, _ in done.left} == {"a.txt", "own.txt", "shop.py"}
    assert set(done.restored) == {"b.txt", "c.txt"}
    assert (repo / "a.txt").read_text() == "the user's"
    assert (repo / "shop.py").read_text() == "edited by hand"
    assert not (repo / "b.txt").exists()
    forth(session)
    assert (repo / "b.txt").exists()
    back(session, 0, force=True)
    assert not (repo / "a.txt").exists()
    assert (repo / "shop.py").read_text() != "edited by hand"


def test_what_the_user_edits_during_a_turn_of_edits_only_is_theirs(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    def answer(request: Any) -> Any:
        if request.last_tool:
            (repo / "mine.txt").write_text("typed meanwhile")
            return say("done")
        return write("a.txt", "one")

    session = open_session(k2sim(answer), **ALL)
    run_turn(session, "go")
    done = back(session, 0)
    assert (repo / "mine.txt").exists()
    assert not (repo / "a.txt").exists()
    assert dict(done.left).keys() == {"mine.txt"}


def test_the_conversation_alone_goes_back_and_the_model_is_told_of_the_files(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), say("2")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    back(session, 0, "conversation")
    assert (repo / "a.txt").read_text() == "one"
    run_turn(session, "again")
    users = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert len(users) == 1
    assert "a.txt" in users[0]


def test_the_files_alone_go_back_and_the_model_is_told(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), say("2")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    back(session, 0, "files")
    assert not (repo / "a.txt").exists()
    run_turn(session, "again")
    messages = sim.chats[-1].json["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert "took back changes to files: a.txt" in messages[-1]["content"]
    assert all(step.extends for step in sim.prefix_report())


def test_a_rewind_reaches_behind_a_compaction(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), say("2"), say("3")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    run_turn(session, "second")
    before = session.projection()
    at = len(session.ledger)
    head = [e for e in wire_entries(session.ledger) if isinstance(e, System | Tools)]
    copies = [e for e in wire_entries(session.ledger) if isinstance(e, User)][-1:]
    session.begin(Epoch("compaction"), *head, User("hand-off"), *copies)
    run_turn(session, "third")
    assert typed(session) == ["first", "second", "third"]
    back(session, 1)
    assert session.projection().messages == before.messages[:-2]
    forth(session)
    assert typed(session) == ["first", "second", "third"]
    assert at < len(session.ledger)


def test_a_rewind_survives_a_resume(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), write("a.txt", "two"), say("2"), say("3")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    run_turn(session, "second")
    back(session, 1)
    expected = session.projection()
    asyncio.run(session.close())
    again = open_session(sim, resume=True, **ALL)
    assert again.projection() == expected
    assert (repo / "a.txt").read_text() == "one"
    forth(again)
    assert (repo / "a.txt").read_text() == "two"
    assert typed(again) == ["first", "second"]
    with pytest.raises(UsageError, match="no rewind"):
        forth(again)


def test_undo_and_rewind_know_of_each_other(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), write("b.txt", "two"), say("2")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    run_turn(session, "second")
    assert session.undo() == ["b.txt"]
    done = back(session, 0)
    assert set(done.restored) == {"a.txt"}
    assert done.left == ()
    assert session.undo() == []
    forth(session)
    assert session.undo() == ["a.txt"]


def test_without_snapshots_edits_come_back_and_one_notice_says_so(
    k2sim: Any, open_session: Open, repo: Path, own_home: Path
) -> None:
    blocked = own_home / ".local" / "state" / "kcode" / "snapshots"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    look = use(call("read_file", path="shop.py"))
    sim = k2sim([write("a.txt", "1"), say("1"), look, write("shop.py", "x"), write("b.txt", "2"), say("2")])
    session = open_session(sim, **ALL)
    events = [*run_turn(session, "first"), *run_turn(session, "second")]
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len([text for text in notices if "no snapshot" in text]) == 1
    shop = (repo / "shop.py").read_text()
    (repo / "a.txt").write_text("the user's")
    done = back(session, 0)
    assert (repo / "shop.py").read_text() != shop
    assert not (repo / "b.txt").exists()
    assert done.left == (("a.txt", "you changed it"),)
    forth(session)
    assert (repo / "shop.py").read_text() == shop
    assert (repo / "b.txt").exists()


def test_changes_of_a_killed_turn_come_back_where_kcode_made_them(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), say("1"), say("2")])
    session = open_session(sim, **ALL)
    run_turn(session, "first")
    settle(session)
    # As a kill leaves it: the snapshot that ends the turn never reached the journal.
    kept = [
        e for e in session.ledger if not (isinstance(e, Note) and e.kind == "snapshot" and e.text == "end")
    ]
    session.ledger[:] = kept
    (repo / "own.txt").write_text("the user's")
    done = back(session, 0)
    assert not (repo / "a.txt").exists()
    assert dict(done.left).keys() == {"own.txt"}


def test_a_turn_that_only_reads_leaves_nothing_to_bring_back(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("read_file", path="shop.py")), say("1")])
    session = open_session(sim)
    run_turn(session, "look")
    done = back(session, 0)
    assert done == Rewound(text="look")


def test_index_refs_and_stash_of_the_user_stay(k2sim: Any, open_session: Open, repo: Path) -> None:
    def own() -> dict[str, bytes]:
        folders = [repo / ".git" / name for name in ("refs", "logs", "hooks")]
        files = [repo / ".git" / "index", *(path for folder in folders for path in folder.rglob("*"))]
        return {str(path): path.read_bytes() for path in files if path.is_file()}

    (repo / "shop.py").write_text("stashed")
    subprocess.run(["git", "stash", "-q"], cwd=repo, check=True)
    (repo / "test_shop.py").write_text("staged")
    subprocess.run(["git", "add", "-A"], cwd=repo, check=True)
    before = own()
    sim = k2sim([write("a.txt", "one"), command("echo x >> shop.py"), say("1")])
    session = open_session(sim, **ALL)
    run_turn(session, "go")
    back(session, 0)
    assert own() == before


def test_permission_bits_of_deleted_files_come_back(k2sim: Any, open_session: Open, repo: Path) -> None:
    for name in ("by_tool", "by_command"):
        (repo / name).write_text(name)
        (repo / name).chmod(0o640)
    sim = k2sim([use(call("delete_path", path="by_tool")), command("rm by_command"), say("done")])
    session = open_session(sim, **ALL)
    run_turn(session, "go")
    back(session, 0)
    assert (repo / "by_tool").stat().st_mode & 0o777 == 0o640
    assert (repo / "by_command").stat().st_mode & 0o777 == 0o640


def test_what_the_user_types_while_the_choice_is_shown_is_not_lost(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([write("a.txt", "one"), write("b.txt", "two"), say("done")])
    session = open_session(sim, **ALL)
    run_turn(session, "go")

    async def go() -> Rewound:
        position = moments(session.ledger)[0].position
        plan = await plan_files(session, position)
        (repo / "a.txt").write_text("typed meanwhile")
        return await rewind(session, position, "both", plan, force=True)

    done = asyncio.run(go())
    assert (repo / "a.txt").read_text() == "typed meanwhile"
    assert not (repo / "b.txt").exists()
    assert dict(done.left).keys() == {"a.txt"}


def test_two_rewinds_are_taken_back_one_after_the_other(k2sim: Any, open_session: Open, repo: Path) -> None:
    answers = [answer for n in "123" for answer in (write(f"{n}.txt", n), say(n))]
    session = open_session(k2sim(answers), **ALL)
    for message in ("first", "second", "third"):
        run_turn(session, message)
    back(session, 2)
    back(session, 1)
    assert sorted(path.name for path in repo.glob("?.txt")) == ["1.txt"]
    forth(session)
    assert sorted(path.name for path in repo.glob("?.txt")) == ["1.txt", "2.txt"]
    assert typed(session) == ["first", "second"]
    forth(session)
    assert sorted(path.name for path in repo.glob("?.txt")) == ["1.txt", "2.txt", "3.txt"]
    assert typed(session) == ["first", "second", "third"]


def test_the_state_of_tests_and_caches_that_are_ignored_stays(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / ".gitignore").write_text("__pycache__/\n*.pyc\n.pytest_cache/\n")
    sim = k2sim([use(call("run_tests")), write("a.txt", "one"), say("done")])
    session = open_session(sim, **ALL)
    run_turn(session, "go")
    done = back(session, 0)
    assert "a.txt" in done.restored
    assert not (repo / "a.txt").exists()


def test_a_moved_repository_can_still_be_rewound(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([command("echo x > shop.py; rm test_shop.py"), say("done")])
    before = {path.name: path.read_bytes() for path in repo.glob("*.py")}
    session = open_session(sim, **ALL)
    run_turn(session, "go")
    asyncio.run(session.close())
    moved = repo.rename(repo.parent / "moved")
    again = open_session(sim, root=moved, resume=True, **ALL)
    done = back(again, 0)
    assert set(done.restored) == set(before)
    assert {path.name: path.read_bytes() for path in moved.glob("*.py")} == before


def test_a_file_that_no_snapshot_covered_is_left_alone(
    k2sim: Any, open_session: Open, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kcode.workspace import snapshots

    monkeypatch.setattr(snapshots, "LARGEST_FILE", 1_000)
    (repo / "data").write_bytes(b"x" * 2_000)
    sim = k2sim([command("echo small > data; echo made > made"), say("done")])
    session = open_session(sim, **ALL)
    events = run_turn(session, "go")
    assert any(isinstance(event, Notice) and "data" in event.text for event in events)
    done = back(session, 0)
    assert done.restored == ("made",)
    assert (repo / "data").read_text() == "small\n"
