"""A person decides on a change piece by piece, in the real kcode: what is made, and what the model hears."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.conversation.ledger import Approval, ToolResult
from kcode.conversation.records import parse
from kcode.ui.output.notify import FOCUS_ON, FOCUS_OUT
from kcode.ui.stage.frames import REFLOWING
from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import KCODE, Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
PAUSED = 0.6  # longer than a person pauses between two keys, so that a key counts as an answer
LINES = [f"line {n}\n" for n in range(1, 41)]
BEFORE = "".join(LINES)


def with_lines(**changed: str) -> str:
    return "".join(changed.get(f"n{n}", line) for n, line in enumerate(LINES, 1))


ALL = with_lines(n5="five 五\n", n9="nine 九\n", n30="thirty 三十\n")
EDITS = [
    {"old_text": "line 5\n", "new_text": "five 五\n"},
    {"old_text": "line 9\n", "new_text": "nine 九\n"},
    {"old_text": "line 30\n", "new_text": "thirty 三十\n"},
]
READ = call("read_file", path="long.txt")
EDIT = call("edit_file", path="long.txt", edits=EDITS)
BOTH = call(
    "apply_patch",
    patch="*** Begin Patch\n*** Update File: long.txt\n@@\n-line 5\n+five 五\n"
    "*** Add File: new.txt\n+new\n*** End Patch\n",
)


@pytest.fixture(autouse=True)
def long_file(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "long.txt").write_text(BEFORE)
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def asked(sit: Sit, sim: Simulator, question: str = r"Apply this\?", **options: object) -> Sitting:
    person = sit(sim, **{"rows": 40, **options})
    person.see(r"ask mode · kimi")
    person.type("go\r")
    person.see(question)
    person.settle(PAUSED)
    return person


def press(person: Sitting, key: str, then: str) -> str:
    person.type(key)
    return person.see(then)


def heard(sim: Simulator) -> str:
    """The last tool result that the model was sent."""
    messages = sim.chats[-1].json["messages"]
    content: str = next(m["content"] for m in reversed(messages) if m["role"] == "tool")
    return content


def editor(folder: Path, script: str) -> dict[str, str]:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"VISUAL": str(path)}


def test_one_hunk_is_taken_and_the_other_is_not(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    text = press(person, "h", r"\(1/2\) Apply this hunk\?")
    assert text.count("thirty") == 1  # of the whole question; the hunk in hand has lines 5 and 9
    press(person, "n", r"\(2/2\) Apply this hunk\?")
    press(person, "y", "Understood.")
    assert (repo / "long.txt").read_text() == with_lines(n30="thirty 三十\n")
    told = heard(sim)
    assert "accepted only a part" in told
    assert "-five 五\n+line 5" in told
    assert "thirty" not in told


def test_a_hunk_is_split(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\) Apply this hunk\? \[[^]]*s")
    press(person, "s", r"split into 2 parts[\s\S]*\(1/3\) Apply this hunk\? \[(?![^]]*s)")
    press(person, "n", r"\(2/3\)")
    press(person, "y", r"\(3/3\)")
    press(person, "q", "Understood.")
    assert (repo / "long.txt").read_text() == with_lines(n9="nine 九\n")


def test_moving_about_searching_and_changing_ones_mind(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "j", r"\(2/2\)")
    press(person, "k", r"\(1/2\)[^\n]*\n*$")
    press(person, "g", r"2: long\.txt:30[\s\S]*go to which one\?")
    press(person, "2\r", r"\(2/2\)")
    press(person, "/", "search for:")
    press(person, "ni.e\r", r"\(1/2\)[^\n]*\n*$")
    press(person, "?", r"y - apply this\n[\s\S]*J - leave this undecided")
    press(person, "n", r"\(2/2\)")
    press(person, "K", r"\(1/2\) Apply this hunk\? \(was: no\)")
    press(person, "y", r"\(2/2\)")
    press(person, "n", "Understood.")
    assert (repo / "long.txt").read_text() == with_lines(n5="five 五\n", n9="nine 九\n")


def test_all_hunks_taken_are_the_change_as_asked(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "a", "Understood.")
    assert (repo / "long.txt").read_text() == ALL
    assert "only a part" not in heard(sim)


def test_a_hunk_is_edited_in_the_editor(sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    env = editor(tmp_path, """sed -i 's/^+nine 九/+mine 我/; s/^-line 5/ line 5/; /^+five/d' "$1" """)
    person = asked(sit, sim, env=env)
    press(person, "h", r"\(1/2\)")
    press(person, "e", r"\(2/2\)")
    press(person, "y", "Understood.")
    assert (repo / "long.txt").read_text() == with_lines(n9="mine 我\n", n30="thirty 三十\n")
    assert "+mine 我" in heard(sim)


def test_a_hunk_that_does_not_apply_can_be_edited_again(
    sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path
) -> None:
    script = f"""if [ -e {tmp_path}/once ]; then sed -i 's/^ lime/ line/; s/nine 九/9/' "$1"
