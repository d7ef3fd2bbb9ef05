from __future__ import annotations

import os
import re
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Chunking, Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
PROMPT = r"❯ ?\n"
EDIT = call(
    "edit_file",
    path="shop.py",
    edits=[{"old_text": "return sum(prices) - 1", "new_text": "return sum(prices)  # 合计"}],
)
BROKEN = "def total(prices):\n    return sum(prices) - 1\n"
PAUSED = 0.6  # longer than a person pauses between two keys, so that a key counts as an answer


def answer(sitting: Sitting, question: str, key: str) -> None:
    sitting.see(question)
    sitting.settle(PAUSED)
    sitting.type(key)


@pytest.mark.parametrize("columns", [80, 60])
def test_a_turn_with_an_approved_edit(sit: Sit, k2sim: Sim, repo: Path, columns: int) -> None:
    sim = k2sim([use(EDIT, text="I repair **total**."), say("Done: `total` is right now. 修好了。")])
    person = sit(sim, columns=columns, rows=40)
    person.see(r"ask mode · kimi")
    person.type("fix the shop\r")
    answer(person, r"Apply this\?", "y")
    text = person.see(r"Done: total is right now\. 修好了。[\s\S]+ in, .*out[\s\S]+❯")
    assert "2 -     return sum(prices) - 1" in text
    assert "2 +     return sum(prices)  # 合计" in text
    assert "I repair total." in text
    assert text.count("Done: total") == 1
    assert text.count("❯ fix the shop") == 1
    assert "合计" in (repo / "shop.py").read_text()
    person.type("\x04")
    assert person.end() == 0
    assert person.terminal.lines()[-1] == "kcode -c continues this session"


def test_no_because_tells_the_model_the_reason(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(EDIT), say("Understood.")])
    person = sit(sim)
    person.type("fix it\r")
    answer(person, r"Apply this\?", "r")
    person.see("because:")
    person.type("keep the minus 保留\r")
    person.see("Understood.")
    assert "keep the minus 保留" in sim.chats[-1].json["messages"][-1]["content"]
    assert (repo / "shop.py").read_text() == BROKEN


def test_all_is_asked_once(sit: Sit, k2sim: Sim, repo: Path) -> None:
    second = call("write_file", path="new.py", content="x = 1\n")
    sim = k2sim([use(EDIT), use(second), say("Both done.")])
    person = sit(sim)
    person.type("fix it\r")
    answer(person, r"Apply this\?", "a")
    answer(person, r"1  edits of files, in this session[\s\S]+Which one\?", "1")
    text = person.see("Both done.")
    assert text.count("edit shop.py +1 -1") == 1
    assert (repo / "new.py").read_text() == "x = 1\n"


def test_a_command_is_shown_with_the_reason_for_asking(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(call("run_command", command="touch made")), say("Ran.")])
    person = sit(sim)
    person.type("make a file\r")
    answer(person, r"Run this\?", "n")
    text = person.see("Ran.")
    assert "$ touch made" in text
    assert "asked because" in text
    assert "declined" in sim.chats[-1].json["messages"][-1]["content"]
    assert not (repo / "made").exists()


def test_help_at_a_question_decides_nothing(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(EDIT), say("Fine.")])
    person = sit(sim)
    person.type("fix it\r")
    answer(person, r"Apply this\?", "?")
    person.see("your reason goes to the model")
    answer(person, r"Apply this\?", "n")
    person.see("Fine.")
    assert (repo / "shop.py").read_text() == BROKEN


def test_what_is_typed_while_the_model_works_waits_for_the_next_prompt(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("word " * 40, chunking=Chunking(delay_ms=40)), say("Second answer.")])
    person = sit(sim)
    person.type("first\r")
    person.see("word word")
    person.type("second question\r")
    text = person.see(r"Second answer\.")
    assert text.count("❯ second question") == 1
    assert sim.chats[-1].json["messages"][-1]["content"].startswith("second question")


