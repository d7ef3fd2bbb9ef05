from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from rich.cells import cell_len

from kcode.conversation.sessions import Summary
from kcode.ui.look.terminal import Look
from kcode.ui.picker import Choice, _State, age, row


def found(**facts: object) -> Summary:
    base: dict[str, object] = {
        "id": "s",
        "path": Path("s.jsonl"),
        "root": "/r",
        "created": 0.0,
        "changed": 0.0,
        "size": 1,
        "title": "修复商店的测试" * 20,
        "last": "完成了" * 50,
        "branch": "feature/很长的名字",
        "cost": (("CNY", Decimal("0.1234")),),
    }
    return Summary(**{**base, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [30, 60, 80, 200])
def test_a_row_fits_its_columns_whatever_its_script(columns: int) -> None:
    assert cell_len(row(found(), columns)) <= max(columns, 45)


@pytest.mark.parametrize("columns", [20, 60, 120])
@pytest.mark.parametrize("plain", [True, False])
def test_every_line_of_the_picker_fits(columns: int, plain: bool) -> None:
    choices = [Choice("商店" * n, "答案" * n, "3h ago · main") for n in range(60)]
    state = _State(choices, Look(plain=plain), "Resume which session?", 30, True)
    state.size = lambda: (columns, 10)
    lines = "".join(text for _, text, *_ in state.render()).split("\n")
    assert len(lines) <= 10
    assert all(cell_len(line) < columns for line in lines)
    assert any(line.startswith(("❯", ">")) for line in lines)


def test_typing_narrows_the_list_and_the_choice_is_of_the_whole() -> None:
    state = _State(
        [Choice("one"), Choice("two", "x"), Choice("three", "X y")], Look(plain=True), "t", 0, True
    )
    state.type("x Y")
    assert state.chosen == 2
    state.type("nothing")
    assert state.chosen is None
    state.move(1)
    state.type("")
    state.move(99)
    assert state.chosen == 2


def test_control_characters_of_a_title_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in row(found(title="\x1b[2Jgone", last="\x1b]0;x\x07"), 120)
    state = _State([Choice("\x1b[2Jgone")], Look(plain=True), "t", 0, False)
    assert "\x1b" not in "".join(text for _, text, *_ in state.render())


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (61, "1m"), (3_600, "1h"), (86_400 * 3, "3d"), (86_400 * 40, "5w"), (-5, "0s")],
)
def test_ages_are_short(seconds: float, shown: str) -> None:
    assert age(1_000.0, 1_000.0 + seconds) == shown
