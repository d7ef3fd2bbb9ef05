"""The model catalogue: data in ``catalog.toml``, typed here. Prices are per 1M tokens."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class PriceStep:
    """Prices per 1M tokens for requests of up to ``upto`` prompt tokens (None: any)."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    upto: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider profile. Token counts; ``""`` and None where nothing is known."""

    id: str
    provider: str
    context: int
    default_output: int
    max_output: int
    currency: str = "CNY"
    prices: tuple[PriceStep, ...] = ()
    cache_storage: Decimal | None = None  # per 1M tokens and hour
    thinking: Literal["no", "forced", "toggle"] = "no"
    temperature: float | None = 0.6  # None: the model refuses sampling fields
    status: Literal["live", "retired", "unknown"] = "live"
    retired_on: str = ""
    replaced_by: str = ""
    coding_rank: int = 0  # higher is preferred when the account's list offers several
    notes: str = ""
