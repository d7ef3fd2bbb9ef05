"""JUnit XML read into test cases whose ids can be given back to the runner that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped
from junitparser.junitparser import JUnitXmlError

from kcode.testrun.failure import frames_of, outcome_of
from kcode.testrun.frames import stack_of
from kcode.testrun.report import Status, TestCase, bounded, seconds_in


class UnreadableReport(Exception):
    """The file is not JUnit XML: the runner died while writing it, or wrote something else."""


# A torn XML is a SyntaxError (ParseError), one in an encoding that nobody knows a LookupError or ValueError.
_UNREADABLE = (JUnitXmlError, OSError, SyntaxError, LookupError, ValueError)


def read_junit(path: Path, root: Path) -> list[TestCase]:
    """The cases in ``path``, in the order they ran. Raises :class:`UnreadableReport`."""
    try:
        document = JUnitXml.fromfile(str(path))
    except _UNREADABLE as error:
        raise UnreadableReport(str(error)) from error
    suites = document if isinstance(document, JUnitXml) else [document]
    return [_case(element, root) for suite in suites for element in suite]


def read_junit_files(
    paths: Iterable[Path], folder: Path, id_of: Callable[[str, str, str], str]
) -> list[TestCase]:
    """The cases of several files that no pytest wrote; ``id_of(file, classname, name)`` makes their ids.

    A file that cannot be read is left out. Raises :class:`UnreadableReport` where none can.
    """
    cases: list[TestCase] = []
    problem: UnreadableReport | None = None
    for path in paths:
        try:
            document = JUnitXml.fromfile(str(path))
        except _UNREADABLE as error:
            problem = UnreadableReport(str(error))
            continue
        suites = list(document) if isinstance(document, JUnitXml) else [document]
        cases += [_foreign(element, folder, id_of) for suite in suites for element in suite]
    if problem and not cases:
        raise problem
    return cases


def _foreign(element: Any, folder: Path, id_of: Callable[[str, str, str], str]) -> TestCase:
    status, message, text = _outcome(element)
    said = f"{message}\n{text}" if message and message not in text else text
    failing = status in ("failed", "error")
    explained = _explained(text or message) if failing else ""
    first = next((line.strip() for line in (message or explained).splitlines() if line.strip()), "")
    expected, actual = values_of(said) if failing else ("", "")
    if "\n" in expected + actual and not first.endswith((".", ":")):  # the message goes on in the next line
        first = " ".join((message or explained).split())
    captured = "\n".join(filter(None, map(_captured, (element.system_out, element.system_err))))
    return TestCase(
        id=id_of(
            (element._elem.get("file") or "").replace("\\", "/"), element.classname or "", element.name or ""
        ),
        status=status,
        seconds=seconds_in((element._elem.get("time") or "0").replace(",", "")),
        message=bounded(first, 300),
        assertion=bounded(explained, 2_000),
        expected=expected,
        actual=actual,
        frames=stack_of(said, folder) if failing else (),
        output=bounded(captured),
    )


_STACK = re.compile(r"^\s+(?:at |# )|^\s*/\S+:\d+$|^\s+\.\.\. \d+ (?:more|common)")


def _explained(text: str) -> str:
    """A failure's text without its stack."""
    return "\n".join(line for line in text.splitlines() if not _STACK.match(line)).strip()


