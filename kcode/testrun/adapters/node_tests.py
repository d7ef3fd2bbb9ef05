"""Node's own runner (``node --test``), read from its TAP reporter: that one has the compared values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Signs, Suite, Target, Tools
from kcode.testrun.adapters.javascript import SUFFIXES, depends, name_pattern, package
from kcode.testrun.tap import read_tap
from kcode.testrun.toolversions import find_tool

_SCRIPT = re.compile(r"\bnode\b.*\s--test\b")


class Node:
    name = "node"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = Signs(re.compile(r"^\s*✔ "), re.compile(r"^\s*✖ "), end=re.compile(r"^ℹ tests "))

    def detect(self, folder: Path) -> str:
        scripts = package(folder).get("scripts")
        script = str(scripts.get("test", "")) if isinstance(scripts, dict) else ""
        if _SCRIPT.search(script):
            return 'node --test in package.json\'s script "test"'
        if not (folder / "package.json").is_file() or script or depends(folder, "ava"):
            return ""
        found = next((path for path in _test_files(folder) if "node:test" in _head(path)), None)
        return f"node:test in {found.relative_to(folder).as_posix()}" if found else ""

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        return find_tool(
            suite, "node", "node", environ, "install Node.js 20 or later, or put node on the PATH"
        )[1]

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        named = [target.name.rpartition(" > ")[2] for target in targets if target.name]
        pattern = [f"--test-name-pattern={name_pattern([name])}" for name in named]
        paths = list(dict.fromkeys(target.path for target in targets if target.path))
        options = _own_options(suite.folder)
        shown = (*tools.program, *options, "--test", *pattern, *paths)
        machine = (
            *("--test-reporter=spec", "--test-reporter-destination=stdout"),
            *("--test-reporter=tap", f"--test-reporter-destination={report / 'node.tap'}"),
        )
        return Launch((*tools.program, *options, "--test", *machine, *pattern, *paths), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        try:
            text = (report / "node.tap").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return Reading()
        return Reading(read_tap(text, suite.folder))


def _own_options(folder: Path) -> list[str]:
    """Loaders and the like that the script ``test`` gives to node (``--import tsx``)."""
    scripts = package(folder).get("scripts")
    script = str(scripts.get("test", "")) if isinstance(scripts, dict) else ""
    if not _SCRIPT.search(script):
        return []
    words = script[script.index("node") + 4 :].split()
    kept: list[str] = []
    for number, word in enumerate(words):
        if word in ("--import", "--require", "-r", "--loader", "--experimental-loader") and number + 1 < len(
            words
        ):
            kept += [word, words[number + 1].strip("'\"")]
        elif word.startswith(("--import=", "--require=", "--experimental-")) and "=" in word + "=":
            kept.append(word)
    return kept


def _test_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for below in (folder, folder / "test", folder / "tests", folder / "src"):
        if below.is_dir():
            found += [
                path
                for path in sorted(below.iterdir())
                if path.suffix in SUFFIXES and "test" in str(path.name)
            ]
            found += [
                path for path in sorted(below.iterdir()) if below.name == "test" and path.suffix in SUFFIXES
            ]
    return found[:50]


def _head(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(4_000)


ADAPTERS = {"node": Node()}
