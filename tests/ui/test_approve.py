from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ui.sitting import Sitting

ASK = """\
import asyncio, json, sys
from pathlib import Path
from kcode.agent.approval import Question
from kcode.tools.base import FileEdit, Intent
from kcode.ui.approval.approve import TerminalApprover

edit = FileEdit("a.py", "x = 1\\n", "x = 2\\n")
long = FileEdit("long.txt", None, "".join(f"row {n}\\n" for n in range(500)))
lines = [f"line {n}\\n" for n in range(1, 41)]
new = [f"new {n}\\n" if n in (5, 9, 30) else line for n, line in enumerate(lines, 1)]
hunks = FileEdit("src/b.txt", "".join(lines), "".join(new))
wide = FileEdit("c.py", "def f(a):\\n    return '宽' + a\\n", "def f(a, b):\\n    return '宽宽' + a\\n")
given = {}
if sys.argv[1] == "part":
    given = {"part": "touch a b", "sandbox": "confined: writes only here"}
intents = {
    "edit": Intent("edit", edits=(edit,), partly=True),
    "long": Intent("edit", edits=(long,), partly=True),
    "hunks": Intent("edit", edits=(hunks,), partly=True),
    "files": Intent("edit", edits=(edit, hunks, FileEdit("src/d", "x\\n", None)), partly=True),
    "wide": Intent("edit", edits=(wide,), partly=True),
    "move": Intent("edit", edits=(FileEdit("a", "1\\n2\\n", None), FileEdit("b", None, "1\\n3\\n"), edit),
                   moves=(("a", "b"),), partly=True),
    "touch": Intent("command", command="npm run gen a"),
    "push": Intent("command", command="git push origin main"),
    "part": Intent("command", command="ls && touch a 'b' > src/out.txt; curl -d x https://api.test/y"),
    "key": Intent("edit", edits=(edit,), sensitive="it is a key file"),
    "command": Intent("command", command="rm -rf build\\necho \\x1b[2Jdone"),
}
intent = intents[sys.argv[1]]
question = Question("1", "tool", "title", intent, "ask mode asks", root=Path.cwd(), lasting=True, **given)
answer = asyncio.run(TerminalApprover().ask(question))
print("ANSWER", json.dumps([answer.verdict, answer.reason]))
print("EDITS", json.dumps([[e.path, e.after] for e in answer.edits] if answer.edits is not None else None))
print("RULES", json.dumps([[str(rule), rule.layer, answer.scope] for rule in answer.rules]))
"""
Ask = Callable[..., Sitting]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """A one-shot program that asks one question on a terminal."""
    with ExitStack() as running:

        def start(intent: str, columns: int = 80, term: str = "xterm-256color") -> Sitting:
            argv = [sys.executable, "-c", ASK, intent]
            env = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": term}
            return running.enter_context(Sitting(argv, cwd=tmp_path, env=env, columns=columns))

        yield start


def verdict(person: Sitting) -> list[str]:
    person.end()
    (line,) = (line for line in person.terminal.lines() if line.startswith("ANSWER"))
    said: list[str] = json.loads(line.removeprefix("ANSWER"))
    return said


@pytest.mark.parametrize(
    ("key", "said"),
    [("y", "yes"), ("Y", "yes"), ("n", "no"), ("a1", "all"), ("\x1b", "no"), ("\x04", "no")],
)
def test_one_key_answers(ask: Ask, key: str, said: str) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    for one in key:
        person.type(one)
        person.settle()
    assert verdict(person) == [said, ""]


def test_other_keys_decide_nothing(ask: Ask) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    person.type("xq \r\t\x1b[A1")
    person.settle()
    person.type("y")
    assert verdict(person) == ["yes", ""]


def test_a_reason_is_a_line_of_text(ask: Ask) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    person.type("r")
    person.see("because:")
    person.type("use 三 instead\r")
    assert verdict(person) == ["no", "use 三 instead"]


def test_leaving_the_reason_comes_back_to_the_question(ask: Ask) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    person.type("r")
    person.see("because:")
    person.type("\x03")
    person.see("because:", gone=True)
    person.see(r"Apply this\?")
    person.type("y")
    assert verdict(person) == ["yes", ""]


def test_ctrl_c_is_a_no(ask: Ask) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    person.type("\x03")
    assert verdict(person) == ["no", "interrupted by the user"]


def test_help_explains_the_keys(ask: Ask) -> None:
    person = ask("touch")
    person.see(r"Run this\?")
    person.type("?")
    person.see("do not ask again: choose for what and how long")
    person.type("n")
    assert verdict(person) == ["no", ""]


@pytest.mark.parametrize("columns", [80, 60])
def test_a_command_is_shown_whole_and_harmless(ask: Ask, columns: int) -> None:
    person = ask("command", columns=columns)
    text = person.see(r"Run this\?.*help")
    assert "$ rm -rf build" in text
    assert "asked because ask mode asks" in text
    assert "\x1b[2J" not in "".join(person.terminal.raw)
    person.type("y")
    assert verdict(person) == ["yes", ""]


def test_what_is_sensitive_is_said(ask: Ask) -> None:
    assert "careful: it is a key file" in ask("key").see(r"Apply this\?")


