"""What a turn used: the sum over its requests, and the line that says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from kcode.agent.events import CallAnswered, UsageReported
from kcode.i18n import _
from kcode.ui.look import figures


@dataclass(slots=True)
class Tally:
    """Tokens, money by currency, and the seconds since it was made, less those of questions."""

    clock: Callable[[], float] = time.monotonic
    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    unpriced: bool = False
    money: dict[str, Decimal] = field(default_factory=dict)
    started: float = 0.0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def add(self, usage: UsageReported) -> None:
        self.requests += 1
        self.prompt += usage.prompt
        self.cached += usage.cached
        self.completion += usage.completion
        self.reasoning += usage.reasoning
        if usage.cost:
            self.money[usage.currency] = self.money.get(usage.currency, Decimal(0)) + Decimal(usage.cost)
        else:
            self.unpriced = True

    def waited(self, answered: CallAnswered) -> None:
        """What the user took for an answer is none of the turn's time."""
        self.started += answered.waited_s

    @property
    def seconds(self) -> float:
        return self.clock() - self.started

    def cost(self) -> str:
        """``¥0.0123``, ``free``, or ``""`` where a price is not known."""
        if self.unpriced:
            return ""
        amounts = [figures.money(amount, currency) for currency, amount in self.money.items() if amount]
        return " + ".join(amounts) or _("free")

    def line(self) -> str:
        """``8.2k in, 87% cached · 412 out · ¥0.0123 · 14s``."""
        parts = []
        if self.requests:
            parts = [_("{tokens} in").format(tokens=figures.tokens(self.prompt))]
            if self.prompt:
                share = figures.percent(self.cached / self.prompt)
                parts[0] += ", " + _("{share} cached").format(share=share)
            parts.append(_("{tokens} out").format(tokens=figures.tokens(self.completion)))
            parts += [cost] if (cost := self.cost()) else []
        return " · ".join([*parts, figures.seconds(self.seconds)])
