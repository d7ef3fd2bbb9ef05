"""RSpec, read from its JSON formatter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.adapters.ruby import ruby_tools
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import values_of
from kcode.testrun.report import Frame, Status, TestCase, bounded

_NEVER = re.compile(r"(?!)")  # a line of the documentation format may be a group's as well as an example's
_STATUS: dict[str, Status] = {"passed": "passed", "failed": "failed", "pending": "skipped"}


class RSpec:
    name = "rspec"
    suffixes: tuple[str, ...] = ("_spec.rb",)
    signs = Signs(_NEVER, re.compile(r"\(FAILED - \d+\)$"))

    def detect(self, folder: Path) -> str:
        if has_file(folder, ".rspec", "spec/spec_helper.rb"):
            return has_file(folder, ".rspec", "spec/spec_helper.rb")
        named = "rspec" in text_of(folder / "Gemfile")
        return "rspec in the Gemfile" if named and (folder / "spec").is_dir() else ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return ruby_tools(suite, "rspec", "rspec", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        chosen: list[str] = []
        for target in targets:
            if target.path and target.name:
                inner = target.name
                chosen.append(f"{target.path}[{inner}]" if ":" in inner else f"{target.path}:{inner}")
            elif target.path:
                chosen.append(target.path)
            else:
                chosen += ["--example", target.name]
        shown = (*tools.program, *chosen)
        machine = ("--format", "documentation", "--format", "json", "--out", str(report / "rspec.json"))
        return Launch((*shown, "--no-color", *machine), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        try:
            data = json.loads((report / "rspec.json").read_text(encoding="utf-8", errors="replace"))
            cases = [_case(example, suite.folder) for example in data["examples"]]
        except (OSError, ValueError, KeyError, TypeError):
            return Reading()
        outside = int(data.get("summary", {}).get("errors_outside_of_examples_count") or 0)
        if outside and not cases:
            said = "; ".join(str(message).strip() for message in data.get("messages") or ())
            return Reading(cannot_run=bounded(f"rspec could not load the specs: {said}", 600))
        return Reading(cases)


def _case(example: Mapping[str, Any], folder: Path) -> TestCase:
    """The id is the file with the example's place in it: ``spec/a_spec.rb::1:2``."""
    path, _, inner = str(example.get("id") or "").removeprefix("./").partition("[")
    error = example.get("exception") or {}
    said = str(error.get("message") or "").strip()
    kind = str(error.get("class") or "").rpartition("::")[2]
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    expected, actual = values_of("\n" + said)
    title = str(example.get("full_description") or "")
    frames = stack_of("\n".join(map(str, error.get("backtrace") or ())), folder)
    return TestCase(
        id=f"{path}::{inner.rstrip(']')}",
        status=_STATUS.get(str(example.get("status")), "skipped"),
        seconds=float(example.get("run_time") or 0.0),
        message=bounded(f"{kind}: {first}" if error else "", 300),
        assertion=bounded(f"{title}\n{said}" if error else "", 2_000),
        expected=expected,
        actual=actual,
        frames=frames or ((Frame(path, int(example.get("line_number") or 1)),) if error else ()),
    )


ADAPTERS = {"rspec": RSpec()}
