"""Events played to the live renderer on a terminal of pyte's, a frame after each and a clock that ticks."""

from __future__ import annotations

from kcode.agent.events import Event, RequestStarted, TurnFinished, TurnStarted, UsageReported
from kcode.config.settings import Reasoning
from kcode.ui.look.terminal import Look
from kcode.ui.output.details import Details
from kcode.ui.output.render import LiveRenderer
from tests.ui.screen import Terminal

LOOK = Look(plain=False)


def turn(*middle: Event) -> list[Event]:
    return [TurnStarted("go"), RequestStarted(1, 100), *middle]


def usage() -> UsageReported:
    return UsageReported(8200, 7100, 412, 0, "0.0123", "CNY", "¥0.0123", 262_144, 0.86)


class Player:
    def __init__(self, columns: int = 80, rows: int = 24, show_reasoning: Reasoning = "folded") -> None:
        self.terminal = Terminal(columns, rows)
        self.now = 0.0
        self.details = Details()
        self.renderer = LiveRenderer(
            self.terminal,
            LOOK,
            size=self.terminal.size,
            clock=lambda: self.now,
            show_reasoning=show_reasoning,
            details=self.details,
        )

    def play(self, *events: Event) -> Player:
        for event in events:
            self.renderer.handle(event)
            self.now += 0.05
            self.renderer.paint()
        return self

    def wait(self, seconds: float) -> Player:
        self.now += seconds
        self.renderer.paint()
        return self

    def shown(self) -> list[str]:
        """The lines on the screen that are not empty."""
        return [line for line in self.terminal.visible() if line]

    def end(self, reason: str = "answered") -> str:
        self.play(usage(), TurnFinished(reason, "", 1))  # type: ignore[arg-type]
        self.renderer.close()
        return self.terminal.text()
