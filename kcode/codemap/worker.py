"""Reads and parses a share of the files in a process of its own: parsing holds Python's lock.

``python -m kcode.codemap.worker OUTPUT`` reads JSON from stdin: the workspace's folder, the paths, and the
digests (hex) whose tags are known. It writes marshalled tuples to OUTPUT: path, size, time in ns, digest,
and the tags, or None for a content that is known or has no grammar.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import sys
from pathlib import Path
from typing import Any

from kcode.codemap.languages import language_for
from kcode.codemap.tags import LARGEST, tags_of

Result = tuple[str, int, int, bytes, tuple[Any, ...] | None]


def digest_of(source: bytes, language: str) -> bytes:
    """What a content is known by: the same bytes are another thing in another language."""
    return hashlib.blake2b(source, digest_size=16, person=language.encode()[:16]).digest()


def read(root: str, path: str, known: frozenset[bytes]) -> Result | None:
    """One file's result; None where it cannot be read or is none of the map's business."""
    language = language_for(path)
    if language is None:
        return None
    try:
        with (Path(root) / path).open("rb") as stream:
            info = os.fstat(stream.fileno())
            source = stream.read(LARGEST + 1)
    except (OSError, ValueError):
        return None
    binary = b"\0" in source[:8_000] and source[:2] not in (b"\xff\xfe", b"\xfe\xff")
    if len(source) > LARGEST or binary:
        source = b""  # data or generated: the file is known, but tells nothing
    digest = digest_of(source, language.name)
    if digest in known:
        return path, info.st_size, info.st_mtime_ns, digest, None
    tags = tags_of(source, language)
    if tags is None:
        return None
    rows = tuple((d.name, d.kind, d.line, d.end, d.signature) for d in tags.definitions)
    return path, info.st_size, info.st_mtime_ns, digest, (rows, tags.uses)


def main() -> int:
    task = json.load(sys.stdin)
    known = frozenset(bytes.fromhex(digest) for digest in task["known"])
    with Path(sys.argv[1]).open("wb") as out:
        for path in task["paths"]:
            result = read(task["root"], path, known)
            if result is not None:
                marshal.dump(result, out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
