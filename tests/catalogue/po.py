"""Catalogue files: a .po for people, a .mo for programs (GNU gettext's formats)."""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = "below"  # of templates of what lower layers say


@dataclass
class Entry:
    """One message and its translation, ``""`` where there is none; ``below`` as in the extraction."""

    text: str
    plural: str = ""
    below: bool = False
    translation: str = ""
    places: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[bool, str]:
        return self.below, self.text


def read(path: Path) -> tuple[str, list[Entry]]:
    """The comment and header as they stand in the file, and the entries.

    Raises ValueError for a line that is none of the format's.
    """
    blocks = path.read_text(encoding="utf-8").strip("\n").split("\n\n")
    return blocks[0], [_entry(block) for block in blocks[1:]]


def spelled(head: str, entries: Iterable[Entry]) -> str:
    """The text of the file: entries sorted by the module that says them first, then by their text."""
    ordered = sorted(entries, key=lambda each: (each.places[:1], each.below, each.text))
    return "\n\n".join([head, *(_spelled(each) for each in ordered)]) + "\n"


def compiled(head: str, entries: Iterable[Entry]) -> bytes:
    """The .mo of what is translated, sorted by message as the format wants it."""
    header = "\n".join(line for line in head.splitlines() if not line.startswith("#"))
    texts = {b"": _field(header, "msgstr").encode()}
    for each in entries:
        if each.translation:
            key = f"{CONTEXT}\x04{each.text}" if each.below else each.text
            texts[(f"{key}\0{each.plural}" if each.plural else key).encode()] = each.translation.encode()
    rows = sorted(texts.items())
    ids = b"".join(key + b"\0" for key, _value in rows)
    values = b"".join(value + b"\0" for _key, value in rows)
    begin = 28 + 16 * len(rows)
    table: list[int] = []
    for shift, column in ((begin, 0), (begin + len(ids), 1)):
        at = shift
        for row in rows:
            table += [len(row[column]), at]
            at += len(row[column]) + 1
    start = struct.pack("<7I", 0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, begin)
    return start + struct.pack(f"<{len(table)}I", *table) + ids + values


def _entry(block: str) -> Entry:
    return Entry(
        _field(block, "msgid"),
        _field(block, "msgid_plural"),
        _field(block, "msgctxt") == CONTEXT,
        _field(block, "msgstr[0]") or _field(block, "msgstr"),
        [line[3:] for line in block.splitlines() if line.startswith("#: ")],
    )


def _field(block: str, name: str) -> str:
    """The text of one field, its quoted lines joined; ``""`` where it is not there."""
    found: list[str] = []
    inside = False
    for line in block.splitlines():
        word, _, rest = line.partition(" ")
        if line.startswith("#"):
            continue
        if line.startswith('"'):
            rest = line
        else:
            inside = word == name
        if inside:
            text = ast.literal_eval(rest)
            if not isinstance(text, str):
                raise ValueError(line)
            found.append(text)
    return "".join(found)


def _spelled(entry: Entry) -> str:
    lines = [f"#: {place}" for place in entry.places]
    if entry.below:
        lines.append(f'msgctxt "{CONTEXT}"')
    lines.append(f"msgid {_quoted(entry.text)}")
    if entry.plural:
        lines += [f"msgid_plural {_quoted(entry.plural)}", f"msgstr[0] {_quoted(entry.translation)}"]
    else:
        lines.append(f"msgstr {_quoted(entry.translation)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    if "\n" not in text.rstrip("\n"):
        return '"' + escaped.replace("\n", "\\n") + '"'
    return '""\n' + "\n".join(
        '"' + line.replace("\n", "\\n") + '"' for line in escaped.splitlines(keepends=True)
    )
