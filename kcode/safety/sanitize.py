"""Foreign text made fit for a terminal: nothing in it can move the cursor, lie, or hide."""

from __future__ import annotations

import json
import re

_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e01ef]"
)
# CSI; OSC, DCS, SOS, PM and APC up to their end (or the end of the line: a cut one hides no more); ESC x.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]*[0-~]"
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
# Letters and blanks that show nothing: ordinary in their scripts, an ambush in code.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_HIDDEN = re.compile(f"{_SUSPECT.pattern}|[{''.join(sorted(_BLANK))}]")
_JOINERS = "\u200c\u200d"  # part of emoji, and of Persian and Indic words


def clean(text: str) -> str:
    """``text`` without terminal sequences; other controls and bidi marks made visible, hidden ones removed.

    Line feeds and tabs stay; ``\\r\\n`` becomes ``\\n``. ``clean(clean(text)) == clean(text)``.
    """
    if not _SUSPECT.search(text):
        return text
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return _SUSPECT.sub(_visible, text)


def reveal(text: str) -> str:
    """``text`` with everything in it that a terminal would obey or not show made visible: for what a person
    judges (diffs, commands, names), where something left out silently would be a trap.

    Line feeds and tabs stay; ``\\r\\n`` becomes ``\\n``; the lines stay as many. Joiners within emoji and the
    words that need them stay. ``reveal(reveal(text)) == reveal(text)``.
    """
    if not _HIDDEN.search(text):
        return text
    return _HIDDEN.sub(_revealed, text.replace("\r\n", "\n"))


def inert(spelled: str) -> str:
    """JSON text in which what a terminal would obey or not show is written as an escape: the same value for
    a program, and harmless for a person who looks at it."""
    return _HIDDEN.sub(lambda match: json.dumps(match.group())[1:-1], spelled)


def _revealed(match: re.Match[str]) -> str:
    return _visible(match) or f"<U+{ord(match.group()):04X}>"


def _visible(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0xA0 or char in _BIDI:
        return f"<U+{code:04X}>"
    if char in _JOINERS:
        around = match.string[match.start() - 1 : match.start() + 2]
        joins = len(around) == 3 and all(ord(one) > 0x2FF and not _HIDDEN.match(one) for one in around[::2])
        return char if joins else ""
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else ""
