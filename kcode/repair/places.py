"""A project in a folder of the repository: what is asked for as the folder calls it, the answer as the
repository does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kcode.repair.aim import Aim
from kcode.repair.result import RepairResult
from kcode.testrun.adapter import Suite
from kcode.testrun.run import inside

_NAMED = re.compile(r"^(--- a/|\+\+\+ b/|diff --git a/)", re.M)


def aim_within(aim: Aim, suite: Suite) -> Aim:
    """``aim`` with the targets as the suite's folder calls them; the folder itself stands for all."""
    if not suite.place:
        return aim
    its = tuple(inside(target, suite) for target in aim.targets if target != suite.place)
    return replace(aim, targets=its)


def of_repository(result: RepairResult, place: str) -> RepairResult:
    """``result`` of a repair in the folder ``place``, with the names that the repository has."""
    if not place:
        return result
    before = f"{place}/"
    named = {*result.targets, *(edit.path for edit in result.edits)}
    return replace(
        result,
        message=_told(result.message, named, before),
        explanation=_told(result.explanation, named, before),
        proof=tuple(_told(line, named, before) for line in result.proof),
        targets=tuple(before + target for target in result.targets),
        edits=tuple(replace(edit, path=before + edit.path) for edit in result.edits),
        diff=_moved(result.diff, before),
        alternatives=tuple(_moved(diff, before) for diff in result.alternatives),
        suspicious=tuple(before + where for where in result.suspicious),
    )


def _moved(diff: str, before: str) -> str:
    return _NAMED.sub(lambda found: found[1] + before, diff)


def _told(text: str, names: Iterable[str], before: str) -> str:
    """``names`` in a sentence, the longest first: a file's name is the beginning of its tests' ids."""
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    return re.sub(rf"(?<![\w/])(?:{pattern})", lambda found: before + found[0], text) if pattern else text
