"""mocha, read through a reporter that prints its events as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Suite, Target, Tools, has_file
from kcode.testrun.adapters.javascript import (
    SUFFIXES,
    depends,
    failure_case,
    name_pattern,
    node_tools,
    relative,
)
from kcode.testrun.marked import REPORTERS, SIGNS, events
from kcode.testrun.report import Frame, Status, TestCase, bounded, seconds_in

_CONFIGS = (".mocharc.js", ".mocharc.cjs", ".mocharc.yaml", ".mocharc.yml", ".mocharc.json", ".mocharc.jsonc")


class Mocha:
    name = "mocha"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = SIGNS

    def detect(self, folder: Path) -> str:
        return has_file(folder, *_CONFIGS) or depends(folder, "mocha")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return node_tools(suite, "mocha", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        named = [target.name for target in targets if target.name]
        paths = dict.fromkeys(target.path for target in targets if target.path)
        shown = (*tools.program, *(["--grep", name_pattern(named)] if named else []), *paths)
        machine = ("--reporter", str(REPORTERS / "mocha.cjs"), "--no-color")
        return Launch((*shown, *machine), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases: dict[str, TestCase] = {}
        for event, printed in events(done.stdout):
            if "status" in event:
                case = _case(event, printed, suite.folder)
                if case.id not in cases or case.failing:  # an "after each" hook fails behind its test
                    cases[case.id] = case
        return Reading(list(cases.values()))


_STATUS: dict[str, Status] = {"passed": "passed", "skipped": "skipped"}


def _case(event: Mapping[str, Any], printed: str, folder: Path) -> TestCase:
    path = relative(str(event.get("file") or ""), folder)
    name = f"{path}::{' > '.join(str(title) for title in event.get('titles') or () if title)}"
    seconds = seconds_in(event.get("ms")) / 1000
    if status := _STATUS.get(str(event["status"])):
        return TestCase(name, status, seconds)
    text = str(event.get("stack") or event.get("message") or "")
    if hook := event.get("hook"):
        text = f"{hook}: {text}"
    values = (str(event.get("expected") or ""), str(event.get("actual") or ""))
    case = failure_case(name, "error" if hook else "failed", text, folder, seconds, *values)
    frames = case.frames or ((Frame(path, 1),) if path else ())
    return replace(case, output=bounded(printed), frames=frames)


ADAPTERS = {"mocha": Mocha()}
