from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.k2sim import Answer, Chunking, Simulator, call, say, use
from tests.ui.sitting import KCODE, Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = "ask mode · kimi"
IDLE = r"in, .* out[\s\S]+❯ ?\n"
ESC = "\x1b"
CTRL_S = "\x13"
UP = "\x1b[A"


def slowly(text: str, delay_ms: int = 40) -> object:
    return say(text, chunking=Chunking(delay_ms=delay_ms))


def sent(sim: Simulator) -> list[str]:
    """What the user said in the last request, without what kcode appends."""
    said = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    return [text.split("\n\n<")[0].strip() for text in said]


# --- typing while the model works --------------------------------------------------------------


def test_the_input_can_be_edited_while_the_model_works(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 60), say("Second answer.")])
    person = sit(sim)
    person.see(READY)
    person.type("first\r")
    person.see("word word")
    person.type("secnd")
    person.see("❯ secnd")
    person.type("\x1b[D\x1b[Do\x01very \x05\x1b\rline two")  # left left o, home, end, a new line
    person.see(r"❯ very second\n  line two\n")
    person.type("\x15\x7f\r")  # back to the line's begin, join, send
    person.see(r"Second answer\.")
    assert sent(sim) == ["first", "very second"]


def test_several_messages_wait_and_are_sent_one_after_another(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 60), say("Two."), say("Three.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("two", "three"):
        person.type(f"{text}\r")
        person.see(f"queued: {text}")
    text = person.see(r"Three\.[\s\S]+❯ ?\n")
    assert "queued" not in text
    assert sent(sim) == ["one", "two", "three"]
    assert [text.count(f"❯ {message}\n") for message in ("one", "two", "three")] == [1, 1, 1]


def test_up_takes_the_last_waiting_message_back(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 80), say("Two."), say("Changed.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("two", "three"):
        person.type(f"{text}\r")
        person.see(f"queued: {text}")
    person.type(UP)
    person.see(r"❯ three\n")
    person.type(" changed\r")
    person.see("queued: three changed")
    person.see(r"Changed\.")
    assert sent(sim) == ["one", "two", "three changed"]


def test_esc_gives_waiting_messages_back_as_the_draft(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 200), say("Answered.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("two", "three"):
        person.type(f"{text}\r")
        person.see(f"queued: {text}")
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ two\n  three\n")
    assert len(sim.chats) == 1
    person.type("\r")
    person.see(r"Answered\.")
    assert sent(sim) == ["one", "two\nthree"]


def test_ctrl_s_lets_a_message_join_the_running_turn(sit: Sit, k2sim: Sim) -> None:
    look = call("run_command", command="sleep 2")
    sim = k2sim([use(look), say("With your hint.")])
    person = sit(sim, "--mode", "auto")
    person.see("auto mode · kimi")
    person.type("work\r")
    person.see("sleep 2")
    person.type("mind the tests" + CTRL_S)
    person.see(r"With your hint\.")
    assert len(sim.chats) == 2
    assert "mind the tests" in json.dumps(sim.chats[-1].json["messages"])
    person.see(IDLE)


def test_ctrl_s_with_nothing_typed_takes_the_first_that_waits(sit: Sit, k2sim: Sim) -> None:
    look = call("run_command", command="sleep 3")
    sim = k2sim([use(look), say("Steered."), say("And the other.")])
    person = sit(sim, "--mode", "auto")
    person.see("auto mode · kimi")
    person.type("work\r")
    person.see("sleep 3")
    for text in ("first hint", "second message"):
        person.type(f"{text}\r")
        person.see(f"queued: {text}")
    person.type(CTRL_S)
    person.see("queued: first hint", gone=True)
    person.see(r"And the other\.")
    assert "first hint" in json.dumps(sim.chats[1].json["messages"])
    assert "second message" not in json.dumps(sim.chats[1].json["messages"])
    assert sent(sim)[-1] == "second message"


def test_waiting_messages_are_listed_and_taken_away_while_the_model_works(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 200), say("never asked")])
    person = sit(sim, rows=50)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("two", "three"):
        person.type(f"{text}\r")
        person.see(f"queued: {text}")
    person.type("/queue\r")
    person.see(r"1 +two\n2 +three\n")
    person.type("/queue clear\r")
    person.see("2 messages do not wait any more")
    person.see("queued: ", gone=True)
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ ?\n")
    assert len(sim.chats) == 1


def test_ctrl_s_sends_no_command_to_the_model(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 60), say("Second.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    person.type("!echo in$((1+1))shell" + CTRL_S)
    person.see(r"queued: !echo")
    person.type("/queue" + CTRL_S)  # which only looks
    person.see(r"❯ /queue[\s\S]+echo")
    person.type("and two" + CTRL_S)
    person.see(r"Second\.[\s\S]+\nin2shell")
    assert sent(sim) == ["one", "and two"]


def test_ctrl_s_with_nothing_typed_passes_over_commands_that_wait(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 60), say("Second.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("!echo in$((1+1))shell", "and two"):
        person.type(f"{text}\r")
        person.see(f"queued: {re.escape(text)}")
    person.type(CTRL_S)
    person.see(r"queued: and two", gone=True)
    person.see(r"Second\.[\s\S]+\nin2shell")
    assert sent(sim) == ["one", "and two"]


def test_esc_makes_no_other_command_of_what_waits(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 200), say("Second.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    for text in ("!echo in$((1+1))shell", "two", "three"):
        person.type(f"{text}\r")
        person.see(f"queued: {re.escape(text)}")
    person.type(ESC)
    person.see(r"not run, .*!echo in[\s\S]+❯ two\n  three\n")
    person.type("\r")
    text = person.see(r"Second\.")
    assert sent(sim)[-1] == "two\nthree"
    assert "in2shell" not in text


def test_commands_that_look_answer_while_the_model_works_and_others_wait(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 100), say("never asked")])
    person = sit(sim, rows=50)
    person.see(READY)
    person.type("one\r")
    person.see("word word")
    person.type("/status\r")
    person.see(r"session +[0-9a-f]")
    person.type("/clear\r")
    text = person.see("queued: /clear")
    assert "a new conversation" not in text
    person.see("a new conversation")
    assert len(sim.chats) == 1


# --- Esc, at every phase -----------------------------------------------------------------------


def test_esc_while_waiting_for_the_first_word(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("late", chunking=Chunking(first_delay_ms=60_000)), say("Here.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("waiting for the model")
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ ?\n")
    person.type("two\r")
    person.see(r"Here\.")
    assert sent(sim) == ["one", "two"]


def test_esc_while_the_model_thinks(sit: Sit, k2sim: Sim) -> None:
    thinking = say("never", reasoning="hmm " * 400, chunking=Chunking(delay_ms=50))
    sim = k2sim([thinking, say("Here.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\r")
    person.see("thinking")
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ ?\n")
    person.type("two\r")
    person.see(r"Here\.")
    assert sent(sim) == ["one", "two"]


def test_a_question_leaves_the_draft_alone_and_takes_no_key_of_somebody_who_types(
    sit: Sit, k2sim: Sim, repo: Path
) -> None:
    edit = call("write_file", path="new.py", content="x = 1\n")
    sim = k2sim([slow_then(use(edit)), say("Understood.")])
    person = sit(sim)
    person.see(READY)
    person.type("work\r")
    person.see(r"writing|waiting")
    person.type("my draft ")
    while "Apply this" not in person.terminal.text():
        person.type("y")
        person.settle(0.02)
    person.type("y")
    person.settle(0.6)
    assert not (repo / "new.py").exists()
    person.type("n")
    person.see(r"Understood\.[\s\S]+❯ my draft y+\n")
    assert not (repo / "new.py").exists()


def slow_then(answer: Answer) -> Answer:
    return replace(answer, text="word " * 30, chunking=Chunking(delay_ms=40))


def test_esc_while_a_tool_runs_ends_it_and_tells_the_truth(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(call("run_command", command="sleep 60; touch made")), say("Understood.")])
    person = sit(sim, "--mode", "auto")
    person.see("auto mode · kimi")
    person.type("work\r")
    person.see(r"sleep 60")
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ ?\n")
    person.type("and now\r")
    person.see(r"Understood\.")
    roles = [m["role"] for m in sim.chats[-1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert "interrupted" in sim.chats[-1].json["messages"][3]["content"]
    assert not (repo / "made").exists()


def test_esc_while_the_session_opens_gives_the_message_back(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    person = sit(k2sim([]), env={"PYTHONPATH": str(slow_opening(tmp_path))})
    person.type("hello\r")
    person.see(r"starting, then: hello\n❯ ?\n")
    person.type(ESC)
    person.see(r"❯ hello\n")
    person.type(" there")
    person.see(r"❯ hello there\n")
    assert "starting, then" not in person.terminal.text()


def slow_opening(folder: Path) -> Path:
    """A folder for PYTHONPATH with which every session takes long to open."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.abc, sys, time\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'kcode.agent.session':\n"
        "            time.sleep(20)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    return folder


def test_two_esc_at_the_empty_prompt_go_back(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("Hi.")]))
    person.see(READY)
    person.type("hello\r")
    person.see(IDLE)
    person.type(ESC)
    person.settle(0.2)
    person.type(ESC)
    person.see("Go back to before which message")
    person.type(ESC)
    person.see("Go back to", gone=True)


# --- Ctrl-C ------------------------------------------------------------------------------------


def test_what_ctrl_c_clears_comes_back_with_up(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("half a thought\x03")
    person.see(r"❯ ?\n")
    person.type(UP)
    person.see(r"❯ half a thought\n")


# --- pastes ------------------------------------------------------------------------------------


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def test_a_paste_of_ten_thousand_lines_is_a_mark_and_sent_whole(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim)
    person.see(READY)
    lines = [f"line {n} 行" for n in range(10_000)]
    person.type("look: " + paste("\r".join(lines)) + " please")
    person.see(r"❯ look: \[paste #1: 10,000 lines\] please\n")
    person.type("\r")
    text = person.see(r"Read\.")
    assert sent(sim) == ["look: " + "\n".join(lines) + " please"]
    assert "line 5000" not in text
    assert text.count("❯ look: [paste #1: 10,000 lines] please") == 1
    person.see(IDLE)
    person.type(UP)
    person.see(r"❯ look: \[paste #1: 10,000 lines\] please\n +\w")


def test_deleting_the_mark_deletes_the_paste(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim)
    person.see(READY)
    person.type("a" + paste("x\n" * 50) + "b" + paste("y\n" * 60))
    person.see(r"❯ a\[paste #1: 50 lines\]b\[paste #2: 60 lines\]")
    person.type("\x7f\x7f\x7fc\r")
    person.see(r"Read\.")
    assert sent(sim) == ["ac"]


def test_the_line_end_of_the_last_pasted_line_is_no_line(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("\x1b[200~" + "row\n" * 20 + "\x1b[201~")
    person.see(r"❯ \[paste #1: 20 lines\]\n")


def test_a_small_paste_stays_open(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type(paste("one\rtwo\rthree"))
    person.see(r"❯ one\n  two\n  three\n")


def test_folding_can_be_switched_off(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]), env={"KCODE_UI__PASTE_FOLD_LINES": "0"})
    person.see(READY)
    person.type(paste("\r".join(f"line {n}" for n in range(30))))
    person.see("line 29")


def test_a_burst_of_lines_without_marks_is_not_sent_in_parts(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim)
    person.see(READY)
    person.type("one\rtwo\rthree")
    person.see(r"❯ one\n  two\n  three\n")
    person.type("\r")
    person.see(r"Read\.")
    assert sent(sim) == ["one\ntwo\nthree"]


# --- the screen --------------------------------------------------------------------------------

NUMBERS = " ".join(f"w{n}" for n in range(260))


@pytest.mark.parametrize("widths", [(60,), (100, 50), (50, 100, 40)])
def test_resizing_while_typing_into_a_stream_loses_and_repeats_nothing(
    sit: Sit, k2sim: Sim, widths: tuple[int, ...]
) -> None:
    sim = k2sim([slowly(NUMBERS + "\n\nThe end.", 15)])
    person = sit(sim, columns=80, rows=24)
    person.see(READY)
    person.type("talk\r")
    for number, width in enumerate(widths):
        person.see(f"w{30 + 60 * number} ")
        person.type(f"draft{number}")
        person.resize(width, 24)
    text = person.see(r"The end\.[\s\S]+out[\s\S]+❯ draft0")
    words = re.findall(r"\bw\d+\b", text)
    assert words == [f"w{n}" for n in range(260)]
    assert text.count("The end.") == 1
    assert text.count("❯ ") == 2


def test_a_long_draft_scrolls_inside_a_low_pane(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 100), say("Read.")])
    person = sit(sim, columns=60, rows=10)
    person.see(READY)
    person.type("talk\r")
    person.see("word word")
    person.type("\x1b\r".join(f"row {n}" for n in range(20)))
    person.see(r"row 19\n")
    person.type("\r")
    person.see(r"Read\.")
    assert sent(sim)[-1] == "\n".join(f"row {n}" for n in range(20))


def test_wide_characters_are_typed_in_a_narrow_pane(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("字" * 300), say("好。")])
    person = sit(sim, columns=60, rows=20)
    person.see(READY)
    person.type("你好\r")
    person.see("字字字")
    person.type("修复" * 20 + "emoji 🎉 完\x1b[D\x1b[D了")
    person.see("🎉")
    person.type("\r")
    person.see(r"好。")
    assert sent(sim)[-1] == "修复" * 20 + "emoji 🎉了 完"


def test_the_cursor_never_goes_above_the_rows_of_the_stage(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("\n\n".join(f"paragraph {n}" for n in range(60)), 10)])
    person = sit(sim, rows=24)
    person.see(READY)
    person.type("talk\r")
    person.see("paragraph 20")
    person.type("typing")
    text = person.see(r"paragraph 59[\s\S]+out[\s\S]+❯ typing")
    assert [f"paragraph {n}" for n in range(60)] == re.findall(r"paragraph \d+", text)
    raw = "".join(person.terminal.raw)
    assert "\x1b[H" not in raw
    assert "\x1b[2J" not in raw
    assert "\x1b[6n" not in raw
    assert "\x1b[?1049h" not in raw
    ups = [int(n or 1) for n in re.findall(r"\x1b\[(\d*)A", raw)]
    assert max(ups) < 12


def test_every_change_of_the_screen_is_one_frame(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly("word " * 60, 10)])
    person = sit(sim)
    person.see(READY)
    person.type("talk\r")
    person.see(IDLE)
    raw = "".join(person.terminal.raw).partition("\x1b[?2026h")[2]
    outside = re.sub(r"\x1b\[\?2026h.*?\x1b\[\?2026l", "", "\x1b[?2026h" + raw, flags=re.DOTALL)
    assert not re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", outside).strip()


# --- stopping and ending -----------------------------------------------------------------------


def in_a_shell(sit: Sit, sim: Simulator) -> Sitting:
    person = sit(sim, argv=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ "})
    person.see(r"\$")
    person.type(f"{KCODE}\r")
    person.see(READY)
    return person


def test_ctrl_z_and_fg_in_the_middle_of_a_stream(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([slowly(NUMBERS + "\n\nThe end.", 20), say("Second.")])
    person = in_a_shell(sit, sim)
    person.type("talk\r")
    person.see("w30 ")
    person.type("draft")
    person.see("❯ draft")
    person.type("\x1a")
    person.see("Stopped")
    person.type("echo in$((1+1))shell\r")
    person.see(r"\nin2shell")  # the shell has its echo and its lines
    person.type("fg\r")
    text = person.see(r"The end\.[\s\S]+out[\s\S]+❯ draft")
    assert re.findall(r"\bw\d+\b", text) == [f"w{n}" for n in range(260)]
    person.type(" more\r")
    person.see(r"Second\.")
    assert sent(sim)[-1] == "draft more"


def test_a_stop_from_outside_is_survived(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Back.")])
    person = in_a_shell(sit, sim)
    person.type("dra")
    person.see("❯ dra")
    (child,) = children(person.process.pid)
    for number in (signal.SIGTSTP, signal.SIGSTOP):
        os.kill(child, number)
        person.see("Stopped")
        person.settle(0.3)
        cleared = f"clea{int(number)}red"  # another word each time, or what it shows is there already
        person.type(f"clear -x; echo clea$(({int(number)}))red\r")
        person.see(f"{cleared}\n")
        person.type("fg\r")
        person.see(rf"{cleared}[\s\S]+❯ dra")
    person.type("ft\r")
    person.see(r"Back\.")
    assert sent(sim)[-1] == "draft"


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_leaves_the_terminal_sane_and_the_session_whole(
    sit: Sit, k2sim: Sim, number: signal.Signals
) -> None:
    sim = k2sim([slowly("begun " + "word " * 400), say("Continued.")])
    person = in_a_shell(sit, sim)
    person.type("talk\r")
    person.see("begun word")
    (child,) = children(person.process.pid)
    os.kill(child, number)
    person.see(r"(Terminated|Hangup|\n\$ )")
    person.settle(0.3)
    person.type("stty -a | grep -o ' .\\?icanon\\| .\\?echo '; echo done\r")
    text = person.see(r"\ndone")
    assert " icanon" in text and " echo" in text
    raw = "".join(person.terminal.raw)
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l")
    assert raw.rindex("\x1b[?2004l") > raw.rindex("word")
    person.type(f"{KCODE} -c\r")
    person.see(READY)
    person.type("go on\r")
    person.see(r"Continued\.")
    assert [m["role"] for m in sim.chats[-1].json["messages"]] == ["system", "user", "assistant", "user"]


# --- shell commands and notes ------------------------------------------------------------------


BROKEN = """
import kcode.ui.output.render as render
from kcode.cli.entry import main

def paint(self):
    raise RuntimeError("it cannot be drawn")

render.LiveRenderer.paint = paint
main()
"""


def test_a_defect_in_drawing_leaves_the_terminal_sane(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    sim = k2sim([slowly("word " * 60)])
    person = sit(sim, argv=["bash", "--norc", "--noprofile", "-i"], env={"PS1": "$ "})
    person.see(r"\$")
    person.type(f"{sys.executable} {script}\r")
    person.see(READY)
    person.type("talk\r")
    person.see(r"defect of kcode: RuntimeError: it cannot be drawn[\s\S]+\n\$")
    person.type("stty -a | tr ';' '\\n' | grep -wo -e '-*icanon' -e '-*echo'\r")
    person.see(r"\nicanon\necho\n")


def test_a_defect_in_a_command_does_not_end_the_session(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        "import kcode.ui.standing as standing\n"
        "from kcode.cli.entry import main\n\n"
        "def rows(session):\n    raise RuntimeError('it cannot be told')\n\n"
        "standing.rows = rows\nmain()\n"
    )
    sim = k2sim([say("Still here.")])
    person = sit(sim, argv=[sys.executable, str(script)])
    person.see(READY)
    person.type("/status\r")
    person.see(r"defect of kcode: RuntimeError: it cannot be told[\s\S]+/bug")
    person.type("hello\r")
    person.see(r"Still here\.")


def test_a_shell_command_of_the_users_is_shown_and_joins_the_context(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("I see.")])
    person = sit(sim)
    person.see(READY)
    person.type("!echo from-the-shell; exit 3")
    person.see(r"! !?echo")
    person.type("\r")
    person.see(r"\nfrom-the-shell\n[\s\S]*exit code 3")
    person.type("look\r")
    person.see(r"I see\.")
    assert "from-the-shell" in sim.chats[-1].json["messages"][-1]["content"]


def test_esc_ends_a_shell_command(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("!echo begun; sleep 60\r")
    person.see(r"begun[\s\S]+running")
    person.type(ESC)
    person.see(r"interrupted[\s\S]+❯ ?\n")


def test_a_flood_of_output_is_shown_in_part_and_the_end_of_it_whole(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("!seq 1 3000000; echo the end\r")
    text = person.see(r"\n3000000\nthe end\n")
    assert re.search(r"… [\d,]+ lines left out …", text)
    shown = re.findall(r"(?m)^\d+$", text)
    assert len(shown) < 300_000
    assert shown[-2_000:] == [str(n) for n in range(2_998_001, 3_000_001)]
    assert shown == sorted(shown, key=int)


def test_output_that_can_be_read_is_shown_whole(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("!seq 1 5000; echo the end\r")
    text = person.see(r"\n5000\nthe end\n")
    assert re.findall(r"(?m)^\d+$", text) == [str(n) for n in range(1, 5_001)]


def test_esc_ends_a_flood(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("!yes\r")
    person.see(r"y\ny\ny\n")
    person.type(ESC)
    person.see(r"interrupted\n[\s\S]+❯ ?\n")


def test_a_note_is_remembered(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([])
    person = sit(sim)
    person.see(READY)
    person.type("#always run the tests\r")
    person.see(r"noted in .*AGENTS\.md")
    assert "always run the tests" in (repo / "AGENTS.md").read_text()
    assert not sim.chats


# --- editing -----------------------------------------------------------------------------------


def test_vi_keys_and_the_mode_that_is_shown(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim, env={"KCODE_UI__EDITING_MODE": "vi"})
    person.see("INSERT · ask mode")
    person.type("one two")
    person.type(ESC)
    person.see("NORMAL · ask mode")
    person.type("bcw")
    person.see("INSERT · ask mode")
    person.type("three\r")
    person.see(r"Read\.")
    assert sent(sim) == ["one three"]


def editor(folder: Path) -> str:
    script = folder / "my-editor"
    script.write_text(
        '#!/bin/sh\ncat "$1" > "$0.got"\nprintf "edited: %s\\nsecond line\\n" "$(cat "$1")" > "$1"\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("mode", ["emacs", "vi"])
def test_the_draft_can_be_edited_in_the_users_editor(sit: Sit, k2sim: Sim, tmp_path: Path, mode: str) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim, env={"EDITOR": editor(tmp_path), "VISUAL": "", "KCODE_UI__EDITING_MODE": mode})
    person.see(READY)
    person.type("a draft")
    if mode == "vi":
        person.type(ESC)
        person.see("NORMAL")
    person.type("v" if mode == "vi" else "\x18\x05")
    person.see(r"❯ edited: a draft\n  second line\n")
    if mode == "vi":
        person.type("i")
    person.type("\r")
    person.see(r"Read\.")
    assert sent(sim) == ["edited: a draft\nsecond line"]


def test_an_editor_with_a_window_of_its_own_is_waited_for_and_said(
    sit: Sit, k2sim: Sim, tmp_path: Path
) -> None:
    script = tmp_path / "window"
    script.write_text('#!/bin/sh\nuntil [ -e "$0.closed" ]; do sleep 0.05; done\n')
    script.chmod(0o755)
    person = sit(k2sim([]), env={"EDITOR": str(script), "VISUAL": ""}, columns=140)
    person.see(READY)
    person.type("a draft\x18\x05")
    person.see(r"window is open: save and close it to go on")
    person.type("typed")
    person.settle(0.3)
    (tmp_path / "window.closed").touch()
    text = person.see(r"❯ a drafttyped")
    assert "is open" not in text
    assert text.count("typed") == 1


def test_an_editor_that_fails_is_said_and_the_draft_is_kept(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    script = tmp_path / "failing"
    script.write_text('#!/bin/sh\necho lost > "$1"\nexit 3\n')
    script.chmod(0o755)
    person = sit(k2sim([]), env={"EDITOR": str(script), "VISUAL": ""})
    person.see(READY)
    person.type("a draft\x18\x05")
    person.see(r"ended with an error[\s\S]+❯ a draft\n")


def test_an_editor_that_is_not_there_is_said(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]), env={"EDITOR": "no-such-editor", "VISUAL": ""})
    person.see(READY)
    person.type("a draft\x18\x05")
    person.see(r"no-such-editor[\s\S]+EDITOR[\s\S]+❯ a draft")


# --- history -----------------------------------------------------------------------------------


def test_two_sittings_share_the_history(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    sim = k2sim([say("One."), say("Two.")])
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    first, second = sit(sim, env=env), sit(sim, env=env)
    first.see(READY)
    second.see(READY)
    first.type("from the first\nwith two lines\r")
    first.see(r"One\.[\s\S]+out[\s\S]+❯")
    second.type(UP)
    second.see(r"❯ from the first\n  with two lines\n")
    second.type("\x03from the second\r")
    second.see(r"Two\.[\s\S]+out[\s\S]+❯")
    first.type(UP)
    first.see(r"❯ from the second\n")
    first.type("\x03")
    first.type("\x12the first")
    first.see(r"❯ from the first\n  with two lines\n")
    (file,) = (tmp_path / "state").rglob("history/*")
    assert file.stat().st_mode & 0o777 == 0o600
