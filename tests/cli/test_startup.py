from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_MEASURE = """
import json, sys
before = set(sys.modules)
from kcode.cli.entry import main
code = main(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(set(sys.modules) - before)]), file=sys.stderr)
"""

HEAVY = {
    "openai",
    "prompt_toolkit",
    "tree_sitter",
    "git",
    "httpx2",
    "coverage",
    "junitparser",
    "xllamacpp",
    "pytest",
}


def modules_after(arguments: list[str], cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, json.dumps(arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, modules = json.loads(done.stderr.strip().splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_imports_nothing_but_kcode_itself(flag: str, tmp_path: Path) -> None:
    assert modules_after([flag], tmp_path) <= {"__future__", "kcode", "kcode.cli", "kcode.cli.entry"}


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_needs_no_parser_and_no_library(flag: str, tmp_path: Path) -> None:
    modules = modules_after([flag], tmp_path)
    assert not tops(modules) & (HEAVY | {"typer", "click", "rich", "pydantic", "asyncio"})
    assert {name for name in modules if name.startswith("kcode.")} == {
        "kcode.cli",
        "kcode.cli.entry",
        "kcode.cli.table",
    }


@pytest.mark.parametrize(
    "arguments", [["config", "path"], ["config", "--help"], ["fix", "--help"], ["models", "list"]]
)
def test_small_commands_leave_the_large_libraries_alone(arguments: list[str], tmp_path: Path) -> None:
    assert not tops(modules_after(arguments, tmp_path)) & HEAVY


def test_a_command_imports_only_its_own_module(tmp_path: Path) -> None:
    modules = modules_after(["config", "path"], tmp_path)
    assert "kcode.cli.config" in modules
    assert not modules & {
        "kcode.cli.fix",
        "kcode.cli.demo",
        "kcode.cli.models",
        "kcode.cli.hook",
        "kcode.cli.doctor",
    }


def test_the_commit_hook_runs_without_the_argument_parser(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    modules = modules_after(["hook", "run", "pre-commit"], tmp_path)
    assert not tops(modules) & (HEAVY | {"typer", "pydantic", "rich"})