else touch {tmp_path}/once; sed -i 's/^ line 7/ lime 7/' "$1"; fi"""
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env=editor(tmp_path, script))
    press(person, "h", r"\(1/2\)")
    press(person, "e", r"it does not apply: ' lime 7' does not fit[\s\S]*Edit it again\?")
    press(person, "y", r"\(2/2\)")
    press(person, "n", "Understood.")
    assert (repo / "long.txt").read_text() == with_lines(n5="five 五\n", n9="9\n")


def test_an_emptied_hunk_decides_nothing(sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env=editor(tmp_path, ': > "$1"'))
    press(person, "h", r"\(1/2\)")
    press(person, "e", r"nothing is left of it[\s\S]*\(1/2\)")
    press(person, "q", "Understood.")
    assert (repo / "long.txt").read_text() == BEFORE


def test_an_editor_that_fails_decides_nothing_and_is_said(
    sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path
) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env=editor(tmp_path, 'echo lost > "$1"; exit 3'))
    press(person, "e", r"ended with an error[\s\S]*Apply this\?")
    press(person, "h", r"\(1/2\)")
    press(person, "e", r"ended with an error[\s\S]*ended with an error[\s\S]*\(1/2\)")
    press(person, "q", "Understood.")
    assert (repo / "long.txt").read_text() == BEFORE


def test_the_file_as_it_would_become_is_edited(sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path) -> None:
    (repo / "long.txt").write_bytes(BEFORE.replace("\n", "\r\n").encode())
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env=editor(tmp_path, """sed -i 's/five/FIVE/; $a more' "$1" """))
    press(person, "e", r"FIVE[\s\S]*Apply your version\?")
    press(person, "y", "Understood.")
    wanted = ALL.replace("five", "FIVE") + "more\n"
    assert (repo / "long.txt").read_bytes() == wanted.replace("\n", "\r\n").encode()
    assert "+FIVE" in heard(sim)


def test_a_reason_for_one_hunk_goes_to_the_model(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "r", "because:")
    press(person, "keep 5 and 9 保留\r", r"\(2/2\)")
    press(person, "y", "Understood.")
    assert "Their reason: keep 5 and 9 保留" in heard(sim)
    assert (repo / "long.txt").read_text() == with_lines(n30="thirty 三十\n")


def test_none_taken_is_a_no(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "q", "Understood.")
    assert (repo / "long.txt").read_text() == BEFORE
    assert "The user declined this; nothing was done." in heard(sim)


def test_file_by_file(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(BOTH), say("Understood.")])
    person = asked(sit, sim)
    text = person.see(r"2 files:\n  edit long\.txt \+1 -1\n  create new\.txt \+1\n")
    assert "1 + new" in text
    press(person, "f", r"\(1/2\)")
    press(person, "n", r"\(2/2\)")
    press(person, "y", "Understood.")
    assert (repo / "long.txt").read_text() == BEFORE
    assert (repo / "new.txt").read_text() == "new\n"
    assert "long.txt: not changed, the user declined it." in heard(sim)
    assert "new.txt: as you asked." in heard(sim)


def test_esc_goes_back_to_the_question(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "n", r"\(2/2\)")
    press(person, "\x1b", r"Apply this\? y")
    press(person, "y", "Understood.")
    assert (repo / "long.txt").read_text() == ALL


def test_ctrl_c_amid_the_hunks_leaves_a_true_history(
    sit: Sit, k2sim: Sim, repo: Path, tmp_path: Path
) -> None:
    sim = k2sim([use(READ), use(EDIT), say("And on.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "y", r"\(2/2\)")
    person.type("\x03")
    person.see("nterrupted")
    person.see("❯")
    assert (repo / "long.txt").read_text() == BEFORE
    person.type("what now\r")
    person.see(r"And on\.")
    messages = sim.chats[-1].json["messages"]
    calls = [one["id"] for m in messages for one in m.get("tool_calls") or ()]
    results = [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    assert sorted(calls) == sorted(results)
    assert "five" not in heard(sim)
    assert any(word in heard(sim) for word in ("nterrupted", "declined"))


def test_a_file_that_changed_while_the_question_stood_is_not_touched(
    sit: Sit, k2sim: Sim, repo: Path
) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    (repo / "long.txt").write_text("theirs\n" + BEFORE)
    press(person, "y", r"\(2/2\)")
    press(person, "n", "Understood.")
    assert (repo / "long.txt").read_text() == "theirs\n" + BEFORE
    assert "changed on disk" in heard(sim)


def test_what_was_accepted_is_in_the_journal(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "n", r"\(2/2\)")
    press(person, "y", "Understood.")
    person.type("\x04")
    person.end()
    (journal,) = (tmp_path / "state").rglob("*.jsonl")
    _, entries = parse(journal.read_bytes(), journal.name)
    (approval,) = (entry for entry in entries if isinstance(entry, Approval))
    assert approval.answer == "part"
    assert "+thirty" in approval.applied
    assert "five" not in approval.applied
    (result,) = (e for e in entries if isinstance(e, ToolResult) and e.name == "edit_file")
    assert result.text == heard(sim)
    assert json.dumps(result.text)


def test_a_part_that_was_made_is_undone_like_any_change(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim)
    press(person, "h", r"\(1/2\)")
    press(person, "n", r"\(2/2\)")
    press(person, "y", "Understood.")
    person.settle()
    person.type("/undo\r")
    person.see("long.txt")
    person.settle()
    assert (repo / "long.txt").read_text() == BEFORE


@pytest.mark.parametrize("columns", [60, 80])
def test_the_hunks_on_a_narrow_terminal(sit: Sit, k2sim: Sim, columns: int) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, columns=columns)
    assert any("Apply this? y yes" in line and line.endswith("? help") for line in person.terminal.lines())
    text = press(person, "h", r"\(1/2\) Apply this hunk\? \[.*\?\]")
    assert " 9 + nine 九" in text


def test_side_by_side_on_a_wide_terminal_unless_the_setting_says_otherwise(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, columns=160)
    rows = person.terminal.lines()
    assert [row for row in rows if "five" in row] == [f"{' 5 - line 5':<78} │  5 + five 五"]
    press(person, "n", "Understood.")
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, columns=160, env={"KCODE_UI__DIFF": "unified"})
    assert " │ " not in person.terminal.text()


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"COLORFGBG": "0;15"}])
def test_hunks_without_colour_and_on_a_light_background(
    sit: Sit, k2sim: Sim, repo: Path, env: dict[str, str]
) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env=env)
    press(person, "h", r"\(1/2\)")
    press(person, "d", "Understood.")
    assert (repo / "long.txt").read_text() == BEFORE


def test_ctrl_z_and_fg_at_a_question(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = sit(sim, argv=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ "})
    person.see(r"\$")
    person.type(f"{KCODE}\r")
    person.see("ask mode · kimi")
    person.type("change it\r")
    person.see(r"Apply this\?")
    person.settle(0.4)
    person.type("\x1a")
    person.see("Stopped")
    person.type("echo in$((1+1))shell\r")
    person.see(r"\nin2shell")
    person.type("fg\r")
    person.see(r"\nin2shell[\s\S]+Apply this\?")
    press(person, "y", "Understood.")
    assert (repo / "long.txt").read_text() == ALL


def test_a_message_typed_at_a_question_is_sent_though_the_terminal_reports_its_focus(
    sit: Sit, k2sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = k2sim([use(READ), use(EDIT), say("Understood."), say("Second.")])
    person = asked(sit, sim)
    seen = person.terminal.write

    def report(text: str) -> int:  # as tmux does whenever it is asked to
        if FOCUS_ON in text:
            person.type(FOCUS_OUT)
        return seen(text)

    monkeypatch.setattr(person.terminal, "write", report)
    person.type("xgo on\r")  # x means nothing there; what follows without a pause is no answer
    person.settle(PAUSED)
    press(person, "y", r"Understood\.[\s\S]+Second\.")


@pytest.mark.parametrize(("term", "reflows"), [("xterm-256color", False), ("tmux-256color", True)])
def test_a_question_follows_the_width_and_leaves_no_second_one(
    sit: Sit, k2sim: Sim, repo: Path, monkeypatch: pytest.MonkeyPatch, term: str, reflows: bool
) -> None:
    for name in (*REFLOWING, "STY", "XTERM_VERSION"):
        monkeypatch.delenv(name, raising=False)
    sim = k2sim([use(READ), use(EDIT), say("Understood.")])
    person = asked(sit, sim, env={"TERM": term}, columns=90)
    person.see(r"h hunks  e edit  \? help")
    before = len(person.terminal.raw)
    person.resize(60, 40)
    person.see(r"Apply this\? y yes  n no  r no, because…  a  h")
    # Such a terminal has made two rows of the question: the cursor goes back to the first of them.
    assert ("\x1b[A" in "".join(person.terminal.raw[before:])) is reflows
    person.resize(100, 40)
    text = person.see(r"h hunks  e edit  \? help")
    assert text.count("Apply this?") == 1
    press(person, "y", "Understood.")
