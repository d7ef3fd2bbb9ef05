"""JUnit and TestNG under Gradle, read from ``build/test-results``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.java import class_of, java_id, module_of, read_reports, wrapper
from kcode.testrun.marked import REPORTERS
from kcode.testrun.toolversions import find_tool

_BUILDS = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_WRONG = re.compile(r"\* What went wrong:\n(?P<said>.*?)\n\n", re.S)


class Gradle:
    name = "gradle"
    suffixes: tuple[str, ...] = (".java", ".kt", ".groovy", ".scala")
    signs = Signs(re.compile(r"^\S.* > .* PASSED$"), re.compile(r"^\S.* > .* FAILED$"))

    def detect(self, folder: Path) -> str:
        return has_file(folder, *_BUILDS)

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        own = wrapper(suite, "gradlew", "gradlew.bat")
        return own or find_tool(suite, "gradle", "gradle", environ)[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        filters: list[str] = []
        module = ""
        for target in targets:
            found = ""
            for build in ("build.gradle", "build.gradle.kts"):
                found, path = module_of(suite.folder, target.path, build)
                if found:
                    break
            module = module or found
            class_ = class_of(path)
            if target.path and class_:
                filters.append(f"{class_}.{_method(target.name)}" if target.name else class_)
            elif target.name:
                filters.append(_method(target.name.replace("#", ".")))
        task = f":{module.replace('/', ':')}:test" if module else "test"
        chosen = [word for one in dict.fromkeys(filters) for word in ("--tests", one)]
        shown = (*tools.program, task, *chosen)
        # A test task that is up to date would print nothing and leave old results.
        clean = f"{task.rpartition(':')[0]}:cleanTest".removeprefix(":") if module else "cleanTest"
        script = str(REPORTERS / "kcode.init.gradle")
        own = ("--console=plain", "--continue", "--no-build-cache", "--init-script", script)
        argv = (*tools.program, f":{clean}" if module else clean, task, *chosen, *own)
        return Launch(argv, shown, tools.env)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases = read_reports(suite.folder, ("test-results",), done.seconds, java_id)
        if cases:
            return Reading(cases)
        wrong = _WRONG.search(done.stdout)
        said = " ".join(wrong["said"].split()) if wrong else ""
        return Reading(cannot_run=f"gradle could not run the tests: {said[:600]}" if said else "")


def _method(name: str) -> str:
    """Gradle selects methods: of one with parameters all its rows."""
    return f"{name.partition('[')[0]}*" if "[" in name else name


ADAPTERS = {"gradle": Gradle()}
