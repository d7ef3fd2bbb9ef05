from __future__ import annotations

import asyncio
import json
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kcode.errors import UsageError
from kcode.providers.base import AuthError
from kcode.providers.chat import ChatProvider
from kcode.providers.moonshot.balance import Balance, ask_balance, hint, low
from kcode.providers.moonshot.platform import money
from tests.k2sim import Simulator
from tests.providers.support import make_provider, make_settings


def ask(provider: ChatProvider) -> Balance:
    return run(provider, ask_balance(provider))


def run(provider: ChatProvider, work: Any) -> Any:
    async def whole() -> Any:
        try:
            return await work
        finally:
            await provider.close()

    return asyncio.run(whole())


def hinted(sim: Simulator, *, name: str = "moonshot", key: str | None = None, **provider: object) -> str:
    made = make_provider(sim.base_url, name=name, **({"key": key} if key else {}))
    return str(run(made, hint(made, make_settings(**provider))))


def asked(sim: Simulator) -> int:
    return sum(record.path.endswith("/balance") for record in sim.requests)


def test_the_balance_is_told_in_the_currency_of_the_site(k2sim: Any) -> None:
    sim = k2sim()
    sim.balance, sim.voucher = 49.59, 10.0
    china = ask(make_provider(sim.base_url))
    assert china == Balance(Decimal("49.59"), Decimal("39.59"), Decimal("10.0"), "CNY")
    assert ask(make_provider(sim.base_url, name="moonshot-intl")).currency == "USD"


def test_cash_may_be_negative_while_a_voucher_is_left(k2sim: Any) -> None:
    sim = k2sim()
    sim.balance, sim.voucher = 5.0, 8.5
    assert ask(make_provider(sim.base_url)).cash == Decimal("-3.5")


def test_a_wrong_key_is_an_error_of_the_key(k2sim: Any) -> None:
    with pytest.raises(AuthError):
        ask(make_provider(k2sim().base_url, key="sk-test-another-fake-key"))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("kimi-code", "kimi.com/code"),
        ("ark", "console.volcengine.com/ark"),
        ("vllm", "--provider moonshot"),
    ],
)
def test_a_profile_without_a_balance_says_where_to_look(k2sim: Any, name: str, where: str) -> None:
    sim = k2sim()
    with pytest.raises(UsageError) as refused:
        ask(make_provider(sim.base_url, name=name, model="kimi-k2"))
    assert where in refused.value.remedy
    assert sim.requests == []


def test_a_low_balance_is_hinted_at_and_a_high_one_is_not(k2sim: Any) -> None:
    poor, rich = k2sim(), k2sim()
    poor.balance, rich.balance = 3.214, 300.0
    assert hinted(poor).startswith("the account has ¥3.21 left")
    assert hinted(rich) == ""


def test_zero_switches_the_hint_off_and_asks_nothing(k2sim: Any) -> None:
    sim = k2sim()
    sim.balance = -2.0
    assert hinted(sim, low_balance=0) == ""
    assert asked(sim) == 0


def test_nothing_available_is_said_however_low_the_limit_is(k2sim: Any) -> None:
    sim = k2sim()
    sim.balance = -1.234
    assert "nothing left (-¥1.24)" in hinted(sim, low_balance=0.01)


def test_an_account_is_asked_once_an_hour_and_another_key_is_another_account(k2sim: Any) -> None:
    sim = k2sim(api_key=None)
    sim.balance = 1.0
    first = hinted(sim)
    sim.balance = 2.0
    assert hinted(sim) == first
    assert asked(sim) == 1
    assert "¥2.00" in hinted(sim, key="sk-test-another-fake-key")
    assert asked(sim) == 2


def test_after_an_hour_the_account_is_asked_again(k2sim: Any, own_home: Path) -> None:
    sim = k2sim()
    sim.balance = 1.0
    hinted(sim)
    (kept,) = (own_home / ".cache" / "kcode" / "balance").iterdir()
    record = json.loads(kept.read_text())
    kept.write_text(json.dumps(record | {"asked": record["asked"] - 3601}))
    sim.balance = 2.0
    assert "¥2.00" in hinted(sim)


def test_asking_that_fails_is_silent_and_not_repeated_within_the_hour(k2sim: Any) -> None:
    sim = k2sim()
    assert hinted(sim, key="sk-test-another-fake-key") == ""
    assert hinted(sim, key="sk-test-another-fake-key") == ""
    assert asked(sim) == 1


def test_a_spoiled_cache_only_means_asking_again(k2sim: Any, own_home: Path) -> None:
    sim = k2sim()
    sim.balance = 1.0
    hinted(sim)
    (kept,) = (own_home / ".cache" / "kcode" / "balance").iterdir()
    for spoiled in ("", "[]", '{"asked": "now"}', '{"asked": 1e400, "available": "x"}'):
        kept.write_text(spoiled)
        assert "¥1.00" in hinted(sim)


def test_what_is_kept_is_for_its_owner_and_holds_no_key(k2sim: Any, own_home: Path) -> None:
    hinted(k2sim())
    (kept,) = (own_home / ".cache" / "kcode" / "balance").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "sk-test" not in kept.read_text() + kept.name


def test_a_folder_that_cannot_be_written_does_not_disturb_the_hint(k2sim: Any, own_home: Path) -> None:
    (own_home / ".cache").write_text("a file where the folder should be")
    sim = k2sim()
    sim.balance = 1.0
    assert "¥1.00" in hinted(sim)


def test_other_providers_are_not_asked(k2sim: Any) -> None:
    sim = k2sim()
    made = make_provider(sim.base_url, name="kimi-code", model="kimi-for-coding")
    assert run(made, hint(made, make_settings())) == ""
    assert sim.requests == []


def test_money_is_never_rounded_up() -> None:
    assert money(Decimal("9.999"), "CNY") == "¥9.99"
    assert money(Decimal("-0.001"), "USD") == "-$0.01"
    assert money(Decimal("0.005"), "USD", 3) == "$0.005"


def test_exactly_the_limit_is_not_low() -> None:
    ten = Balance(Decimal(10), Decimal(10), Decimal(0), "CNY")
    assert low(ten, Decimal(10)) == ""
    assert low(ten, Decimal("10.01"))
