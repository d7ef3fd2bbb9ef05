"""Node's own runner (``node --test``), read through a reporter of its events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kcode.config.settings import Settings
from kcode.safety.process import Finished
from kcode.testrun.adapter import Launch, Reading, Suite, Target, Tools, text_of
from kcode.testrun.adapters.javascript import (
    SUFFIXES,
    depends,
    failure_case,
    name_pattern,
    package,
    relative,
    with_output,
)
from kcode.testrun.marked import REPORTERS, SIGNS, events
from kcode.testrun.report import Frame, TestCase, seconds_in
from kcode.testrun.toolversions import find_tool

_SCRIPT = re.compile(r"\bnode\b.*\s--test\b")


class Node:
    name = "node"
    suffixes: tuple[str, ...] = SUFFIXES
    signs = SIGNS

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
        named += [
            part
            for target in targets
            for part in target.name.split(" > ")[:-1]
            if target.path and _is_test(part, text_of(suite.folder / target.path))
        ]
        pattern = [f"--test-name-pattern={name_pattern([name])}" for name in dict.fromkeys(named)]
        paths = list(dict.fromkeys(target.path for target in targets if target.path))
        options = _own_options(suite.folder)
        shown = (*tools.program, *options, "--test", *pattern, *paths)
        machine = (f"--test-reporter={REPORTERS / 'node.mjs'}", "--test-reporter-destination=stdout")
        return Launch((*tools.program, *options, "--test", *machine, *pattern, *paths), shown)

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        return Reading(list(_cases(done.stdout, suite.folder)))


def _cases(text: str, folder: Path) -> Iterator[TestCase]:
    """A test that only fails because one below it does, or a hook around it, is left out for that one."""
    ended: list[dict[str, Any]] = []
    printed: dict[str, str] = {}
    left_out: set[tuple[str, ...]] = set()  # suites of which no test was asked for
    for event, _ in events(text):
        file = relative(str(event.get("file") or ""), folder)
        if "out" in event:
            printed[file] = printed.get(file, "") + str(event["out"])
        elif "does not match pattern" in str(event.get("why")):
            left_out.add((file, *map(str, event.get("parents") or ())))
        elif "status" in event:
            parents = [str(each) for each in event.get("parents") or ()]
            left_out -= {(file, *parents)} if not event.get("suite") else set()
            ended.append({**event, "file": file, "parents": parents, "name": str(event.get("name"))})
    cases: dict[str, list[TestCase]] = {}
    for event in ended:
        if (event["file"], *event["parents"], event["name"]) in left_out:
            continue  # Node runs the hooks of suites too whose tests it leaves out
        if case := _case(event, printed.get(event["file"], ""), folder):
            cases.setdefault(event["file"], []).append(case)
    for file, its in cases.items():
        yield from with_output(its, printed.get(file, ""))


_FOLLOWS = ("subtestsFailed", "cancelledByParent")


def _case(event: Mapping[str, Any], printed: str, folder: Path) -> TestCase | None:
    failed, kind = event.get("status") == "failed", str(event.get("kind") or "")
    if kind in _FOLLOWS or (event.get("suite") and not failed):
        return None
    path, seconds = event["file"], seconds_in(event.get("ms")) / 1000
    if relative(event["name"], folder) == path:  # the file itself: it did not load, or its process ended
        said = printed.strip() or str(event.get("message") or "")
        case = failure_case(path, "error", _reason(said), folder, seconds)
        return replace(case, frames=case.frames or (Frame(path, 1),)) if failed else None
    id_ = f"{path}::{' > '.join([*event['parents'], event['name']])}"
    if not failed:
        return TestCase(id_, "passed" if event.get("status") == "passed" else "skipped", seconds)
    message = str(event.get("message") or kind)
    text = str(event.get("stack") or f"{message}\n    at {folder / path}:{event.get('line') or 1}")
    values = (str(event.get("expected") or ""), str(event.get("actual") or ""))
    return failure_case(id_, "error" if kind == "hookFailed" else "failed", text, folder, seconds, *values)


def _reason(said: str) -> str:
    """What a file that did not load wrote on stderr, its reason before the place that Node puts first."""
    named = re.search(r"(?m)^(?:Uncaught )?\w*(?:Error|Exception)\b.*(?:\n(?! {4}at ).+)*", said)
    return f"{named[0]}\n    at {said}" if named else said


def _is_test(name: str, source: str) -> bool:
    """Whether ``name`` is a test with subtests rather than a suite: Node skips one that no pattern fits."""
    return bool(re.search(rf"\b(?:test|it)(?:\.\w+)*\(\s*(['\"`]){re.escape(name)}\1", source))


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
