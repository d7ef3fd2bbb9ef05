"""What requests cost: the provider's own usage at the catalogue's prices (CNY or USD per 1M tokens)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kcode.conversation.ledger import Entry, Fee, UsageEntry
from kcode.providers.catalog import Model, PriceStep

MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bill:
    """One request's price by item, exact, in the model's currency.

    ``input`` is the prompt that was not read from cache. ``saved`` is no item: it is what the cached tokens
    would have cost more at the input price.
    """

    input: Decimal
    cached: Decimal
    output: Decimal
    write: Decimal
    storage: Decimal
    saved: Decimal

    @property
    def total(self) -> Decimal:
        return self.input + self.cached + self.output + self.write + self.storage

    def fields(self) -> dict[str, str]:
        """The fields of a :class:`UsageEntry` that hold it."""
        return {
            "cost": plain(self.total),
            "input_cost": plain(self.input),
            "cached_cost": plain(self.cached),
            "output_cost": plain(self.output),
            "write": plain(self.write),
            "storage": plain(self.storage),
            "saved": plain(self.saved),
        }


def bill(
    model: Model,
    *,
    prompt: int,
    completion: int,
    cached: int = 0,
    cache_write: int = 0,
    stored: int = 0,
    stored_hours: int = 0,
    batch: bool = False,
) -> Bill | None:
    """The bill of one request, or None where the catalogue knows no price for it.

    ``prompt`` includes ``cached``. Price steps go by the prompt's size (facts A.1: by the request's
    context). Cached input without a price of its own is billed as input; cache writes and storage cost
    nothing where the catalogue has no price for them. A batch without batch prices has no known price.
    """
    step = step_of(model.batch_prices if batch else model.prices, prompt)
    if step is None:
        return None
    cached_price = step.input if step.cached is None else step.cached
    return Bill(
        input=(prompt - cached) * step.input / MILLION,
        cached=cached * cached_price / MILLION,
        output=completion * step.output / MILLION,
        write=cache_write * (step.write or _NOTHING) / MILLION,
        storage=stored * stored_hours * (model.cache_storage or _NOTHING) / MILLION,
        saved=cached * (step.input - cached_price) / MILLION,
    )


def free(model: Model) -> bool:
    """Whether nothing that the model does is billed."""
    steps = (*model.prices, *model.batch_prices)
    billed = any(step.input or step.output or step.cached or step.write for step in steps)
    return bool(model.prices) and not billed and not model.cache_storage


def plain(amount: Decimal) -> str:
    """A decimal string without exponent."""
    return format(amount.normalize(), "f") if amount else "0"


def step_of(steps: tuple[PriceStep, ...], prompt: int) -> PriceStep | None:
    """The prices that hold for a request of ``prompt`` tokens."""
    for step in steps:
        if step.upto is None or prompt <= step.upto:
            return step
    return steps[-1] if steps else None


# --- sums ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Money:
    """Sums in one currency. ``total`` includes ``fees``; ``itemised`` is the part of it whose items are
    known, which entries of older kcode versions lack."""

    total: Decimal = _NOTHING
    input: Decimal = _NOTHING
    cached: Decimal = _NOTHING
    output: Decimal = _NOTHING
    write: Decimal = _NOTHING
    storage: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    saved: Decimal = _NOTHING

    @property
    def itemised(self) -> Decimal:
        return self.input + self.cached + self.output + self.write + self.storage + self.fees


@dataclass(slots=True)
class SessionCost:
    """Sums over requests, tokens and money by currency; currencies are never added up."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    seconds: float = 0.0
    unpriced_by_model: dict[str, int] = field(default_factory=dict)  # requests without a known price
    fees: dict[str, int] = field(default_factory=dict)  # how many, by kind
    by_currency: dict[str, Money] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> SessionCost:
        total = cls()
        for entry in entries:
            if isinstance(entry, UsageEntry):
                total.add(entry)
            elif isinstance(entry, Fee):
                total.add_fee(entry)
        return total

    def add(self, usage: UsageEntry) -> None:
        self.requests += 1
        self.prompt += usage.prompt
        self.cached += usage.cached
        self.completion += usage.completion
        self.reasoning += usage.reasoning
        self.seconds += usage.seconds
        if not usage.cost:
            self.unpriced_by_model[usage.model] = self.unpriced_by_model.get(usage.model, 0) + 1
            return
        money = self.by_currency.setdefault(usage.currency, Money())
        money.total += Decimal(usage.cost)
        money.input += _decimal(usage.input_cost)
        money.cached += _decimal(usage.cached_cost)
        money.output += _decimal(usage.output_cost)
        money.write += _decimal(usage.write)
        money.storage += _decimal(usage.storage)
        money.saved += _decimal(usage.saved)

    def add_fee(self, fee: Fee) -> None:
        """A fee whose amount is not known is counted and costs nothing here."""
        self.fees[fee.kind] = self.fees.get(fee.kind, 0) + 1
        if fee.amount:
            money = self.by_currency.setdefault(fee.currency, Money())
            money.total += Decimal(fee.amount)
            money.fees += Decimal(fee.amount)

    @property
    def money(self) -> Mapping[str, Decimal]:
        """The total by currency."""
        return {currency: money.total for currency, money in self.by_currency.items()}

    @property
    def unpriced(self) -> int:
        """Requests without a known price."""
        return sum(self.unpriced_by_model.values())

    @property
    def hit_rate(self) -> float:
        """Cached share of all prompt tokens, 0 to 1."""
        return self.cached / self.prompt if self.prompt else 0.0

    def spent(self, currency: str) -> Decimal:
        money = self.by_currency.get(currency)
        return money.total if money else _NOTHING

    def text(self) -> str:
        """``¥0.0123``, ``$0.02 + ¥0.10``, ``free``, or what is not known."""
        parts = [shown(amount, currency) for currency, amount in self.money.items() if amount]
        if parts:
            return " + ".join(parts)
        return "price unknown" if self.unpriced else "free"


SYMBOLS = {"CNY": "¥", "USD": "$"}


def shown(amount: Decimal, currency: str) -> str:
    """``¥0.0123``: four digits behind the point, so that a single request shows."""
    return f"{SYMBOLS.get(currency, f'{currency} ')}{amount:.4f}"


def _decimal(text: str) -> Decimal:
    return Decimal(text) if text else _NOTHING
