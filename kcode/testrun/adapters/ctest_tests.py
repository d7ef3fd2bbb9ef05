"""CTest in a CMake build folder, read from ``--output-junit`` (CMake 3.21 and later)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kcode.config.jsontext import read_json
from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file, text_of
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import UnreadableReport, read_junit_files, values_of
from kcode.testrun.report import TestCase, bounded
from kcode.testrun.toolversions import find_tool

_SAID = re.compile(r"(?i)assert|error|fail|expected|abort|exception|sanitizer|segmentation|signal")


class CTest:
    name = "ctest"
    suffixes: tuple[str, ...] = (".c", ".cc", ".cpp", ".cxx", ".h", ".hpp")
    signs = Signs(
        re.compile(r"^ *\d+/\d+ Test +#\d+: .* Passed "),
        re.compile(r"^ *\d+/\d+ Test +#\d+: .*\*\*\*"),
        re.compile(r"^ *\d+/(\d{1,9}) Test "),
    )

    def detect(self, folder: Path) -> str:
        if has_file(folder, "CTestTestfile.cmake"):
            return "CTestTestfile.cmake"
        lists = text_of(folder / "CMakeLists.txt")
        named = re.search(
            r"(?im)^\s*(?:enable_testing|add_test|include\s*\(\s*CTest|gtest_discover_tests)\b", lists
        )
        return "tests in CMakeLists.txt" if named else ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        _, tools = find_tool(suite, "cmake", "ctest", environ, "install CMake, or put ctest on the PATH")
        build = _build(suite.folder)
        if build is None:
            raise EnvironmentProblem(
                "the CMake project has no build folder yet",
                "build it first: `cmake -B build && cmake --build build`",
            )
        return replace(tools, environment=f"build folder {build.name}, {tools.environment}")

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        build = _build(suite.folder) or suite.folder
        # ctest runs what was built: a change that is not compiled would not be tested.
        cmake = str(Path(tools.program[0]).with_name("cmake"))
        names = [target.name or Path(target.path).stem for target in targets]
        exact = all(target.name for target in targets)
        joined = "|".join(re.sub(r"[.*+?^$()|\[\]\\]", r"\\\g<0>", name) for name in names)
        select = ["-R", f"^({joined})$" if exact else joined] if names else []
        shown = (*tools.program, "--test-dir", str(build), *select)
        junit = ("--output-on-failure", "--no-tests=error", "--output-junit", str(report / "junit.xml"))
        script = '"$0" --build "$1" && shift && exec "$@"'
        if (build / "CMakeCache.txt").is_file() and Path(cmake).exists():
            return Launch(("/bin/sh", "-c", script, cmake, str(build), *shown, *junit), shown)
        return Launch((*shown, *junit), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        path = report / "junit.xml"
        try:
            cases = read_junit_files([path] if path.is_file() else [], suite.folder, lambda f, c, name: name)
        except UnreadableReport:
            cases = []
        return Reading([_said(case, suite.folder) for case in cases])


def _said(case: TestCase, folder: Path) -> TestCase:
    """CTest puts what a test printed into system-out: the reason is in there."""
    if case.status == "skipped" and case.message.startswith("Unable to find executable"):
        return replace(case, status="error", assertion=case.message, output="")
    if not case.failing:
        return replace(case, output="")
    lines = [line.strip() for line in case.output.splitlines() if line.strip()]
    reason = next((line for line in lines if _SAID.search(line)), lines[-1] if lines else case.message)
    expected, actual = values_of(case.output)
    return replace(
        case,
        message=bounded(reason or "failed", 300),
        assertion=bounded(case.output or case.message, 2_000),
        expected=expected,
        actual=actual,
        frames=stack_of(case.output, folder),
        output="",
    )


def _build(folder: Path) -> Path | None:
    """The build folder that was used last: the one of a preset, ``build*``, ``out/*``, ``cmake-build-*``."""
    found = [one for one in _candidates(folder) if (one / "CTestTestfile.cmake").is_file()]
    return max(found, key=lambda one: (one / "CTestTestfile.cmake").stat().st_mtime, default=None)


def _candidates(folder: Path) -> Iterator[Path]:
    yield folder
    for pattern in ("build*", "build/*", "out/*", "out/build/*", "cmake-build-*", "_build"):
        yield from sorted(one for one in folder.glob(pattern) if one.is_dir())
    try:
        presets = read_json(text_of(folder / "CMakePresets.json") or "{}").get("configurePresets", [])
    except (ValueError, AttributeError):
        presets = []
    for preset in presets:
        named = str(preset.get("binaryDir", "")).replace("${sourceDir}", str(folder))
        named = named.replace("${presetName}", str(preset.get("name", "")))
        if named and "${" not in named and Path(named).is_dir():
            yield Path(named)


ADAPTERS = {"ctest": CTest()}
