"""The tests of a project by name, without running them: what a sentence is matched against."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kcode.repair.project_copy import ProjectCopy
from kcode.safety.process import child_environment, run
from kcode.testrun.adapter import text_of
from kcode.testrun.importgraph import is_test
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.suites import Chosen
from kcode.workspace.workspace import Workspace

_COLLECT_S = 120.0
_MOST_FILES = 4_000
_QUOTED = r"""(?P<q>['"`])(?P<name>(?:\\.|(?!(?P=q))[^\\\n])+)(?P=q)"""
_JS = re.compile(rf"\b(?:it|test|specify)(?:\.\w+)*\s*\(\s*{_QUOTED}")
# A language's tests as its source spells them: suffix -> pattern with the group `name`
_SPELLED: dict[str, re.Pattern[str]] = {
    ".py": re.compile(r"^[ \t]*(?:async )?def (?P<name>test\w*)", re.M),
    ".go": re.compile(r"^func (?P<name>(?:Test|Fuzz|Example)\w*)\(", re.M),
    ".rs": re.compile(
        r"#\[(?:\w+::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?(?:async )?fn (?P<name>\w+)"
    ),
    ".java": re.compile(
        r"@(?:Test|ParameterizedTest)\b[^;{]*?\b(?:void|[A-Z]\w*)\s+(?P<name>\w+)\s*\(", re.S
    ),
    ".kt": re.compile(
        r"@(?:Test|ParameterizedTest)\b[^{]*?\bfun\s++`?(?P<name>[^\s`(][^`(\n]*+)`?\s*+\(", re.S
    ),
    ".cs": re.compile(r"\[(?:Fact|Theory|Test|TestMethod)\b[^{]*?\s(?P<name>\w+)\s*\(", re.S),
    ".php": re.compile(r"function\s+(?P<name>test\w*)\s*\("),
    ".rb": re.compile(rf"(?:^[ \t]*def (?P<method>test_\w+)|\b(?:it|test|scenario)\s*\(?\s*{_QUOTED})", re.M),
}


async def known_tests(copy: ProjectCopy, chosen: Chosen) -> list[str]:
    """Ids that the runner takes as targets. pytest is asked; other languages' sources are read."""
    if isinstance(chosen.runner, PytestRunner) and not copy.settings.tests.command:
        found = await _collected(copy, chosen, chosen.runner)
        if found:
            return found
    return await asyncio.to_thread(lambda: list(_written(copy.scratch)))


async def _collected(copy: ProjectCopy, chosen: Chosen, runner: PytestRunner) -> list[str]:
    folder = copy.scratch / chosen.suite.place
    argv = [str(runner.interpreter.python), "-m", "pytest", "--collect-only", "-q", "--color=no"]
    done = await run(
        [*argv, f"--rootdir={folder}", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**child_environment({"PYTHONDONTWRITEBYTECODE": "1"}), **copy.env},
        timeout_s=_COLLECT_S,
        max_output=20_000_000,
    )
    before = f"{chosen.suite.place}/" if chosen.suite.place else ""
    return [f"{before}{line}" for line in done.stdout.splitlines() if re.match(r"\S+\.py::\S", line)]


def _written(root: Path) -> Iterator[str]:
    """``path::name`` of every test that a file's text defines."""
    looked = 0
    for path in Workspace.open(root).list_files():
        suffix = PurePosixPath(path).suffix
        pattern = _JS if suffix in _SCRIPTS else _SPELLED.get(suffix)
        if pattern is None or not (is_test(path) or suffix == ".rs" or _in_tests(path)):
            continue
        looked += 1
        if looked > _MOST_FILES:
            return
        for name in names_in(path, text_of(root / path)):
            yield f"{path}::{name}"


_SCRIPTS = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts")


def names_in(path: str, text: str) -> list[str]:
    """The names of the tests that ``text`` defines, in its order."""
    suffix = PurePosixPath(path).suffix
    pattern = _JS if suffix in _SCRIPTS else _SPELLED.get(suffix)
    if pattern is None:
        return []
    groups = pattern.groupindex
    return [
        (match["method"] if "method" in groups and match["method"] else match["name"]).strip()
        for match in pattern.finditer(text)
    ]


def _in_tests(path: str) -> bool:
    return not {"test", "tests", "__tests__", "spec"}.isdisjoint(path.split("/")[:-1])
