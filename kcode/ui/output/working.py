"""What the status of a running turn says: what is being done, how long, and what is waited for."""

from __future__ import annotations

import math
from collections.abc import Callable

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    Event,
    ReasoningText,
    RequestStarted,
    TurnFinished,
    TurnStarted,
    WaitingToSend,
)
from kcode.i18n import _, from_below
from kcode.ui.look import figures

SILENCE_S = 10.0  # without a token: from then on the silence is told


class Working:
    """Follows the events of a turn. ``news`` is why a request waits, where that has to be said in a line."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._doing = ""
        self._heard = clock()  # when the last token came, or the request left
        self._held: tuple[float, str] | None = None  # until when nothing is sent, and what is waited for
        self._held_for = ""
        self.news = ""

    def follow(self, event: Event) -> None:
        self.news = ""
        if isinstance(event, AnswerText | ReasoningText):
            self._doing = _("writing") if isinstance(event, AnswerText) else _("thinking")
            self._held, self._heard = None, self._clock()
        elif isinstance(event, TurnStarted | RequestStarted):
            self._doing = _("waiting for the model")
            self._held, self._held_for, self._heard = None, "", self._clock()
        elif isinstance(event, AnswerDiscarded):
            self._held = (self._clock() + event.wait_s, _("trying again in {time}"))
            self._heard = self._clock() + event.wait_s
        elif isinstance(event, WaitingToSend):
            self._hold(event)
        elif isinstance(event, TurnFinished):
            self.rest()

    def rest(self) -> None:
        """Nothing is being done."""
        self._doing, self._held = "", None

    def label(self, calls: bool, seconds: float) -> str:
        """``thinking · 12s · Esc interrupts``; ``""`` at rest. ``calls``: whether tool calls run."""
        if not self._doing:
            return ""
        now = self._clock()
        what, escape = _("working") if calls else self._doing, _("Esc interrupts")
        if self._held is not None and self._held[0] > now:
            until, words = self._held
            what, escape = words.format(time=f"{math.ceil(until - now)}s"), _("Esc cancels")
        elif not calls and now - self._heard >= SILENCE_S:
            silence = figures.seconds(now - self._heard)
            what = _("nothing from the model for {time}").format(time=silence)
        return f"{what} · {figures.seconds(seconds)} · {escape}"

    def _hold(self, event: WaitingToSend) -> None:
        why = figures.one_line(from_below(event.why))
        escaped = why.replace("{", "{{").replace("}", "}}")
        words = _("{why}: sending in {time}").replace("{why}", escaped)
        self._held = (self._clock() + event.wait_s, words)
        self._heard = self._clock() + event.wait_s
        if event.wait_s <= 0 and why != self._held_for:  # nothing to count down: said once instead
            self.news = why
        self._held_for = why
