"""RSpec, read from its JSON formatter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Suite, Target, Tools, has_file, text_of
from kcode.testrun.adapters.ruby import ruby_tools
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import values_of
from kcode.testrun.marked import REPORTERS, SIGNS, events
from kcode.testrun.report import Frame, Status, TestCase, bounded, seconds_in

_STATUS: dict[str, Status] = {"passed": "passed", "failed": "failed", "pending": "skipped"}


class RSpec:
    name = "rspec"
    suffixes: tuple[str, ...] = ("_spec.rb",)
    signs = SIGNS

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
        live = ("--require", str(REPORTERS / "rspec.rb"), "--format", "KcodeFormatter")
        machine = (*live, "--format", "json", "--out", str(report / "rspec.json"))
        return Launch((*shown, "--no-color", *machine), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        try:
            data = read_json((report / "rspec.json").read_text(encoding="utf-8", errors="replace"))
            cases = [_case(example, suite.folder) for example in data["examples"]]
        except (OSError, ValueError, KeyError, TypeError):
            return Reading(_begun(done.stdout))
        outside = list(_outside("\n".join(map(str, data.get("messages") or ())), suite.folder))
        if outside:
            return Reading([*outside, *cases], note="" if cases else "rspec then runs no example at all")
        printed = {str(event.get("id")): said for event, said in events(done.stdout) if "status" in event}
        return Reading([_with(case, printed) for case in cases])


_OUTSIDE = re.compile(
    r"^An error occurred (?:while loading (?P<path>\S+?)|in an? [^\n]+?)\.(?: -[^\n]*)?\n(?P<said>.*?)"
    r"(?=^An error occurred |\Z)",
    re.M | re.S,
)


def _outside(text: str, folder: Path) -> Iterator[TestCase]:
    """Files that do not load, and hooks of the whole suite that fail."""
    for match in _OUTSIDE.finditer(text):
        said = re.sub(r"\A(?:Did you mean\?|(?<=\s)rspec \S+\n|\s)*", "", match["said"]).strip()
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("# ")]
        named = next(
            (n for n, line in enumerate(lines) if re.fullmatch(r"[\w:]*(?:Error|Exception)\w*:", line)), None
        )
        reason = " ".join(lines[named : named + 2]) if named is not None else (lines[0] if lines else "")
        frames = stack_of(said, folder)
        path = (match["path"] or (frames[-1].path if frames else "the suite's hooks")).removeprefix("./")
        yield TestCase(
            id=path,
            status="error",
            message=bounded(reason, 300),
            assertion=bounded("\n".join(lines), 2_000),
            frames=frames or ((Frame(path, 1),) if match["path"] else ()),
        )


def _begun(text: str) -> list[TestCase]:
    """What was told before the run was ended from outside: no reasons, as they stand in the report alone."""
    cases, running = list[TestCase](), ""
    for event, _ in events(text):
        if "begin" in event:
            running = str(event["begin"])
        elif status := _STATUS.get(str(event.get("status")), "skipped" if "status" in event else None):
            cases.append(TestCase(_id(str(event.get("id"))), status, seconds_in(event.get("seconds"))))
            running = ""
    if running:
        cases.append(TestCase(_id(running), "error", message="the run ended in this example"))
    return cases


def _with(case: TestCase, printed: Mapping[str, str]) -> TestCase:
    path, _, inner = case.id.partition("::")
    said = printed.get(f"./{path}[{inner}]", "") if case.failing else ""
    return replace(case, output=bounded(said)) if said else case


def _id(said: str) -> str:
    path, _, inner = said.removeprefix("./").partition("[")
    return f"{path}::{inner.rstrip(']')}"


def _case(example: Mapping[str, Any], folder: Path) -> TestCase:
    """The id is the file with the example's place in it: ``spec/a_spec.rb::1:2``."""
    name = _id(str(example.get("id") or ""))
    path = name.partition("::")[0]
    error = example.get("exception") or {}
    said = str(error.get("message") or "").strip()
    kind = str(error.get("class") or "").rpartition("::")[2]
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    expected, actual = values_of("\n" + said)
    title = str(example.get("full_description") or "")
    frames = stack_of("\n".join(map(str, error.get("backtrace") or ())), folder)
    return TestCase(
        id=name,
        status=_STATUS.get(str(example.get("status")), "skipped"),
        seconds=seconds_in(example.get("run_time")),
        message=bounded(f"{kind}: {first}" if error else "", 300),
        assertion=bounded(f"{title}\n{said}" if error else "", 2_000),
        expected=expected,
        actual=actual,
        frames=frames or ((Frame(path, int(example.get("line_number") or 1)),) if error else ()),
    )


ADAPTERS = {"rspec": RSpec()}
