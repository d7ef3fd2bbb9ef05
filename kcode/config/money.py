"""Sums of money as people write them: ``5``, ``¥5``, ``5 CNY``, ``$2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

SUM = 'a sum such as 5, "¥5", "5 CNY" or "$2"'
_NAMES = {
    "¥": "CNY",
    "￥": "CNY",
    "元": "CNY",
    "CNY": "CNY",
    "RMB": "CNY",
    "$": "USD",
    "US$": "USD",
    "USD": "USD",
}
_FORM = re.compile(r"([^\d\s.+-]*)\s*(\d+(?:\.\d*)?|\.\d+)\s*([^\d\s.+-]*)")


@dataclass(frozen=True, slots=True)
class Sum:
    """``currency`` is ``""`` where none was named: then it is the one the provider bills in."""

    amount: Decimal
    currency: str = ""

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}".rstrip()


def parse_sum(text: str) -> Sum:
    """Raises ValueError for what is not a sum of 0 or more in a known currency."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not {SUM}")
    before, digits, after = found.groups()
    name = (before or after).upper()
    if (before and after) or (name and name not in _NAMES):
        raise ValueError(f"{text!r} is not {SUM}")
    return Sum(Decimal(digits), _NAMES.get(name, ""))


def checked(value: object) -> object:
    """A setting's value as :func:`parse_sum` spells it; numbers are sums in the billing currency."""
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    text = f"{Decimal(str(value)):f}" if number else value if isinstance(value, str) else ""
    return str(parse_sum(text))
