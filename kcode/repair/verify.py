"""The proof of a patch: the failing tests pass, and nothing that passed before fails now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.repair.judge import Judge, Limits, Verdict

if TYPE_CHECKING:
    from kcode.repair.reproduce import Reproduction

_SUITE_TEST_S = 60.0  # CPU time of one test in a run of the whole suite


@dataclass(frozen=True, slots=True)
class Tally:
    """Which tests passed and which failed in one run, whoever ran it."""

    passed: frozenset[str]
    failed: frozenset[str]

    def __str__(self) -> str:
        return f"{len(self.passed)} passed, {len(self.failed)} failed"


def tally(verdict: Verdict) -> Tally:
    return Tally(verdict.passing(), verdict.failing())


@dataclass(frozen=True, slots=True)
class Proof:
    """``broken`` passed before and do not now; of these ``lost`` do not fail but are skipped or gone.
    ``whole`` says whether the whole suite was run; ``not_run`` why something was not. ``repeats`` is how
    often the repaired tests passed in a row, ``affected`` what the tests did that the change can reach."""

    ok: bool
    repaired: tuple[str, ...]
    still_failing: tuple[str, ...]
    broken: tuple[str, ...]
    before: Tally
    after: Tally
    whole: bool
    flaky: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()  # repaired tests that passed only sometimes
    repeats: int = 1
    affected: Tally | None = None
    not_run: str = ""

    def lines(self) -> list[str]:
        """The proof in words, one statement a line."""
        said = [
            f"{len(self.repaired)} failing {_tests(len(self.repaired))} now {_pass(len(self.repaired))}"
            + _one(self.repaired)
            + (f", {self.repeats} times in a row" if self.repeats > 1 and not self.unsteady else "")
        ]
        if self.affected is not None:
            said.append(f"the tests that the change can reach: {self.affected}")
        scope = "the whole suite" if self.whole else "the test files concerned"
        said.append(
            f"{scope}: before {self.before}; after {self.after}"
            + ("; nothing that passed before fails" if not self.broken else "")
        )
        if not self.whole:
            said.append(self.not_run or "the whole suite was not run to its end within the time limit")
        left = sorted(self.after.failed - set(self.still_failing) - set(self.broken))
        if left and self.ok:
            said.append(f"failing before and after: {', '.join(left[:5])}")
        if self.still_failing:
            said.append(f"still failing: {', '.join(self.still_failing[:5])}")
        if self.broken:
            failing = [test for test in self.broken if test not in self.lost]
            if failing:
                said.append(f"broken by the patch: {', '.join(failing[:5])}")
        if self.lost:
            said.append(f"passed before, and skipped or gone now: {', '.join(self.lost[:5])}")
        if self.unsteady:
            said.append(f"passes only sometimes: {', '.join(self.unsteady[:5])}")
        if self.flaky:
            said.append(f"passed only when run again: {', '.join(self.flaky[:5])}")
        return said


async def suite_baseline(judge: Judge, found: Reproduction, wall_s: float) -> Verdict | None:
    """The unchanged project's whole suite, or None where it does not end within ``wall_s`` seconds."""
    if found.whole_suite:
        return found.baseline
    verdict = await judge.run((), Limits(_suite_limit(found), wall_s))
    return verdict if verdict.ended == "done" and verdict.outcomes else None


async def verify(
    judge: Judge,
    files: Mapping[str, bytes],
    found: Reproduction,
    suite: Verdict | None,
    wall_s: float,
) -> Proof:
    """Run the suite (or the files concerned, where ``suite`` is None) with ``files`` in place."""
    before = suite or found.baseline
    targets = () if suite else tuple(dict.fromkeys(t.partition("::")[0] for t in found.failing))
    limits = Limits(_suite_limit(found), wall_s)
    after = await judge.run(targets, limits, files=files)
    repaired, still, broken = compared(found.failing, tally(before), tally(after))
    flaky: tuple[str, ...] = ()
    if broken and not still:
        again = await judge.run(broken, limits, files=files)
        flaky = tuple(test for test in broken if test in again.passing())
        broken = tuple(test for test in broken if test not in flaky)
    complete = after.ended == "done"
    return Proof(
        ok=complete and not still and not broken,
        repaired=repaired,
        still_failing=still,
        broken=broken,
        before=tally(before),
        after=tally(after),
        whole=suite is not None and complete,
        flaky=flaky,
    )


def compared(
    failing: Sequence[str], before: Tally, after: Tally
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(repaired, still failing, broken): a test that did not report its success did not pass."""
    repaired = tuple(test for test in failing if test in after.passed)
    still = tuple(test for test in failing if test not in after.passed)
    return repaired, still, tuple(sorted(before.passed - after.passed))


def _suite_limit(found: Reproduction) -> float:
    slowest = max(found.baseline.seconds.values(), default=0.0)
    return max(_SUITE_TEST_S if not found.baseline.hung else 3.0, 3 * slowest)


def _tests(count: int) -> str:
    return "test" if count == 1 else "tests"


def _pass(count: int) -> str:
    return "passes" if count == 1 else "pass"


def _one(tests: tuple[str, ...]) -> str:
    return f" ({tests[0]})" if len(tests) == 1 else ""
