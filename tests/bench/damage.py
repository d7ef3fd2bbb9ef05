"""How models damage the edits they mean: each damage takes an edit and gives the call that is sent.

What is right afterwards is known in every case, since the damage says nothing about the change itself:
what the call keeps must stay as the file has it, what it changes must arrive as if undamaged. ``None``
where the damage does not apply to the edit.
"""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Edit:
    """Lines ``a:b`` of ``lines`` become ``new``; the call shows lines ``first:last``. Lines have endings."""

    lines: tuple[str, ...]
    first: int
    last: int
    a: int
    b: int
    new: tuple[str, ...]

    @property
    def before(self) -> str:
        return "".join(self.lines)

    @property
    def after(self) -> str:
        return "".join([*self.lines[: self.a], *self.new, *self.lines[self.b :]])

    @property
    def head(self) -> list[str]:
        return list(self.lines[self.first : self.a])

    @property
    def gone(self) -> list[str]:
        return list(self.lines[self.a : self.b])

    @property
    def tail(self) -> list[str]:
        return list(self.lines[self.b : self.last])

    @property
    def old(self) -> str:
        return "".join(self.lines[self.first : self.last])

    def wider(self, context: int) -> Edit:
        """At least so many lines around the change."""
        first, last = max(0, self.a - context), min(len(self.lines), self.b + context)
        return replace(self, first=min(first, self.first), last=max(last, self.last))

    @property
    def bare(self) -> Edit:
        """Without any context."""
        return replace(self, first=self.a, last=self.b)


@dataclass(frozen=True)
class Call:
    """``disk``: the file when the call comes (None: as before); ``want``: what is right (None: a refusal)."""

    old: str
    new: str
    want: str | None
    disk: str | None = None
    crlf: bool = False


Damage = Callable[[Edit, random.Random], Call | None]


def _call(edit: Edit, head: list[str], gone: list[str], new: list[str], tail: list[str]) -> Call | None:
    old, becomes = "".join([*head, *gone, *tail]), "".join([*head, *new, *tail])
    return None if old == edit.old and new == list(edit.new) else Call(old, becomes, edit.after)


def _each(edit: Edit, change: Callable[[str], str]) -> Call | None:
    """The same slip in every line of the call."""
    parts = (edit.head, edit.gone, list(edit.new), edit.tail)
    return _call(edit, *([change(line) for line in part] for part in parts))


def none(edit: Edit, rng: random.Random) -> Call | None:
    return Call(edit.old, "".join([*edit.head, *edit.new, *edit.tail]), edit.after)


def line_endings(edit: Edit, rng: random.Random) -> Call | None:
    whole = none(edit, rng)
    return whole and replace(whole, crlf=True)


def trailing_blanks(edit: Edit, rng: random.Random) -> Call | None:
    """Blanks at the ends of lines that the call keeps or takes away."""

    def blanks(line: str) -> str:
        return line[:-1] + rng.choice(["", " ", "  ", "\t"]) + "\n" if line.strip() else line

    return _call(edit, *([blanks(line) for line in part] for part in (edit.head, edit.gone)), list(edit.new),
                 [blanks(line) for line in edit.tail])  # fmt: skip


# --- indentation -----------------------------------------------------------------------------


