"""minitest: Rails, a Rakefile or plain files, read from its verbose text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, text_of
from kcode.testrun.adapters.ruby import ruby_tools
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import values_of
from kcode.testrun.report import Status, TestCase, bounded

# The name stands there before the test runs, the rest behind what it prints.
_LINE = re.compile(
    r"^(?P<class>[A-Z]\S*)#(?P<name>test_[^\n]+?) = (?P<out>.*?)"
    r"(?P<s>\d{1,9}\.\d{1,9}) s = (?P<word>[.FES])$",
    re.M | re.S,
)
_OPEN = re.compile(r"^(?P<class>[A-Z]\S*)#(?P<name>test_[^\n]+?) = (?P<out>.*)", re.M | re.S)
_SECTION = re.compile(
    r"^ +\d+\) (?:Failure|Error|Skipped):\n(?P<name>\S+#test_.+?)(?: \[(?P<place>.*?)\])?:\n(?P<said>.*?)"
    r"(?=^ +\d+\) (?:Failure|Error|Skipped):$|^\d+ runs, )",
    re.M | re.S,
)
_STATUS: dict[str, Status] = {".": "passed", "F": "failed", "E": "error", "S": "skipped"}


class Minitest:
    name = "minitest"
    suffixes: tuple[str, ...] = ("_test.rb", ".rb")
    signs = Signs(re.compile(r" s = \.$"), re.compile(r" s = [FE]$"))

    def detect(self, folder: Path) -> str:
        if (folder / "test").is_dir() and any(_files(folder)):
            return next((f"tests in {path}" for path in _files(folder)), "")
        return ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        if (suite.folder / "bin" / "rails").is_file():
            return ruby_tools(suite, "rails", "rails", environ)
        return ruby_tools(suite, "ruby", "minitest", environ)

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        names = [target.name.rpartition("#")[2] for target in targets if target.name]
        paths = list(dict.fromkeys(target.path for target in targets if target.path))
        alternatives = "|".join(map(re.escape, names)).replace("/", r"\/")
        select = ["-n", f"/^({alternatives})$/"] if names else []
        if tools.program[-1].endswith("rails"):
            shown = (*tools.program, "test", *paths, *select)
            return Launch((*shown, "-v"), shown, {"RAILS_ENV": "test"})
        files = [file for path in paths or ["test"] for file in _below(suite.folder, path)]
        load = "ARGV.take_while { |a| a != '--' }.each { |f| require File.expand_path(f) };"
        load += "ARGV.replace(ARGV.drop_while { |a| a != '--' }.drop(1))"
        argv = (*tools.program, "-Ilib", "-Itest", "-e", load, *files, "--", "-v", *select)
        return Launch(argv, (*tools.program, "-Ilib", "-Itest", *(paths or ["test"]), *select))

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return Reading(list(_cases(done.stdout.replace("\r\n", "\n"), suite.folder)))


def _files(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "test").rglob("*.rb")):
        if path.stem.endswith("_test") or (path.stem.startswith("test_") and path.stem != "test_helper"):
            head = text_of(path, 4_000)
            if re.search(r"minitest|test_helper|Test::Unit|ActiveSupport::TestCase", head, re.I):
                yield path.relative_to(folder).as_posix()


def _below(folder: Path, path: str) -> list[str]:
    if (folder / path).is_file():
        return [path]
    return [file for file in _files(folder) if file.startswith(f"{path.rstrip('/')}/") or path == "test"]


def _cases(text: str, folder: Path) -> Iterator[TestCase]:
    sections = {match["name"]: match for match in _SECTION.finditer(text)}
    places = _defined(folder)
    for match in _LINE.finditer(text):
        name, status = f"{match['class']}#{match['name']}", _STATUS[match["word"]]
        path = places.get(match["class"].rpartition("::")[2], "")
        id_ = f"{path}::{name}" if path else name
        section = sections.get(name)
        if status in ("passed", "skipped") or section is None:
            yield TestCase(id_, status, float(match["s"]))
            continue
        said = section["said"].strip()
        lines = [line for line in said.splitlines() if not re.match(r"^\s+\S+:\d+:in ", line)]
        expected, actual = values_of(said)
        yield TestCase(
            id=id_,
            status=status,
            seconds=float(match["s"]),
            message=bounded(lines[0].strip() if lines else "", 300),
            assertion=bounded("\n".join(lines), 2_000),
            expected=expected,
            actual=actual,
            frames=stack_of(f"{said}\n{section['place'] or ''}", folder),
            output=bounded(match["out"]),
        )
    begun = _OPEN.search(_LINE.sub("", text))
    if begun and not re.search(r"^\d+ runs, ", text, re.M):
        name, path = f"{begun['class']}#{begun['name']}", places.get(begun["class"].rpartition("::")[2], "")
        yield TestCase(
            f"{path}::{name}" if path else name,
            "error",
            message="the run ended in this test",
            assertion=bounded(begun["out"], 2_000),
            frames=stack_of(begun["out"], folder),
        )


def _defined(folder: Path) -> dict[str, str]:
    """The file of each test class."""
    found: dict[str, str] = {}
    for file in _files(folder):
        for name in re.findall(r"^\s*class (\w+(?:::\w+)*)", text_of(folder / file), re.M):
            found.setdefault(name.rpartition("::")[2], file)
    return found


ADAPTERS = {"minitest": Minitest()}
