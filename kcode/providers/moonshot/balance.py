"""How much money is left on a Moonshot account, and a hint when it is little.

``GET /users/me/balance`` (facts B.1): CNY on the .cn site, USD on .ai. The cash part may be negative; with
nothing available the service refuses to answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.paths import cache_dir, make_private
from kcode.config.settings import Settings
from kcode.errors import KcodeError, UsageError
from kcode.providers.base import Provider, ServerFailed
from kcode.providers.endpoint import Endpoint
from kcode.providers.moonshot.platform import PROFILES_THAT_CAN, money, site
from kcode.providers.profiles import PROFILES, Profile

HINT_EVERY_S = 3600
_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Balance:
    """``available`` is what can be spent: ``cash`` and ``voucher`` together, all in ``currency``."""

    available: Decimal
    cash: Decimal
    voucher: Decimal
    currency: str


async def ask_balance(provider: Provider) -> Balance:
    """The account's balance, asked now.

    Raises UsageError for a profile whose service does not tell one, and ProviderError where asking failed.
    """
    found = site(provider)
    if found is None:
        raise no_balance(PROFILES[provider.name])
    service, platform = found
    payload = await service.call_json("GET", "/users/me/balance", timeout_s=_TIMEOUT_S)
    balance = _read(payload, platform.currency)
    if balance is None:
        raise ServerFailed(
            f"{service.endpoint.label} did not say what the balance is.",
            f"Look in the console: {service.endpoint.profile.console}.",
        )
    _remember(service.endpoint, balance)
    return balance


def no_balance(profile: Profile) -> UsageError:
    """The error for a profile that has no balance to ask for, with where to look instead."""
    if profile.embedded:
        return UsageError(
            "the embedded model costs nothing, so there is no balance",
            f"for an account's: set its key, or {PROFILES_THAT_CAN.replace(' and ', ' or ')}",
        )
    if not profile.console:
        return UsageError(
            f"{profile.title} is a server of yours: there is no balance to ask for",
            f"a balance is told by {PROFILES_THAT_CAN}",
        )
    return UsageError(
        f"{profile.title} does not tell its balance or what is left of a plan",
        f"look in its console: {profile.console}; a balance is told by {PROFILES_THAT_CAN}",
    )


async def hint(provider: Provider, settings: Settings) -> str:
    """A sentence for the user where the balance is low, else ``""``. Never an error, at most one request.

    An account is asked at most once an hour, whether that worked or not; in between, what it said last
    counts. Low is below ``provider.low_balance`` (0: never), or nothing available.
    """
    below = Decimal(str(settings.provider.low_balance))
    found = site(provider)
    if found is None or not below:
        return ""
    service, platform = found
    known, seen = _recall(service.endpoint)
    if not known:
        try:
            seen = await ask_balance(provider)
        except KcodeError:
            _remember(service.endpoint, None)
            return ""
    return low(seen, below) if seen is not None and seen.currency == platform.currency else ""


def low(balance: Balance, below: Decimal) -> str:
    """The hint's words, ``""`` where there is enough."""
    left = money(balance.available, balance.currency)
    if balance.available <= 0:
        return f"the account has nothing left ({left}): requests will be refused; `kcode balance` asks again"
    if balance.available < below:
        return f"the account has {left} left; `kcode balance` tells more (provider.low_balance: {below:f})"
    return ""


def _read(payload: dict[str, Any], currency: str) -> Balance | None:
    data = payload.get("data")
    if payload.get("code") not in (0, None) or payload.get("status") is False or not isinstance(data, dict):
        return None
    amounts = [_amount(data.get(f"{kind}_balance")) for kind in ("available", "cash", "voucher")]
    if amounts[0] is None:
        return None
    available, cash, voucher = (amount or Decimal(0) for amount in amounts)
    return Balance(available, cash, voucher, currency)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


# --- what the account said last ----------------------------------------------------------------


def _file(endpoint: Endpoint) -> Path:
    account = hashlib.sha256(f"{endpoint.base_url}\0{endpoint.api_key}".encode()).hexdigest()
    return cache_dir() / "balance" / f"{account[:32]}.json"


def _recall(endpoint: Endpoint) -> tuple[bool, Balance | None]:
    """Whether the account was asked within the hour, and what it said (None: it did not)."""
    try:
        record = read_json(_file(endpoint).read_bytes())
        age = time.time() - record["asked"]
        if not 0 <= age < HINT_EVERY_S:
            return False, None
        if record["available"] is None:
            return True, None
        available, cash, voucher = (Decimal(record[kind]) for kind in ("available", "cash", "voucher"))
        return True, Balance(available, cash, voucher, str(record["currency"]))
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError):
        return False, None


def _remember(endpoint: Endpoint, balance: Balance | None) -> None:
    """For this hour. A disk that does not take it only means asking again."""
    path = _file(endpoint)
    record: dict[str, object] = {"asked": time.time(), "available": None}
    if balance is not None:
        record |= {
            "available": str(balance.available),
            "cash": str(balance.cash),
            "voucher": str(balance.voucher),
            "currency": balance.currency,
        }
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        make_private(path.parent)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(record, stream)
        draft.replace(path)
    except OSError:
        return