def _lead(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _depths(edit: Edit) -> list[str]:
    lines = [*edit.head, *edit.gone, *edit.new, *edit.tail]
    return [_lead(line) for line in lines if line.strip()]


def dedented(edit: Edit, rng: random.Random) -> Call | None:
    """The block from its own left margin."""
    depths = _depths(edit)
    margin = min(depths, key=len)
    if not margin or not all(depth.startswith(margin) for depth in depths):
        return None
    return _each(edit, lambda line: line[len(margin) :] if line.strip() else line)


def indented(edit: Edit, rng: random.Random) -> Call | None:
    """The block one level, or a few blanks, too deep."""
    depths = _depths(edit)
    extra = "\t" if any("\t" in depth for depth in depths) else " " * rng.choice([1, 2, 4])
    return _each(edit, lambda line: extra + line if line.strip() else line)


def first_line_bare(edit: Edit, rng: random.Random) -> Call | None:
    """The first line without its indentation, the others with theirs, and blanks at a line's end."""
    first = edit.head[:1] or edit.gone[:1]
    lines = [*edit.head, *edit.gone, *edit.tail]
    if not edit.head or not _lead(first[0]) or not first[0].strip() or len(lines) < 3:
        return None
    if any(not _lead(line) for line in [*lines, *edit.new] if line.strip()):
        return None
    head = [edit.head[0].lstrip(), *edit.head[1:]]
    tail = edit.tail
    if tail:
        tail[-1] = tail[-1][:-1] + " \n"
    return _call(edit, head, edit.gone, list(edit.new), tail)


def tabs_for_blanks(edit: Edit, rng: random.Random) -> Call | None:
    depths = _depths(edit)
    if any("\t" in depth for depth in depths) or not any(depths):
        return None
    widths = [len(depth) for depth in depths if depth]
    unit = next((unit for unit in (8, 4, 2) if all(width % unit == 0 for width in widths)), 0)
    unit = min(unit, 4)
    if not unit or (unit == 4 and rng.random() < 0.0):
        return None
    return _each(
        edit, lambda line: "\t" * (len(_lead(line)) // unit) + line.lstrip(" ") if line.strip() else line
    )


def blanks_for_tabs(edit: Edit, rng: random.Random) -> Call | None:
    depths = _depths(edit)
    if not any("\t" in depth for depth in depths) or any(" " in depth for depth in depths):
        return None
    unit = " " * rng.choice([2, 4, 4, 8])
    return _each(
        edit, lambda line: _lead(line).replace("\t", unit) + line.lstrip("\t") if line.strip() else line
    )


def half_steps(edit: Edit, rng: random.Random) -> Call | None:
    """Two blanks a level where the file has four."""
    depths = _depths(edit)
    if any(len(depth) % 4 or "\t" in depth for depth in depths) or len(set(depths)) < 2:
        return None
    return _each(edit, lambda line: _lead(line)[::2] + line.lstrip(" ") if line.strip() else line)


# --- blank lines -----------------------------------------------------------------------------


def dropped_blank_lines(edit: Edit, rng: random.Random) -> Call | None:
    """Blank lines left out between lines that are kept, and between lines that go.

    Those beside a changed line stay: a call without them no longer says where the change is.
    """
    edit = edit.wider(5)
    head, tail = edit.head, edit.tail
    above = max((n for n, line in enumerate(head) if line.strip()), default=0)
    below = min((n for n, line in enumerate(tail) if line.strip()), default=len(tail))
    head = [line for n, line in enumerate(head) if line.strip() or not 0 < n < above]
    tail = [line for n, line in enumerate(tail) if line.strip() or not below < n < len(tail) - 1]
    gone = _without_blanks(edit.gone)
    if len(head) + len(gone) + len(tail) == edit.last - edit.first:
        return None
    old = "".join([*head, *gone, *tail])
    becomes = [*head, *edit.new, *tail]
    matcher = difflib.SequenceMatcher(None, [*head, *gone, *tail], becomes, autojunk=False)
    changed = [code[1:] for code in matcher.get_opcodes() if code[0] != "equal"]
    where = (len(head), len(head) + len(gone), len(head), len(head) + len(edit.new))
    if changed != [where]:
        return None  # without its blank lines the call can be read as a change of other lines
    return Call(old, "".join(becomes), edit.after) if _names_it(edit, old) else None


def _without_blanks(lines: list[str]) -> list[str]:
    filled = [n for n, line in enumerate(lines) if line.strip()]
    return [
        line for n, line in enumerate(lines) if line.strip() or not filled or not filled[0] < n < filled[-1]
    ]


def added_blank_lines(edit: Edit, rng: random.Random) -> Call | None:
    """A blank line between lines that are kept, where the file has none."""
    edit = edit.wider(4)
    head, tail = edit.head, edit.tail
    if len(head) >= 3:
        head.insert(1, "\n")
    elif len(tail) >= 3:
        tail.insert(-1, "\n")
    else:
        return None
    if not _names_it(edit, edit.old):
        return None
    return _call(edit, head, edit.gone, list(edit.new), tail)


# --- characters ------------------------------------------------------------------------------


def look_alikes(edit: Edit, rng: random.Random) -> Call | None:
    """Typographic quotes, dashes and hard blanks, as word processors and models put them."""

    def typographic(line: str) -> str:
        lead, body = _lead(line), line.lstrip(" \t")
        body = re.sub(r'"([^"\n]*)"', "\u201c\\1\u201d", body).replace("'", "\u2019")
        return lead + re.sub(r"(?<=\w) (?=\w)", "\u00a0", body.replace(" - ", " \u2013 "), count=1)

    return _each(edit, typographic) if "".join([*edit.gone, *edit.new]).isascii() else None


def full_width(edit: Edit, rng: random.Random) -> Call | None:
    """Chinese punctuation in the place of ASCII."""
    table = str.maketrans(",:;()!?", "\uff0c\uff1a\uff1b\uff08\uff09\uff01\uff1f")
    return _each(edit, lambda line: line.translate(table)) if "".join(edit.new).isascii() else None


def typographic_file(edit: Edit, rng: random.Random) -> Call | None:
    """The other way round: the file has the typographic form in lines that the call keeps."""
    edit = edit.wider(3)

    changed = {line.strip() for line in (*edit.gone, *edit.new)}  # which of two same lines is kept is open

    def typographic(line: str) -> str:
        if line.strip() in changed:
            return line
        return line.replace("'", "\u2019").replace(" - ", " \u2014 ").replace("...", "\u2026")

    lines = list(edit.lines)
    for at in [*range(edit.first, edit.a), *range(edit.b, edit.last)]:
        lines[at] = typographic(lines[at])
    return _other_file(edit, tuple(lines))


# --- the file is not as it was ---------------------------------------------------------------


def _other_file(edit: Edit, lines: tuple[str, ...], shift: int = 0) -> Call | None:
    """The call on a file that has other lines outside of the change, ``shift`` more of them before it."""
    if list(lines) == list(edit.lines):
        return None
    a, b = edit.a + shift, edit.b + shift
    want = "".join([*lines[:a], *edit.new, *lines[b:]])
    return Call(edit.old, "".join([*edit.head, *edit.new, *edit.tail]), want, "".join(lines))


def stale_word(edit: Edit, rng: random.Random) -> Call | None:
    """A word in a line that the call keeps has changed since."""
    edit = edit.wider(3)
    kept = [
        at
        for at in (*range(edit.first, edit.a), *range(edit.b, edit.last))
        if len(edit.lines[at].strip()) > 8
    ]
    words = [(at, word) for at in kept for word in re.finditer(r"[A-Za-z]{4,}", edit.lines[at])]
    if not words or len(kept) < 2:
        return None
    at, word = rng.choice(words)
    line = edit.lines[at]
    changed = line[: word.end()] + rng.choice(["_all", "2", "s", "_or_none"]) + line[word.end() :]
    return _other_file(edit, (*edit.lines[:at], changed, *edit.lines[at + 1 :]))


def stale_insertion(edit: Edit, rng: random.Random) -> Call | None:
    """A line has come between two lines that the call keeps."""
    edit = edit.wider(4)
    where = [*range(edit.first + 1, edit.a), *range(edit.b + 1, edit.last)]
    where = [at for at in where if edit.lines[at].strip() and edit.lines[at - 1].strip()]
    if not where:
        return None
    at = rng.choice(where)
    line = _lead(edit.lines[at]) + "checked_again = verify(previous_state)\n"
    return _other_file(edit, (*edit.lines[:at], line, *edit.lines[at:]), int(at < edit.a))


def stale_deletion(edit: Edit, rng: random.Random) -> Call | None:
    """A line that the call keeps has gone, not one beside the change."""
    edit = edit.wider(5)
    where = [*range(edit.first + 1, edit.a - 1), *range(edit.b + 1, edit.last - 1)]
    where = [at for at in where if edit.lines[at].strip()]
    if not where:
        return None
    at = rng.choice(where)
    return _other_file(edit, (*edit.lines[:at], *edit.lines[at + 1 :]), -int(at < edit.a))


def misremembered(edit: Edit, rng: random.Random) -> Call | None:
    """A word misremembered in the very line that is changed, in the old text and in the new."""
    edit = edit.wider(4)
    gone, new = edit.gone, list(edit.new)
    pairs = [(o, n) for o in range(len(gone)) for n in range(len(new))
             if difflib.SequenceMatcher(None, gone[o], new[n]).ratio() > 0.6]  # fmt: skip
    rng.shuffle(pairs)
    for o, n in pairs if len(gone) == len(new) else []:
        shared = sorted(set(re.findall(r"[A-Za-z]{5,}", gone[o])) & set(re.findall(r"[A-Za-z]{5,}", new[n])))
        if o != n or not shared or len(edit.head) + len(edit.tail) < 4:
            continue
        word = rng.choice(shared)
        if gone[o].count(word) != 1 or new[n].count(word) != 1:
            continue
        gone[o], new[n] = gone[o].replace(word, word[:-1]), new[n].replace(word, word[:-1])
        return _call(edit, edit.head, gone, new, edit.tail)
    return None


# --- left out, put in, too little ------------------------------------------------------------


def elided(edit: Edit, rng: random.Random) -> Call | None:
    """The middle of what is kept left out, with a line that says so, in both texts."""
    edit = edit.wider(12)
    for side in rng.sample(["head", "tail"], 2):
        part = getattr(edit, side)
        # two lines on each side of what is left out
        if len(part) < 7 or not (part[0].strip() and part[-1].strip()):
            continue
        middle = [line for line in part[2:-2] if line.strip()]
        if len(middle) < 2:
            continue
        sign = rng.choice(["...", "# ...", "// ...", "# ... existing code ..."])
        depth = min((_lead(line) for line in middle), key=len)
        part = [*part[:2], f"{depth}{sign}\n", *part[-2:]]
        head, tail = (part, edit.tail) if side == "head" else (edit.head, part)
        return _call(edit, head, edit.gone, list(edit.new), tail)
    return None


def line_numbers(edit: Edit, rng: random.Random) -> Call | None:
    """The numbers of a listing copied along in the old text."""
    old = "".join(
        f"{edit.first + n + 1}\t{line}" for n, line in enumerate(edit.lines[edit.first : edit.last])
    )
    return Call(old, "".join([*edit.head, *edit.new, *edit.tail]), edit.after)


def several(edit: Edit, rng: random.Random) -> Call | None:
    """Indentation, blanks at line ends, dropped blank lines and typographic quotes in one call."""
    call = dropped_blank_lines(edit, rng)
    if call is None:
        return None
    lines = [line for text in (call.old, call.new) for line in text.splitlines(True) if line.strip()]
    margin = min((_lead(line) for line in lines), key=len)
    if not all(_lead(line).startswith(margin) for line in lines) or not "".join(edit.new).isascii():
        return None

    def slip(text: str) -> str:
        out = [line[len(margin) :] if line.strip() else line for line in text.splitlines(True)]
        return "".join(out).replace("'", "\u2019" if "'" in call.old else "'")

    return replace(call, old=slip(call.old), new=slip(call.new))


def repeated_block(edit: Edit, rng: random.Random) -> Call | None:
    """So little of the old text that it is there several times: only a refusal is right."""
    tight = edit.bare
    if not tight.old.strip() or edit.before.count(tight.old) < 2:
        return None
    return Call(tight.old, "".join(edit.new), None)


def repeated_and_shifted(edit: Edit, rng: random.Random) -> Call | None:
    """The same, from another margin: several places fit, none exactly."""
    call = repeated_block(edit, rng)
    if call is None:
        return None
    shift = lambda text: "".join("   " + line if line.strip() else line for line in text.splitlines(True))  # noqa: E731
    return None if shift(call.old) in edit.before else Call(shift(call.old), shift(call.new), None)


def _names_it(edit: Edit, old: str) -> bool:
    """Whether the text is still enough to tell the place from others, blank lines aside."""

    def pressed(text: str) -> str:
        return "".join(line for line in text.splitlines(True) if line.strip())

    return pressed(edit.before).count(pressed(old)) == 1


DAMAGES: dict[str, Damage] = {
    "none": none,
    "line endings": line_endings,
    "trailing blanks": trailing_blanks,
    "dedented": dedented,
    "indented": indented,
    "first line bare": first_line_bare,
    "tabs for blanks": tabs_for_blanks,
    "blanks for tabs": blanks_for_tabs,
    "half steps": half_steps,
    "dropped blank lines": dropped_blank_lines,
    "added blank lines": added_blank_lines,
    "look-alikes": look_alikes,
    "full width": full_width,
    "typographic file": typographic_file,
    "stale word": stale_word,
    "stale insertion": stale_insertion,
    "stale deletion": stale_deletion,
    "misremembered": misremembered,
    "elided": elided,
    "line numbers": line_numbers,
    "several at once": several,
    "repeated block": repeated_block,
    "repeated, shifted": repeated_and_shifted,
}
