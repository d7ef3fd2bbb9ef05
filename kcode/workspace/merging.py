"""The new text for a place that was found inexactly: what the edit changes, on what the file has there.

The given old text is the common ancestor, the file's lines are one side, the new text is the other. Lines
that the edit keeps stay as the file has them, byte for byte; the lines it changes must be the file's own,
apart from blanks and look-alikes, or the two changes must lie apart within the line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kcode.workspace.diff import split_lines
from kcode.workspace.document import Document, bare, key
from kcode.workspace.indentation import Rule, given_step, lead, rule_for
from kcode.workspace.lookalikes import plain, respelled

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")

_REWORDED = 0.85  # of 1.0: so like each other is a line before and after a word in it was changed

_Opcode = tuple[str, int, int, int, int]


def shared(one: str, other: str) -> int:
    """How many first characters are the same."""
    size = min(len(one), len(other))
    return next((at for at in range(size) if one[at] != other[at]), size)


@dataclass(frozen=True, slots=True)
class Place:
    """A match: ``text[start:end]`` is to become ``new``."""

    start: int
    end: int
    new: str

    def trimmed(self, text: str) -> Place:
        """The same change of ``text`` without what it leaves as it was on either side."""
        there = text[self.start : self.end]
        head = shared(there, self.new)
        tail = shared(there[head:][::-1], self.new[head:][::-1])
        return Place(self.start + head, self.end - tail, self.new[head : len(self.new) - tail])


@dataclass(frozen=True, slots=True)
class Alignment:
    """For each line of the old text its line in the file, -1 for one the file has not.

    ``loose``: lines may differ in more than blanks and look-alikes; ``gaps``: the file may have lines
    between them that the old text passes over on purpose.
    """

    lines: tuple[int, ...]
    loose: bool = False
    gaps: tuple[int, ...] = ()  # indices of the elision lines of the old text

    @property
    def first(self) -> int:
        return min(line for line in self.lines if line >= 0)

    @property
    def last(self) -> int:
        return max(line for line in self.lines if line >= 0)


class Conflict(Exception):
    """The edit changes lines that are not as it says."""


def merged(document: Document, old: str, new: str, alignment: Alignment) -> Place | None:
    """What to replace by what, or None where the edit cannot be carried over without guessing."""
    try:
        return _Merge(document, old, new, alignment).place()
    except Conflict:
        return None


class _Merge:
    def __init__(self, document: Document, old: str, new: str, alignment: Alignment) -> None:
        self.document = document
        self.alignment = alignment
        self.old = [bare(line) for line in split_lines(old)]
        self.new = [bare(line) for line in split_lines(new)]
        self.ended = old.endswith("\n")
        self.next = alignment.first  # the first line of the file that is not dealt with
        self.out: list[str] = []  # lines with their endings
        region = document.raw[alignment.first : alignment.last + 1]
        crlf = sum(line.endswith("\r\n") for line in region)
        ends = sum(line.endswith("\n") for line in region)
        self.newline = ("\r\n" if crlf * 2 > ends else "\n") if ends else document.newline
        self.codes = self._codes()
        self.first_bare = False  # the first line came without its indentation, as copied from its middle
        self.rule = self._rule()
        self.slips = self._slips()
        self.blank_ends = self._has_blank_ends()
        self.bare_old = {line.strip() for line in self.old}

    def place(self) -> Place:
        for tag, a, b, c, d in self.codes:
            if tag == "equal":
                self._keep(a, b)
            else:
                self._change(a, b, c, d)
        raw, first, last = self.document.raw, self.alignment.first, self.alignment.last
        self.out += raw[self.next : last + 1]
        start, end = self.document.starts[first], self.document.starts[last + 1]
        closing = raw[last][len(bare(raw[last])) :]
        whole = bool(closing) and self.ended
        if closing and not self.ended:
            end -= len(closing)
        lines = [line if line.endswith("\n") else line + self.newline for line in self.out]
        if lines and not whole:
            lines[-1] = bare(lines[-1])
        return Place(start, end, "".join(lines))

    # --- lines ---

    def _codes(self) -> list[_Opcode]:
        """The edit itself, as difflib tells it; new lines that could stand in several places, in the best."""
        was, becomes = ([line.rstrip() for line in lines] for lines in (self.old, self.new))
        codes: list[_Opcode] = list(difflib.SequenceMatcher(None, was, becomes, autojunk=False).get_opcodes())
        if not self.alignment.loose:
            return codes
        for number, (tag, a, _, c, d) in enumerate(codes):
            if tag == "insert":
                above = codes[number - 1] if number else None
                below = codes[number + 1] if number + 1 < len(codes) else None
                shift = self._slide(was, becomes, (a, c, d), (above, below))
                if shift:
                    codes[number] = (tag, a + shift, a + shift, c + shift, d + shift)
                    if above:
                        codes[number - 1] = (*above[:2], above[2] + shift, above[3], above[4] + shift)
                    if below:
                        codes[number + 1] = (below[0], below[1] + shift, below[2], below[3] + shift, below[4])
        return codes

    def _slide(
        self,
        was: Sequence[str],
        becomes: Sequence[str],
        inserted: tuple[int, int, int],
        around: tuple[_Opcode | None, _Opcode | None],
    ) -> int:
        """``}`` and the lines before a new function may be told as new before or after the old ones.

        By how many lines the insertion moves to stand between two lines that are neighbours in the file.
        Raises :class:`Conflict` where a line that it could move past is not in the file as it is given.
        """
        a, c, d = inserted
        above, below = around
        up = down = 0
        while above and a - up > above[1] + 1 and was[a - up - 1] == becomes[d - up - 1]:
            up += 1
        while below and a + down < below[2] - 1 and was[a + down] == becomes[c + down]:
            down += 1
        there = self.alignment.lines
        if any(self.old[at].strip() and not self._same(at) for at in range(a - up, a + down)):
            raise Conflict  # which of two equal lines was changed since is open
        tight = []  # places between neighbours
        for shift in sorted(range(-up, down + 1), key=abs):
            before, after = (there[at] if 0 <= at < len(there) else -1 for at in (a + shift - 1, a + shift))
            if before >= 0 and after == before + 1:
                tight.append((after, shift))
        strange = set(range(min(tight)[0], max(tight)[0])) - set(there) if tight else set()
        if any(self.document.seen[line] for line in strange):
            raise Conflict  # on which side of lines that the edit does not know is open
        return tight[0][1] if tight else 0

    def _keep(self, a: int, b: int) -> None:
        for at in range(a, b):
            line = self.alignment.lines[at]
            if line >= self.next:
                self.out += self.document.raw[self.next : line + 1]
                self.next = line + 1

    def _change(self, a: int, b: int, c: int, d: int) -> None:
        if any(at in self.alignment.gaps for at in range(a, b)):
            raise Conflict  # lines that were not even named would be lost
        if any(not self._same(at) and key(self.old[at]) in self.document.known for at in range(a, b)):
            raise Conflict  # the very line is in the file, elsewhere
        there = [self.alignment.lines[at] for at in range(a, b)]
        known = [line for line in there if line >= 0]
        if known:
            self.out += self.document.raw[self.next : known[0]]
            self._only_blank(known)
        elif d > c:
            self._insertion_is_certain(a, b)
        if any(line < 0 and self.old[at].strip() for at, line in zip(range(a, b), there, strict=True)):
            raise Conflict
        lines = self._respelled(a, b, c, d)
        self.out += [line + self.newline for line in lines]
        if known:
            self.next = known[-1] + 1
            if not lines:
                self.next += self._blanks_too_many(known)

    def _blanks_too_many(self, known: Sequence[int]) -> int:
        """Where lines go that had blank lines on both sides, not known to the edit, one side's go too."""
        seen, ours = self.document.seen, set(self.alignment.lines)
        above = below = 0
        while known[0] - above > self.alignment.first and not seen[known[0] - above - 1]:
            above += 1
        while known[-1] + below < self.alignment.last and not seen[known[-1] + below + 1]:
            below += 1
        around = {*range(known[0] - above, known[0]), *range(known[-1] + 1, known[-1] + below + 1)}
        return 0 if around & ours else min(above, below)

    def _only_blank(self, known: Sequence[int]) -> None:
        """Between lines that go there may be nothing that the edit does not know of."""
        inside = set(range(known[0], known[-1] + 1)) - set(known)
        if any(self.document.stripped[line] for line in inside):
            raise Conflict

    def _insertion_is_certain(self, a: int, b: int) -> None:
        """New lines go between two lines that are neighbours in the file, blank lines aside."""
        after = next((line for line in self.alignment.lines[b:] if line >= 0), self.next)
        above = self._filled(range(a - 1, -1, -1))
        below = self._filled(range(b, len(self.old)))
        if above in self.alignment.gaps:
            self.out += self.document.raw[self.next : after]
            self.next = max(after, self.next)
        elif below in self.alignment.gaps:
            return
        elif any(self.document.stripped[line] for line in range(self.next, after)):
            raise Conflict
        if not self.alignment.loose:
            return
        around = [at for at in (above, below) if at >= 0]
        if not any(self._same(at) for at in around) and not (len(around) == 1 and self._reworded(around[0])):
            raise Conflict

    def _reworded(self, at: int) -> bool:
        """Whether an old line at an end of the text is surely the file's line, with a word changed since."""
        line = self.alignment.lines[at]
        if line < 0 or key(self.old[at]) in self.document.known:
            return False
        there, given = self.document.seen[line], key(self.old[at])
        return difflib.SequenceMatcher(None, there, given, autojunk=False).ratio() >= _REWORDED

    def _filled(self, order: range) -> int:
        """The first old line in this order that is not blank, or -1."""
        return next((at for at in order if self.old[at].strip()), -1)

    def _same(self, at: int) -> bool:
        line = self.alignment.lines[at]
        return line >= 0 and key(self.old[at]) == self.document.seen[line]

    # --- the spelling of new lines ---

    def _respelled(self, a: int, b: int, c: int, d: int) -> list[str]:
        partners = _partners(self.old[a:b], self.new[c:d])
        used = set(partners.values())
        for at in range(a, b):
            if self.alignment.lines[at] >= 0 and at - a not in used and not self._same(at):
                raise Conflict  # a line would go that is not the line that was named
        return [self._line(c + n, a + partners[n] if n in partners else -1) for n in range(d - c)]

    def _line(self, number: int, partner: int) -> str:
        """A new line as the file spells it; ``partner`` is the old line that it comes from, or -1."""
        line = self.new[number]
        if not line.strip():
            return ""
        indented = self.rule(lead(line))
        if self.first_bare and number == 0:
            indented = lead(self.document.lines[self.alignment.first])
        at = self.alignment.lines[partner] if partner >= 0 else -1
        there = self.document.lines[at] if at >= 0 else ""
        if at >= 0 and lead(line) == lead(self.old[partner]):
            indented = lead(there)
        if indented is None:
            raise Conflict
        body = line.lstrip(" \t")
        if at < 0:
            return indented + self._as_typed(body)
        return indented + self._as_typed(_woven(there.strip(), self.old[partner].strip(), body))

    def _as_typed(self, body: str) -> str:
        """A changed line without the slips that the old text has where the file has none."""
        if self.blank_ends and body.rstrip() in self.bare_old:
            body = body.rstrip()
        if body.isascii() or not self.slips:
            return body
        there = self.document.text
        return "".join(plain(char) if char in self.slips or char not in there else char for char in body)

    def _slips(self) -> set[str]:
        """The look-alikes that stand for ASCII in the old text."""
        found = set()
        for at, line in enumerate(self.alignment.lines):
            there, old = self.document.lines[line].strip() if line >= 0 else "", self.old[at].strip()
            if not old.isascii() and len(there) == len(old):
                found |= {o for t, o in zip(there, old, strict=True) if t != o and t == plain(o)}
        return found

    def _has_blank_ends(self) -> bool:
        return any(
            line >= 0 and old.strip() and old != old.rstrip() and there == there.rstrip()
            for old, line in zip(self.old, self.alignment.lines, strict=True)
            for there in [self.document.lines[line]]
        )

    def _rule(self) -> Rule:
        rule = self._agreed()
        if rule is None:
            raise Conflict
        return rule

    def _agreed(self) -> Rule | None:
        filled = [at for at in range(len(self.old)) if self.alignment.lines[at] >= 0 and self.old[at].strip()]
        if self.alignment.loose:  # a line that is merely like another may stand deeper than that
            filled = [at for at in filled if self._same(at)] or filled
        pairs = [(lead(self.document.lines[self.alignment.lines[at]]), lead(self.old[at])) for at in filled]
        first, *others = pairs or [("", "")]
        if others and first[0] and not first[1] and self.old[0].strip():
            exact = all(there == given for there, given in others)
            riddle = any(not lead(line) and line.strip() for line in self.new[1:])
            if exact and not riddle:
                self.first_bare = True
                return lambda given: given
        step = given_step([*self.old, *self.new])
        return rule_for(pairs, step, self.document.step, not self.alignment.loose)


