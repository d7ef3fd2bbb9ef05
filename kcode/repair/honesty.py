"""What a reader must know of a patch that passes: does it imitate the test, does it weaken tests?

In any language, by the text: literals of the failing test that a new decision singles out, and tests that
have become fewer, skipped, or asserting less.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kcode.repair.known import names_in
from kcode.repair.testfiles import is_test_part, is_test_setup
from kcode.testrun.report import TestCase
from kcode.tools.base import FileEdit

_LITERAL = re.compile(
    r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`[^`\n]*`|(?<![\w.])-?\d+(?:_\d+)*(?:\.\d+)?(?![\w.])'
)
_DECISION = re.compile(
    r"\b(?:if|elif|elsif|unless|case|when|switch|match|while|in|get|includes|has)\b|[=!]=|=>|\?|&&|\|\|"
)
_ANSWER = re.compile(r"^\s*(?:return\b|=>|\w+\s*=\s*)\s*(?P<value>.+?);?\s*$")
_ENTRY = re.compile(r"^\s*(?P<key>\"[^\"]*\"|'[^']*'|-?\d+(?:\.\d+)?)\s*(?::|=>)\s*\S")
_COMMON = frozenset(
    {"", "0", "1", "2", "-1", "10", "100", "1000", "true", "false", "null", "utf-8", " ", "\\n"}
)
_COMMENT = re.compile(r"^\s*(?:#|//|\*|/\*|--)")
_SKIP = re.compile(
    r"@(?:pytest\.mark\.|unittest\.)?(?:skip|skipif|skipIf|skipUnless|xfail|expectedFailure|Disabled|Ignore)\b"
    r"|\b(?:pytest\.(?:skip|xfail)|t\.Skip(?:f|Now)?|self\.skipTest|markTestSkipped|markTestIncomplete)\b"
    r"|\b(?:it|test|describe|context|specify)\.(?:skip|todo|failing)\b|\bx(?:it|describe|test|context|specify)\b"
    r"|#\[ignore|\bpending\b|\bskip:\s*true|\[Ignore|Skip\s*=\s*\""
)
_ASSERT = re.compile(
    r"\bassert\w*\b|\bexpect\w*\s*[({]|\.should\b|\.to(?:Be|Equal|Have|Match|Throw)\w*|\bverify\s*\("
    r"|\bt\.(?:Error|Fatal|Fail)\w*|\brequire\.\w+\(|\b(?:REQUIRE|CHECK|EXPECT_\w+|ASSERT_\w+)\s*\("
)
_SHOWN = 80
_TEST_LINES = 40  # of the source of a failing test that are read for its literals


def imitation(edits: Sequence[FileEdit], cases: Sequence[TestCase], root: Path) -> str:
    """The value of a failing test that a new decision compares with or answers, or empty.

    A patch that tests for the test's own input passes it without repairing anything.
    """
    wanted = _literals_of(cases, root) - _COMMON
    if not wanted:
        return ""
    for edit in edits:
        if is_test_part(edit.path):
            continue
        old = {_bare(found) for line in (edit.before or "").splitlines() for found in _decided(line)}
        for line in _added(edit):
            for literal in _decided(line):
                if _bare(literal) in wanted and _bare(literal) not in old:
                    return literal if len(literal) <= _SHOWN else f"{literal[: _SHOWN - 4]} ..."
    return ""


def decisions(text: str) -> list[str]:
    """The literals that a program decides by or answers, line by line."""
    return [literal for line in text.splitlines() for literal in _decided(line)]


def weakened(edits: Sequence[FileEdit]) -> list[str]:
    """How a patch that may change tests makes them say less, a phrase each."""
    said: list[str] = []
    for edit in edits:
        if not (is_test_part(edit.path) or edit.path.endswith(".rs")):
            continue
        before, after = edit.before or "", edit.after or ""
        if edit.before is not None and edit.after is None:
            said.append(f"{edit.path} is deleted")
            continue
        gone = [name for name in dict.fromkeys(names_in(edit.path, before)) if name not in _all(edit)]
        if gone:
            said.append(f"{edit.path} loses {', '.join(gone[:3])}" + (" and more" if len(gone) > 3 else ""))
        if len(_SKIP.findall(after)) > len(_SKIP.findall(before)):
            said.append(f"{edit.path} skips more")
        if len(_ASSERT.findall(after)) < len(_ASSERT.findall(before)):
            said.append(f"{edit.path} asserts less")
    return said


def set_up_changed(edits: Sequence[FileEdit]) -> list[str]:
    """Changed files that say which tests run and how."""
    return [edit.path for edit in edits if is_test_setup(edit.path)]


def size_of(edits: Sequence[FileEdit]) -> int:
    """Lines that a patch takes away and puts in."""
    return sum(1 for edit in edits for line in _diff(edit) if line[:2] in ("- ", "+ "))


def _all(edit: FileEdit) -> set[str]:
    return set(names_in(edit.path, edit.after or ""))


def _diff(edit: FileEdit) -> list[str]:
    old, new = (edit.before or "").splitlines(), (edit.after or "").splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    lines: list[str] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            lines += [f"- {line}" for line in old[i1:i2]] + [f"+ {line}" for line in new[j1:j2]]
    return lines


def _added(edit: FileEdit) -> list[str]:
    return [line[2:] for line in _diff(edit) if line.startswith("+ ")]


def _decided(line: str) -> list[str]:
    """The literals of a line that decides by them, or is an answer made of nothing else."""
    if _COMMENT.match(line):
        return []
    if _DECISION.search(_LITERAL.sub("", line)):
        return _LITERAL.findall(line)
    if entry := _ENTRY.match(line):
        return [entry["key"]]
    answer = _ANSWER.match(line)
    if answer and "return" in line and not re.sub(r"[\[\](){},\s]", "", _LITERAL.sub("", answer["value"])):
        return _LITERAL.findall(answer["value"])
    return []


def _literals_of(cases: Sequence[TestCase], root: Path) -> set[str]:
    found: set[str] = set()
    for case in cases[:20]:
        texts = [case.expected, case.actual, case.message, case.assertion, *_source_of(case, root)]
        found |= {_bare(literal) for text in texts for literal in _LITERAL.findall(text)}
    return found


def _source_of(case: TestCase, root: Path) -> Iterable[str]:
    """The lines of the test around the places where it failed."""
    for frame in case.frames:
        if not is_test_part(frame.path):
            continue
        try:
            lines = (root / frame.path).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        yield from lines[max(0, frame.line - _TEST_LINES // 4) : frame.line + 1]


def _bare(literal: str) -> str:
    return literal[1:-1] if literal[:1] in "\"'`" else literal.replace("_", "")
