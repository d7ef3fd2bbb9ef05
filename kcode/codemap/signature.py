"""A definition's signature as one line: as it is written, without its body and its comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kcode.codemap.languages import Language

if TYPE_CHECKING:
    from tree_sitter import Node

SIGNATURE = 160  # characters
_LOOKED_AT = 600  # bytes of the source
_HASH, _DASH, _SLASH = (re.compile(rb"(?<!\S)" + sign) for sign in (rb"#", rb"--(?!\S)", rb"//|(?<!\S)/\*"))
_COMMENTS = {
    **dict.fromkeys(("python", "ruby", "bash", "toml", "yaml"), _HASH),
    **dict.fromkeys(("lua", "sql"), _DASH),
    **dict.fromkeys(("markdown", "html"), None),
}


def signature_of(source: bytes, name: Node, body: Node, language: Language) -> str:
    """From the start of the name's line to where the body begins, at most :data:`SIGNATURE` characters."""
    start = source.rfind(b"\n", 0, name.start_byte) + 1
    start = max(start, name.start_byte - _LOOKED_AT)  # a minified file is one line
    before = source[start : body.start_byte] if body.start_byte > start else b""
    start += max(before.rfind(sign) for sign in (b"{", b"}", b";")) + 1  # what else stands on its line
    inner = _inner(body)
    named = name.start_byte + len((name.text or b"").rstrip())
    line_end = source.find(b"\n", named)
    if inner is not None and inner >= name.end_byte:
        end = inner
    else:
        end = line_end if line_end >= 0 else len(source)
    comment = _COMMENTS.get(language.name, _SLASH)
    lines = source[start : min(end, start + _LOOKED_AT)].split(b"\n")
    if comment is not None:
        lines = [_without_comment(line, comment) for line in lines]
    text = " ".join(b" ".join(lines).decode("utf-8", "replace").split())
    text = text.replace("( ", "(").replace(", )", ")").replace(",)", ")").replace(" )", ")")
    for tail in ("{", "=>", ":", "=", " do"):
        text = text.removesuffix(tail).rstrip()
    return text if len(text) <= SIGNATURE else text[: SIGNATURE - 1] + "…"


def _inner(node: Node) -> int | None:
    """The byte at which the body of a definition begins; None where it has none of its own."""
    inner = node.child_by_field_name("body")
    if inner is None:
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        inner = value.child_by_field_name("body") if value is not None else None
    return inner.start_byte if inner is not None else None


def _without_comment(line: bytes, comment: re.Pattern[bytes]) -> bytes:
    """What stands before a comment; a sign within quotes begins none."""
    for found in comment.finditer(line):
        before = line[: found.start()]
        if not any(before.count(quote) % 2 for quote in (b'"', b"'", b"`")):
            return before
    return line
