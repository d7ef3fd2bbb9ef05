"""What a failing test claims, read from its source and its message: ``call`` should be ``expected``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.repair.honesty import decisions, imitation
from kcode.repair.judge import TracedFailure
from kcode.repair.languages.judge import line_in_test
from kcode.repair.languages.tree import Notes, TreeSource, walk
from kcode.repair.testfiles import is_test_part
from kcode.testrun.report import TestCase
from kcode.tools.base import FileEdit
from kcode.workspace.errors import WorkspaceError

if TYPE_CHECKING:
    from tree_sitter import Node

_LONGEST = 160  # characters of one claim
_EQUAL = re.compile(
    r"(?:^|\.)(?:(?:not)?(?:deep)?(?:strict)?equals?|is|same|equalValues|deepEqual|strictEqual|deepStrictEqual)$",
    re.I,
)
_EXPECT = re.compile(r"^expect\(")
_MATCHER = re.compile(r"\.(?:toBe|toEqual|toStrictEqual|equal|eql|equals|toMatchObject|toBeCloseTo)$")
_NEAR = 12  # lines above the failing one where the compared value may have been computed


def failures_of(cases: Sequence[TestCase], root: Path) -> tuple[TracedFailure, ...]:
    """The failing ``cases`` as the search takes them; ``root`` is the folder that paths are relative to."""
    return tuple(_failure(case, root) for case in cases)


def _failure(case: TestCase, root: Path) -> TracedFailure:
    call, expected = _claim(case, root)
    kind = case.message.partition(":")[0]
    compared = bool(case.expected or case.actual or call) or "assert" in kind.lower()
    return TracedFailure(
        type="AssertionError" if compared else kind if kind.isidentifier() else "failure",
        message=case.message or case.assertion or "it failed",
        frames=tuple((frame.path, frame.line, frame.function) for frame in case.frames),
        call=call,
        expected=expected,
    )


def notes_of(cases: Sequence[TestCase], failures: Sequence[TracedFailure], root: Path) -> Notes:
    """What the model is told of the failures, and how an imitation of them is recognised."""

    def imitates(path: str, before: str, after: str) -> str:
        if len(decisions(after)) <= len(
            decisions(before)
        ):  # one that takes another's place decides nothing new
            return ""
        return imitation([FileEdit(path, before, after)], cases, root)

    claims = {f"// test: {one.call} == {one.expected}" for one in failures if one.call and one.expected}
    said = {f"// test fails: {' '.join(one.message.split())}" for one in failures}
    fitting = [claim for claim in sorted(claims, key=len) if len(claim) <= _LONGEST and "\n" not in claim]
    spoken = [one[:_LONGEST] for one in sorted(said, key=len)]
    return Notes(tuple((fitting or spoken)[:1]), imitates)


def _claim(case: TestCase, root: Path) -> tuple[str, str]:
    """(call, expected) as source, or two empty strings."""
    line = line_in_test(case)
    path = next((frame.path for frame in case.frames if is_test_part(frame.path)), "")
    if not line:
        return "", ""
    try:
        source = TreeSource.load(root, path)
    except WorkspaceError:
        return "", ""
    if source is None:
        return "", ""
    for node in source.starting.get(line, ()):
        if node.type == "call_expression" and (found := _compared(source, node)):
            actual, expected = found
            return _computed(source, actual, line), expected
    return "", ""


def _compared(source: TreeSource, node: Node) -> tuple[str, str] | None:
    """(actual, expected) of an assertion of equality, as each library orders them."""
    function, given = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if function is None or given is None:
        return None
    name, texts = source.words(function), [source.words(one) for one in given.named_children]
    if _EXPECT.match(name) and _MATCHER.search(name) and texts:
        calls = [one for one in walk(function) if one.type == "call_expression"]
        inner = next((one for one in calls if source.words(one.children[0]) == "expect"), None)
        its = inner.child_by_field_name("arguments") if inner is not None else None
        return (source.words(its.named_children[0]), texts[0]) if its and its.named_child_count else None
    if not _EQUAL.search(name) or "not" in name.lower():
        return None
    if source.tongue.name == "go":  # assert.Equal(t, expected, actual)
        return (texts[2], texts[1]) if len(texts) >= 3 else None
    return (texts[0], texts[1]) if len(texts) >= 2 else None


def _computed(source: TreeSource, actual: str, line: int) -> str:
    """The call behind a name that was assigned shortly before."""
    if not actual.isidentifier():
        return actual
    found = re.compile(rf"\b{re.escape(actual)}\b(?:\s*,\s*\w+)*\s*:?=\s*(?P<value>[^=].*?);?\s*$")
    for number in range(line - 1, max(0, line - _NEAR), -1):
        if match := found.search(source.lines[number - 1]):
            return match["value"]
    return actual
