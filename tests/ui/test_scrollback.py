"""What stays behind in a terminal that keeps what is erased from its first row on, as tmux does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyte

from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]


class Keeping(pyte.HistoryScreen):
    """Rows that are erased together with the whole screen are kept."""

    kept: tuple[str, ...] = ()

    def erase_in_display(self, how: int = 0, *arguments: Any, **more: Any) -> None:
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            self.kept += tuple(self.display)
        super().erase_in_display(how, *arguments, **more)


def test_a_prompt_in_the_first_row_leaves_nothing_of_itself_behind(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("Hello.")]))
    person.see("ask mode · kimi")
    person.type("/mode")
    person.see("show the mode, or change it")
    person.type("\r")
    person.see("asks before files are changed")
    person.type("hi\r")
    person.see(r"Hello\.[\s\S]+ask mode")
    person.settle()
    screen = Keeping(*person.terminal.size(), history=1000, ratio=0.5)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed("".join(person.terminal.raw))
    assert [line.strip() for line in screen.kept if line.strip()] == []
