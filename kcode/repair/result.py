"""The outcome of a repair, as data for the command line, for JSON and for approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kcode.errors import ExitCode
from kcode.tools.base import FileEdit

Status = Literal["fixed", "not_fixed", "nothing_fails", "cannot_run"]

EXIT_CODES: Mapping[Status, ExitCode] = {
    "fixed": ExitCode.OK,
    "not_fixed": ExitCode.NOT_ACHIEVED,
    "nothing_fails": ExitCode.NOTHING_FAILS,
    "cannot_run": ExitCode.CANNOT_RUN_TESTS,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one of several attempts ended. ``lines`` is the size of its patch, 0 where it has none."""

    number: int
    fixed: bool
    chosen: bool = False
    lines: int = 0
    seconds: float = 0.0
    cost: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RepairResult:
    """``fixed`` means: a patch passes the tests and breaks none. Nothing has been applied.

    ``message`` is one sentence for people. ``edits`` is what to apply after approval, ``test_edits`` what
    a model wanted to change in test files (refused unless allowed, shown apart). ``proof`` are statements
    about test runs before and after. ``warning`` names what a reader must know before saying yes.
    """

    status: Status
    message: str
    targets: tuple[str, ...] = ()  # the failing tests
    failing_before: int = 0
    passing_before: int = 0
    failing_after: int = 0
    passing_after: int = 0
    edits: tuple[FileEdit, ...] = ()
    test_edits: tuple[FileEdit, ...] = ()
    diff: str = ""
    explanation: str = ""
    proof: tuple[str, ...] = ()
    warning: str = ""
    alternatives: tuple[str, ...] = ()  # other patches that pass, as unified diffs, best first
    tried: int = 0  # candidates judged by the tests
    seconds: float = 0.0
    runner: str = ""  # which interpreter ran the tests, in words
    cost: str = ""  # decimal amount with its currency, where a provider billed
    reasons: int = 0  # for how many different reasons the targets failed
    suspicious: tuple[str, ...] = ()  # path:line, the most suspicious first
    first_bad: str = ""  # what --bisect found: the commit, or why none was found
    not_run: str = ""  # what of the proof was not run, and why
    attempts: tuple[Attempt, ...] = ()  # of --attempts

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.status]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; stable keys. The texts of the files are left out: the diff says it all."""
        data = asdict(self)
        for name in ("edits", "test_edits"):
            data[name] = [edit["path"] for edit in data[name]]
        return {**data, "exit_code": int(self.exit_code)}


def told(attempt: Attempt) -> str:
    """How one attempt ended, in a few words."""
    if not attempt.fixed:
        return f"no proved patch: {attempt.why}"
    lines = "1 line" if attempt.lines == 1 else f"{attempt.lines} lines"
    return f"a proved patch of {lines}" + (f" ({attempt.why})" if attempt.why else "")
