"""Which files of a folder count: a walk by ``.gitignore`` rules where git cannot be asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# Never of interest, even where no .gitignore says so.
ALWAYS_SKIPPED = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules", ".mypy_cache"})

_Rules = list[tuple[str, "GitIgnoreSpec"]]  # (folder with trailing slash or "", its rules), outermost first


def walk(root: Path, limit: int = 500_000) -> Iterator[str]:
    """Files under ``root`` that no ``.gitignore`` excludes, relative with forward slashes, sorted.

    Symlinks to folders are named, not entered. Unreadable folders are left out.
    """
    found = 0
    pending: list[tuple[str, _Rules]] = [("", [])]
    while pending:
        folder, rules = pending.pop()
        rules = [*rules, *_rules_of(root, folder)]
        try:
            with os.scandir(root / folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            continue
        folders = []
        for entry in entries:
            path = folder + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if (is_folder and entry.name in ALWAYS_SKIPPED) or _ignored(path, is_folder, rules):
                continue
            if is_folder:
                folders.append((path + "/", rules))
                continue
            yield path
            found += 1
            if found >= limit:
                return
        pending += reversed(folders)


def _rules_of(root: Path, folder: str) -> _Rules:
    try:
        text = (root / folder / ".gitignore").read_text("utf-8", errors="replace")
    except OSError:
        return []
    from pathspec import GitIgnoreSpec

    return [(folder, GitIgnoreSpec.from_lines(text.splitlines()))]


def _ignored(path: str, is_folder: bool, rules: _Rules) -> bool:
    for folder, spec in reversed(rules):  # the innermost file that says anything decides
        answer = spec.check_file(path[len(folder) :] + ("/" if is_folder else "")).include
        if answer is not None:
            return answer
    return False
