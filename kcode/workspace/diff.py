"""The difference between two texts as hunks and as a unified diff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcode.workspace.linediff import opcodes

_Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk. Starts count lines from 1; each of ``lines`` begins with a blank, ``-`` or ``+``.

    A line without a final newline at the end of its text lacks it here too.
    """

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[str, ...]

    @property
    def header(self) -> str:
        return f"@@ -{_span(self.old_start, self.old_count)} +{_span(self.new_start, self.new_count)} @@"


def split_lines(text: str) -> list[str]:
    """Lines with their endings, split at ``\\n`` only, as git does (form feeds are not line ends)."""
    lines = text.split("\n")
    whole = [line + "\n" for line in lines[:-1]]
    return [*whole, lines[-1]] if lines[-1] else whole


def hunks(before: str | None, after: str | None, context: int = 3) -> list[Hunk]:
    """The changes from ``before`` to ``after`` (None: not there), with ``context`` lines around each."""
    old, new = split_lines(before or ""), split_lines(after or "")
    return [_hunk(group, old, new) for group in _grouped(opcodes(old, new), context)]


def unified(before: str | None, after: str | None, path: str) -> str:
    """A unified diff that ``git apply`` takes; empty where nothing changed."""
    found = hunks(before, after)
    if not found and (before is None) == (after is None):
        return ""
    out = [
        "--- /dev/null" if before is None else f"--- a/{path}",
        "+++ /dev/null" if after is None else f"+++ b/{path}",
    ]
    for hunk in found:
        out.append(hunk.header)
        for line in hunk.lines:
            if line.endswith("\n"):
                out.append(line[:-1])
            else:
                out += [line, "\\ No newline at end of file"]
    return "\n".join(out) + "\n"


def counts(before: str | None, after: str | None) -> tuple[int, int]:
    """Lines added and removed."""
    lines = [line for hunk in hunks(before, after, 0) for line in hunk.lines]
    return sum(line[0] == "+" for line in lines), sum(line[0] == "-" for line in lines)


def _grouped(codes: Sequence[_Opcode], context: int) -> list[list[_Opcode]]:
    groups: list[list[_Opcode]] = []
    current: list[_Opcode] = []
    last = len(codes) - 1
    for position, (tag, a, b, c, d) in enumerate(codes):
        if tag != "equal":
            current.append((tag, a, b, c, d))
            continue
        keep_before = context if position > 0 else 0  # lines that close the hunk above
        keep_after = context if position < last else 0  # lines that open the hunk below
        if b - a <= keep_before + keep_after and 0 < position < last:
            current.append((tag, a, b, c, d))
            continue
        if current:
            size = min(keep_before, b - a)
            groups.append([*current, ("equal", a, a + size, c, c + size)])
        size = min(keep_after, b - a)
        current = [("equal", b - size, b, d - size, d)]
    if any(code[0] != "equal" for code in current):
        groups.append(current)
    return groups


def _hunk(group: list[_Opcode], old: list[str], new: list[str]) -> Hunk:
    lines: list[str] = []
    for tag, a, b, c, d in group:
        if tag == "equal":
            lines += [" " + line for line in old[a:b]]
        else:
            lines += ["-" + line for line in old[a:b]]
            lines += ["+" + line for line in new[c:d]]
    first, last = group[0], group[-1]
    return Hunk(first[1] + 1, last[2] - first[1], first[3] + 1, last[4] - first[3], tuple(lines))


def _span(start: int, count: int) -> str:
    if count == 1:
        return str(start)
    return f"{start if count else start - 1},{count}"
