"""What models put around or into both texts of an edit that the file does not have: numbers, fences, escapes.

Each is taken off only where the file shows that it cannot be meant: it has nothing of the kind, or every
line has it. What is left is looked for like any other text.
"""

from __future__ import annotations

import html
import json
import re
from itertools import pairwise

from kcode.workspace.diff import split_lines

_FENCED = re.compile(r"\s*?(```|~~~)[\w+.-]*[ \t]*\n(.*?)\n?\1\s*", re.DOTALL)
_NUMBERED = re.compile(r" *(\d{1,9})(\t| ?[|:│→])(.*)", re.DOTALL)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#34|#x27|nbsp);")
_QUOTED = re.compile(r"\\([\"'])")


def unwrapped(old: str, new: str, text: str) -> tuple[str, str, int | None] | None:
    """The texts of an edit of ``text`` without what is around them, and the line that they told, if any.
    None where there is nothing of the kind."""
    listed, again = _listed(old), _listed(new)
    if listed is not None and again is None:
        return "".join(listed[0]), new, listed[1]
    if listed is not None and again is not None:
        texts = [listed[0], again[0]]
        if listed[2] != "\t" and all(line[0] == " " for lines in texts for line in lines if line.strip()):
            texts = [[line.removeprefix(" ") for line in lines] for lines in texts]  # the listing's own
        return "".join(texts[0]), "".join(texts[1]), listed[1]
    for without in (_unfenced, _whole_again, _unquoted, _unescaped):
        pair = without(old, new, text)
        if pair is not None:
            return (*pair, None)
    return None


def _listed(given: str) -> tuple[list[str], int, str] | None:
    """The lines without the numbers that were copied from a listing, the first number, the sign behind it."""
    found = [_NUMBERED.fullmatch(line) for line in split_lines(given)]
    matches = [match for match in found if match]
    if not found or len(matches) != len(found):
        return None
    numbers = [int(match[1]) for match in matches]
    if any(b != a + 1 for a, b in pairwise(numbers)):
        return None
    return [match[3] for match in matches], numbers[0], matches[0][2]


def _unfenced(old: str, new: str, text: str) -> tuple[str, str] | None:
    """Without a Markdown fence around both, or around the old text alone."""
    was, becomes = _FENCED.fullmatch(old), _FENCED.fullmatch(new)
    if not was:
        return None
    if becomes:
        return was[2] + "\n", becomes[2] + "\n" if becomes[2] else ""
    return was[2] + "\n", new if not new or new.endswith("\n") else new + "\n"


def _whole_again(old: str, new: str, text: str) -> tuple[str, str] | None:
    """Escaped once less, where neither has a line end but the letters of one."""
    if "\\n" not in old or "\n" in old + new:
        return None
    try:
        was, becomes = (json.loads(f'"{given}"', strict=False) for given in (old, new))
    except ValueError:
        return None
    return was, becomes


def _unquoted(old: str, new: str, text: str) -> tuple[str, str] | None:
    """Without backslashes before quotation marks, where all of one kind have them and the file none."""
    for mark in "\"'":
        escaped = f"\\{mark}"
        bare = (old + new).replace(escaped, "")
        if escaped in old and escaped not in text and mark not in bare:
            return old.replace(escaped, mark), new.replace(escaped, mark)
    return None


def _unescaped(old: str, new: str, text: str) -> tuple[str, str] | None:
    """Without the entities of HTML, where the file has none."""
    if not _ENTITY.search(old) or _ENTITY.search(text):
        return None
    return _ENTITY.sub(_meant, old), _ENTITY.sub(_meant, new)


def _meant(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])
