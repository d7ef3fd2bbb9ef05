from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.k2sim import Chunking, Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
CTRL_S = "\x13"
ESC = "\x1b"


def test_a_message_that_did_not_join_the_interrupted_turn_comes_back_as_the_draft(
    sit: Sit, k2sim: Sim
) -> None:
    sim = k2sim([say("word " * 200, chunking=Chunking(delay_ms=40)), say("Shorter then.")])
    person = sit(sim)
    person.see("ask mode · kimi")
    person.type("tell\r")
    person.see("word word")
    person.type("shorter please" + CTRL_S)
    person.see("❯ ?\n")
    person.type(ESC)
    person.see(r"❯ shorter please\n")
    person.type("\r")
    person.see(r"Shorter then\.")
    said = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert [text.split("\n")[0] for text in said] == ["tell", "shorter please"]


def test_the_end_of_a_command_in_the_background_is_shown_at_the_prompt(sit: Sit, k2sim: Sim) -> None:
    build = call("run_command", command="while [ ! -e go ]; do sleep 0.1; done; exit 7", background=True)
    sim = k2sim([use(build), say("It builds.")])
    person = sit(sim, "--mode", "auto")
    person.see("auto mode · kimi")
    person.type("build it\r")
    person.see(r"It builds\.")
    person.see(r"out[\s\S]+❯ ?\n")
    person.type("!touch go\r")
    person.see(r"in the background ended with exit code 7")


def test_commands_in_the_background_that_end_with_kcode_are_named(sit: Sit, k2sim: Sim) -> None:
    serve = call("run_command", command="sleep 300", background=True)
    person = sit(k2sim([use(serve), say("It runs.")]), "--mode", "auto")
    person.see("auto mode · kimi")
    person.type("serve\r")
    person.see(r"It runs\.[\s\S]+1 task running")
    person.type("/exit\r")
    assert person.end() == 0
    assert re.search(r"ended with kcode: sleep 300\n[\s\S]*kcode -c continues", person.terminal.text())


def test_nothing_is_said_of_the_price_of_what_was_interrupted_at_once(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("word " * 200, chunking=Chunking(delay_ms=40))]))
    person.see("ask mode · kimi")
    person.type("talk\r")
    person.see("word word")
    person.type("\x1b")
    text = person.see(r"interrupted[\s\S]+❯ ?\n")
    assert not re.search("price unknown|0% cached", text)


TOO_LATE = """
from kcode.cli.entry import main
from kcode.ui.sitting import Sitting

send = Sitting.send

def at_the_very_end(self, text):
    # taken as typed into a turn, and run when the turn is over and the next message is waited for
    self._beside(self._look(text)) if text == "/exit" else send(self, text)

Sitting.send = at_the_very_end
main()
"""


def test_exit_typed_at_the_very_end_of_a_turn_leaves(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(TOO_LATE)
    person = sit(k2sim([say("Hello.")]), argv=[sys.executable, str(script)])
    person.see("ask mode · kimi")
    person.type("hello\r")
    person.see(r"Hello\.[\s\S]+in, .* out")
    person.settle(0.5)
    person.type("/exit\r")
    assert person.end() == 0
