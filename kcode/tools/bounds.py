"""Results that fit: text for the model is bounded head and tail, and says what was cut."""

from __future__ import annotations

RESULT_LIMIT = 24_000  # characters; about 6,000 tokens
LINE_LIMIT = 2_000  # characters of one line


def bounded(text: str, limit: int = RESULT_LIMIT, hint: str = "") -> str:
    """``text`` itself, or its first and last part at line ends with a note of what lies between."""
    if len(text) <= limit:
        return text
    head = text[: limit // 2]
    tail = text[-(limit // 2) :]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    cut = len(text) - len(head) - len(tail)
    lines = text.count("\n", len(head), len(text) - len(tail))
    note = f"[... {lines:,} lines, {cut:,} characters left out{'; ' + hint if hint else ''} ...]"
    return f"{head.rstrip(chr(10))}\n{note}\n{tail}"


def short_line(line: str, limit: int = LINE_LIMIT) -> str:
    """``line``, cut with a note where it is longer than ``limit``."""
    if len(line) <= limit:
        return line
    return f"{line[:limit]} [line cut: it has {len(line):,} characters]"


def around(line: str, place: int, limit: int) -> str:
    """A part of ``line`` of about ``limit`` characters in which the index ``place`` is, and a note."""
    start = max(0, min(place - limit // 3, len(line) - limit))
    before, after = ("... " if start else ""), (" ..." if start + limit < len(line) else "")
    where = f", these are {start + 1:,}-{min(start + limit, len(line)):,}" if start else ""
    return f"{before}{line[start : start + limit]}{after} [line cut: it has {len(line):,} characters{where}]"


def plural(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}{'es' if noun.endswith('ch') else 's'}"
