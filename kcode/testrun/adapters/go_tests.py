"""``go test -json``: an event a line, the output of each test told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.frames import stack_of
from kcode.testrun.report import Status, TestCase, bounded, seconds_in
from kcode.testrun.toolversions import find_tool

_STATUS: dict[str, Status] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_NOT_BUILT = re.compile(r"^FAIL\s+(\S+) \[(?:build|setup) failed\]")
_NOISE = re.compile(r"^\s*(?:=== |--- |FAIL\b|ok\s|PASS$|exit status)")
_SAID = re.compile(r"^\s+(?:Error Trace:.*|[\w.-]+\.go:\d+: ?)")
_TESTIFY = re.compile(r"^\s*expected\s*: (?P<e>.*)\n\s*actual\s*: (?P<a>.*)$", re.M)
_GOT_WANT = (
    re.compile(r"^got:\n(?P<a>.*?)\nwant:\n(?P<e>.*)\Z", re.M | re.S),
    re.compile(
        r"(?i)\bgot[: =]++(?P<a>.+?)[,;]?(?<! ) ++(?:want|expected|wanted)(?:ed)?[: =]+(?P<e>.+)$", re.M
    ),
    re.compile(r"(?i)\b(?:want|expected)[: =]++(?P<e>.+?)[,;]?(?<! ) ++(?:but )?got[: =]+(?P<a>.+)$", re.M),
    re.compile(r"= (?P<a>[^=,;]+?)[,;] want (?P<e>.+)$", re.M),
)


@dataclass(slots=True)
class _Test:
    package: str
    name: str
    status: Status | None = None
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)


class Go:
    name = "go"
    suffixes: tuple[str, ...] = (".go",)
    signs = Signs(
        re.compile(r'"Action":"pass".*"Test":"'),
        re.compile(r'"Action":"fail".*"Test":"'),
        hidden=re.compile(r'^\{"Time"(?:.*"Test":"([^"\\]*)")?'),
    )

    def detect(self, folder: Path) -> str:
        return has_file(folder, "go.mod", "go.work")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return find_tool(suite, "go", "go", environ)[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        packages, names = dict[str, None](), list[str]()
        for target in targets:
            folder = str(Path(target.path).parent) if target.path.endswith(".go") else target.path
            in_file = _tests_in(suite.folder / target.path) if target.path.endswith(".go") else []
            packages[f"./{folder}" if folder not in ("", ".") else "." if target.path else "./..."] = None
            names += [target.name] if target.name else in_file
            if target.path and not target.path.endswith(".go") and not target.name:
                packages = {
                    f"./{folder}/...": None,
                    **{k: v for k, v in packages.items() if k != f"./{folder}"},
                }
        run = ["-run", _pattern(names)] if names else []
        shown = (*tools.program, "test", *run, *(packages or ["./..."]))
        return Launch((*tools.program, "test", "-json", *shown[len(tools.program) + 1 :]), shown, tools.env)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        tests, packages, other = _events(done.stdout)
        module = re.search(r"^module\s+(\S+)", text_of(suite.folder / "go.mod"), re.M)
        base = module[1].strip('"') if module else ""
        failing_parents = {
            (test.package, test.name.rpartition("/")[0]) for test in tests.values() if test.status == "failed"
        }
        cases = [
            _case(test, base, suite.folder, done)
            for test in tests.values()
            if (test.package, test.name) not in failing_parents
        ]
        told = {test.package for test in tests.values() if test.status in ("failed", None)}
        cases += [
            _package_failure(one, base, suite.folder, other)
            for one in packages.values()
            if one.status == "failed" and one.package not in told
        ]
        died = any(test.status is None or "panic:" in "".join(test.output) for test in tests.values())
        note = "a test ended its package's process: the tests after it there did not run" if died else ""
        if done.timed_out:
            note = ""
        return Reading(cases, note=note) if cases else Reading(cannot_run=_why(other, done))


def _tests_in(file: Path) -> list[str]:
    return re.findall(r"^func ((?:Test|Example|Fuzz)\w*)\(", text_of(file), re.M)


def _pattern(names: Sequence[str]) -> str:
    """A -run pattern; slashes part the levels of subtests, so only one name may have some."""
    whole = list(dict.fromkeys(names))
    if len(whole) == 1:
        return "/".join(f"^{_quoted(part)}$" for part in whole[0].split("/"))
    tops = dict.fromkeys(name.partition("/")[0] for name in whole)
    return f"^({'|'.join(map(_quoted, tops))})$"


def _quoted(name: str) -> str:
    return re.sub(r"[.*+?^${}()|\[\]\\]", r"\\\g<0>", name)


def _events(text: str) -> tuple[dict[tuple[str, str], _Test], dict[str, _Test], list[str]]:
    """(tests, packages, lines that are no events: what the compiler says)."""
    tests: dict[tuple[str, str], _Test] = {}
    packages: dict[str, _Test] = {}
    other: list[str] = []
    for line in text.splitlines():
        event = _event(line)
        if event is None:
            other.append(line)
            if failed := _NOT_BUILT.match(line):
                packages.setdefault(failed[1], _Test(failed[1], "", "failed", 0.0, ["build failed"]))
            continue
        package, name = (
            str(event.get("Package") or event.get("ImportPath") or ""),
            str(event.get("Test") or ""),
        )
        one = (
            tests.setdefault((package, name), _Test(package, name))
            if name
            else packages.setdefault(package, _Test(package, ""))
        )
        action = event.get("Action")
        if action in ("output", "build-output"):
            one.output.append(str(event.get("Output") or ""))
            if action == "build-output":
                other.append(str(event.get("Output") or "").rstrip("\n"))
        elif action in _STATUS:
            one.status, one.seconds = _STATUS[action], seconds_in(event.get("Elapsed"))
    return tests, packages, other


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = read_json(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "Action" in found else None


def _place(package: str, base: str) -> str:
    """The package's folder relative to the module: ids are ``folder::Test/sub``."""
    if package == base:
        return "."
    return package.removeprefix(f"{base}/") if base else package


