from __future__ import annotations

import asyncio
import sys

from kcode.config import settings
from kcode.safety.sandbox import status
from tests.tools.conftest import Bench


def test_a_command_gives_its_output_and_exit_code(bench: Bench) -> None:
    outcome = asyncio.run(bench.call("run_command", command="echo out; echo err >&2; exit 3"))
    assert bench.intent.kind == "command"
    assert bench.intent.command.startswith("echo out")
    assert outcome.text == "out\nerr\n[exit code 3]"
    assert not outcome.ok
    assert outcome.brief == "exit 3"  # how long it took is told of every call
    assert "out" in "".join(progress.text for progress in bench.heard)


def test_a_command_runs_in_the_root_and_may_write_there(bench: Bench) -> None:
    outcome = asyncio.run(bench.call("run_command", command="pwd && echo x > made && echo y > $TMPDIR/t"))
    assert outcome.ok
    assert str(bench.root) in outcome.text
    assert (bench.root / "made").read_text() == "x\n"


def test_a_command_that_takes_too_long_is_stopped_with_its_output_kept(bench: Bench) -> None:
    outcome = asyncio.run(bench.call("run_command", command="echo begun; sleep 300", timeout_s=1))
    assert outcome.text.startswith("begun\n[stopped after 1 s")
    assert outcome.brief == "timed out"
    assert not outcome.ok


def test_the_output_of_a_command_is_bounded(bench: Bench) -> None:
    outcome = asyncio.run(bench.call("run_command", command="seq 1 2000000"))
    assert len(outcome.text) < 20_000
    assert outcome.text.startswith("1\n2\n")
    assert "1999999\n2000000\n" in outcome.text


def test_a_confined_command_cannot_write_elsewhere_and_is_told_why(bench: Bench) -> None:
    if not status().holds:
        return
    outside = bench.root.parent / "outside"
    outside.mkdir()
    outcome = asyncio.run(bench.call("run_command", command=f"touch {outside}/x"))
    assert not (outside / "x").exists()
    assert not outcome.ok
    assert "sandbox" in asyncio.run(bench.call("run_command", command="touch /usr/kcode-was-here")).text


def test_the_sandbox_can_be_switched_off(bench: Bench) -> None:
    bench.context.settings = settings.Settings(safety=settings.SafetySettings(sandbox="off"))
    outside = bench.root.parent / "outside"
    outside.mkdir()
    assert asyncio.run(bench.call("run_command", command=f"touch {outside}/x")).ok


def test_a_command_that_names_a_sensitive_file_is_planned_as_such(bench: Bench) -> None:
    asyncio.run(bench.call("run_command", command="cat .env"))
    assert ".env" in bench.intent.sensitive


def test_tests_are_run_and_their_failures_told(bench: Bench) -> None:
    bench.context.settings = settings.Settings(tests=settings.RunnerSettings(python=sys.executable))
    bench.write("test_a.py", "def test_good():\n    pass\n\ndef test_bad():\n    assert 1 == 2\n")
    outcome = asyncio.run(bench.call("run_tests"))
    assert bench.intent.kind == "test"
    assert outcome.brief == "1 passed, 1 failed"
    assert "test_bad" in outcome.text
    assert not outcome.ok
    assert asyncio.run(bench.call("run_tests", target="test_a.py::test_good")).brief == "1 passed"


def test_the_todo_list_is_replaced_as_a_whole(bench: Bench) -> None:
    items = [{"text": "read", "status": "done"}, {"text": "write"}]
    outcome = asyncio.run(bench.call("update_todo", items=items))
    assert outcome.text == "[x] read\n[ ] write"
    assert outcome.brief == "1 of 2 done"
    assert bench.context.todo == [{"text": "read", "status": "done"}, {"text": "write", "status": "pending"}]
    assert bench.intent.kind == "note"


def test_git_tools_tell_status_changes_and_history(bench: Bench) -> None:
    bench.write("a.py", "x = 1\n")
    bench.git("add", ".")
    bench.git("commit", "-qm", "first")
    bench.write("a.py", "x = 2\n")
    bench.write("new.py", "y\n")
    assert asyncio.run(bench.call("git_status")).text == "branch: main\n M a.py\n?? new.py"
    text = asyncio.run(bench.call("git_diff")).text
    assert text.startswith("diff --git a/a.py b/a.py")
    assert "-x = 1\n+x = 2" in text
    assert "no differences" in asyncio.run(bench.call("git_diff", staged=True)).text
    assert asyncio.run(bench.call("git_log")).text.endswith("Test: first")
    assert asyncio.run(bench.call("git_log", path="new.py")).text == "no commits"
    assert "+x = 1" in asyncio.run(bench.call("git_show", rev="HEAD")).text
    assert asyncio.run(bench.call("git_show", rev="HEAD:a.py")).text == "x = 1"


def test_git_tools_answer_where_there_is_nothing(bench: Bench, bare: Bench) -> None:
    assert asyncio.run(bench.call("git_status")).text == "branch: No commits yet on main\nnothing changed"
    assert "no commits yet" in asyncio.run(bench.refusal("git_log"))
    assert "no commits yet" in asyncio.run(bench.refusal("git_show", rev="HEAD"))
    assert "not a git repository" in asyncio.run(bare.refusal("git_status"))


def test_git_tools_take_no_options(bench: Bench) -> None:
    for name, arguments in (
        ("git_diff", {"range": "--output=x"}),
        ("git_log", {"range": "HEAD --output=x"}),
        ("git_show", {"rev": "--ext-diff"}),
        ("git_diff", {"path": "../x"}),
    ):
        assert asyncio.run(bench.refusal(name, **arguments))
    assert not (bench.root / "x").exists()


def test_sensitive_files_are_left_out_of_diffs(bench: Bench) -> None:
    bench.write(".env", "TOKEN=one\n")
    bench.write("a.py", "x = 1\n")
    bench.git("add", "-f", ".")
    bench.git("commit", "-qm", "first")
    bench.write(".env", "TOKEN=two\n")
    bench.write("a.py", "x = 2\n")
    for text in (
        asyncio.run(bench.call("git_diff")).text,
        asyncio.run(bench.call("git_show", rev="HEAD")).text,
    ):
        assert "TOKEN" not in text
        assert "not shown" in text
        assert "+x = " in text


def test_a_large_diff_begins_with_an_overview(bench: Bench) -> None:
    bench.write("a.txt", "x\n")
    bench.git("add", ".")
    bench.git("commit", "-qm", "first")
    bench.write("a.txt", "".join(f"line {n}\n" for n in range(20_000)))
    text = asyncio.run(bench.call("git_diff")).text
    assert text.startswith(" a.txt |")
    assert len(text) < 30_000
    assert "left out" in text