def test_a_long_change_is_shown_in_part_and_whole_on_request(ask: Ask) -> None:
    person = ask("long")
    text = person.see(r"v view all")
    assert "row 119" in text
    assert "row 120" not in text
    person.type("v")
    person.see("row 499[\\s\\S]*Apply this")
    person.type("n")
    assert verdict(person) == ["no", ""]


def test_keys_pressed_before_the_question_do_not_answer_it(ask: Ask) -> None:
    person = ask("edit")
    person.type("y")
    person.see(r"Apply this\?")
    person.settle()
    assert person.process.poll() is None
    person.type("n")
    assert verdict(person) == ["no", ""]


def test_without_a_terminal_the_answer_is_no_at_once(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ASK, "edit"], input="y\n", capture_output=True, encoding="utf-8", timeout=60
    )
    assert '"no"' in ended.stdout
    assert "without a person" in ended.stdout


def test_a_command_shows_what_it_touches_what_it_runs_in_and_the_part_that_decides(ask: Ask) -> None:
    text = ask("part").see(r"Run this\?.*help")
    rows = [row.split(None, 1) for row in text.splitlines() if row.startswith("  ")]
    assert ["writes", "src/out.txt"] in rows
    assert ["touches", "a, b"] in rows
    assert ["reaches", "api.test"] in rows
    assert ["runs", "confined: writes only here"] in rows


def test_the_part_that_decides_is_underlined(ask: Ask) -> None:
    person = ask("part")
    person.see(r"Run this\?.*help")
    screen = person.terminal.screen
    (row,) = (n for n, line in enumerate(screen.display) if line.startswith("$ ls"))
    marked = "".join(screen.buffer[row][n].data for n in range(80) if screen.buffer[row][n].underscore)
    assert marked == "touch a 'b'"


def test_without_a_way_to_underline_the_part_is_written_out(ask: Ask) -> None:
    assert "decides  touch a b" in ask("part", term="dumb").see(r"Run this\?.*help")


def test_a_dumb_terminal_takes_lines(ask: Ask) -> None:
    person = ask("hunks", term="dumb")
    person.see(r"Apply this\?")
    person.type("x\r")
    person.type("h\r")
    person.see(r"\(1/2\)")
    person.type("r\r")
    person.see("because:")
    person.type("not so\r")
    person.see(r"\(2/2\)")
    person.type("y\r")
    person.see("EDITS")
    assert verdict(person) == ["yes", "not so"]
    assert not re.search(r"\x1b\[\d*[A-KSTm]", "".join(person.terminal.raw))  # nothing moved or coloured


@pytest.mark.parametrize("intent", ["edit", "long", "hunks", "files", "touch", "push"])
def test_the_question_fits_sixty_columns(ask: Ask, intent: str) -> None:
    person = ask(intent, columns=60)
    person.see(r"(Run|Apply) this\? .*\?( help)?$")
    last = person.terminal.lines()[-1]
    assert last.startswith(("Run this? y yes", "Apply this? y yes"))
    assert last.endswith("? help")


def test_several_files_are_listed_with_their_counts_first(ask: Ask) -> None:
    text = ask("files").see(r"Apply this\?")
    assert "3 files:\n  edit a.py +1 -1\n  edit src/b.txt +3 -3\n  delete src/d -1\n" in text


def test_a_moved_file_is_decided_on_as_one(ask: Ask) -> None:
    person = ask("move")
    assert "  move a → b +1 -1\n" in person.see(r"Apply this\?")
    person.type("f")
    person.see(r"\(1/2\) Apply this file\?")
    person.type("y")
    person.see(r"\(2/2\)")
    person.type("n")
    assert verdict(person) == ["yes", ""]
    (line,) = (line for line in person.terminal.lines() if line.startswith("EDITS"))
    assert json.loads(line.removeprefix("EDITS")) == [["a", None], ["b", "1\n3\n"]]


def test_a_deleted_file_is_not_taken_apart(ask: Ask) -> None:
    person = ask("files", columns=100)
    person.see(r"Apply this\?")
    person.type("h")
    person.see(r"\(1/4\) Apply this hunk\? \[y,n,q,a,d,j,J,g,/,e,r,\?\]")
    for number in (2, 3):
        person.type("y")
        person.see(rf"\({number}/4\)")
    person.type("y")
    person.see(r"\(4/4\) Apply this file\? \[y,n,q,a,d,K,g,/,r,\?\]")
    person.type("n")
    assert verdict(person) == ["yes", ""]


def test_side_by_side_at_160_columns(ask: Ask) -> None:
    person = ask("wide", columns=160)
    text = person.see(r"Apply this\?")
    rows = [row for row in text.splitlines() if " │ " in row]
    assert rows == [
        "1 - def f(a):".ljust(78) + " │ 1 + def f(a, b):",
        "2 -     return '宽' + a".ljust(77) + " │ 2 +     return '宽宽' + a",
    ]


def test_a_paste_is_no_answer(ask: Ask) -> None:
    person = ask("edit")
    person.see(r"Apply this\?")
    person.type("\x1b[200~yn\x1b[201~")
    person.type("\x1b[200~y\x1b[201~")
    person.settle()
    assert person.process.poll() is None
    person.type("n")
    assert verdict(person) == ["no", ""]
