"""The prompt for filling in the middle: what a small model needs to see around the hidden lines.

Prefix: the names the function uses, what it is for, ``# test: call == expected`` from the failing
tests, and the function up to the hole; suffix: the function from there on. Measured: a model of 1.5B
repairs far more this way than by rewriting what it sees, because it cannot copy what is hidden.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kcode.repair.judge import TracedFailure
from kcode.repair.source import Scope, Source

_LINES_BEFORE, _LINES_AFTER = 45, 25  # of the function, around the hole
_DOC_LIMIT = 900  # characters of prose
_CASE_LIMIT = 160  # characters of one "# test:" line
_CASES = 1  # measured: a second and a third change little and cost reading time
_SKELETON_LINES = 16
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Hole:
    """Lines ``first..last`` of the file are hidden; ``last = first - 1`` hides nothing (an insertion)."""

    first: int
    last: int


def claims_of(failures: Sequence[TracedFailure]) -> tuple[str, ...]:
    """The shortest claims of the failing tests, as comment lines."""
    claims = {f"# test: {one.call} == {one.expected}" for one in failures if one.call and one.expected}
    short = sorted((claim for claim in claims if len(claim) <= _CASE_LIMIT and "\n" not in claim), key=len)
    useful = [claim for claim in short if " object at 0x" not in claim]
    return tuple(useful[:_CASES])


def header(source: Source, scope: Scope, cases: Sequence[str]) -> str:
    """What stands above the function: stable for all holes of one function, so the model reads it once."""
    own = source.above(scope, cases)
    if own is not None:
        return own
    parts = _skeleton(source, scope)
    prose = "" if scope.docstring else _prose(source)
    if prose:
        parts.append(f'"""\n{prose}\n"""')
    parts.extend(cases)
    if scope.owner:
        parts.append(f"class {scope.owner.rpartition('.')[2]}:")
    return "".join(f"{part}\n" for part in parts)


def prompt(source: Source, scope: Scope, hole: Hole, above: str) -> tuple[str, str]:
    """(prefix, suffix) for ``hole``; ``above`` is :func:`header`'s text."""
    start = max(scope.first, hole.first - _LINES_BEFORE)
    end = min(scope.last, hole.last + _LINES_AFTER)
    before = source.lines[start - 1 : hole.first - 1]
    if start > scope.body:  # the signature stays in sight
        before = [*source.lines[scope.first - 1 : scope.body - 1], *before]
    after = source.lines[hole.last : end]
    prefix = above + "".join(f"{line}\n" for line in before)
    suffix = "\n" + "".join(f"{line}\n" for line in after)
    return prefix, suffix


def _skeleton(source: Source, scope: Scope) -> list[str]:
    """Imports, constants and signatures of the module whose names the function uses."""
    used = set(_NAME.findall("\n".join(source.lines[scope.first - 1 : scope.last])))
    found: list[str] = []
    for node in source.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            if names & used:
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign) and scope.name:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if {target.id for target in targets if isinstance(target, ast.Name)} & used:
                text = ast.unparse(node)
                found.append(text if len(text) <= _CASE_LIMIT else text[:_CASE_LIMIT] + " ...")
        elif isinstance(node, ast.FunctionDef) and node.name in used and node.name != scope.name:
            found.append(f"def {node.name}({ast.unparse(node.args)}): ...")
    return [line for line in found if "\n" not in line][:_SKELETON_LINES]


def _prose(source: Source) -> str:
    """The module's docstring, or a string that stands alone in it, for functions without their own."""
    for node in source.tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, str) and len(value.strip()) > 20:
                text = re.sub(r"\n{2,}", "\n", value.strip())
                return text if len(text) <= _DOC_LIMIT else text[:_DOC_LIMIT].rpartition("\n")[0]
    return ""
