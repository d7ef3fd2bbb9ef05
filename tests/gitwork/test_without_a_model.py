"""What kcode's git commands do where only the embedded model would be there: no key, no weights."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from kcode.agent.grouping import Logged, grouped
from kcode.errors import ExitCode
from tests.gitwork.conftest import Project
from tests.ui.sitting import KCODE

KEY = "sk-" + "Zk3v9QpL7xWm2TnR8sYb4HcD"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def alone(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("KCODE_PROVIDER", "embedded")
    return project


def kcode(project: Project, *words: str, stdin: str = "") -> Done:
    return subprocess.run(
        [KCODE, *words], cwd=project.root, input=stdin, capture_output=True, encoding="utf-8", timeout=120,
        check=False,
    )  # fmt: skip


def test_a_review_is_what_is_certain_and_says_so(alone: Project) -> None:
    alone.stage("shop.py", f"def total(prices):\n    breakpoint()\n    return '{KEY}'\n")
    done = kcode(alone, "review", "--fail-on", "high")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    first, second = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert first.startswith("shop.py:3: high: API key: sk-Z")
    assert second == "shop.py:2: medium: a debugging leftover: breakpoint()"
    assert KEY not in done.stdout
    assert "no model was asked" in done.stderr
    assert "kcode login" in done.stderr
    told = json.loads(kcode(alone, "review", "--json").stdout)
    assert (told["checks_only"], told["requests"], len(told["findings"])) == (True, 0, 2)
    annotations = kcode(alone, "review", "--format", "github").stdout.splitlines()
    assert [line.partition(",title")[0] for line in annotations] == [
        "::error file=shop.py,line=3",
        "::warning file=shop.py,line=2",
    ]


def test_a_patch_is_reviewed_so_too(alone: Project) -> None:
    alone.write("shop.py", "def total(prices):\n<<<<<<< a\n    return 1\n=======\n    return 2\n>>>>>>> b\n")
    patch = alone.git("diff") + "\n"
    alone.git("checkout", "-q", ".")
    done = kcode(alone, "review", "-", stdin=patch)
    assert [line.split(": ")[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        "shop.py:2",
        "shop.py:4",
        "shop.py:6",
    ]


def test_a_changelog_is_the_log_sorted(alone: Project) -> None:
    alone.git("tag", "v1")
    for subject in ("feat(cart): gifts", "fix: round down", "docs: say how", "Add coupons"):
        alone.git("commit", "-q", "--allow-empty", "-m", subject)
    done = kcode(alone, "changelog")
    ids = {line[8:]: line[:7] for line in alone.git("log", "--format=%h %s", "v1..").splitlines()}
    assert done.stdout == (
        f"### Added\n\n- Add coupons ({ids['Add coupons']})\n"
        f"- **cart:** gifts ({ids['feat(cart): gifts']})\n\n"
        f"### Fixed\n\n- round down ({ids['fix: round down']})\n"
    )
    assert "no model was asked" in done.stderr
    assert "1 commit that only concerns developers" in done.stderr
    assert kcode(alone, "changelog", "v1..v1").returncode == ExitCode.USAGE


def test_a_changelog_without_a_model_where_there_is_one(
    alone: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCODE_PROVIDER", "moonshot")
    alone.git("commit", "-q", "--allow-empty", "-m", "Fix the sum")
    done = kcode(alone, "changelog", "HEAD~1", "--no-model")
    assert done.stdout.startswith("### Fixed\n\n- Fix the sum (")
    assert done.stderr == ""


def log(*rows: str) -> list[Logged]:
    """``subject|body`` rows, newest first; ids count from the oldest."""
    count = len(rows)
    parts = [row.partition("|") for row in rows]
    return [Logged(f"{count - n:040}", f"h{count - n}", p[0], p[2]) for n, p in enumerate(parts)]


def test_what_breaks_comes_first_and_says_what() -> None:
    made = grouped(log("fix: a", "feat!: b", "chore: c|why\n\nBREAKING CHANGE: no more d", "Rename e"))
    assert made.text == (
        "### Added\n\n- **Breaking:** b (h3)\n\n"
        "### Changed\n\n- **Breaking:** c: no more d (h2)\n- Rename e (h1)\n\n"
        "### Fixed\n\n- a (h4)"
    )


def test_what_was_taken_back_is_in_no_changelog() -> None:
    full = f"{1:040}"
    made = grouped(log("Mend b", f'Revert "Add a"|This reverts commit {full}.', "Add a"))
    assert (made.text, made.left_out) == ("### Fixed\n\n- Mend b (h3)", 2)


@pytest.mark.parametrize(
    ("subject", "heading"),
    [
        ("修复登录", "Fixed"),
        ("新增搜索", "Added"),
        ("Drop Python 3.9", "Removed"),
        ("Security: check the host", "Security"),
        ("net: avoid a copy", "Fixed"),
        ("Say why", "Changed"),
        ("Bump x from 1 to 2", ""),
        ("Update README", ""),
        ("test: more of it", ""),
    ],
)
def test_the_first_word_sorts_what_has_no_type(subject: str, heading: str) -> None:
    text = grouped(log(subject)).text
    assert text.partition("\n")[0] == (f"### {heading}" if heading else "")