_LOOKED_AT = 100_000  # characters of a failure in which values are looked for
_PAIRS = (
    re.compile(r"expected: ?<(?P<e>.{0,500}?)> but was: ?<(?P<a>.{0,500}?)>", re.S),  # JUnit 5
    re.compile(r"expected:<(?P<e>.{0,500}?)> but was:<(?P<a>.{0,500}?)>", re.S),  # JUnit 4
    re.compile(r"expected \[(?P<e>.{0,500}?)\] but found \[(?P<a>.{0,500}?)\]", re.S),  # TestNG
    re.compile(r"^[ \t]*left: (?P<a>.*)\n\s*right: (?P<e>.*)$", re.M),  # Rust's assert_eq!
    re.compile(r"^[ \t]*expected: (?P<e>.*)\n\s+got: (?P<a>.*)$", re.M),  # RSpec
    re.compile(
        r"^[ \t]*Expected: (?P<e>.*)\n\s*(?:Actual|But was): +(?P<a>.*)$", re.M
    ),  # xUnit, NUnit, minitest
    re.compile(r"^Failed asserting that (?P<a>.*) (?:matches expected|is identical to) (?P<e>.*)\.$", re.M),
    re.compile(r"Expected:<(?P<e>.{0,500}?)>\. Actual:<(?P<a>.{0,500}?)>", re.S),  # MSTest
    re.compile(
        r"^[ \t]*Expected equality of these values:\n\s*(?P<a>.*)\n(?:\s*Which is: .*\n)?\s*(?P<e>.*)$", re.M
    ),
)


_DIFF = re.compile(r"^--- Expected\n\+\+\+ Actual\n(?P<diff>(?:[@ '+-].*(?:\n|\Z))+)", re.M)  # PHPUnit


def values_of(text: str) -> tuple[str, str]:
    """(expected, actual) in the words of the common assertion libraries; empty where neither is told."""
    text = text[:_LOOKED_AT]
    for pattern in _PAIRS:
        if found := pattern.search(text):
            return bounded(found["e"].strip(), 500), bounded(found["a"].strip(), 500)
    if diff := _DIFF.search(text):
        lines = [line for line in diff["diff"].splitlines() if not line.startswith("@@")]
        sides = ("\n".join(line[1:] for line in lines if line[:1] in (" ", side)) for side in "-+")
        expected, actual = (bounded(side.strip(), 500) for side in sides)
        return expected, actual
    return "", ""


def _case(element: Any, root: Path) -> TestCase:
    status, message, text = _outcome(element)
    outcome = outcome_of(text, message)
    captured = "\n".join(filter(None, map(_captured, (element.system_out, element.system_err))))
    return TestCase(
        id=_node_id(element, root),
        status=status,
        seconds=seconds_in((element._elem.get("time") or "0").replace(",", "")),
        message=outcome.message,
        assertion=outcome.assertion,
        expected=outcome.expected,
        actual=outcome.actual,
        frames=frames_of(text, root) if status in ("failed", "error") else (),
        output=bounded(captured),
    )


def _captured(text: str | None) -> str:
    """A captured section; pytest writes its headline even where nothing was captured."""
    lines = (text or "").strip().splitlines()
    said = any(line.strip() and not line.startswith("---") for line in lines)
    return "\n".join(lines) if said else ""


def _outcome(element: Any) -> tuple[Status, str, str]:
    for result in element.result:
        if isinstance(result, Failure | Error):
            status: Status = "failed" if isinstance(result, Failure) else "error"
            return status, result.message or "", result.text or ""
    for result in element.result:
        if isinstance(result, Skipped):
            return "skipped", result.message or "", ""
    return "passed", "", ""


def _node_id(element: Any, root: Path) -> str:
    """pytest's node id from the xunit1 attributes ``file``, ``classname`` and ``name``."""
    name, classname = element.name or "", element.classname or ""
    file = (element._elem.get("file") or "").replace("\\", "/")
    if not file:
        return _collected_id(name, classname, root)
    module = file.removesuffix(".py").replace("/", ".")
    if not classname and name == module:  # the module itself could not be collected
        return file
    classes: list[str] = []
    if classname.startswith(f"{module}."):
        classes = classname[len(module) + 1 :].split(".")
    return "::".join([file, *classes, name])


def _collected_id(name: str, classname: str, root: Path) -> str:
    """A case without a file is a module that could not be collected: ``name`` is its dotted path."""
    dotted = f"{classname}.{name}".strip(".")
    path = dotted.replace(".", "/") + ".py"
    return path if (root / path).is_file() else dotted
