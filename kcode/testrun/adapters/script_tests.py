"""The target ``test`` of npm, make or just: whatever it runs, read as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.adapters.javascript import SUFFIXES, installer, package
from kcode.testrun.live import ANY
from kcode.testrun.toolversions import find_tool
from kcode.testrun.within import read_within, report_asked

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_JUSTFILES = ("justfile", "Justfile", ".justfile")
_UNSET = "no test specified"  # what `npm init` writes into the script


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    suffixes: tuple[str, ...] = ()
    signs: Signs = ANY

    def detect(self, folder: Path) -> str:
        if self.name == "npm":
            scripts = package(folder).get("scripts")
            script = scripts.get("test") if isinstance(scripts, dict) else ""
            return 'the script "test" in package.json' if script and _UNSET not in str(script) else ""
        file = has_file(folder, *(_MAKEFILES if self.name == "make" else _JUSTFILES))
        for target in ("test", "check"):
            between = (
                "[^:=\\n]*" if self.name == "make" else "[^:\\n]*"
            )  # a recipe's parameters have defaults
            pattern = rf"(?m)^@?{target}(?:\s+{between})?\s*:(?!=)"
            if file and re.search(pattern, text_of(folder / file)):
                return f'the target "{target}" in {file}'
        return ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        program = self.name
        if self.name == "npm":
            program = installer(suite).partition(" ")[0]
            _, tools = find_tool(suite, "node", program, environ)
            return replace(tools, program=(*tools.program, "run", "test"))
        _, tools = find_tool(suite, program, program, environ)
        which = re.search(r'"(\w+)"', self.detect(suite.folder))
        return replace(tools, program=(*tools.program, which[1] if which else "test"))

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        words = ["::".join(filter(None, (target.path, target.name))) for target in targets]
        if self.name == "make":  # a Makefile that takes no variable for it runs all
            words = [f"TESTS={' '.join(words)}"] if words else []
        after = ["--", *words] if words and self.name == "npm" else words
        shown = (*tools.program, *after)
        return Launch(shown, shown, {"CI": "true", **report_asked(report)})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return read_within(done, suite.folder, report, f"{self.name} {'run ' * (self.name == 'npm')}test")


ADAPTERS = {"npm": Script("npm", SUFFIXES), "make": Script("make"), "just": Script("just")}
