"""What JavaScript's runners share: package.json, node_modules/.bin, jest's JSON (vitest's too)."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.errors import EnvironmentProblem
from kcode.testrun.adapter import Suite, Tools, path_with, text_of, upwards
from kcode.testrun.frames import stack_of
from kcode.testrun.report import Frame, Status, TestCase, bounded, seconds_in
from kcode.testrun.toolversions import find_tool

SUFFIXES = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts")
_RUNNERS = {"jest", "vitest", "mocha"}
_SPECIAL = re.compile(r"[.*+?^${}()|\[\]\\/]")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_SYNTAX = re.compile(r"^(\w*Error: )(/[^\n]*?):( [^\n]*) \((\d{1,9}):\d+\)$", re.M)
_VALUE = re.compile(r"^\s*(?P<which>Expected|Received)(?: \w+)?:\s+(?P<value>\S.*)$", re.M)
_MINUS = re.compile(r"^\s*- (?!Expected)(.*)$", re.M)
_PLUS = re.compile(r"^\s*\+ (?!Received|Actual)(.*)$", re.M)


def package(folder: Path) -> dict[str, Any]:
    """package.json as data; empty where there is none that can be read."""
    try:
        found = read_json(text_of(folder / "package.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def depends(folder: Path, name: str) -> str:
    """Where package.json names ``name``: in its dependencies, or in the script ``test``. A dependency says
    nothing where the script starts another runner: it serves benchmarks, or a part of the tests."""
    data = package(folder)
    scripts = data.get("scripts")
    script = str(scripts.get("test", "")) if isinstance(scripts, dict) else ""
    started = {one for one in _RUNNERS if _starts(script, one)}
    if name in started:
        return f'{name} in package.json\'s script "test"'
    if started:
        return ""
    for section in ("devDependencies", "dependencies"):
        if isinstance(data.get(section), dict) and name in data[section]:
            return f"{name} in package.json"
    return f'{name} in package.json\'s script "test"' if _starts(script, name) else ""


def _starts(script: str, name: str) -> bool:
    return bool(re.search(rf"(?:^|[\s/&;]){re.escape(name)}(?:\s|$)", script))


def node_tools(suite: Suite, program: str, environ: Mapping[str, str]) -> Tools:
    """``program`` from the nearest node_modules/.bin, with the node the project asks for."""
    node, tools = find_tool(suite, "node", "node", environ, "install Node.js, or put node on the PATH")
    extension = ".cmd" if sys.platform == "win32" else ""
    for folder in upwards(suite):
        found = folder / "node_modules" / ".bin" / f"{program}{extension}"
        if found.exists():
            where = "node_modules" if folder == suite.folder else f"node_modules of {folder.name}"
            env = {**tools.env, "PATH": path_with(str(Path(node).parent), environ)}
            return replace(tools, program=(str(found),), environment=f"{where}, {tools.environment}", env=env)
    raise EnvironmentProblem(
        f"{program} is not installed: node_modules/.bin/{program} is not there",
        f"run `{installer(suite)}` in {suite.place or 'the project'} first",
    )


def installer(suite: Suite) -> str:
    """The command that installs the packages, by the lock file that lies there."""
    for folder in upwards(suite):
        for lock, command in (
            ("pnpm-lock.yaml", "pnpm install"),
            ("yarn.lock", "yarn install"),
            ("bun.lockb", "bun install"),
        ):
            if (folder / lock).is_file():
                return command
    return "npm install"


def read_jest(path: Path, folder: Path, printed: str = "") -> list[TestCase] | None:
    """The cases of jest's (or vitest's) JSON file; None where it is missing or torn. ``printed`` is what
    stood on the terminal: jest tells there, with its place, what a test wrote to the console."""
    try:
        data = read_json(path.read_text(encoding="utf-8", errors="replace"))
        files = data["testResults"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    cases: list[TestCase] = []
    said = _console(printed, folder)
    for file in files:
        named = relative(str(file.get("name") or file.get("testFilePath") or ""), folder)
        tests = file.get("assertionResults") or file.get("testResults") or []
        its = [_jest_case(test, named, folder) for test in tests]
        starts = [int((test.get("location") or {}).get("line") or 0) for test in tests]
        its = [
            _with_console(case, start, starts, said.get(named, []))
            for case, start in zip(its, starts, strict=True)
        ]
        if file.get("status") == "failed" and not any(case.failing for case in its):
            its.append(_not_loaded(named, str(file.get("message") or ""), folder))
        cases += its
    return cases


def _not_loaded(named: str, text: str, folder: Path) -> TestCase:
    """A file whose tests could not begin; jest says so first, and only then why."""
    text = textwrap.dedent(_ESCAPES.sub("", text).replace("● Test suite failed to run\n", "", 1))
    _, details, reason = text.rpartition("\nDetails:\n")
    text = textwrap.dedent(reason).strip() if details else text.strip()
    text = _SYNTAX.sub(r"\1\3\n    at \2:\4", text, count=1)
    case = failure_case(named, "error", text, folder)
    return replace(case, frames=case.frames or ((Frame(named, 1),) if named else ()))


_JEST: dict[str, Status] = {"passed": "passed", "failed": "failed"}


def _jest_case(test: Mapping[str, Any], named: str, folder: Path) -> TestCase:
    titles = [*(test.get("ancestorTitles") or []), str(test.get("title") or "")]
    name = f"{named}::{' > '.join(filter(None, map(str, titles)))}"
    status = _JEST.get(str(test.get("status")), "skipped")
    seconds = seconds_in(test.get("duration")) / 1000
    if status != "failed":
        return TestCase(name, status, seconds)
    text = "\n".join(map(str, test.get("failureMessages") or []))
    return failure_case(name, status, text, folder, seconds, *_compared(test))


_CONSOLE = re.compile(
    r"^ {2}console\.\w+\n(?P<said>(?: {4}.*\n|\n)+?)"
    r" {6}at (?:.*\()?(?P<path>[^()\n]+):(?P<line>\d{1,9}):\d+\)?$",
    re.M,
)


def _console(text: str, folder: Path) -> dict[str, list[tuple[int, str]]]:
    """What was written to the console, by file: (line, text)."""
    found: dict[str, list[tuple[int, str]]] = {}
    for match in _CONSOLE.finditer(_ESCAPES.sub("", text)):
        path = relative(str(folder / match["path"]), folder)
        found.setdefault(path, []).append((int(match["line"]), textwrap.dedent(match["said"]).strip()))
    return found


def _with_console(
    case: TestCase, start: int, starts: Sequence[int], said: Sequence[tuple[int, str]]
) -> TestCase:
    """A failing test with what was written between its first line and the next test's."""
    if not (case.failing and start):
        return case
    end = min((one for one in starts if one > start), default=1 << 30)
    return replace(case, output=bounded("\n".join(text for line, text in said if start <= line < end)))