def _case(test: _Test, base: str, folder: Path, done: Finished) -> TestCase:
    place = _place(test.package, base)
    name = f"{place}::{test.name}"
    if test.status in ("passed", "skipped"):
        return TestCase(name, test.status, test.seconds)
    output = "".join(test.output)
    lines, printed = _told_and_printed(output, test.name)
    said = "\n".join(_SAID.sub("", line).strip() for line in lines)
    message = next((line for line in said.splitlines() if line), "")
    if test.status is None:  # it began and never ended: a panic, os.Exit, or the time limit
        panic = next((line for line in lines if line.startswith(("panic:", "fatal error:"))), "")
        message = panic or (
            "still running at the time limit" if done.timed_out else "the test binary ended in it"
        )
    elif panic := next((line for line in lines if line.startswith("panic:")), ""):
        message = panic
    expected, actual = _values(output, said)
    return TestCase(
        id=name,
        status="failed" if test.status else "error",
        seconds=test.seconds,
        message=bounded(message.strip(), 300),
        assertion=bounded(said, 2_000),
        expected=expected,
        actual=actual,
        frames=stack_of(output, folder, folder / place),
        output=bounded(printed),
    )


_LOGGED = re.compile(r"^\s+[\w.-]+\.go:\d+: ?")
_DYING = ("panic:", "fatal error:", "[signal ")


def _told_and_printed(output: str, name: str) -> tuple[list[str], str]:
    """(lines by which the test tells of its failure, what it printed). What ``t.Error`` logs stands behind a
    place and goes on in lines that are indented deeper; an example says what it got and wanted."""
    lines = [line for line in output.splitlines() if line.strip() and not _NOISE.match(line)]
    lines = list(takewhile(lambda line: not line.startswith("goroutine "), lines))
    told, printed, inside = list[str](), list[str](), False
    for line in lines:
        inside = bool(_LOGGED.match(line)) or (inside and line.startswith(("        ", "\t")))
        own = inside or line.strip().startswith(_DYING) or name.startswith("Example")
        (told if own else printed).append(line)
    return (told, "\n".join(printed)) if told else (printed, "")


def _values(output: str, said: str) -> tuple[str, str]:
    for pattern, text in ((_TESTIFY, output), *((each, said) for each in _GOT_WANT)):
        if found := pattern.search(text):
            return bounded(found["e"].strip(), 500), bounded(found["a"].strip(), 500)
    return "", ""


def _package_failure(one: _Test, base: str, folder: Path, other: Sequence[str]) -> TestCase:
    """A package that does not build, or whose binary ends outside of any test."""
    place = _place(one.package.partition(" ")[0], base)
    output = "".join(one.output)
    built = "\n".join(other)
    said = built if "build failed" in output or not output.strip() else output
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(("#", "FAIL"))]
    return TestCase(
        id=place,
        status="error",
        message=bounded(lines[0].strip() if lines else "the package fails", 300),
        assertion=bounded("\n".join(lines), 2_000),
        frames=stack_of(said, folder, folder / place),
    )


def _why(other: Sequence[str], done: Finished) -> str:
    said = [line.strip() for line in other if line.strip()]
    if done.timed_out or done.signal:
        return ""
    return bounded("go test could not run: " + "; ".join(said[:3]), 600) if said else "go test found no tests"


ADAPTERS = {"go": Go()}
