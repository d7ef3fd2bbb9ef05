"""What Maven and Gradle share: their wrappers, modules, classes of files, and the XML reports of one run."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kcode.testrun.adapter import Suite, Tools, upwards
from kcode.testrun.junit import UnreadableReport, read_junit_files
from kcode.testrun.report import TestCase

_SKIPPED = {".git", "node_modules", "src", ".gradle", ".idea"}
_SOURCE = re.compile(
    r"(?:^|/)src/[^/]+/(?:java|kotlin|groovy|scala)/(?P<inner>.+)\.(?:java|kt|groovy|scala)$"
)
_CLOCK = 2.0  # seconds that a file system's clock may lie behind


def wrapper(suite: Suite, unix: str, windows: str) -> Tools | None:
    """The project's own mvnw or gradlew."""
    for folder in upwards(suite):
        script = folder / (windows if sys.platform == "win32" else unix)
        if script.is_file():
            program = (str(script),) if os.access(script, os.X_OK) else ("/bin/sh", str(script))
            return Tools(program, f"{script.name} of the project")
    return None


def module_of(folder: Path, path: str, build: str) -> tuple[str, str]:
    """(the module below ``folder`` that holds ``path``, empty for the outermost; ``path`` inside it)."""
    for parent in (Path(path), *Path(path).parents):
        if parent != Path() and (folder / parent / build).is_file():
            inner = Path(path).relative_to(parent).as_posix()
            return parent.as_posix(), "" if inner == "." else inner
    return "", path


def class_of(path: str) -> str:
    """The class of a source file in a folder of Maven's layout: ``com.shop.CartTest``; empty for others."""
    match = _SOURCE.search(path)
    return match["inner"].replace("/", ".") if match else ""


def java_id(file: str, classname: str, name: str) -> str:
    """``com.shop.CartTest#adds``; parameters that Surefire and JUnit add to the name are dropped."""
    name = re.sub(r"\(.*?\)|\{.*?\}", "", name, count=1) if not name.startswith("[") else name
    return f"{classname}#{name}" if name and name != classname else classname


def read_reports(
    folder: Path, names: tuple[str, ...], seconds: float, id_of: Callable[[str, str, str], str]
) -> list[TestCase]:
    """The cases in TEST-*.xml below report folders of these names that the last ``seconds`` have written."""
    since = time.time() - seconds - _CLOCK
    files = [path for path in _reports(folder, names) if path.stat().st_mtime >= since]
    try:
        return read_junit_files(files, folder, id_of)
    except UnreadableReport:
        return []


def _reports(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for here, folders, _ in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED)
        if Path(here).name in names:
            yield from sorted(Path(here).rglob("TEST-*.xml"))
            folders.clear()