@pytest.mark.parametrize("key", ["\x1b", "\x03"])
def test_esc_and_ctrl_c_interrupt_and_leave_a_true_history(sit: Sit, k2sim: Sim, key: str) -> None:
    sim = k2sim([say("begun " + "word " * 400, chunking=Chunking(delay_ms=50)), say("Still here.")])
    person = sit(sim)
    person.type("talk\r")
    person.see("begun word")
    person.type(key)
    person.see("interrupted")
    person.type("and now\r")
    person.see("Still here.")
    messages = sim.chats[-1].json["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"].startswith("begun word")


def test_ctrl_c_at_a_question_interrupts_the_turn(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(EDIT), say("never said")])
    person = sit(sim)
    person.type("fix it\r")
    answer(person, r"Apply this\?", "\x03")
    person.see("interrupted")
    person.type("/exit\r")
    assert person.end() == 0
    assert (repo / "shop.py").read_text() == BROKEN
    assert len(sim.chats) == 1


def test_ctrl_c_clears_the_line_and_quits_when_pressed_twice(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see("ask mode")
    person.type("half a thought")
    person.see("half a thought")
    person.type("\x03")
    person.see("half a thought", gone=True)
    person.type("\x03")
    person.see("again to quit")
    person.type("\x03")
    assert person.end() == 0


def test_a_kill_by_sigint_at_the_prompt_acts_like_the_key(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see("ask mode")
    os.kill(person.process.pid, signal.SIGINT)
    person.see("again to quit")
    os.kill(person.process.pid, signal.SIGINT)
    assert person.end() == 0


def test_shift_tab_cycles_the_modes(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    for mode in ("ask", "edits", "auto", "plan", "ask"):
        person.see(f"{mode} mode · kimi")
        person.type("\x1b[Z")


def test_the_mode_chosen_is_the_one_that_counts(sit: Sit, k2sim: Sim, repo: Path) -> None:
    person = sit(k2sim([use(EDIT), say("Done.")]))
    person.see("ask mode · kimi")
    person.type("/mode edits\r")
    person.see("edits mode · kimi")
    person.type("fix\r")
    person.see(r"Done\.")
    assert "合计" in (repo / "shop.py").read_text()


def test_alt_enter_and_a_trailing_backslash_begin_a_new_line(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim)
    person.see("ask mode · kimi")
    person.type("one\x1b\rtwo\\\rthree\r")
    person.see("Read.")
    assert sim.chats[-1].json["messages"][1]["content"].startswith("one\ntwo\nthree")


def test_a_paste_with_line_ends_is_one_message(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Read.")])
    person = sit(sim)
    person.see("ask mode · kimi")
    person.type("\x1b[200~" + "\r".join(f"line {n}" for n in range(300)) + "\x1b[201~")
    person.see(r"❯ \[paste #1: 300 lines\]\n")
    person.type("\r")
    person.see("Read.")
    sent = sim.chats[-1].json["messages"][1]["content"]
    assert sent.startswith("\n".join(f"line {n}" for n in range(300)) + "\n")
    assert len(sim.chats) == 1


def test_slash_completes_commands_with_their_help(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see("ask mode · kimi")
    person.type("/c")
    text = person.see(r"/context +where the window goes")
    assert "/compact" in text
    assert "/model" not in text


def test_an_unknown_command_names_the_nearest(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([])
    person = sit(sim)
    person.type("/contxt\r")
    person.see(r"no command /contxt\n +try: /context")
    assert not sim.chats


def test_a_path_at_the_beginning_is_a_message(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("A folder.")])
    person = sit(sim)
    person.type("/usr/bin is what?\r")
    person.see("A folder.")


def test_diff_and_undo_follow_what_the_session_changed(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(EDIT), say("Done.")])
    person = sit(sim, "--mode", "edits", rows=40)
    person.type("fix it\r")
    person.see(r"Done\.[\s\S]+❯")
    person.type("/diff\r")
    person.see(r"2 \+     return sum\(prices\)  # 合计")
    person.type("/undo\r")
    person.see(r"restored shop\.py")
    assert (repo / "shop.py").read_text() == BROKEN
    person.type("/diff\r")
    person.see("changed no files")
    person.type("/undo\r")
    person.see("nothing to undo")


def test_cost_context_model_and_help_answer(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hi.")])
    person = sit(sim, rows=60)
    person.type("hello\r")
    person.see(r"Hi\.[\s\S]+❯")
    person.type("/cost\r")
    person.see(r"requests +1\n")
    person.type("/context\r")
    person.see(r"tools +[\d.]+k? +\d+%")
    person.type("/model\r")
    person.see(r"listed now +.*kimi")
    person.type("/help\r")
    person.see(r"Alt-Enter +a new line")


def test_clear_begins_anew(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hi."), say("Who are you?")])
    person = sit(sim)
    person.type("hello\r")
    person.see(r"Hi\.[\s\S]+❯")
    person.type("/clear\r")
    person.see("a new conversation")
    person.type("again\r")
    person.see("Who are you")
    assert [m["role"] for m in sim.chats[-1].json["messages"]] == ["system", "user"]


def test_model_goes_on_with_another(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hi."), say("Hi again.")])
    person = sit(sim)
    person.type("hello\r")
    person.see(r"Hi\.[\s\S]+❯")
    person.type("/model kimi-k2.6\r")
    person.see(r"ask mode · kimi-k2\.6")
    person.type("go on\r")
    person.see("Hi again.")
    assert sim.chats[-1].json["model"] == "kimi-k2.6"


def test_the_history_is_the_projects_and_private(sit: Sit, k2sim: Sim, own_home: Path) -> None:
    sim = k2sim([say("One.")])
    person = sit(sim)
    person.type("remember 记住 this\r")
    person.see(r"One\.[\s\S]+❯")
    person.type("\x04")
    person.end()
    (file,) = (own_home / ".local/state/kcode/history").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = sit(sim)
    again.see("ask mode")
    again.type("\x1b[A")
    again.see("remember 记住 this")


def test_a_key_that_is_refused_is_an_error_and_the_session_goes_on(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hi.")])
    person = sit(sim, env={"KCODE_API_KEY": "sk-test-another-key"})
    person.type("hello\r")
    person.see("failed")
    person.type("/cost\r")
    person.see(r"requests +0")
    assert "Traceback" not in person.terminal.text()


def test_no_color_takes_the_colours_away_and_nothing_else(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("**Hi** `there`.\n\n```python\nimport os\n```\n\nThe end.")])
    person = sit(sim, env={"NO_COLOR": "1"})
    person.type("hello\r")
    person.see(r"Hi there\.[\s\S]*The end\.")
    person.see("ask mode · kimi")
    raw = "".join(person.terminal.raw)
    assert "\x1b[1mHi" in raw
    colours = [code for codes in re.findall(r"\x1b\[([0-9;]*)m", raw) for code in codes.split(";")]
    assert not [
        code for code in colours if code[:-1] in ("3", "4", "9", "10") and code != "39" and code != "49"
    ]


def test_a_dumb_terminal_gets_no_control_sequences_from_a_turn(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hi there.")])
    person = sit(sim, env={"TERM": "dumb"})
    person.see("[>❯]")
    person.type("hello\r")
    person.see(r"\[.* in, .*out")
    raw = "".join(person.terminal.raw)
    assert "\x1b" not in raw[raw.index("hello") : raw.index(" in, ")]


def test_resizing_while_text_streams_repeats_nothing(sit: Sit, k2sim: Sim) -> None:
    words = " ".join(f"w{n}" for n in range(120))
    sim = k2sim([say(words + "\n\nThe end.", chunking=Chunking(delay_ms=20))])
    person = sit(sim, columns=80)
    person.type("talk\r")
    person.see("w20")
    person.resize(60, 24)
    text = person.see(r"The end\.[\s\S]+❯")
    assert text.count("The end.") == 1
    assert text.count("w119") == 1
