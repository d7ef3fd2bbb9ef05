"""What an adapter of a test runner is: how it is recognised, started, and read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kcode.config.settings import Settings
from kcode.safety.process import Finished, child_environment
from kcode.safety.sandbox import Confinement
from kcode.testrun.report import TestCase, TestProgress, TestReport


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run happens in: confined or not, a folder for temporary files that it may write to, and
    variables that every runner gets."""

    confine: Confinement | None = None
    scratch: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        own: dict[str, str] = {}
        if self.scratch is not None:
            own = {"TMPDIR": str(self.scratch / "tmp"), "XDG_CACHE_HOME": str(self.scratch / "cache")}
        return child_environment({**own, **(more or {}), **self.env})

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for the runner's report, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="kcode-tests-", dir=self.scratch) as temp:
            yield Path(temp)


OPEN = Surroundings()


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder whose tests one runner runs. ``root`` is the repository's folder, at or above it; ``confine``
    is what the project's own programs are asked in (its Python may be anything)."""

    folder: Path
    root: Path
    confine: Confinement | None = field(default=None, compare=False)

    @property
    def place(self) -> str:
        """The folder as the repository calls it, empty at its root."""
        relative = self.folder.relative_to(self.root).as_posix()
        return "" if relative == "." else relative


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to run: a file or folder relative to the suite (or empty), and a test's name (or empty)."""

    path: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """What starts the runner: ``program`` begins the command line. ``environment`` says in words which
    installation that is; ``note`` is a warning or empty."""

    program: tuple[str, ...]
    environment: str
    note: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line. ``shown`` leaves out what only kcode needs; empty: all of ``argv``."""

    argv: tuple[str, ...]
    shown: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run's output says. ``cannot_run`` is set where there are no results. ``counts`` (status to
    number) where the totals are known and the cases are not all listed."""

    cases: Sequence[TestCase] = ()
    cannot_run: str = ""
    note: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signs:
    """Lines of live output that tell of one test each; ``total`` has a number of tests in group 1 (``adds``:
    of some more). Behind a line that fits ``end`` the runner says all again. A line that fits ``hidden`` is
    no word for people, but for the name in group 1. ``both``: a line for ``passed`` says that a test ended.
    """

    passed: re.Pattern[str]
    failed: re.Pattern[str]
    total: re.Pattern[str] | None = None
    adds: bool = False
    end: re.Pattern[str] | None = None
    hidden: re.Pattern[str] | None = None
    both: bool = False


class Adapter(Protocol):
    """One runner. ``suffixes`` are those of the files that hold its tests."""

    @property
    def name(self) -> str: ...

    @property
    def suffixes(self) -> tuple[str, ...]: ...

    @property
    def signs(self) -> Signs: ...

    def detect(self, folder: Path) -> str:
        """Why ``folder`` is one of this runner's projects, in words; empty where it is none."""
        ...

    async def tools(self, suite: Suite, settings: Settings, environ: Mapping[str, str]) -> Tools:
        """What to start. Raises EnvironmentProblem with what to install."""
        ...

    def launch(self, suite: Suite, tools: Tools, targets: Sequence[Target], report: Path) -> Launch:
        """The command line for ``targets`` (none: all); machine output goes into the folder ``report``."""
        ...

    def read(self, done: Finished, suite: Suite, report: Path) -> Reading:
        """The results; paths and ids are relative to the suite's folder."""
        ...


class Runner(Protocol):
    """Something that runs targets in a folder. ``describe`` says which runner and with what."""

    @property
    def describe(self) -> str: ...

    @property
    def environment(self) -> str: ...

    async def run(
        self,
        root: Path,
        targets: Sequence[str],
        timeout_s: float,
        on_progress: Callable[[TestProgress], None] | None = None,
        environ: Mapping[str, str] | None = None,
        around: Surroundings = OPEN,
    ) -> TestReport: ...


def reading_of(adapter: Adapter, done: Finished, suite: Suite, report: Path) -> Reading:
    """What ``adapter`` reads. A test may print what looks like the runner's own words, and a report may be
    torn: what its reader cannot make sense of at all is told, and is no end of kcode."""
    try:
        return adapter.read(done, suite, report)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return Reading(
            cannot_run=f"what {adapter.name} wrote about its run cannot be read ({type(error).__name__}); "
            "run the command itself to see what it says"
        )


def parse_target(folder: Path, target: str) -> Target:
    """``path::name``, a path, or a name; what exists below ``folder`` is a path."""
    path, _, name = target.partition("::")
    if path and (folder / path).exists():
        return Target(path.rstrip("/"), name)
    if not name and re.search(r":\d+$", target) and (folder / target.rpartition(":")[0]).is_file():
        return Target(*target.rpartition(":")[::2])
    return Target("", target)


def has_file(folder: Path, *names: str) -> str:
    """The first of ``names`` that is a file in ``folder``, or empty."""
    return next((name for name in names if (folder / name).is_file()), "")


def text_of(path: Path, limit: int = 400_000) -> str:
    """A small text file's content, empty where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def upwards(suite: Suite) -> Iterator[Path]:
    """The suite's folder and those above it, up to the repository's."""
    folder = suite.folder
    while True:
        yield folder
        if folder == suite.root or folder.parent == folder:
            return
        folder = folder.parent


def path_with(folder: str, environ: Mapping[str, str]) -> str:
    return os.pathsep.join(part for part in (folder, environ.get("PATH", "")) if part)
