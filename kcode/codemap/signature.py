"""A definition's signature as one line: as it is written, without its body and its comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from kcode.codemap.languages import Grammar, Language

if TYPE_CHECKING:
    from tree_sitter import Node

SIGNATURE = 160  # characters
_LOOKED_AT = 600  # bytes of the source
_HASH, _DASH, _SLASH = (re.compile(rb"(?<!\S)" + sign) for sign in (rb"#", rb"--(?!\S)", rb"//|(?<!\S)/\*"))
_COMMENTS = {
    **dict.fromkeys(("python", "ruby", "bash", "toml", "yaml"), (_HASH, b"#")),
    **dict.fromkeys(("lua", "sql"), (_DASH, b"--")),
    **dict.fromkeys(("markdown", "html"), None),
}
_TAILS = ("{", "=>", ":", "=", " do")
_LAST = frozenset(tail[-1] for tail in _TAILS)


class Body(Protocol):
    """Where a definition begins in the source, in bytes, and its node."""

    start: int
    node: Node


class Signatures:
    """Of the definitions in one source."""

    def __init__(self, source: bytes, tools: Grammar, language: Language) -> None:
        self._source = source
        self._body, self._values = tools.body, tools.values
        self._comment = _COMMENTS.get(language.name, (_SLASH, b"/"))

    def of(self, name_start: int, name_end: int, body: Body) -> str:
        """From the start of the name's line to where the body begins, at most :data:`SIGNATURE` characters.

        The name stands between these two bytes.
        """
        source = self._source
        start = source.rfind(b"\n", 0, name_start) + 1
        start = max(start, name_start - _LOOKED_AT)  # a minified file is one line
        before = source[start : body.start]
        if before and not before.isspace():  # what else stands on its line
            start += max(before.rfind(b"{"), before.rfind(b"}"), before.rfind(b";")) + 1
        end = self._inner(body.node)
        if end < name_end:
            end = source.find(b"\n", name_start + len(source[name_start:name_end].rstrip()))
            if end < 0:
                end = len(source)
        written = source[start : min(end, start + _LOOKED_AT)]
        if self._comment is not None and self._comment[1] in written:
            written = b" ".join(_without_comment(line, self._comment[0]) for line in written.split(b"\n"))
        return _tidy(" ".join(written.decode("utf-8", "replace").split()))

    def _inner(self, node: Node) -> int:
        """The byte at which the body of a definition begins; -1 where it has none of its own."""
        if self._body is None:
            return -1
        inner = node.child_by_field_id(self._body)
        if inner is None:
            for field in self._values:
                if (value := node.child_by_field_id(field)) is not None:
                    inner = value.child_by_field_id(self._body)
                    break
        return inner.start_byte if inner is not None else -1


def _tidy(text: str) -> str:
    text = text.replace("( ", "(").replace(", )", ")").replace(",)", ")").replace(" )", ")")
    if text and text[-1] in _LAST:
        for tail in _TAILS:
            text = text.removesuffix(tail).rstrip()
    return text if len(text) <= SIGNATURE else text[: SIGNATURE - 1] + "…"


def _without_comment(line: bytes, comment: re.Pattern[bytes]) -> bytes:
    """What stands before a comment; a sign within quotes begins none."""
    for found in comment.finditer(line):
        before = line[: found.start()]
        if not any(before.count(quote) % 2 for quote in (b'"', b"'", b"`")):
            return before
    return line
