"""What a session costs: the provider's own usage at the catalogue's prices (CNY or USD per 1M tokens)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from kcode.conversation.ledger import Entry, UsageEntry
from kcode.providers.catalog import Model, PriceStep

MILLION = Decimal(1_000_000)


def price(model: Model, *, prompt: int, cached: int, completion: int) -> Decimal | None:
    """The price of one request in ``model.currency``, or None where the catalogue knows no price.

    ``prompt`` includes ``cached``. Price steps go by the prompt's size. Cached input without a price of
    its own is billed as input.
    """
    step = _step(model.prices, prompt)
    if step is None:
        return None
    cached_price = step.input if step.cached is None else step.cached
    total = (prompt - cached) * step.input + cached * cached_price + completion * step.output
    return total / MILLION


def _step(steps: tuple[PriceStep, ...], prompt: int) -> PriceStep | None:
    for step in steps:
        if step.upto is None or prompt <= step.upto:
            return step
    return steps[-1] if steps else None


@dataclass(slots=True)
class SessionCost:
    """Sums over the requests of a session, tokens and money by currency."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    seconds: float = 0.0
    unpriced: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> SessionCost:
        total = cls()
        for entry in entries:
            if isinstance(entry, UsageEntry):
                total.add(entry)
        return total

    def add(self, usage: UsageEntry) -> None:
        self.requests += 1
        self.prompt += usage.prompt
        self.cached += usage.cached
        self.completion += usage.completion
        self.reasoning += usage.reasoning
        self.seconds += usage.seconds
        if usage.cost:
            self.money[usage.currency] = self.money.get(usage.currency, Decimal(0)) + Decimal(usage.cost)
        else:
            self.unpriced += 1

    @property
    def hit_rate(self) -> float:
        """Cached share of all prompt tokens, 0 to 1."""
        return self.cached / self.prompt if self.prompt else 0.0

    def spent(self, currency: str) -> Decimal:
        return self.money.get(currency, Decimal(0))

    def text(self) -> str:
        """``¥0.0123``, ``$0.02 + ¥0.10``, ``free``, or what is not known."""
        parts = [
            f"{'¥' if currency == 'CNY' else '$'}{amount:.4f}"
            for currency, amount in self.money.items()
            if amount
        ]
        if parts:
            return " + ".join(parts)
        return "price unknown" if self.unpriced else "free"
