"""What the runners of Python's own unittest share: the interpreter and the ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.safety.sanitize import clean
from kcode.testrun.adapter import Reading, Suite, Target, Tools
from kcode.testrun.interpreter import find_interpreter
from kcode.testrun.report import bounded
from kcode.testrun.text import read_unittest


async def python_tools(suite: Suite, settings: Settings, environ: Mapping[str, str], needs: str) -> Tools:
    """The project's Python, which must be able to import ``needs`` (empty: nothing)."""
    found = await find_interpreter(
        suite.folder, settings, environ, needs=needs, top=suite.root, confine=suite.confine
    )
    version = ".".join(str(part) for part in found.version)
    return Tools((str(found.python),), f"Python {version}, {found.origin}", found.note)


def label(target: Target, start: str = "") -> str:
    """unittest's dotted label: ``tests/test_a.py::T::test_x`` is ``tests.test_a.T.test_x``."""
    path = target.path.removeprefix(f"{start}/") if start else target.path
    module = path.removesuffix(".py").replace("/", ".")
    name = re.split(r"[(\[<]", target.name)[0].strip()  # of a subtest the test: it has no label of its own
    return ".".join(part for part in (module, name.replace("::", ".")) if part)


def read_verbose(name: str, done: Finished, folder: Path) -> Reading:
    """Cases of a verbose run; why there are none where it could not begin."""
    text = clean(done.stdout)
    cases = read_unittest(text, folder)
    if cases:
        return Reading(cases)
    if "Ran 0 tests" in text or "NO TESTS RAN" in text:
        return Reading(cannot_run=f"{name} found no tests; name a test file, or set tests.command")
    lines = [line for line in text.splitlines() if line.strip()]
    said = f": {lines[-1].strip()}" if lines else ""
    return Reading(
        cannot_run="" if done.timed_out or done.signal else bounded(f"{name} could not run{said}", 600)
    )
