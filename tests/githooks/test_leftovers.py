"""Debugging leftovers in what is staged."""

from __future__ import annotations

import pytest

from kcode.githooks.checks import all_checks, leftovers
from kcode.githooks.staged import Added
from tests.githooks.conftest import Repository

MARK = "DO NOT " + "COMMIT"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "    breakpoint()"),
        ("a.py", "import pdb; pdb.set_trace()"),
        ("a.ts", "  debugger;"),
        ("a.test.js", "it.only('adds', () => {"),
        ("a.rb", "  binding.pry"),
        ("a.rs", "    dbg!(total);"),
        ("a.php", "var_dump($x);"),
        ("notes.sql", f"select 1; -- {MARK}"),
    ],
)
def test_a_leftover_is_found(name: str, line: str) -> None:
    (found,) = leftovers([Added(name, ((7, line),))])
    assert (found.path, found.line) == (name, 7)
    assert "debugging leftover" in found.what


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "# call breakpoint() here"),
        ("a.py", 'text = "import pdb"'),
        ("a.py", "breakpoints = []"),
        ("a.js", "debuggers.push(1)"),
        ("a.js", "console.log(total)"),
        ("a.md", "debugger;"),
        ("a.py", "breakpoint()  # kcode: allow"),
        ("a.md", f"Lines that say {MARK} stop the commit."),
    ],
)
def test_what_only_looks_like_one_is_not(name: str, line: str) -> None:
    assert not [*leftovers([Added(name, ((1, line),))])]


def test_a_leftover_stops_the_commit(hooked: Repository) -> None:
    hooked.stage("a.py", "def total():\n    breakpoint()\n")
    done = hooked.commit()
    assert done.returncode == 1
    assert "a.py:2: a debugging leftover: breakpoint()" in done.stderr


def test_a_merge_does_not_look_for_what_others_left() -> None:
    assert not all_checks([Added("a.py", ((1, "breakpoint()"),))], merging=True)