def _partners(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which old line each new line comes from: by position where the counts agree, else the most alike."""
    if len(old) == len(new):
        return {n: n for n in range(len(new))}
    found: dict[int, int] = {}
    start = 0
    for n, line in enumerate(new):
        scores = [
            (difflib.SequenceMatcher(None, old[o].strip(), line.strip(), autojunk=False).ratio(), -o)
            for o in range(start, min(len(old), start + 40))
        ]
        best, o = max(scores, default=(0.0, 0))
        if best >= 0.6:
            found[n] = -o
            start = -o + 1
    return found


def _woven(there: str, old: str, new: str) -> str:
    """The change from ``old`` to ``new`` made in ``there``. Raises :class:`Conflict`."""
    if there == old:
        return new
    if key(there) == key(old):
        return respelled(there, old, new)
    renamed = _renamed(there, old, new)
    if renamed is not None:
        return renamed
    base, mine, yours = (_TOKEN.findall(text) for text in (old, there, new))
    changes = [(a, b, mine[c:d]) for a, b, c, d in _changed(base, mine)]
    wanted = [(a, b, yours[c:d]) for a, b, c, d in _changed(base, yours)]
    for a, b, _ in changes:
        for c, d, _ in wanted:
            apart = base[b:c] if b <= c else base[d:a] if d <= a else []
            if not any(token.strip() for token in apart):
                raise Conflict  # both changed the same words
    out, done = [], 0
    for a, b, tokens in sorted(changes + wanted, key=lambda change: change[:2]):
        out += [*base[done:a], *tokens]
        done = b
    return "".join([*out, *base[done:]])


def _renamed(there: str, old: str, new: str) -> str | None:
    """``new`` with the file's words, where ``there`` is ``old`` but for single words that ``new`` keeps."""
    base, mine = _TOKEN.findall(old), _TOKEN.findall(there)
    changes = _changed(base, mine)
    words: dict[str, str] = {}
    for a, b, c, d in changes:
        if b - a != 1 or d - c != 1 or not (base[a][0].isidentifier() and mine[c][0].isidentifier()):
            return None
        if words.setdefault(base[a], mine[c]) != mine[c]:
            return None
    tokens = _TOKEN.findall(new)
    if any(base.count(word) != len([1 for a, *_ in changes if base[a] == word]) for word in words):
        return None  # the word is right in one place of the line and wrong in another
    if any(tokens.count(word) != base.count(word) for word in words):
        return None
    return "".join(words.get(token, token) for token in tokens)


def _changed(base: Sequence[str], other: Sequence[str]) -> list[tuple[int, int, int, int]]:
    codes = difflib.SequenceMatcher(None, base, other, autojunk=False).get_opcodes()
    return [(a, b, c, d) for tag, a, b, c, d in codes if tag != "equal"]
