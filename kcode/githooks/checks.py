"""The offline checks of the pre-commit hook, as pure functions over added lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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


_PYTHON = (
    r"\s*(breakpoint\(\s*\)|import (pdb|ipdb|pudb)\b|(pdb|ipdb|pudb)\.set_trace\("
    r"|from (pdb|ipdb) import set_trace)"
)
_SCRIPT = r"\s*debugger\s*;?\s*(//.*)?$|\s*(it|test|describe|context|suite)\.only\(|\s*(fit|fdescribe)\("
_RUBY = r"\s*(binding\.(pry|irb|break)|byebug|debugger)\b"
_LEFTOVERS = {
    **dict.fromkeys(("py", "pyi"), _PYTHON),
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "vue", "svelte"), _SCRIPT),
    **dict.fromkeys(("rb", "rake", "erb"), _RUBY),
    "go": r"\s*runtime\.Breakpoint\(\)",
    "rs": r"\s*dbg!\(",
    "php": r"\s*(var_dump\(|xdebug_break\(|dd\()",
    "java": r"\s*Thread\.dumpStack\(",
    "ex": r"\s*(IEx\.pry|require IEx; IEx\.pry)",
}
_NOT_YET = re.compile(r"(?:#|//|/\*|--|;|%|<!--|\")\s*(?:DO NOT COMMIT|DONOTCOMMIT|NOCOMMIT)\b")


def leftovers(files: Iterable[Added]) -> Iterator[Finding]:
    """Statements that stop in a debugger or narrow a test run; lines that say they must not be committed."""
    for file in files:
        pattern = _LEFTOVERS.get(file.path.rpartition(".")[2].lower(), "")
        for number, text in file.lines:
            if ALLOW in text or len(text) > 1000:
                continue
            if (pattern and re.match(pattern, text)) or _NOT_YET.search(text):
                yield Finding(file.path, number, f"a debugging leftover: {text.strip()[:60]}")


def all_checks(files: Sequence[Added], *, merging: bool = False) -> list[Finding]:
    """All that is looked for, by file and line. ``merging``: only what a merge itself leaves behind."""
    found = [*conflict_markers(files)]
    if not merging:
        found += [*secrets(files), *leftovers(files)]
    return sorted(found, key=lambda finding: (finding.path, finding.line))
