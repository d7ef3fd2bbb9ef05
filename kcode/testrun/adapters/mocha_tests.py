"""mocha, read from its JSON reporter's file (mocha 9.2 and later)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.javascript import (
    SUFFIXES,
    depends,
    failure_case,
    name_pattern,
    node_tools,
    relative,
)
from kcode.testrun.report import TestCase

_CONFIGS = (".mocharc.js", ".mocharc.cjs", ".mocharc.yaml", ".mocharc.yml", ".mocharc.json", ".mocharc.jsonc")


class Mocha:
    name = "mocha"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = Signs(re.compile(r"^\s+✔ "), re.compile(r"^\s+\d+\) "))

    def detect(self, folder: Path) -> str:
        return has_file(folder, *_CONFIGS) or depends(folder, "mocha")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return node_tools(suite, "mocha", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        named = [target.name for target in targets if target.name]
        paths = dict.fromkeys(target.path for target in targets if target.path)
        shown = (*tools.program, *(["--grep", name_pattern(named)] if named else []), *paths)
        machine = ("--reporter", "json", "--reporter-option", f"output={report / 'mocha.json'}", "--no-color")
        return Launch((*shown, *machine), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        try:
            data = json.loads((report / "mocha.json").read_text(encoding="utf-8", errors="replace"))
            pending = {test["fullTitle"] for test in data["pending"]}
            tests = data["tests"]
        except (OSError, ValueError, KeyError, TypeError):
            return Reading()
        hooks = [test for test in data.get("failures", ()) if test not in tests]  # "before each" hooks
        return Reading([_case(test, suite.folder, pending) for test in [*tests, *hooks]])


def _case(test: Mapping[str, Any], folder: Path, pending: set[str]) -> TestCase:
    title = str(test.get("fullTitle") or test.get("title") or "")
    name = f"{relative(str(test.get('file') or ''), folder)}::{title}"
    seconds = float(test.get("duration") or 0.0) / 1000
    error = test.get("err") or {}
    if not error:
        return TestCase(name, "skipped" if title in pending else "passed", seconds)
    text = str(error.get("stack") or error.get("message") or "")
    values = (str(error.get("expected") or ""), str(error.get("actual") or ""))
    return failure_case(name, "failed", text, folder, seconds, *values)


ADAPTERS = {"mocha": Mocha()}
