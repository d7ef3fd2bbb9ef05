"""Which suite of a repository a target belongs to, and which runner runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.sandbox import Confinement
from kcode.testrun.adapter import Adapter, Runner, Suite, has_file, text_of
from kcode.testrun.adapters import adapter, adapters
from kcode.testrun.command_runner import CommandRunner
from kcode.testrun.interpreter import NoInterpreter, find_interpreter
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.suite_runner import SuiteRunner

_DEEPEST = 4  # folders below the root in which suites are looked for
_LOOKED_AT = 2_000  # folders
_SKIPPED = {"node_modules", "vendor", "target", "build", "dist", "venv", "env", "third_party", "testdata"}
_PYTHON = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pytest.ini",
    "tox.ini",
    "conftest.py",
    "requirements.txt",
)
_PYTEST_TESTS = ("test_*.py", "*_test.py", "tests/test_*.py", "tests/*/test_*.py", "test/test_*.py")


@dataclass(frozen=True, slots=True)
class Found:
    """A runner's name, the suite it would run, and what says so."""

    name: str
    suite: Suite
    why: str

    def __str__(self) -> str:
        return f"{self.name} in {self.suite.place or 'the repository root'}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """``why`` is a sentence for people and models: the runner, what chose it, what else there is."""

    runner: Runner
    suite: Suite
    why: str


async def choose(
    root: Path,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    target: str = "",
    confine: Confinement | None = None,
) -> Chosen:
    """The suite nearest to ``target`` (relative to ``root``), else the one at ``root``, else the first below.

    Raises :class:`kcode.errors.EnvironmentProblem` with what to install or set.
    """
    environ = os.environ if environ is None else environ
    root = root.absolute()  # noqa: ASYNC240 - looks at no disk
    if settings.tests.command:
        command = CommandRunner(settings.tests.command)
        return Chosen(command, Suite(root, root), command.describe)
    found = suites(root, target, settings.tests.runner)
    if not found:
        if settings.tests.runner not in ("", "auto"):
            raise EnvironmentProblem(
                f"nothing here can be run by {settings.tests.runner} (setting tests.runner)",
                "set tests.runner to auto, or tests.command to how the tests are run",
            )
        # An empty folder, or files of a language without project files: pytest says it best.
        found = [Found("pytest", Suite(root, root), "the default, as no project file was found")]
    found = [replace(one, suite=replace(one.suite, confine=confine)) for one in found]
    chosen, runner = await _first_that_starts(found, settings, environ)
    return Chosen(runner, chosen.suite, _why(chosen, found))


async def _first_that_starts(
    found: list[Found], settings: Settings, environ: Mapping[str, str]
) -> tuple[Found, Runner]:
    """The first; a project whose Python has no pytest but whose tests are unittest's is run by unittest."""
    first = found[0]
    try:
        return first, await _runner(first, settings, environ)
    except NoInterpreter:
        spare = next((one for one in found if one.name == "unittest" and one.suite == first.suite), None)
        if spare is None or first.name != "pytest":
            raise
        return spare, await _runner(spare, settings, environ)


async def _runner(found: Found, settings: Settings, environ: Mapping[str, str]) -> Runner:
    if found.name == "pytest":
        own = await find_interpreter(
            found.suite.folder, settings, environ, top=found.suite.root, confine=found.suite.confine
        )
        spare = adapter("unittest").detect(found.suite.folder)
        if spare and own.origin == "kcode's own environment" and not _has_pytest_config(found.suite.folder):
            raise NoInterpreter("no Python of the project's has pytest")
        return PytestRunner(own)
    its = adapter(found.name)
    return SuiteRunner(its, found.suite, await its.tools(found.suite, settings, environ))


def _why(chosen: Found, found: list[Found]) -> str:
    others = [str(one) for one in found if one is not chosen and _is_another(one, chosen)]
    also = (
        f"; also here: {', '.join(others[:5])} (name a target there, or set tests.runner)" if others else ""
    )
    return f"{chosen} ({chosen.why}){also}"


_GENERAL = {"npm", "make", "just", "tox", "nox"}


