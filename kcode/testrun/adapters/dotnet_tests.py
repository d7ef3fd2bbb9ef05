"""``dotnet test``, read from the TRX file that its own logger writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, text_of
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import values_of
from kcode.testrun.report import Status, TestCase, bounded
from kcode.testrun.toolversions import find_tool

_NS = "{http://microsoft.com/schemas/VisualStudio/TeamTest/2010}"
_STATUS: dict[str, Status] = {"Passed": "passed", "Failed": "failed", "Error": "error", "Timeout": "error"}
_ERROR = re.compile(r"error [A-Z]+\d+: [^\[\n]*")


class Dotnet:
    name = "dotnet"
    suffixes: tuple[str, ...] = (".cs", ".fs", ".vb")
    signs = Signs(re.compile(r"^\s+Passed \S"), re.compile(r"^\s+Failed \S"))

    def detect(self, folder: Path) -> str:
        found = sorted([*folder.glob("*.sln"), *folder.glob("*.slnx")])
        projects = [path for path in sorted(folder.glob("*.*proj")) if "Microsoft.NET.Test" in text_of(path)]
        return next((path.name for path in [*found, *projects]), "")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return find_tool(suite, "dotnet", "dotnet", environ, "install the .NET SDK")[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        filters, project = list[str](), ""
        for target in targets:
            if target.path.endswith(self.suffixes):
                filters.append(f"FullyQualifiedName~{Path(target.path).stem}")
            elif target.path:
                project = target.path
            if target.name:
                name = target.name.partition("(")[0]
                filters.append(f"FullyQualifiedName{'=' if '.' in name else '~'}{name}")
        select = ["--filter", "|".join(dict.fromkeys(filters))] if filters else []
        shown = (*tools.program, "test", *([project] if project else []), *select)
        machine = (
            "--logger",
            "trx",
            "--logger",
            "console;verbosity=normal",
            "--results-directory",
            str(report),
        )
        quiet = {"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1", "MSBUILDDISABLENODEREUSE": "1"}
        return Launch((*shown, *machine), shown, quiet)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases = [case for path in sorted(report.rglob("*.trx")) for case in _cases(path, suite.folder)]
        errors = list(dict.fromkeys(match[0].strip() for match in _ERROR.finditer(done.stdout)))
        if cases or not errors:
            return Reading(cases)
        return Reading(cannot_run=bounded(f"dotnet could not build the tests: {'; '.join(errors[:3])}", 600))


def _cases(path: Path, folder: Path) -> Iterator[TestCase]:
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - expat bounds what entities grow to, external ones are not read
    except (ElementTree.ParseError, OSError):
        return
    classes = {
        test.get("id"): method.get("className", "")
        for test in root.iter(f"{_NS}UnitTest")
        if (method := test.find(f"{_NS}TestMethod")) is not None
    }
    for result in root.iter(f"{_NS}UnitTestResult"):
        if result.find(f"{_NS}InnerResults/{_NS}UnitTestResult") is not None:
            continue  # MSTest sums up the rows of a test with data, which follow
        name = result.get("testName", "")
        class_ = (classes.get(result.get("testId")) or "").partition(",")[0]
        id_ = name if not class_ or name.startswith(class_) else f"{class_}.{name}"
        status = _STATUS.get(result.get("outcome", ""), "skipped")
        said = result.findtext(f"{_NS}Output/{_NS}ErrorInfo/{_NS}Message") or ""
        stack = result.findtext(f"{_NS}Output/{_NS}ErrorInfo/{_NS}StackTrace") or ""
        expected, actual = values_of(said)
        yield TestCase(
            id=id_,
            status=status,
            seconds=_seconds(result.get("duration", "")),
            message=bounded(next((line.strip() for line in said.splitlines() if line.strip()), ""), 300),
            assertion=bounded(said, 2_000),
            expected=expected,
            actual=actual,
            frames=stack_of(stack, folder),
            output=bounded(result.findtext(f"{_NS}Output/{_NS}StdOut") or ""),
        )


def _seconds(duration: str) -> float:
    """``00:00:01.2345678`` in seconds."""
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9}):(\d{1,9}(?:\.\d{1,9})?)", duration)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else 0.0


ADAPTERS = {"dotnet": Dotnet()}
