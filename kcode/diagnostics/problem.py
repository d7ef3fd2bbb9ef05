"""A problem that a checker reports, and which of them an edit brought."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kcode.workspace.diff import hunks

SHOWN = 20
_MESSAGE = 300  # characters


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """``path`` is relative to the workspace; ``line`` and ``column`` are counted from 1, 0 where unknown."""

    path: str
    line: int
    column: int
    code: str
    message: str
    tool: str

    @property
    def kind(self) -> tuple[str, str, str, str]:
        """What stays the same where lines only moved: line numbers in messages do not count."""
        return (self.tool, self.path, self.code, re.sub(r"\d+", "#", self.message))

    def told(self) -> str:
        message = " ".join(self.message.split())[:_MESSAGE]
        code = f"{self.code} " if self.code else ""
        column = f":{self.column}" if self.column else ""
        return f"{self.path}:{self.line}{column}: {code}{message} [{self.tool}]"


def new_ones(
    before: Iterable[Problem], after: Iterable[Problem], changed: dict[str, set[int]]
) -> list[Problem]:
    """Of ``after``, those that were not there before, counted by kind. Where one kind has become more
    frequent, those in ``changed`` lines (path to line numbers) are taken to be the new ones."""
    left = Counter(problem.kind for problem in set(before))
    old_first = sorted(set(after), key=lambda each: (each.line in changed.get(each.path, ()), each))
    found = []
    for problem in old_first:
        if left[problem.kind]:
            left[problem.kind] -= 1
        else:
            found.append(problem)
    return sorted(found)


def changed_lines(before: str | None, after: str | None) -> set[int]:
    """The lines of ``after`` that are new or next to what was removed; texts are None where no file is."""
    if after is None:
        return set()
    return {
        line
        for hunk in hunks(before or "", after, 0)
        for line in range(hunk.new_start, hunk.new_start + max(hunk.new_count, 1))
    }


def in_changed_lines(problems: Iterable[Problem], changed: dict[str, set[int]]) -> list[Problem]:
    return sorted({each for each in problems if each.line in changed.get(each.path, ())})


def words(problems: Sequence[Problem], notes: Sequence[str] = ()) -> str:
    """New problems in words for the model, bounded; empty where there is nothing to say."""
    lines = [problem.told() for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"... {len(problems) - SHOWN} more")
    if lines:
        tools = ", ".join(dict.fromkeys(problem.tool for problem in problems))
        lines.insert(0, f"New problems since this edit, found by the project's {tools}:")
    lines += [f"[{note}]" for note in notes]
    return "\n".join(lines)
