"""Numbers for people: tokens, money, time; and text that has to fit one line."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from kcode.i18n import _
from kcode.safety.sanitize import reveal
from kcode.ui.look import widths

SYMBOLS = {"CNY": "¥", "USD": "$"}


def tokens(count: int) -> str:
    """``812``, ``12.3k``, ``256k``, ``1.05M``."""
    if count < 1_000:
        return str(count)
    if count < 99_950:
        return f"{count / 1_000:.1f}k"
    if count < 999_500:
        return f"{count / 1_000:.0f}k"
    return f"{count / 1_000_000:.2f}M"


def seconds(value: float) -> str:
    """``0.3s``, ``12s``, ``3m 05s``, ``2h 10m``."""
    if value < 9.95:
        return f"{value:.1f}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3_600}h {whole % 3_600 // 60:02d}m"


def money(amount: str | Decimal, currency: str) -> str:
    """``¥0.0123``; ``""`` where the amount is not known, ``free`` for zero."""
    try:
        value = Decimal(amount) if amount != "" else None
    except InvalidOperation:
        value = None
    if value is None:
        return ""
    if value == 0:
        return _("free")
    if 0 < value < Decimal("0.00005"):
        return f"< {SYMBOLS.get(currency, currency + ' ')}0.0001"
    return f"{SYMBOLS.get(currency, currency + ' ')}{value:.4f}"


def percent(share: float) -> str:
    return f"{share * 100:.0f}%"


def one_line(text: str, limit: int = 0) -> str:
    """``text`` without control characters on one line, cut to ``limit`` columns (0: no limit)."""
    flat = " ".join(reveal(text).split())
    return cut(flat, limit) if limit else flat


def cut(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` terminal columns, ending in an ellipsis where it was longer."""
    if widths.columns(text) <= columns:
        return text
    return widths.head(text, columns - 1).rstrip() + "…" if columns > 0 else ""
