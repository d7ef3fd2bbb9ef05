"""Python's unittest, for projects whose tests need no pytest and whose environment has none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools, text_of
from kcode.testrun.adapters.python import label, python_tools, read_verbose

_STARTS = ("", "tests", "test")


class Unittest:
    name = "unittest"
    suffixes: tuple[str, ...] = (".py",)
    signs = Signs(re.compile(r"^test\S* .*\.\.\. ok$"), re.compile(r"^test\S* .*\.\.\. (?:FAIL|ERROR)$"))

    def detect(self, folder: Path) -> str:
        files = list(_files(folder))
        if not files or any(
            re.search(r"^\s*(?:import|from) pytest\b", text_of(path), re.M) for path in files
        ):
            return ""
        first = next((path for path in files if re.search(r"\bunittest\b", text_of(path))), None)
        return f"unittest in {first.relative_to(folder).as_posix()}" if first else ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return await python_tools(suite, settings, environ, "")

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        words: list[str] = []
        for target in targets:
            if target.path and (suite.folder / target.path).is_dir():
                words = ["discover", "-s", target.path, "-t", _top(suite.folder, target.path)]
            elif not target.path and "." not in target.name:
                words += ["-k", target.name]
            else:
                words.append(label(target))
        if not words:
            start = next((at for at in _STARTS if any((suite.folder / at).glob("test*.py"))), "")
            words = ["discover", *(["-s", start, "-t", _top(suite.folder, start)] if start else [])]
        elif "-k" in words:
            words = ["discover", *words]
        shown = (*tools.program, "-m", "unittest", *words)
        own = ("-v", "-b")  # what a test prints comes with its failure, not between the results
        verbose = (words[0], *own, *words[1:]) if words[0] == "discover" else (*own, *words)
        return Launch((*tools.program, "-m", "unittest", *verbose), shown, {"PYTHONUNBUFFERED": "1"})

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return read_verbose("unittest", done, suite.folder)


def _top(folder: Path, start: str) -> str:
    """The folder that imports are relative to: unittest wants packages from there down."""
    return "." if (folder / start / "__init__.py").is_file() else start


def _files(folder: Path) -> Iterator[Path]:
    for start in _STARTS:
        yield from sorted((folder / start).glob("test*.py"))[:100]


ADAPTERS = {"unittest": Unittest()}
