from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from kcode.cli import model_table
from kcode.errors import ExitCode
from kcode.providers import catalog
from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, Simulator, say

Sim = Callable[..., Simulator]


def at(sim: Simulator, **more: str) -> dict[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        **more,
    }


def table(kcode: Run, *arguments: str, **env: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = kcode("models", *arguments, "--json", env=env)
    assert done.returncode == 0, done.stderr
    return {(row["provider"], row["name"]): row for row in json.loads(done.stdout)}


def test_the_list_shows_what_is_known_and_what_is_here(kcode: Run) -> None:
    rows = {row["name"]: row for row in json.loads(kcode("models", "list", "--json").stdout)}
    assert {"qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"} <= set(rows)
    assert all(row["state"] == "absent" and len(row["sha256"]) == 64 for row in rows.values())
    plain = kcode("models")
    assert plain.stdout == kcode("models", "list").stdout
    assert all(name in plain.stdout for name in rows)


def test_the_table_says_what_the_account_lists_now(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim(model_ids=["kimi-k2.6", "kimi-k9"])
    rows = table(kcode, **at(sim))
    assert rows["moonshot", "kimi-k2.6"]["listed"] is True
    assert rows["moonshot", "kimi-k3"]["listed"] is False
    assert rows["moonshot", "kimi-k9"]["status"] == "unknown"
    assert rows["embedded", "qwen2.5-coder-1.5b"]["listed"] is None
    assert ("moonshot", "kimi-k2.5") not in rows
    assert not sim.chats


def test_the_configured_model_is_marked(kcode: Run, k2sim: Sim) -> None:
    env = at(k2sim(), KCODE_MODEL="kimi-k3")
    assert [name for (_, name), row in table(kcode, **env).items() if row["configured"]] == ["kimi-k3"]
    marked = [line for line in kcode("models", env=env).stdout.splitlines() if line.startswith("*")]
    assert len(marked) == 1
    assert "¥20/2/100" in marked[0]


def test_all_shows_retired_ones_with_their_date_and_successor_and_the_price_steps(kcode: Run) -> None:
    shown = kcode("models", "--all").stdout
    assert "retired 2026-05-25, now kimi-k2.7-code" in shown
    assert "¥2-10/1/10-30" in shown
    assert "ark-agent" in shown
    row = table(kcode, "--all")["ark", "kimi-k2-250905"]
    assert (row["prices"][0]["cached"], row["cache_storage"], row["listed"]) == ("0.80", "0.017", None)


def test_one_providers_models_can_be_asked_for(kcode: Run) -> None:
    assert {provider for provider, _ in table(kcode, "--provider", "ark-coding")} == {"ark-coding"}
    wrong = kcode("models", "--provider", "moonshoot")
    assert wrong.returncode == ExitCode.USAGE
    assert "did you mean moonshot?" in wrong.stderr


def test_a_server_that_is_not_there_leaves_the_column_open(kcode: Run) -> None:
    env = {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": "http://127.0.0.1:9/v1", "KCODE_API_KEY": TEST_KEY}
    rows = table(kcode, **env)
    assert rows["moonshot", "kimi-k2.6"]["listed"] is None


@pytest.mark.parametrize("columns", [30, 60, 80, 100])
def test_the_table_fits_the_terminal_whatever_the_names(columns: int) -> None:
    names = ["kimi-k2.6", "模型-很长的名字-用于测试宽度", "kimi-latest"]
    models = [
        replace(catalog.unknown_model(name, provider), status="retired", retired_on="2026-05-25")
        for name in names
        for provider in ("moonshot", "vllm")
    ]
    found = [model_table.Row(model, False, None) for model in sorted(models, key=lambda m: m.provider)]
    lines = model_table.as_text(found, columns).splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    whole = model_table.as_text(found, None).splitlines()
    assert len({cell_len(line[: line.index("retired")]) for line in whole[1:]}) == 1
    assert columns >= 80 or "moonshot:" in lines


def test_a_task_says_once_which_model_was_chosen_for_it(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two")], model_ids=["kimi-k2.6"])
    done = kcode("-p", "hi", env=at(sim))
    assert (done.returncode, done.stdout) == (0, "one\n"), done.stderr
    assert [line for line in done.stderr.splitlines() if "kimi-k2.6: the best for coding" in line] == [
        done.stderr.splitlines()[0]
    ]
    assert "kimi-k2.6" not in kcode("-p", "hi", env=at(sim, KCODE_MODEL="kimi-k2.6")).stderr


def test_a_retired_model_costs_nothing(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("never")], model_ids=["kimi-k2.7-code"])
    done = kcode("-p", "hi", env=at(sim, KCODE_MODEL="kimi-k2-0905-preview"))
    assert done.returncode == ExitCode.USAGE
    assert "kimi-k2.7-code" in done.stderr
    assert not sim.chats


def test_the_doctor_tells_a_retired_model(kcode: Run) -> None:
    env = {"MOONSHOT_API_KEY": TEST_KEY, "KCODE_MODEL": "kimi-k2-0905-preview"}
    done = kcode("doctor", env=env)
    assert "kimi-k2-0905-preview was retired on 2026-05-25: kimi-k2.7-code replaces it" in done.stdout


def test_a_folder_without_the_model_is_an_error_with_a_remedy(kcode: Run, tmp_path: Path) -> None:
    done = kcode("models", "pull", "qwen2.5-coder-0.5b", "--from", str(tmp_path))
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "try:" in done.stderr
    assert kcode("models", "pull", "--from", "/no/such/folder").returncode == ExitCode.USAGE


def test_a_damaged_model_is_told_and_removed(kcode: Run, tmp_path: Path) -> None:
    name = "qwen2.5-coder-0.5b"
    row = next(r for r in json.loads(kcode("models", "list", "--json").stdout) if r["name"] == name)
    path = Path(row["path"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF, but not that one")
    verified = kcode("models", "verify", name)
    assert verified.returncode == ExitCode.ENVIRONMENT
    assert f"kcode models rm {name}" in verified.stderr
    assert kcode("models", "path", name).returncode == ExitCode.ENVIRONMENT
    assert kcode("models", "rm", name).returncode == 0
    assert not path.exists()


def test_the_doctor_says_what_is_there_and_what_is_not(kcode: Run) -> None:
    done = kcode("doctor", env={"KCODE_PROVIDER": "embedded"})
    assert done.returncode == ExitCode.ENVIRONMENT
    for word in ("python", "git", "settings", "provider", "model", "sandbox"):
        assert any(line.split()[1] == word for line in done.stdout.splitlines())
    assert "kcode models pull" in done.stdout


def test_the_doctor_never_shows_a_key(kcode: Run) -> None:
    done = kcode("doctor", env={"MOONSHOT_API_KEY": "sk-test-not-a-real-key"})
    assert done.returncode == 0
    assert "moonshot" in done.stdout
    assert "not-a-real-key" not in done.stdout


def test_the_doctor_reports_a_broken_settings_file_as_a_finding(kcode: Run) -> None:
    path = Path(kcode("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text("[agent\n")
    done = kcode("doctor")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert f"{path}:1: " in done.stdout
