"""What a file that is no text is, by its first bytes; what a notebook says, as text."""

from __future__ import annotations

import json
import struct
from typing import Any

_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (0, b"BM", "a BMP image"),
    (0, b"\0\0\1\0", "an icon"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypheic", "a HEIC image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip-compressed data"),
    (0, b"BZh", "bzip2-compressed data"),
    (0, b"\xfd7zXZ\0", "xz-compressed data"),
    (0, b"(\xb5/\xfd", "Zstandard-compressed data"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\7", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "an ELF program or library"),
    (0, b"MZ", "a Windows program or library"),
    (0, b"\xcf\xfa\xed\xfe", "a macOS program or library"),
    (0, b"\xca\xfe\xba\xbe", "a Java class or a macOS program"),
    (0, b"\0asm", "a WebAssembly module"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"ID3", "an MP3 recording"),
    (0, b"OggS", "Ogg audio or video"),
    (0, b"RIFF", "RIFF audio or video"),
    (4, b"ftyp", "an MP4 video"),
    (0, b"wOF2", "a web font"),
    (0, b"\0\1\0\0\0", "a TrueType font"),
    (0, b"GGUF", "a model's weights"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document of the old kind"),
)
_ZIPPED = {
    "docx": "a Word document", "xlsx": "an Excel workbook", "pptx": "a PowerPoint presentation",
    "odt": "an OpenDocument text", "ods": "an OpenDocument spreadsheet", "jar": "a Java archive",
    "whl": "a Python wheel", "apk": "an Android package", "epub": "an e-book", "npz": "NumPy arrays",
}  # fmt: skip
_HOW = {
    "PDF": "extract its text with a command such as pdftotext",
    "archive": "list it with a command",
    "data": "decompress it with a command",
    "database": "ask it with a command such as sqlite3",
}
_OUTPUT = 2_000  # characters of one cell's outputs
_LARGEST_CELL = 20_000  # characters


def kind_of(head: bytes, name: str) -> str:
    """What the file is, in words with its article; ``""`` where its first bytes do not tell."""
    found = next((words for at, mark, words in _KINDS if head[at : at + len(mark)] == mark), "")
    if found == "a ZIP archive":
        return _ZIPPED.get(name.rpartition(".")[2].lower(), found)
    if found == "a PNG image" and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return f"{found} of {width:,} by {height:,} pixels"
    return found


def instead(kind: str) -> str:
    """What can be done with a file of this kind; ``""`` for nothing in particular."""
    return next((how for word, how in _HOW.items() if word in kind), "")


def notebook(text: str) -> str | None:
    """A Jupyter notebook's cells with their numbers, outputs bounded; None where it is none."""
    try:
        content = json.loads(text)
        cells = content["cells"]
        language = content.get("metadata", {}).get("language_info", {}).get("name", "")
        parts = [part for number, cell in enumerate(cells, 1) for part in _cell(number, cell, language)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return "\n".join(parts) or "(no cells)"


def _cell(number: int, cell: dict[str, Any], language: str) -> list[str]:
    kind = str(cell.get("cell_type", "raw"))
    run = cell.get("execution_count")
    words = [kind, language if kind == "code" else "", f"run as [{run}]" if run else ""]
    parts = [
        f"--- cell {number} ({', '.join(filter(None, words))})",
        _bounded(_joined(cell["source"]), _LARGEST_CELL),
    ]
    outputs = "\n".join(filter(None, (_output(each) for each in cell.get("outputs", []))))
    if outputs:
        parts += [f"--- output of cell {number}", _bounded(outputs, _OUTPUT)]
    return parts


def _output(output: dict[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _joined(output.get("text", "")).rstrip("\n")
    if kind == "error":
        return f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
    data = output.get("data", {})
    if "text/plain" in data:
        shown = _joined(data["text/plain"]).rstrip("\n")
        others = [name for name in data if name.startswith("image/")]
        return shown + "".join(f"\n[{name} not shown]" for name in others)
    return "\n".join(f"[{name} not shown]" for name in data)


def _joined(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\n[{len(text) - limit:,} characters more]"