def _compared(test: Mapping[str, Any]) -> tuple[str, str]:
    """(expected, actual) of jest's matcher where it took both, as JSON."""
    for detail in test.get("failureDetails") or ():
        result = detail.get("matcherResult") if isinstance(detail, dict) else None
        if isinstance(result, dict) and {"expected", "actual"} <= result.keys() and not result.get("pass"):
            return _json(result["expected"]), _json(result["actual"])
    return "", ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def failure_case(
    name: str,
    status: Status,
    text: str,
    folder: Path,
    seconds: float = 0.0,
    expected: str = "",
    actual: str = "",
) -> TestCase:
    """A failing test from its message and stack, as JavaScript's runners write them."""
    text = _ESCAPES.sub("", text)
    said, _, _stack = text.partition("\n    at ")
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    values = {match["which"]: match["value"] for match in _VALUE.finditer(said)}
    expected, actual = expected or values.get("Expected", ""), actual or values.get("Received", "")
    if not (expected or actual) and (minus := _MINUS.findall(said)) and (plus := _PLUS.findall(said)):
        expected, actual = "\n".join(minus).strip(), "\n".join(plus).strip()
    return TestCase(
        id=name,
        status=status,
        seconds=seconds,
        message=bounded(first, 300),
        assertion=bounded(said, 2_000),
        expected=bounded(expected, 500),
        actual=bounded(actual, 500),
        frames=stack_of(text, folder),
    )


def with_output(cases: Sequence[TestCase], printed: str) -> list[TestCase]:
    """The cases of one file. What it printed belongs to its one failing test; of several it may be any."""
    failing = sum(case.failing for case in cases)
    said = bounded(_ESCAPES.sub("", printed))
    return [
        replace(case, output=said) if case.failing and failing == 1 and "::" in case.id else case
        for case in cases
    ]


def relative(path: str, folder: Path) -> str:
    """``path`` below ``folder``, with slashes."""
    try:
        return Path(path).resolve().relative_to(folder.resolve()).as_posix()
    except (ValueError, OSError):
        return path


def name_pattern(names: Sequence[str], joint: str = " ") -> str:
    """A JavaScript regular expression for the full names (``describe > test``) of some tests.

    A backslash stands only where every dialect and the ``u`` flag allow one.
    """
    full = (joint.join(part.strip() for part in name.split(" > ")) for name in names)
    return "|".join(_SPECIAL.sub(r"\\\g<0>", name) + "$" for name in full)
