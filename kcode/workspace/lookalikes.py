"""Characters that look alike and are typed for one another: quotes, dashes, blanks, full-width forms."""

from __future__ import annotations

import difflib
import unicodedata

_GROUPS = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4\uff07",
    '"': "\u201c\u201d\u201e\u201f\u2033\uff02",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d",
    " ": "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))),
}
_ONE_TO_ONE = {ord(char): plain for plain, chars in _GROUPS.items() for char in chars}
_ONE_TO_ONE |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code not in _ONE_TO_ONE}
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def plain(text: str) -> str:
    """``text`` with each look-alike as its ASCII form; as long as ``text``."""
    return text if text.isascii() else text.translate(_ONE_TO_ONE)


def folded(text: str) -> str:
    """``text`` as it looks: :func:`plain`, an ellipsis as three dots, accents composed, nothing invisible."""
    if text.isascii():
        return text
    shown = plain(text).translate(_INVISIBLE).replace("\u2026", "...")
    return unicodedata.normalize("NFC", shown)


def respelled(there: str, old: str, new: str) -> str:
    """``new`` in the spelling of ``there``, which ``old`` looks like.

    What ``old`` and ``new`` share keeps the characters of ``there``. A look-alike that ``new`` adds takes
    the ASCII form where ``there`` has that instead of it; ASCII is never made typographic, since a quote in
    program text is no apostrophe.
    """
    if there == old:
        return new
    if len(there) != len(old):
        return plain(new) if there.isascii() else new
    to_ascii = {o: t for t, o in zip(there, old, strict=True) if t != o and t.isascii()}
    table = str.maketrans(to_ascii)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    parts = [
        there[a:b] if tag == "equal" else new[c:d].translate(table)
        for tag, a, b, c, d in matcher.get_opcodes()
    ]
    return "".join(parts)
