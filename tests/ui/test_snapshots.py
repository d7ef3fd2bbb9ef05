from __future__ import annotations

from collections.abc import Callable

import pytest

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallFinished,
    CallProgress,
    CallStarted,
    Notice,
    ReasoningText,
    RequestStarted,
    Steered,
    TodoChanged,
    TurnFinished,
    WaitingToSend,
)
from kcode.errors import LimitReached
from kcode.safety.process import Finished
from kcode.testrun.report import TestCase, report_of
from kcode.tools.base import FileEdit, ToolOutcome
from tests.ui.player import LOOK, Player, turn
from tests.ui.snapshots import check

TODO = (
    ("读取解析器的源代码", "done"),
    ("find where the width of 宽字符 is lost", "done"),
    ("write a test that fails 👨‍👩‍👧", "in_progress"),
    ("repair `cut` and run all tests", "pending"),
)
ANSWER = """\
# 宽度的问题

`cut` counts **characters**, not columns, so 中文 is cut in the middle. What a terminal shows:

| text | 字符 | columns |
|---|--:|--:|
| `abc` | 3 | 3 |
| 中文字符 | 4 | 8 |
| 👨‍👩‍👧 | 5 | 2 or 6 |

1. Count columns.
   - wide characters are two
   - combining marks are none
2. 第二步：在折行时保持整个字符，不要在中间切断，否则终端会显示乱码或者替换字符。

```python
def cut(text: str, columns: int) -> str:
    return head(text, columns - 1) + "…"  # 省略号
```

> See https://example.com/a/rather/long/address/that/does/not/fit/a/narrow/pane/at/all?with=query
"""


def thinking(player: Player) -> None:
    player.play(*turn(ReasoningText("The width is taken from len(). ")))
    player.play(
        ReasoningText("中文字符占两列，所以这里的计算是错误的。\n" * 2 + "So cells have to be counted")
    )
    player.wait(12)


def calls_at_once(player: Player) -> None:
    thinking(player)
    player.play(
        CallStarted("1", "grep", {}, "grep '宽度' in kcode (*.py)"),
        CallStarted("2", "run_command", {}, "$ make 文档 --with-a-rather-long-option=and-its-value"),
        CallStarted("3", "run_tests", {}, "run tests tests/测试"),
        CallProgress("2", "compiling 第一章.md\n"),
        CallProgress("3", passed=12, failed=1, total=40),
        CallFinished("1", "grep", ToolOutcome("", "12 matches in 3 files"), 0.21),
    )
    player.wait(3)


def calls_ended(player: Player) -> None:
    calls_at_once(player)
    made = Finished(
        2, "compiling\n第一章.md:3: 未定义的引用\nmake: *** [文档] Error 1\n", "", False, 3, 0, None
    )
    report = report_of([TestCase("测试/test_宽.py::test_cut", "failed", message="AssertionError: 宽 != 宽…")])
    player.play(
        CallFinished("3", "run_tests", ToolOutcome("", "12 passed, 1 failed", ok=False, payload=report), 3.4),
        CallFinished("2", "run_command", ToolOutcome("", "exit 2", ok=False, payload=made), 3.41),
        RequestStarted(2, 1),
    )
    player.wait(14)


def todo_and_answer(player: Player) -> None:
    player.play(*turn(TodoChanged(TODO), AnswerText(ANSWER[:300])))
    player.wait(1)


def steered_and_ended(player: Player) -> None:
    todo_and_answer(player)
    player.play(AnswerText(ANSWER[300:]), Steered("先看测试，再改代码"), RequestStarted(2, 1))
    player.play(AnswerText("好的。"), TodoChanged(tuple((text, "done") for text, _status in TODO)))
    player.end()


def held_and_limited(player: Player) -> None:
    player.play(*turn(WaitingToSend(0.0, "waiting for a turn: the account allows 1 request at once")))
    player.play(AnswerText("Half an ans"), AnswerDiscarded("服务器过载", 4.0), Notice("warning", "小心"))
    error = LimitReached("the turn limit of 60 is reached", "raise agent.max_turns")
    player.play(TurnFinished("limit", "", 60, detail=error.message, error=error))
    player.renderer.close()


def opened(player: Player) -> None:
    edit = FileEdit("宽度.py", "a = 1\nb = '宽'\n", "a = 1\nb = '宽度'\n")
    player.play(
        *turn(
            ReasoningText("先读代码，\nthen the test.\n"), CallStarted("1", "edit_file", {}, "edit 宽度.py")
        )
    )
    outcome = ToolOutcome("", "+1 -1", payload=(edit,), changed=("宽度.py",))
    player.play(CallFinished("1", "edit_file", outcome, 0.1))
    player.end()
    for _time in range(2):
        for line in player.details.next(player.terminal.screen.columns, LOOK):
            player.terminal.write(line + "\r\n")


SITUATIONS: dict[str, Callable[[Player], None]] = {
    "thinking": thinking,
    "calls-at-once": calls_at_once,
    "calls-ended": calls_ended,
    "todo-and-answer": todo_and_answer,
    "steered-and-ended": steered_and_ended,
    "held-and-limited": held_and_limited,
    "opened": opened,
}


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_screen_looks_as_it_should(situation: str, columns: int) -> None:
    player = Player(columns, 40)
    SITUATIONS[situation](player)
    check(f"{situation}-{columns}", player.terminal)