def _is_another(one: Found, chosen: Found) -> bool:
    """Other tests, not the same ones started in another way."""
    if one.suite != chosen.suite:
        return one.name not in _GENERAL
    same = one.name in _GENERAL or {one.name, chosen.name} <= {"pytest", "unittest", "django"}
    return not same and {one.name, chosen.name} != {"cargo", "nextest"}


def suites(root: Path, target: str = "", only: str = "") -> list[Found]:
    """What could run ``target``, best first; ``only`` is the setting tests.runner."""
    only = "" if only == "auto" else only
    path = root / target.partition("::")[0]
    if target and path.exists():
        near = [one for folder in _above(path, root) for one in _in(folder, root, only)]
        fitting = [one for one in near if _owns(one, path)]
        return fitting or near
    here = list(_in(root, root, only))
    specific = [one for one in here if one.name not in _GENERAL]
    if specific:
        return [*here, *_shallow(root, only)]
    return [*_shallow_or_deep(root, only, here)]


def _shallow_or_deep(root: Path, only: str, here: list[Found]) -> list[Found]:
    """A root with nothing but a Makefile is run by that; one with nothing at all by what lies below."""
    below = list(_below(root, only))
    return [*here, *below] if here else below


def _shallow(root: Path, only: str) -> list[Found]:
    """Other suites that the root's message should name."""
    return [one for one in _below(root, only, 2) if one.name not in _GENERAL]


def _above(path: Path, root: Path) -> Iterator[Path]:
    folder = path if path.is_dir() else path.parent
    while folder.is_relative_to(root):
        yield folder
        if folder == root:
            return
        folder = folder.parent


def _below(root: Path, only: str, deepest: int = _DEEPEST) -> Iterator[Found]:
    for looked, (here, folders, _) in enumerate(os.walk(root)):
        folder = Path(here)
        depth = len(folder.relative_to(root).parts)
        folders[:] = (
            [] if depth >= deepest else sorted(f for f in folders if f not in _SKIPPED and f[0] != ".")
        )
        if looked > _LOOKED_AT:
            return
        if depth:
            yield from _in(folder, root, only, project_only=True)


def _in(folder: Path, root: Path, only: str, project_only: bool = False) -> Iterator[Found]:
    """The runners of one folder. ``project_only``: a folder of Python tests is no project of its own."""
    suite = Suite(folder, root)
    if only in ("", "pytest") and (why := _pytest(folder, folder == root and bool(only))):
        a_project = has_file(folder, *_PYTHON[:4])
        if a_project or (not project_only and folder == root):
            django = adapter("django").detect(folder)
            if not (django and not only):
                yield Found("pytest", suite, why)
    for one in adapters():
        if only and one.name != only:
            continue
        if one.name == "unittest" and folder != root and not has_file(folder, *_PYTHON):
            continue
        if one.name == "tox" and not has_file(folder, "tox.ini", "tox.toml", "pyproject.toml", "setup.cfg"):
            continue
        if why := one.detect(folder):
            yield Found(one.name, suite, why)


def _pytest(folder: Path, asked: bool) -> str:
    """Why pytest runs the tests of ``folder``; empty where nothing speaks for it."""
    if config := _has_pytest_config(folder):
        return config
    if has_file(folder, "conftest.py"):
        return "conftest.py"
    for pattern in _PYTEST_TESTS:
        if found := next(iter(sorted(folder.glob(pattern))), None):
            return f"tests in {found.relative_to(folder).as_posix()}"
    if (folder / "tests" / "conftest.py").is_file():
        return "tests/conftest.py"
    return "the setting tests.runner" if asked else ""


def _has_pytest_config(folder: Path) -> str:
    for name, section in (
        ("pytest.ini", ""),
        (".pytest.ini", ""),
        ("pyproject.toml", r"^\[tool\.pytest"),
        ("tox.ini", r"^\[pytest\]"),
        ("setup.cfg", r"^\[tool:pytest\]"),
    ):
        if (folder / name).is_file() and (not section or re.search(section, text_of(folder / name), re.M)):
            return f"pytest's settings in {name}"
    return ""


def _owns(one: Found, path: Path) -> bool:
    """Whether a file of this kind can be a test of this runner; folders belong to all."""
    if path.is_dir():
        return True
    if one.name == "pytest":
        return path.suffix == ".py"
    its: Adapter = adapter(one.name)
    return not its.suffixes or path.name.endswith(its.suffixes)
