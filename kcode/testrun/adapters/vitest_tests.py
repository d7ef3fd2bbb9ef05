"""vitest, read from its JUnit reporter (values, output, failing hooks) and its JSON one (whole stacks)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.javascript import (
    SUFFIXES,
    depends,
    failure_case,
    name_pattern,
    node_tools,
    read_jest,
)
from kcode.testrun.junit import UnreadableReport, read_junit_files
from kcode.testrun.report import Frame, TestCase


class Vitest:
    name = "vitest"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = Signs(re.compile(r"^\s+✓ .* > "), re.compile(r"^\s+[×✗] .* > "))

    def detect(self, folder: Path) -> str:
        return has_file(folder, *(f"vitest.config.{end}" for end in ("ts", "js", "mts", "mjs"))) or depends(
            folder, "vitest"
        )

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return node_tools(suite, "vitest", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        named = [target.name for target in targets if target.name]
        paths = dict.fromkeys(target.path for target in targets if target.path)
        shown = (*tools.program, "run", *(["-t", name_pattern(named)] if named else []), *paths)
        machine = [f"--reporter={name}" for name in ("verbose", "junit", "json")]
        machine += [f"--outputFile.{name}={report / name}" for name in ("junit", "json")]
        return Launch((*shown, *machine), shown, {"CI": "true"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        def id_of(file: str, classname: str, name: str) -> str:
            return classname if name == classname else f"{classname}::{name}"

        try:
            cases = read_junit_files([report / "junit"], suite.folder, id_of)
        except UnreadableReport:
            return Reading()
        stacks = {case.id: case.frames for case in read_jest(report / "json", suite.folder) or ()}
        return Reading([_told(case, stacks.get(case.id, ()), suite.folder) for case in cases])


_PLACE = re.compile(r"^ *❯ (?:(?P<function>\S.*?) )?(?P<place>\S+:\d+:\d+)$", re.M)
_END = re.compile(r"^(?: *❯ |⎯{10,})", re.M)


def _told(case: TestCase, stack: tuple[Frame, ...], folder: Path) -> TestCase:
    """vitest writes the message, a diff, places behind ``❯``, and the error's own fields behind a rule."""
    if not case.failing:
        return replace(case, output="")
    text = _PLACE.sub(
        lambda one: (
            f"    at {one['function']} ({one['place']})" if one["function"] else f"    at {one['place']}"
        ),
        case.assertion,
    )
    told = failure_case(case.id, "failed" if "::" in case.id else "error", text, folder, case.seconds)
    frames = (stack if len(stack) > len(told.frames) else told.frames) or (
        Frame(case.id.partition("::")[0], 1),
    )
    return replace(told, output=case.output, frames=frames, assertion=_END.split(case.assertion)[0].strip())


ADAPTERS = {"vitest": Vitest()}
