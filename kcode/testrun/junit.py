"""JUnit XML read into test cases whose ids can be given back to pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped
from junitparser.junitparser import JUnitXmlError

from kcode.testrun.failure import frames_of, outcome_of
from kcode.testrun.report import Status, TestCase, bounded


class UnreadableReport(Exception):
    """The file is not JUnit XML: the runner died while writing it, or wrote something else."""


def read_junit(path: Path, root: Path) -> list[TestCase]:
    """The cases in ``path``, in the order they ran. Raises :class:`UnreadableReport`."""
    try:
        document = JUnitXml.fromfile(str(path))
    except (JUnitXmlError, OSError, SyntaxError) as error:  # a torn XML is a SyntaxError (ParseError)
        raise UnreadableReport(str(error)) from error
    suites = document if isinstance(document, JUnitXml) else [document]
    return [_case(element, root) for suite in suites for element in suite]


def _case(element: Any, root: Path) -> TestCase:
    status, message, text = _outcome(element)
    outcome = outcome_of(text, message)
    captured = "\n".join(filter(None, map(_captured, (element.system_out, element.system_err))))
    return TestCase(
        id=_node_id(element, root),
        status=status,
        seconds=float(element.time or 0.0),
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
