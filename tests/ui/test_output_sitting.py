from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kcode.ui.output.notify import FOCUS_OFF, FOCUS_ON
from tests.k2sim import Chunking, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
AT_ONCE = {"KCODE_UI__NOTIFY_AFTER_S": "0.001"}
THINKING = "kimi-k2-thinking"


def raw(person: Sitting) -> str:
    return "".join(person.terminal.raw)


def test_reasoning_is_folded_and_ctrl_o_opens_it_then_the_call_before(
    sit: Sit, k2sim: Any, repo: Path
) -> None:
    steps = [use(call("read_file", path="shop.py")), say("Seen.", reasoning="先看代码，then the test.")]
    person = sit(k2sim(steps), env={"KCODE_MODEL": THINKING})
    person.type("look\r")
    text = person.see(r"Seen\.[\s\S]+❯")
    assert re.search(r"✻ thought for \S+ · 19 characters · Ctrl-O shows it", text)
    assert "先看代码" not in text
    person.type("\x0f")
    assert "│ 先看代码，then the test." in person.see("先看代码")
    assert "return sum(prices) - 1" not in person.terminal.text()
    person.type("\x0f")
    person.see(r"│ .*return sum\(prices\) - 1")


def test_calls_at_once_stand_together_in_the_order_they_were_made(sit: Sit, k2sim: Any, repo: Path) -> None:
    calls = use(call("read_file", path="shop.py"), call("grep", pattern="total"), call("list_dir"))
    person = sit(k2sim([calls, say("Seen.")]), columns=60)
    person.type("look\r")
    lines = [line.strip() for line in person.see(r"Seen\.").split("\n")]
    at = lines.index("⇉ 3 calls at once")
    assert [line.split(" · ")[0] for line in lines[at + 1 : at + 4]] == [
        "✓ read shop.py",
        "✓ grep 'total'",
        "✓ list .",
    ]


def test_the_todo_list_is_written_once_for_a_turn(sit: Sit, k2sim: Any, repo: Path) -> None:
    def items(*states: str) -> list[dict[str, str]]:
        texts = ("读代码", "repair")
        return [{"text": text, "status": state} for text, state in zip(texts, states, strict=True)]

    steps = [
        use(call("update_todo", items=items("in_progress", "pending"))),
        use(call("update_todo", items=items("done", "in_progress"))),
        say("Half way."),
    ]
    person = sit(k2sim(steps), columns=60)
    person.type("go\r")
    text = person.see(r"Half way\.[\s\S]+ in, [\s\S]+❯")
    assert text.count("To-do") == 1
    assert "To-do · 1 of 2 done\n✓ 读代码\n● repair" in text
    assert "update the to-do list" not in text


def test_a_failed_command_shows_the_end_of_its_output(sit: Sit, k2sim: Any, repo: Path) -> None:
    steps = [use(call("run_command", command="seq 1 30; echo 坏了; exit 3")), say("It failed.")]
    person = sit(k2sim(steps), env={"KCODE_SAFETY__SANDBOX": "off"})
    person.type("/mode auto\r")
    person.see("auto mode")
    person.type("run it\r")
    text = person.see(r"It failed\.")
    assert re.search(r"✗ \$ seq 1 30.* · exit 3.*\n +│ 29\n +│ 30\n +│ 坏了", text)
    assert "│ 28" not in text


def test_a_long_turn_rings_unless_its_window_is_in_use(sit: Sit, k2sim: Any, repo: Path) -> None:
    person = sit(k2sim([say("One."), say("Two."), say("Three.")]), env=AT_ONCE)
    person.see(r"ask mode · kimi")
    assert FOCUS_ON in raw(person)
    person.type("first\r")
    person.see(r"One\.[\s\S]+❯")
    person.settle()
    assert raw(person).count("\x1b]9;kcode · shop: the turn has ended after") == 1
    person.type("\x1b[I")
    person.type("second\r")
    text = person.see(r"Two\.[\s\S]+❯")
    person.settle()
    assert raw(person).count("\x1b]9;") == 1
    assert "[I" not in text
    person.type("\x1b[O")
    person.type("third\r")
    person.see(r"Three\.[\s\S]+❯")
    person.settle()
    assert raw(person).count("\x1b]9;") == 2
    person.type("\x04")
    person.end()
    assert raw(person).rindex(FOCUS_OFF) > raw(person).rindex(FOCUS_ON)


def test_a_fast_stream_of_every_kind_arrives_whole_on_a_narrow_pane(sit: Sit, k2sim: Any, repo: Path) -> None:
    table = "| n | 名称 |\n|---|---|\n" + "".join(f"| row{n} | 第{n}行 |\n" for n in range(60))
    code = "```python\n" + "".join(f"value_{n} = '值'\n" for n in range(60)) + "```\n"
    nested = "- all\n" + "".join(f"  - item{n}\n" for n in range(60))
    fast = replace(say(f"{table}\n{code}\n{nested}\nThe end."), chunking=Chunking(delay_ms=0))
    person = sit(k2sim([fast]), columns=60, rows=12)
    person.type("go\r")
    text = person.see(r"The end\.[\s\S]+❯")
    for n in range(60):
        assert text.count(f"第{n}行") == 1
        assert text.count(f"value_{n} =") == 1
        assert len(re.findall(rf"item{n}\b", text)) == 1
