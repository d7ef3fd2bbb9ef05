"""jest, read from the JSON that ``--outputFile`` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.javascript import SUFFIXES, depends, name_pattern, node_tools, package, read_jest


class Jest:
    name = "jest"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = Signs(re.compile(r"^\s+✓ "), re.compile(r"^\s+✕ "))

    def detect(self, folder: Path) -> str:
        config = has_file(folder, *(f"jest.config.{end}" for end in ("js", "ts", "mjs", "cjs", "json")))
        return (
            config or depends(folder, "jest") or ("jest in package.json" if "jest" in package(folder) else "")
        )

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return node_tools(suite, "jest", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        named = [target.name for target in targets if target.name]
        files = [target.path for target in targets if (suite.folder / target.path).is_file()]
        folders = [target.path for target in targets if target.path and target.path not in files]
        chosen = [*(["--runTestsByPath", *files] if files and not folders else [*files, *folders])]
        shown = (*tools.program, *(["-t", name_pattern(named)] if named else []), *chosen)
        own = ["--ci", "--watchAll=false", "--verbose", "--colors=false"]
        machine = ["--json", "--testLocationInResults", f"--outputFile={report / 'jest.json'}"]
        return Launch((tools.program[0], *own, *machine, *shown[1:]), shown, {"CI": "true"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases = read_jest(report / "jest.json", suite.folder, done.stdout)
        if cases is None:
            return Reading()
        ran = [case for case in cases if case.status != "skipped"]
        return Reading(cases if ran or not done.code else [])


ADAPTERS = {"jest": Jest()}
