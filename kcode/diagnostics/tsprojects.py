"""The projects of TypeScript that check a file: those to which a ``tsconfig.json`` without files refers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LARGEST = 1_000_000  # bytes of a configuration
_MOST = 40  # configurations that are looked at
_SKIPPED = re.compile(r'"(?:\\.|[^"\\])*"|(//[^\n]*|/\*.*?\*/)', re.DOTALL)
_TRAILING = re.compile(r'"(?:\\.|[^"\\])*"|(,)(?=\s*[}\]])')
_GLOB = re.compile(r"[*?]")


def projects(folder: Path, file: Path) -> list[str]:
    """What ``tsc -p`` is given for ``file``, relative to ``folder`` where its ``tsconfig.json`` is: ``.``
    where that has files of its own; of a solution, whose ``files`` are none and which only refers to others,
    those that take the file in, or else may."""
    found = [path for path in _leaves(folder, folder / "tsconfig.json") if file.is_relative_to(path.parent)]
    if found == [folder / "tsconfig.json"]:
        return ["."]
    named = [path for path in found if _includes(path, file)]
    return sorted({path.relative_to(folder).as_posix() for path in named or found})


def _leaves(top: Path, start: Path) -> Iterator[Path]:
    """The configurations with files of their own, this one or those it refers to, below ``top``."""
    pending, seen = [start], set[Path]()
    while pending and len(seen) < _MOST:
        path = pending.pop()
        if path in seen or not path.is_relative_to(top):
            continue
        seen.add(path)
        config = read(path)
        if config is None:
            if path == start:
                yield path  # what is wrong with it is tsc's to say
            continue
        referred = config.get("references")
        if config.get("files") != [] or config.get("include") or not isinstance(referred, list):
            yield path
            continue
        for each in referred:
            to = each.get("path") if isinstance(each, dict) else None
            if isinstance(to, str):
                target = Path(os.path.normpath(path.parent / to))
                pending.append(target / "tsconfig.json" if target.is_dir() else target)


def _includes(path: Path, file: Path) -> bool:
    """Whether its ``files`` or ``include`` name the file, as far as they begin without a wildcard."""
    config = read(path) or {}
    listed = [each for key in ("files", "include") for each in config.get(key) or () if isinstance(each, str)]
    if not listed:
        return True
    for pattern in listed:
        plain = _GLOB.split(pattern, maxsplit=1)[0]
        start = os.path.normpath(path.parent / plain)
        named = str(file) == start or str(file).startswith(f"{start}{os.sep}")
        if named or (plain != pattern and not plain.endswith("/") and str(file).startswith(start)):
            return True
    return False


def read(path: Path) -> dict[str, Any] | None:
    """A configuration, which may have comments and commas at ends; None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8-sig")
        text = _SKIPPED.sub(lambda found: "" if found[1] else found[0], text)
        text = _TRAILING.sub(lambda found: "" if found[1] else found[0], text)
        value = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
