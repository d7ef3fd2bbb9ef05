"""What the linter's rules for safety leave to judgement."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

from tests.install.conftest import CHECKOUT

KCODE = CHECKOUT / "kcode"
NOT_SHIPPED = {"cli/grammar.py"}  # writes cli/words.py for the developer who runs it


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(KCODE.rglob("*.py")):
        yield path.relative_to(KCODE).as_posix(), path.read_text("utf-8")


def only_narrows(test: ast.expr) -> bool:
    """Whether it says no more than a type: ``x is not None``, ``isinstance(x, …)``, and those joined."""
    if isinstance(test, ast.BoolOp):
        return all(only_narrows(value) for value in test.values)
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id in ("isinstance", "issubclass")
    return (
        isinstance(test, ast.Compare)
        and [type(sign) for sign in test.ops] == [ast.IsNot]
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


def test_an_assert_tells_a_type_and_guards_nothing() -> None:
    guards = [
        f"{name}:{node.lineno}"
        for name, text in sources()
        if name not in NOT_SHIPPED and "assert " in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assert) and not only_narrows(node.test)
    ]
    assert guards == []


def test_the_rules_for_safety_are_on_for_everything_that_is_shipped() -> None:
    lint = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert [rule for rule in lint["ignore"] if re.fullmatch(r"S\d*", rule)] == ["S101"]
    excused = {
        where
        for where, rules in lint["per-file-ignores"].items()
        if any(re.match(r"S\d*$", r) for r in rules)
    }
    assert excused == {"tests/*"}


def test_each_exception_from_them_is_one_line_and_says_why() -> None:
    silent = []
    for name, text in sources():
        for number, line in enumerate(text.splitlines(), 1):
            codes = "# noqa" in line and re.search(r"# noqa(?P<codes>:? ?[A-Z0-9, ]*)(?P<reason>.*)", line)
            if not codes:
                continue
            if ":" not in codes["codes"]:
                silent.append(f"{name}:{number} excuses everything")
            elif re.search(r"\bS\d{3}", codes["codes"]) and len(codes["reason"].strip(" -")) < 8:
                silent.append(f"{name}:{number} does not say why")
    assert silent == []


def test_processes_start_in_the_few_places_that_are_known() -> None:
    starting = re.compile(r"\b(?:subprocess\.(?:run|Popen|call|check_\w+)|os\.(?:system|popen|spawn\w+))\(")
    found = {name for name, text in sources() if starting.search(text)}
    assert found == {
        "cli/config.py",
        "repair/inside/kcode_judge.py",
        "safety/groups.py",
        "safety/process.py",
        "safety/rooms.py",
        "safety/sandbox.py",
        "ui/editor.py",
    }
