"""Which of several passing patches is the best, and which only imitates the tests."""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections import Counter
from collections.abc import Sequence

from kcode.repair.candidates import Candidate
from kcode.repair.judge import TracedFailure

_UNKNOWN_GAIN = 0.0  # nats; what is taken for the likelihood of a patch that was not weighed
_PROPOSED = 4.0  # nats; the same for one that the model proposed itself and is sure of
_MOST_GAIN = 12.0
_ALSO_WEIGHT = 10.0  # what it is worth that failing tests of other files pass too: one defect, many symptoms
_AGREE_WEIGHT = 5.0  # what it is worth that all the other patches behave alike
_SIZE_WEIGHT, _COST_WEIGHT = 0.5, 0.4  # what a token more, and a less usual change, speak against a patch
_CLEARLY = 3.0  # nats: a patch that is worth so much more than another is the better one
_COMMON = frozenset({"0", "1", "-1", "2", "''", "None", "True", "False", "10", "100"})


def special_case(before: str, after: str, failures: Sequence[TracedFailure]) -> str:
    """The value of a failing test that the patch compares with or returns, or "" where there is none.

    A patch that tests for the very input of the test passes it without repairing anything. A value that
    takes another one's place decides nothing new: a wrong constant is a defect like any other.
    """
    wanted = {text for one in failures for text in (*_constants(one.call), *_constants(one.expected))}
    wanted -= _COMMON
    old, new = Counter(_decisions(before)), Counter(_decisions(after))
    if new.total() <= old.total():
        return ""
    for text in new:
        if text in wanted and new[text] > old[text]:
            return text
    return ""


def distance(before: str, after: str) -> int:
    """The size of a patch in tokens taken away and put in."""
    old, new = _tokens(before), _tokens(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")


def best_first(
    passing: Sequence[Candidate], before: dict[str, str], failures: Sequence[TracedFailure]
) -> list[Candidate]:
    """Honest patches before imitating ones; then by how likely the model finds the change, how small it
    is, how usual, and how many others behave like it."""

    def key(candidate: Candidate) -> tuple[bool, float, int]:
        old = before[candidate.path]
        special = bool(special_case(old, candidate.text, failures))
        return (special, -worth(candidate, old), candidate.stage)

    return sorted(passing, key=key)


def worth(candidate: Candidate, old: str) -> float:
    """What speaks for a passing patch of the text ``old``, in nats."""
    size = distance(_near(old, candidate), "\n".join(candidate.new))
    likely = _unweighed(candidate) if candidate.gain is None else min(candidate.gain, _MOST_GAIN)
    if candidate.logprob is None and takes_away(old, candidate):
        likely = min(likely, 0.0)  # any shorter line is likelier
    for_it = likely + _AGREE_WEIGHT * candidate.agreeing + _ALSO_WEIGHT * candidate.also
    return for_it - _SIZE_WEIGHT * size - _COST_WEIGHT * candidate.cost


def rival(chosen: Candidate, passing: Sequence[Candidate], before: dict[str, str]) -> Candidate | None:
    """Another passing patch that does something else on further inputs, and has about as much for it: the
    tests leave open which one is meant."""
    enough = worth(chosen, before[chosen.path]) - _CLEARLY
    for one in passing:
        differs = one.behaviour and chosen.behaviour and one.behaviour != chosen.behaviour
        if differs and worth(one, before[one.path]) > enough:
            return one
    return None


def takes_away(before: str, candidate: Candidate) -> bool:
    """Whether the change only removes: what is left stood there before, in this order."""
    rest = iter(_tokens(_near(before, candidate)))
    return all(token in rest for token in _tokens("\n".join(candidate.new)))


def _unweighed(candidate: Candidate) -> float:
    if candidate.logprob is None:
        return _UNKNOWN_GAIN
    return _PROPOSED * math.exp(min(0.0, candidate.logprob))


def _near(old: str, candidate: Candidate) -> str:
    return "\n".join(old.splitlines()[candidate.hole.first - 1 : candidate.hole.last])


def _constants(text: str) -> set[str]:
    """The literal values in a piece of source, as their representations."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return set()
    found = {repr(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and isinstance(node.operand, ast.Constant)
        ):
            found.add(f"-{node.operand.value!r}")
    return found


def _decisions(text: str) -> list[str]:
    """The literals that a program compares with, looks up, or returns as they are."""
    found: list[str] = []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Return) and node.value is not None:
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        for part in parts:
            if isinstance(part, ast.Constant | ast.List | ast.Tuple | ast.Set | ast.UnaryOp):
                found.extend(_constants(ast.unparse(part)))
    return found


def _tokens(text: str) -> list[str]:
    try:
        return [
            token.string
            for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline)
            if token.string.strip()
        ]
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return text.split()
