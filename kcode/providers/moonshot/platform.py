"""Which profiles are Moonshot's open platform, and what differs between its two sites. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.providers.base import Provider
    from kcode.providers.service import HttpProvider


@dataclass(frozen=True, slots=True)
class Platform:
    """One site. ``currency`` is what it bills in; ``search_fee`` is the price of one ``$web_search`` in it
    (facts B.1, B.6)."""

    currency: str
    search_fee: str


PLATFORMS: dict[str, Platform] = {
    "moonshot": Platform("CNY", search_fee="0.03"),
    "moonshot-intl": Platform("USD", search_fee="0.005"),
}
"""By profile name. Kimi Code is another product with other keys: it has none of this."""

PROFILES_THAT_CAN = " and ".join(f"`--provider {name}`" for name in PLATFORMS)


def site(provider: Provider) -> tuple[HttpProvider, Platform] | None:
    """The provider as Moonshot's open platform, None where it is something else."""
    platform = PLATFORMS.get(provider.name)
    if platform is None:
        return None
    from kcode.providers.service import HttpProvider

    return (provider, platform) if isinstance(provider, HttpProvider) else None


def money(amount: Decimal, currency: str, places: int = 2) -> str:
    """``¥49.59``, ``-$3.00``; more than ``places`` decimals are cut, never rounded up."""
    step = Decimal(1).scaleb(-places)
    shown = amount.quantize(step, rounding="ROUND_FLOOR")
    sign = {"CNY": "¥", "USD": "$"}.get(currency, f"{currency} ")
    return f"{'-' if shown < 0 else ''}{sign}{abs(shown):f}"
