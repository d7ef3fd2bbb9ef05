"""What a failure text says: the assertion, the two values, the frames inside the repository."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from kcode.testrun.report import Frame, bounded

_PYTEST_FRAME = re.compile(
    r"^(?P<path>[^\s:>][^:\n]*\.py):(?P<line>\d{1,9}):(?: in (?P<function>\S+))?", re.M
)
_NATIVE_FRAME = re.compile(
    r'^[ \t]*File "(?P<path>[^"]+)", line (?P<line>\d{1,9})(?:,? in (?P<function>\S+))?', re.M
)
_EXPLANATION = re.compile(r"^E(?: {2,}| ?$)(.*)$", re.M)
_UNEQUAL = re.compile(r"AssertionError: (.{1,500}?) != (.{1,500}?)(?: : .*)?")  # unittest's assertEqual
_KEPT_FRAMES = 30  # a RecursionError has a thousand


@dataclass(frozen=True, slots=True)
class Outcome:
    message: str
    assertion: str
    expected: str
    actual: str


def outcome_of(text: str, message: str = "") -> Outcome:
    """Read pytest's explanation (its ``E`` lines) out of a failure text; ``message`` is the summary line."""
    explained = "\n".join(match.group(1) for match in _EXPLANATION.finditer(text)).strip("\n")
    lines = [line for line in (message or explained).splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if message == "collection failure" and explained:  # the reason is what the module's import ended with
        first = explained.splitlines()[-1]
    actual, expected = compared(explained or message)
    return Outcome(bounded(first.strip(), 300), bounded(explained or message, 2_000), expected, actual)


def compared(explained: str) -> tuple[str, str]:
    """(actual, expected) of ``assert actual == expected`` where both can be read, else empty strings.

    By pytest's convention the value under test stands on the left.
    """
    for line in explained.splitlines():
        claim = line.strip().removeprefix("AssertionError: ")
        if unequal := _UNEQUAL.fullmatch(line.strip()):
            return bounded(unequal[1], 500), bounded(unequal[2], 500)
        if not claim.startswith("assert "):
            continue
        try:
            test = ast.parse(claim).body[0]
        except SyntaxError:
            return _split(claim.removeprefix("assert "))
        assert isinstance(test, ast.Assert)
        match test.test:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
                return bounded(ast.unparse(left), 500), bounded(ast.unparse(right), 500)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return bounded(ast.unparse(operand), 500), "a false value"
        return "", ""
    return "", ""


def _split(claim: str) -> tuple[str, str]:
    """Values whose representation is no Python (``<Node 1>``) are told apart by the one ``==`` there is."""
    sides = claim.split(" == ")
    return (bounded(sides[0], 500), bounded(sides[1], 500)) if len(sides) == 2 else ("", "")


_LOOKED_AT = 100_000  # characters of a text's beginning and end


def frames_of(text: str, root: Path) -> tuple[Frame, ...]:
    """The frames of a traceback (pytest's styles and Python's) that are files of the repository."""
    if len(text) > 2 * _LOOKED_AT:
        text = f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
    found = [
        frame
        for pattern in (_PYTEST_FRAME, _NATIVE_FRAME)
        for match in pattern.finditer(text)
        if (frame := _frame(match, root)) is not None
    ]
    if len(found) > _KEPT_FRAMES:
        found = found[: _KEPT_FRAMES // 3] + found[-(2 * _KEPT_FRAMES // 3) :]
    return tuple(dict.fromkeys(found))


_FOREIGN = {"site-packages", "dist-packages", "node_modules", ".tox", ".nox"}


def _frame(match: re.Match[str], root: Path) -> Frame | None:
    path = Path(match["path"])
    path = path if path.is_absolute() else root / path
    try:
        relative = path.resolve().relative_to(root.resolve())
        if _FOREIGN.intersection(relative.parts) or not path.is_file():
            return None
    except (ValueError, OSError):  # a name that is too long for the disk is one
        return None
    return Frame(relative.as_posix(), int(match["line"]), match["function"] or "")
