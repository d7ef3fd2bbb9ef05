"""The hunks of a planned change: splitting them, choosing among them, and the change that is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kcode.workspace.change import FileEdit
from kcode.workspace.diff import split_lines
from kcode.workspace.linediff import opcodes

CONTEXT = 3  # unchanged lines shown around a change; changes closer than twice that are one hunk
_MARK = "\\ No newline at end of file"


class DoesNotApply(Exception):
    """An edited hunk that does not fit the file; the message says where."""


@dataclass(frozen=True, slots=True)
class Block:
    """``old`` lines, the first of which is line ``start`` (from 0) of the text before, become ``new``.

    Lines have their ends. ``place`` is where ``new`` begins in the text after, as it was proposed.
    """

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    place: int

    @property
    def end(self) -> int:
        return self.start + len(self.old)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changes that are decided on together. ``blocks`` is empty where a file without lines comes or goes."""

    blocks: tuple[Block, ...]

    @property
    def start(self) -> int:
        return self.blocks[0].start if self.blocks else 0


def hunks_of(edit: FileEdit) -> tuple[Hunk, ...]:
    """The hunks of a change, as git cuts them. A file that comes or goes has one."""
    old, new = split_lines(edit.before or ""), split_lines(edit.after or "")
    blocks = [
        Block(a0, tuple(old[a0:a1]), tuple(new[b0:b1]), b0)
        for tag, a0, a1, b0, b1 in opcodes(old, new)
        if tag != "equal"
    ]
    if edit.before is None or edit.after is None:
        return (Hunk(tuple(blocks)),)
    found: list[list[Block]] = []
    for block in blocks:
        if found and block.start - found[-1][-1].end <= 2 * CONTEXT:
            found[-1].append(block)
        else:
            found.append([block])
    return tuple(Hunk(tuple(group)) for group in found)


def split(hunk: Hunk) -> tuple[Hunk, ...]:
    """The hunk's changes one by one; itself where unchanged lines do not part it."""
    return tuple(Hunk((block,)) for block in hunk.blocks) or (hunk,)


def with_hunks(edit: FileEdit, accepted: Iterable[Hunk]) -> FileEdit | None:
    """``edit`` with the accepted hunks only; None where nothing is left of it.

    Every line outside the accepted hunks is the line that was there, with its own end.
    """
    chosen = sorted(accepted, key=lambda hunk: hunk.start)
    if not chosen:
        return None
    if edit.after is None:
        return edit
    after = _applied(split_lines(edit.before or ""), chosen)
    return None if after == edit.before else FileEdit(edit.path, edit.before, after, edit.note)


def _applied(old: Sequence[str], chosen: Sequence[Hunk]) -> str:
    out: list[str] = []
    at = 0
    for block in (block for hunk in chosen for block in hunk.blocks):
        out += old[at : block.start]
        out += block.new
        at = block.end
    return "".join([*out, *old[at:]])


# --- a hunk as text, edited by hand --------------------------------------------------------------


def as_patch(edit: FileEdit, hunk: Hunk, others: Sequence[Hunk] = ()) -> str:
    """The hunk with its context as lines of a patch, line ends left to :func:`from_patch`.

    The context ends where one of the ``others`` begins.
    """
    old = split_lines(edit.before or "")
    first, last = _span(len(old), hunk, others)
    lines: list[str] = []
    at, more = first, 0
    for block in hunk.blocks:
        lines += [_shown(" ", line) for line in old[at : block.start]]
        lines += [_shown("-", line) for line in block.old]
        lines += [_shown("+", line) for line in block.new]
        more += len(block.new) - len(block.old)
        at = block.end
    lines += [_shown(" ", line) for line in old[at:last]]
    place = hunk.blocks[0].place - (hunk.start - first) if hunk.blocks else 0
    count = last - first
    return "\n".join([f"@@ -{first + 1},{count} +{place + 1},{count + more} @@", *lines]) + "\n"


