"""TAP 13 and 14 with nested subtests and YAML blocks, as Node's runner (and other producers) write it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from kcode.testrun.frames import stack_of
from kcode.testrun.report import Status, TestCase, bounded

_POINT = re.compile(
    r"^(?P<indent> *)(?P<ok>ok|not ok) \d+(?: - | )?(?P<name>.*?)"
    r"(?: # (?P<directive>SKIP|TODO)\b(?P<why>.*))?$",
    re.I,
)
_SUBTEST = re.compile(r"^(?P<indent> *)# Subtest: (?P<name>.*)$")
_KEY = re.compile(r"^(?P<key>\w+): ?(?P<value>.*)$")
_LOCATION = re.compile(r"^(?P<path>.*):(?P<line>\d+):\d+$")
_LEFT_OUT = "left out"  # by the target, not by the test's author


@dataclass(slots=True)
class _Point:
    name: str
    ok: bool
    directive: str
    depth: int
    parents: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)


def read_tap(text: str, folder: Path) -> list[TestCase]:
    """The tests (not the suites around them) in the order in which they ended."""
    return [case for point in _points(text) if (case := _case(point, folder)) is not None]


def _points(text: str) -> list[_Point]:
    found: list[_Point] = []
    open_: list[tuple[int, str]] = []  # the subtests around: (indent, name)
    lines = iter(text.splitlines())
    for line in lines:
        if subtest := _SUBTEST.match(line):
            indent = len(subtest["indent"])
            open_ = [each for each in open_ if each[0] < indent]
            open_.append((indent, subtest["name"]))
        elif point := _POINT.match(line):
            indent = len(point["indent"])
            parents = tuple(name for depth, name in open_ if depth < indent)
            ok, directive = point["ok"].lower() == "ok", (point["directive"] or "").upper()
            if "does not match pattern" in (point["why"] or ""):
                directive = _LEFT_OUT
            found.append(_Point(point["name"].replace("\\#", "#"), ok, directive, indent, parents))
        elif found and line == " " * (found[-1].depth + 2) + "---":
            found[-1].fields = _block(lines, found[-1].depth + 2)
    return found


def _block(lines: object, indent: int) -> dict[str, str]:
    """A YAML block up to its ``...``: scalars, quoted or as ``|-`` blocks; other values as they stand."""
    fields: dict[str, str] = {}
    key = ""
    for line in lines:  # type: ignore[attr-defined]
        inner = line[indent:]
        if inner == "...":
            break
        match = _KEY.match(inner)
        if match:
            key, value = match["key"], match["value"]
            fields[key] = "" if value in ("|-", "|", ">-") else _unquoted(value)
        elif key:
            fields[key] += ("\n" if fields[key] else "") + inner.removeprefix("  ")
    return fields


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value


def _case(point: _Point, folder: Path) -> TestCase | None:
    fields = point.fields
    if point.directive == _LEFT_OUT:
        return None
    if fields.get("type") == "suite" or fields.get("failureType") == "subtestsFailed":
        return None
    path = ""
    if place := _LOCATION.match(fields.get("location", "")):
        path = _below(place["path"], folder)
    name = " > ".join([*point.parents, point.name])
    if (
        _below(point.name, folder) and not point.parents
    ):  # older Nodes: a file is a test, its tests are below it
        if point.ok:
            return None
        path, name = _below(point.name, folder), ""
    seconds = float(fields.get("duration_ms") or 0.0) / 1000
    id_ = "::".join(part for part in (path, name) if part)
    if point.ok or point.directive:
        status: Status = "skipped" if point.directive else "passed"
        return TestCase(id_, status, seconds)
    kind = fields.get("name", "")
    error = fields.get("error", "").strip()
    message = next((line for line in error.splitlines() if line.strip()), "")
    return TestCase(
        id=id_,
        status="failed",
        seconds=seconds,
        message=bounded(f"{kind}: {message}" if kind else message, 300),
        assertion=bounded(error, 2_000),
        expected=bounded(fields.get("expected", ""), 500),
        actual=bounded(fields.get("actual", ""), 500),
        frames=stack_of(fields.get("stack", "") or fields.get("location", ""), folder),
    )


def _below(path: str, folder: Path) -> str:
    try:
        full = (folder / path).resolve()
        return full.relative_to(folder.resolve()).as_posix() if full.is_file() else ""
    except (ValueError, OSError):
        return ""
