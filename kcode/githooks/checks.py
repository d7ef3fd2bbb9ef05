"""The offline checks of the pre-commit hook, as pure functions over added lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kcode.githooks.staged import Added

ALLOW = "kcode: allow"
"""A line that holds these words is meant to be as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    path: str
    line: int
    what: str


_MARKER = re.compile(r"^(<{7}|>{7}|\|{7})(?: .*)?$")


def conflict_markers(files: Iterable[Added]) -> Iterator[Finding]:
    """Lines that ``git merge`` writes into a conflict.

    ``=======`` counts only beside another marker of the same file: alone it is a heading's underline.
    """
    for file in files:
        lines = [(number, text) for number, text in file.lines if ALLOW not in text]
        marked = {number for number, text in lines if _MARKER.match(text)}
        for number, text in lines:
            if number in marked or (marked and text == "======="):
                yield Finding(file.path, number, f"a conflict marker is left: {text[:40]}")


def secrets(files: Iterable[Added]) -> Iterator[Finding]:
    """What looks like a key or a password; the finding shows it masked."""
    from kcode.safety.secrets import find

    for file in files:
        lines = [(number, text) for number, text in file.lines if ALLOW not in text]
        numbers = [number for number, _ in lines]
        for hit in find("\n".join(text for _, text in lines)):
            yield Finding(file.path, numbers[hit.line - 1], f"{hit.kind}: {hit.masked}")
