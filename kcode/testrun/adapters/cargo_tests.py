"""``cargo test`` (libtest's text: its JSON is not stable) and ``cargo nextest`` (JUnit XML)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import UnreadableReport, read_junit_files, values_of
from kcode.testrun.report import Status, TestCase, bounded
from kcode.testrun.toolversions import find_tool

_LINE = re.compile(r"^test (?P<name>.+?) \.\.\. (?P<word>ok|FAILED|ignored)\b", re.M)
_SECTION = re.compile(
    r"^---- (?P<name>.+?) stdout ----\n(?P<body>.*?)(?=^---- .* stdout ----\n|^failures:$)", re.M | re.S
)
_PANIC = re.compile(
    r"^thread '[^\n]*' (?:\(\d+\) )?panicked at (?P<place>[^\n]*)\n"
    r"(?P<said>.*?)(?=^note: |^stack backtrace:|\Z)",
    re.M | re.S,
)
_STATUS: dict[str, Status] = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
_DOC = re.compile(r"^(?P<path>\S+\.\w+) - (?P<item>.*)$")
_CRASH = re.compile(
    r"^\s*process didn't exit successfully: `(?P<what>[^`\n]*)`.* \((?P<how>signal: [^)]*\)?)\)", re.M
)
_RUNNING = re.compile(r"^\s+Running (?:unittests )?(?P<path>\S+) \((?P<binary>[^)]*)\)", re.M)
_LIBTEST = re.compile(  # what the harness of one test prints around it
    r"\A\s*running 1 test\n(?P<out>.*?)"
    r"(?:^test [^\n]+ \.\.\. FAILED\n.*?^test result: [^\n]*\n?|\Z)(?P<rest>.*)",
    re.M | re.S,
)
_DOC_NOISE = re.compile(r"^(?:Test executable failed \(.*\)\.|std(?:err|out):)\n", re.M)
_ERROR = re.compile(r"^error(?:\[\w+\])?: .*(?:\n +--> .*)?", re.M)


class Cargo:
    name = "cargo"
    suffixes: tuple[str, ...] = (".rs",)
    signs = Signs(
        re.compile(r"^test .+ \.\.\. ok"),
        re.compile(r"^test .+ \.\.\. FAILED"),
        re.compile(r"^running (\d{1,9}) tests?"),
        adds=True,
    )

    def detect(self, folder: Path) -> str:
        return has_file(folder, "Cargo.toml")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return find_tool(suite, "rust", "cargo", environ)[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        where, filters, exact = _chosen(suite, targets)
        tail = [*filters, *(["--exact"] if exact else [])]
        after = ["--", *tail] if tail else []
        shown = (*tools.program, "test", "--no-fail-fast", *where, *after)
        return Launch(shown, shown, {"CARGO_TERM_COLOR": "never"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases = [*_cases(done.stdout, suite.folder), *_crashes(done.stdout)]
        if cases:
            return Reading(cases)
        errors = [match[0] for match in _ERROR.finditer(done.stdout)]
        if errors:
            said = "; ".join(" ".join(error.split()) for error in errors[:3])
            return Reading(cannot_run=bounded(f"cargo test could not run: {said}", 600))
        return Reading(cannot_run="cargo test found no tests" if done.code == 0 else "")


class Nextest(Cargo):
    name = "nextest"
    signs = Signs(
        re.compile(r"^\s+PASS "),
        re.compile(r"^\s+(?:FAIL|ABORT|SIG\w+|TIMEOUT) "),
        re.compile(r"^\s+Starting (\d{1,9}) tests?"),
        end=re.compile(r"^\s+Summary \["),
    )

    def detect(self, folder: Path) -> str:
        return has_file(folder, ".config/nextest.toml") and ".config/nextest.toml"

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        _, tools = find_tool(suite, "rust", "cargo", environ)
        try:
            find_tool(suite, "rust", "cargo-nextest", environ)
        except EnvironmentProblem as problem:
            raise EnvironmentProblem(
                "cargo-nextest was not found, and .config/nextest.toml asks for it",
                "install it with `cargo install cargo-nextest --locked`, or set tests.runner to cargo",
            ) from problem
        return tools

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        where, filters, exact = _chosen(suite, targets)
        config = report / "nextest.toml"
        config.write_text(f'[profile.default.junit]\npath = "{(report / "junit.xml").as_posix()}"\n')
        after = ["--", *filters, *(["--exact"] if exact else [])] if filters else []
        shown = (*tools.program, "nextest", "run", "--no-fail-fast", *where, *after)
        machine = ("--tool-config-file", f"kcode:{config}")
        return Launch(
            (*tools.program, "nextest", "run", *machine, *shown[len(tools.program) + 2 :]),
            shown,
            {"CARGO_TERM_COLOR": "never"},
        )

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        files = [path for path in (report / "junit.xml",) if path.is_file()]
        try:
            cases = read_junit_files(files, suite.folder, lambda file, classname, name: name)
        except UnreadableReport:
            cases = []
        if not cases:
            return Cargo.read(self, done, suite, report)
        return Reading([_alone(case, suite.folder) for case in cases])


def _chosen(suite: Suite, targets: Sequence[Target]) -> tuple[list[str], list[str], bool]:
    """(cargo's own options, filters, whether they are whole names)."""
    where: list[str] = []
    filters: list[str] = []
    for target in targets:
        name = target.name
        if target.path and name and not target.path.endswith(".rs") and "/" not in target.path:
            filters.append(f"{target.path}::{name}")  # a module that is called as a folder: tests::adds
            continue
        if name:
            filters.append(name)
        path = Path(target.path)
        if target.path and path.suffix == ".rs":
            member, inner = _member(suite.folder, path)
            where += ["-p", member] if member else []
            if inner.parts[0] == "tests" and len(inner.parts) == 2:
                where += ["--test", inner.stem]
            elif not name and inner.as_posix() in ("src/lib.rs", "src/main.rs"):
                where.append("--lib" if inner.stem == "lib" else "--bins")
            elif not name and inner.parts[0] == "src" and (module := _module(inner)):
                filters.append(f"{module}::")
        elif target.path and (member := _member(suite.folder, path / "x")[0]):
            where += ["-p", member]
    exact = bool(filters) and all("::" in one and not one.endswith("::") for one in filters)
    return where, list(dict.fromkeys(filters)), exact


def _member(folder: Path, path: Path) -> tuple[str, Path]:
    """(the package of a workspace that holds ``path``, ``path`` inside it); empty for the folder's own."""
    for parent in path.parents:
        if parent != Path() and (folder / parent / "Cargo.toml").is_file():
            named = re.search(r'^name\s*=\s*"([^"]+)"', text_of(folder / parent / "Cargo.toml"), re.M)
            return (named[1] if named else parent.name), path.relative_to(parent)
    return "", path


def _module(path: Path) -> str:
    parts = [*path.parts[1:-1], *([path.stem] if path.stem not in ("lib", "main", "mod") else [])]
    return "::".join(parts)


def _cases(text: str, folder: Path) -> Iterator[TestCase]:
    sections = {match["name"]: match["body"] for match in _SECTION.finditer(text)}
    for match in _LINE.finditer(text):
        name, status = match["name"].removesuffix(" - should panic"), _STATUS[match["word"]]
        doc = _DOC.match(name)
        id_ = f"{doc['path']}::{doc['item']}" if doc else name
        if status != "failed":
            yield TestCase(id_, status)
            continue
        yield _failure(id_, sections.get(match["name"], sections.get(name, "")), folder)


def _crashes(text: str) -> Iterator[TestCase]:
    """A test binary that died took the results of the tests with it that ran: they are not known."""
    paths = {Path(match["binary"]).name: match["path"] for match in _RUNNING.finditer(text)}
    for match in _CRASH.finditer(text):
        name = Path(match["what"].split(" --", 1)[0].strip().split()[0]).name
        path = paths.get(name, name)
        message = (
            f"the test process died ({match['how']}): one of its tests ends it, or the code under test does"
        )
        yield TestCase(path, "error", message=message, assertion=match[0].strip())


def _alone(case: TestCase, folder: Path) -> TestCase:
    """A case of nextest, which runs each test in a process of its own and keeps what that printed."""
    if not case.failing:
        return replace(case, output="")
    libtest = _LIBTEST.search(case.output)
    printed = libtest["out"].strip() if libtest else case.output.removeprefix("running 1 test")
    told = _failure(case.id, (libtest["rest"] if libtest else "") or case.assertion, folder)
    if not told.message:
        told = replace(told, message=case.message, assertion=case.assertion, frames=case.frames)
    said = "\n".join(part for part in (printed, told.output) if part)
    return replace(told, seconds=case.seconds, output=bounded(said), frames=told.frames or case.frames)


def _failure(id_: str, body: str, folder: Path) -> TestCase:
    panic = _PANIC.search(body)
    said = panic["said"].strip() if panic else body.strip()
    expected, actual = values_of(said)
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return TestCase(
        id=id_,
        status="failed",
        message=bounded(first, 300),
        assertion=bounded(said, 2_000),
        expected=expected,
        actual=actual,
        frames=stack_of(body, folder),
        output=bounded(_DOC_NOISE.sub("", body[: panic.start()]).strip() if panic else ""),
    )


ADAPTERS = {"cargo": Cargo(), "nextest": Nextest()}
