from __future__ import annotations

import json
from pathlib import Path

from kcode.errors import ExitCode
from tests.cli.conftest import Run


def test_the_list_shows_what_is_known_and_what_is_here(kcode: Run) -> None:
    rows = {row["name"]: row for row in json.loads(kcode("models", "list", "--json").stdout)}
    assert {"qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"} <= set(rows)
    assert all(row["state"] == "absent" and len(row["sha256"]) == 64 for row in rows.values())
    plain = kcode("models")
    assert plain.stdout == kcode("models", "list").stdout
    assert all(name in plain.stdout for name in rows)


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
