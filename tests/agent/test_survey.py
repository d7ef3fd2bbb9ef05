from __future__ import annotations

import json
import subprocess
from pathlib import Path

from kcode.agent.survey import survey


def facts(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return [fact.line() for fact in survey(root)]


def test_commands_are_found_where_the_project_says_them(tmp_path: Path) -> None:
    found = facts(
        tmp_path,
        {
            "package.json": json.dumps({"scripts": {"test": "vitest run", "build": "tsc -b"}}),
            "pnpm-lock.yaml": "",
            "Makefile": "all: build\n\t@true\nVERSION := 1\nlint:\n\truff check\n",
            ".github/workflows/ci.yml": "steps:\n  - uses: x/y@v1\n  - run: make lint\n",
            "src/a.ts": "",
            "src/b.ts": "",
            "tests/a.test.ts": "",
        },
    )
    assert "- `pnpm run test` runs `vitest run` [package.json]" in found
    assert "- make targets: all, lint [Makefile]" in found
    assert "- CI runs `make lint` [.github/workflows/ci.yml]" in found
    assert "- languages: TypeScript (3 files)" in found
    assert "- tests are in: tests" in found


def test_a_python_projects_tools_and_rules_are_found(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "x"\nrequires-python = ">=3.11"\n[project.scripts]\nx = "x.cli:main"\n'
        "[tool.ruff]\nline-length = 110\n[tool.mypy]\nstrict = true\n[tool.pytest.ini_options]\n"
    )
    found = facts(tmp_path, {"pyproject.toml": text, "x/cli.py": ""})
    assert "- Python >=3.11 [pyproject.toml]" in found
    assert "- command `x` is x.cli:main [pyproject.toml]" in found
    assert "- lines of at most 110 characters [pyproject.toml]" in found
    assert "- mypy is strict [pyproject.toml]" in found


def test_broken_files_say_nothing_and_break_nothing(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[tool.ruff",
        "package.json": "[1, 2",
        "Makefile": "\x00",
        "a.py": "",
        "web/package.json": '{"scripts": [1]}',
    }
    assert "- languages: Python (1 file)" in facts(tmp_path, files)
    other = tmp_path / "other"
    other.mkdir()
    odd = '[project]\nscripts = 3\n[tool]\nruff = 1\nmypy = "x"\n[build-system]\n'
    assert facts(other, {"pyproject.toml": odd, "a.go": ""})[0] == "- languages: Go (1 file)"


def test_an_empty_folder_has_no_facts(tmp_path: Path) -> None:
    assert survey(tmp_path) == []
