"""vitest, read from its JSON reporter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.javascript import SUFFIXES, depends, name_pattern, node_tools, read_jest


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
        machine = ("--reporter=verbose", "--reporter=json", f"--outputFile.json={report / 'vitest.json'}")
        return Launch((*shown, *machine), shown, {"CI": "true"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return Reading(read_jest(report / "vitest.json", suite.folder) or ())


ADAPTERS = {"vitest": Vitest()}