def from_patch(edit: FileEdit, hunk: Hunk, text: str, others: Sequence[Hunk] = ()) -> Hunk | None:
    """The hunk as the edited ``text`` has it; None where the text is empty, or changes nothing.

    Context and ``-`` lines have to be the file's own. An added line keeps the end it was proposed with, a
    new one takes its neighbours'. Raises :class:`DoesNotApply`.
    """
    rows = _rows(text)
    if not any(content.strip() or sign != " " for sign, content in rows):
        return None
    old = split_lines(edit.before or "")
    first, last = _span(len(old), hunk, others)
    pool = [line for block in hunk.blocks for line in block.new]
    unended = pool[-1] if pool and not pool[-1].endswith("\n") else ""
    ending = _usual_ending([*old[first:last], *pool, *old])
    shift = (hunk.blocks[0].place if hunk.blocks else 0) - hunk.start
    blocks: list[Block] = []
    removed: list[str] = []
    added: list[str] = []
    at = first
    before = ""
    for sign, content in rows:
        if sign == "\\" and before == "+":
            added[-1] = unended if _bare(unended) == _bare(added[-1]) else _bare(added[-1])
        elif sign == "+":
            added.append(_with_end(content, pool, ending))
        elif sign in " -" and not (at >= last and (sign, content) == (" ", "")):
            if at >= last or _bare(old[at]) != content:
                there = f"the file has {_bare(old[at])!r} there" if at < last else "the hunk ends before it"
                raise DoesNotApply(f"{sign + content!r} does not fit: {there}")
            if sign == "-":
                removed.append(old[at])
            elif removed or added:
                start = at - len(removed)
                blocks.append(Block(start, tuple(removed), tuple(added), start + shift))
                removed, added = [], []
            at += 1
        before = sign
    if at < last:
        raise DoesNotApply(f"line {at + 1} of the file is missing: {_bare(old[at])!r}")
    if removed or added:
        start = at - len(removed)
        blocks.append(Block(start, tuple(removed), tuple(added), start + shift))
    return Hunk(tuple(_joined(block, old) for block in blocks)) if blocks else None


def _joined(block: Block, old: Sequence[str]) -> Block:
    """``block`` with line ends where lines follow, and where it follows a last line that had none."""
    new = [line if line.endswith("\n") else line + "\n" for line in block.new[:-1]]
    new += [
        line + "\n" if block.end < len(old) and not line.endswith("\n") else line for line in block.new[-1:]
    ]
    if new and not block.old and block.start == len(old) and old and not old[-1].endswith("\n"):
        ending = "\r\n" if new[0].endswith("\r\n") else "\n"
        return Block(block.start - 1, (old[-1],), (old[-1] + ending, *new), block.place - 1)
    return Block(block.start, block.old, tuple(new), block.place)


def _span(size: int, hunk: Hunk, others: Sequence[Hunk]) -> tuple[int, int]:
    """The old lines that the hunk shows, context included."""
    if not hunk.blocks:
        return 0, 0
    start, end = hunk.start, hunk.blocks[-1].end
    around = [block for other in others for block in other.blocks]
    floor = max((block.end for block in around if block.end <= start), default=0)
    ceiling = min((block.start for block in around if block.start >= end), default=size)
    return max(floor, start - CONTEXT), min(ceiling, end + CONTEXT)


def _shown(sign: str, line: str) -> str:
    return sign + _bare(line) + ("" if line.endswith("\n") else f"\n{_MARK}")


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _rows(text: str) -> list[tuple[str, str]]:
    """Signs and contents; comments and the header left out. A line an editor emptied is an empty one."""
    found: list[tuple[str, str]] = []
    for line in map(_bare, split_lines(text)):
        if line.startswith(("#", "@@")):
            continue
        if line[:1] not in ("", " ", "-", "+", "\\"):
            raise DoesNotApply(f"{line!r} begins with neither ' ' nor '-' nor '+'")
        found.append((line[:1] or " ", line[1:]))
    return found


def _usual_ending(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.endswith("\n")), "\n")
    return "\r\n" if first.endswith("\r\n") else "\n"


def _with_end(content: str, pool: list[str], ending: str) -> str:
    """An added line with the end it was proposed with, if it was: the next such line is used up."""
    for number, line in enumerate(pool):
        if _bare(line) == content:
            del pool[: number + 1]
            return line if line.endswith("\n") else line + ending
    return content + ending


def like_before(text: str, edited: str) -> str:
    """``edited`` with the line ends of ``text``, which an editor may have made its own: a line that stayed
    keeps its end, a new one takes the usual one."""
    old, new = split_lines(text), split_lines(edited)
    ending = _usual_ending(old)
    out: list[str] = []
    for tag, a0, a1, b0, b1 in opcodes([_bare(line) for line in old], [_bare(line) for line in new]):
        if tag == "equal":
            for was, number in zip(old[a0:a1], range(b0, b1), strict=True):
                cut = was if was.endswith("\n") or number == len(new) - 1 else was + ending
                out.append(_bare(was) if was.endswith("\n") and not new[number].endswith("\n") else cut)
        else:
            out += [_bare(line) + ending if line.endswith("\n") else line for line in new[b0:b1]]
    return "".join(out)
