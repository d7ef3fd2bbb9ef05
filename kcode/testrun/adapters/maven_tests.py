"""JUnit and TestNG under Maven, read from Surefire's and Failsafe's XML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, has_file
from kcode.testrun.adapters.java import class_of, java_id, module_of, read_reports, wrapper
from kcode.testrun.toolversions import find_tool


class Maven:
    name = "maven"
    suffixes: tuple[str, ...] = (".java", ".kt", ".groovy", ".scala")
    signs = Signs(
        re.compile(r"Tests run: [1-9]\d*, Failures: 0, Errors: 0.* (?:-- |- )in "),
        re.compile(r"^\[ERROR\]\s++(?=\S+\.\S)\S++.* <<< (?:FAILURE|ERROR)!"),
    )

    def detect(self, folder: Path) -> str:
        return has_file(folder, "pom.xml")

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        own = wrapper(suite, "mvnw", "mvnw.cmd")
        return own or find_tool(suite, "maven", "mvn", environ)[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        chosen: list[str] = []
        modules: list[str] = []
        for target in targets:
            module, path = module_of(suite.folder, target.path, "pom.xml")
            modules += [module] if module else []
            class_ = class_of(path)
            if target.path and class_:
                chosen.append(f"{class_}#{_method(target.name)}" if target.name else class_)
            elif target.path and "/java/" in f"/{path}/":
                chosen.append(f"{path.partition('java/')[2].rstrip('/')}/**")
            elif target.name:
                class_, sign, name = target.name.partition("#")
                chosen.append(f"{class_}{sign}{_method(name)}")
        select = [f"-Dtest={','.join(dict.fromkeys(chosen))}"] if chosen else []
        quiet = (
            ["-Dsurefire.failIfNoSpecifiedTests=false", "-DfailIfNoTests=false"] if chosen and modules else []
        )
        also = ["-pl", ",".join(dict.fromkeys(modules)), "-am"] if modules else []
        shown = (*tools.program, "test", *also, *select, *quiet)
        return Launch(
            (
                *tools.program,
                "-B",
                "-ntp",
                "-fae",
                "-Dstyle.color=never",
                "-DtrimStackTrace=false",
                *shown[len(tools.program) :],
            ),
            shown,
            tools.env,
        )

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        cases = read_reports(suite.folder, ("surefire-reports", "failsafe-reports"), done.seconds, java_id)
        if cases:
            return Reading(cases)
        errors = [line[8:].strip() for line in done.stdout.splitlines() if line.startswith("[ERROR] ")]
        if "No tests were executed" in done.stdout or "No tests matching" in done.stdout:
            return Reading(cannot_run="maven found no test that fits the target")
        said = "; ".join(dict.fromkeys(line for line in errors if line))
        return Reading(cannot_run=f"maven could not run the tests: {said[:600]}" if said else "")


def _method(name: str) -> str:
    """Surefire selects methods: of one with parameters all its rows."""
    return f"{name.partition('[')[0]}*" if "[" in name else name


ADAPTERS = {"maven": Maven()}
