"""How long a stored response is worth its rent: pure arithmetic, no clock.

Ark bills the storage of a response's tokens from its creation to its ``expire_at``, by the started hour, and
at most for three days. A request that comes while it is stored reads its tokens at the cached price; one that
comes later sends and pays them in full. With

* ``S``, the storage price per 1M tokens and hour,
* ``R = input - cached``, what reading 1M tokens from the cache saves,
* ``g``, the mean gap between requests in hours, the gaps taken as exponentially distributed (a tool loop's
  are seconds, a person's are minutes to days, and both are in the mean),

storing for ``h`` hours costs ``S·h + R·e^(-h/g)`` per 1M tokens: the rent, and the price of coming too late.
That is least at ``h = g·ln(R / (S·g))``, which is rounded up to whole hours and kept between one hour and the
maximum. It grows with the gap up to ``g = R / (e·S)``, the break-even: a session that pauses longer is better
served by sending everything again than by paying rent, so from there on the time shrinks back to an hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from kcode.providers.catalog import Model

MAX_HOURS = 72
"""Three days: what every version of Ark's documentation allows (facts C.3)."""
ROUNDING_SLACK_S = 60
"""Taken off the time asked for: the server rounds up to hours by its own clock."""
REMEMBERED_GAPS = 32
_USUAL_GAP_S = 600.0  # a session of which nothing is known yet: a person who reads an answer


@dataclass(frozen=True, slots=True)
class CachePrices:
    """Per 1M tokens; ``storage`` also per hour."""

    input: Decimal
    cached: Decimal
    storage: Decimal


def prices_of(model: Model) -> CachePrices | None:
    """The model's prices, or None where the catalogue does not know all three."""
    step = model.prices[0] if model.prices else None
    if step is None or step.cached is None or model.cache_storage is None:
        return None
    return CachePrices(step.input, step.cached, model.cache_storage)


def mean_gap_s(gaps: Sequence[float]) -> float:
    """Seconds between requests, from the latest gaps; a usual one counts as one of them, so that a single
    observation decides nothing."""
    known = [_USUAL_GAP_S, *(max(gap, 0.0) for gap in gaps[-REMEMBERED_GAPS:])]
    return sum(known) / len(known)


def break_even_gap_s(prices: CachePrices) -> float:
    """The mean gap, in seconds, beyond which longer gaps no longer ask for longer storage."""
    saved = float(prices.input - prices.cached)
    if saved <= 0:
        return 0.0
    if prices.storage <= 0:
        return math.inf
    return saved / (math.e * float(prices.storage)) * 3600


def hours_to_store(prices: CachePrices | None, gap_s: float, max_hours: int = MAX_HOURS) -> int:
    """Whole hours to ask for, from 1 to ``max_hours``, for a mean gap of ``gap_s`` seconds.

    One hour where a price is not known (rent of unknown height is kept short) and for gaps below a second.
    """
    if prices is None or gap_s < 1:
        return 1
    saved, rent = float(prices.input - prices.cached), float(prices.storage)
    if saved <= 0:
        return 1
    if rent <= 0:
        return max_hours
    gap = gap_s / 3600
    best = gap * (math.log(saved / rent) - math.log(gap))
    return min(max(math.ceil(best), 1), max_hours)
