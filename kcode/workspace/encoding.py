"""In which encoding a file is written, such that decoding and encoding give its bytes back exactly."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

# UTF-32 little-endian begins with the BOM of UTF-16, so it is asked first.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")  # PEP 263
_NAMES = (
    "utf-8", "gbk", "gb2312", "gb18030", "big5", "latin-1", "iso8859-15", "cp1252", "cp1251", "koi8-r",
    "euc-jp", "shift_jis", "euc-kr",
)  # fmt: skip
_COOKIE_CODECS = frozenset(codecs.lookup(name).name for name in _NAMES)
_SAMPLE = 8192  # bytes looked at to tell binary from text, as git does
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\b\x1b\v") | {127}


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    encoding: str
    bom: bytes


def decode(data: bytes) -> Decoded | None:
    """The text of ``data``, or None where it is binary.

    Order: BOM, UTF-16 without one, source coding line, UTF-8, GB18030 (only where it reads like
    Chinese), Windows-1252, Latin-1. ``bom + text.encode(encoding) == data`` always holds.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            text = _exactly(data[len(bom) :], encoding)
            return None if text is None else Decoded(text, encoding, bom)
    if b"\0" in data[:_SAMPLE]:
        return _utf16_without_bom(data)
    if _looks_binary(data):
        return None
    for encoding in (*_declared(data), "utf-8"):
        text = _exactly(data, encoding)
        if text is not None:
            return Decoded(text, encoding, b"")
    text = _exactly(data, "gb18030")
    if text is not None and _reads_like_chinese(text):
        return Decoded(text, "gb18030", b"")
    if any(0x80 <= byte <= 0x9F for byte in data):
        text = _exactly(data, "cp1252")
        if text is not None:
            return Decoded(text, "cp1252", b"")
    return Decoded(data.decode("latin-1"), "latin-1", b"")


def is_binary(sample: bytes) -> bool:
    """Whether the first bytes of a file say that it is not text."""
    if any(sample.startswith(bom) for bom, _ in _BOMS):
        return False
    if b"\0" in sample[:_SAMPLE]:
        return _utf16_without_bom(sample[: len(sample) // 2 * 2]) is None
    return _looks_binary(sample)


def _exactly(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
        return text if text.encode(encoding) == data else None
    except (UnicodeError, LookupError):
        return None


def _declared(data: bytes) -> list[str]:
    for line in data[:400].split(b"\n")[:2]:
        match = _COOKIE.match(line)
        if match:
            try:
                name = codecs.lookup(match.group(1).decode("ascii")).name
            except (LookupError, UnicodeError):
                return []
            return [name] if name in _COOKIE_CODECS else []
    return []


def _looks_binary(data: bytes) -> bool:
    sample = data[:_SAMPLE]
    controls = sum(byte in _CONTROLS for byte in sample)
    return controls * 10 > len(sample)


def _utf16_without_bom(data: bytes) -> Decoded | None:
    """Windows tools write it: mostly ASCII, so that every second byte is zero."""
    sample = data[:_SAMPLE]
    if len(data) % 2 or len(sample) < 4:
        return None
    for encoding, zeros, others in (
        ("utf-16-le", sample[1::2], sample[0::2]),
        ("utf-16-be", sample[0::2], sample[1::2]),
    ):
        if zeros.count(0) * 10 >= len(zeros) * 7 and others.count(0) == 0:
            text = _exactly(data, encoding)
            if text is not None and text.isprintable() | ("\n" in text) | ("\t" in text):
                return Decoded(text, encoding, b"")
    return None


def _reads_like_chinese(text: str) -> bool:
    """Latin-1 text with accents often decodes as GB18030 too, but into characters nobody writes."""
    foreign = [char for char in text if ord(char) > 127]
    common = 0
    for char in foreign:
        try:
            char.encode("gb2312")
            common += 1
        except UnicodeEncodeError:
            pass
    return common * 10 >= len(foreign) * 7
