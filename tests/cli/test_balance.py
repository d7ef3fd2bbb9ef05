from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, Simulator


def account(sim: Simulator, provider: str = "moonshot", **more: str) -> dict[str, str]:
    return {"KCODE_PROVIDER": provider, "KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY, **more}


def test_the_balance_is_shown_with_its_parts(kcode: Run, k2sim: Any) -> None:
    sim = k2sim()
    sim.balance, sim.voucher = 49.59, 10.0
    shown = kcode("balance", env=account(sim))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [
        f"Moonshot (127.0.0.1:{sim.port})",
        "  available  ¥49.59",
        "  cash       ¥39.59",
        "  voucher    ¥10.00",
    ]


def test_json_carries_decimal_strings_and_the_sites_currency(kcode: Run, k2sim: Any) -> None:
    sim = k2sim()
    sim.balance, sim.voucher = 5.0, 8.5
    shown = kcode("balance", "--json", env=account(sim, "moonshot-intl"))
    assert json.loads(shown.stdout) == {
        "provider": "moonshot-intl",
        "host": f"127.0.0.1:{sim.port}",
        "currency": "USD",
        "available": "5.0",
        "cash": "-3.5",
        "voucher": "8.5",
    }


def test_an_empty_account_is_told_what_that_means(kcode: Run, k2sim: Any) -> None:
    sim = k2sim()
    sim.balance = 0.0
    assert "platform.kimi.com" in kcode("balance", env=account(sim)).stdout


def test_a_retired_model_in_the_settings_does_not_hide_the_balance(kcode: Run, k2sim: Any) -> None:
    sim = k2sim()
    shown = kcode("balance", env=account(sim, KCODE_MODEL="kimi-k2-0905-preview"))
    assert shown.returncode == 0


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("ark", "console.volcengine.com/ark"),
        ("kimi-code", "kimi.com/code"),
        ("vllm", "a server of yours"),
        ("embedded", "costs nothing"),
    ],
)
def test_a_provider_without_a_balance_says_so_plainly(
    kcode: Run, k2sim: Any, provider: str, words: str
) -> None:
    sim = k2sim()
    base = {} if provider == "embedded" else {"KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY}
    shown = kcode("balance", env={"KCODE_PROVIDER": provider, **base})
    assert (shown.returncode, shown.stdout) == (2, "")
    assert words in " ".join(shown.stderr.split())
    assert sim.requests == []


def test_a_wrong_key_exits_as_such(kcode: Run, k2sim: Any) -> None:
    sim = k2sim()
    shown = kcode("balance", env=account(sim, KCODE_API_KEY="sk-test-another-fake-key"))
    assert shown.returncode == 3
    assert "sk-test" not in shown.stderr
