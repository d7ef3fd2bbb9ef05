"""Which of many files are near what the user asked: where not all matches are shown, theirs come first."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.tools.base import ToolContext

_MOST_NAMES = 40  # of a message
_COMMON = 3  # files: a plain word that more of them define says nothing
_SEEN = 200  # files
_WRITTEN_LAST = 200  # files of which git is asked whether they changed
_WORD = re.compile(r"[\w./\\-]*\w(?:\(\))?")
_CODE = re.compile(r"_|\d|[a-z][A-Z]|[./]\w|\(\)$")


@dataclass(frozen=True, slots=True)
class Near:
    """``order``: paths, the nearest first. ``because``: why the first are, in words."""

    order: tuple[str, ...] = ()
    because: str = ""


async def near(context: ToolContext, there: Collection[str]) -> Near:
    """Of the files in ``there``, those near the conversation: that the user's message names or whose
    definitions it names, that the model has read, that git has as changed; then the others by their rank
    in the code map, near those names first. Nothing is waited for: the map is as it is."""
    return await asyncio.to_thread(_near, context, frozenset(there))


async def asked_about(context: ToolContext) -> tuple[str, ...]:
    """The files that define what the user's message names: looked at although a search is stopped early."""
    if context.map is None or not context.question:
        return ()
    return await asyncio.to_thread(_definitions_named, context)


def _definitions_named(context: ToolContext) -> tuple[str, ...]:
    if context.map is None:
        return ()
    try:
        with context.map.reading() as index:
            if index is None:
                return ()
            return tuple(dict.fromkeys(p for name in _words(context) for p in _definers(index, name)))
    except sqlite3.Error:  # being built anew, or of another version: as if there were none
        return ()


def _words(context: ToolContext) -> list[str]:
    return list(dict.fromkeys(_WORD.findall(context.question)))[:_MOST_NAMES]


def _near(context: ToolContext, there: frozenset[str]) -> Near:
    from kcode.workspace.census import changed_among

    workspace = context.workspace
    words = _words(context)
    named, ranked = _by_map(context, words, there)
    named = [*_named_paths(words, there), *named]
    seen = [path for path in workspace.seen_files()[:_SEEN] if path in there]
    changed = (
        sorted(changed_among(workspace.root, _newest(workspace.root, there))) if workspace.is_git else []
    )
    reasons = [
        *(["that your question names"] if named else []),
        *(["that you have read or that git has as changed"] if seen or changed else []),
    ]
    order = tuple(dict.fromkeys([*named, *seen, *changed, *ranked]))
    because = f"files {', then '.join(reasons)}" if reasons else ""
    if not because and ranked:
        because = "files that matter most in the code map"
    return Near(order, because)


def _newest(root: Path, there: Collection[str]) -> Collection[str]:
    """Those written last: what somebody changed is among them, as a checkout was before."""
    if len(there) <= _WRITTEN_LAST:
        return there
    written = {}
    for path in there:
        with suppress(OSError):
            written[path] = os.stat(f"{root}{os.sep}{path}").st_mtime_ns  # noqa: PTH116 - of thousands
    return sorted(written, key=written.__getitem__, reverse=True)[:_WRITTEN_LAST]


def _named_paths(words: Iterable[str], there: frozenset[str]) -> list[str]:
    wanted = [word.removeprefix("./") for word in words if "." in word or "/" in word]
    return [path for name in wanted for path in sorted(there) if path == name or path.endswith(f"/{name}")]


def _by_map(context: ToolContext, words: list[str], there: frozenset[str]) -> tuple[list[str], list[str]]:
    """The files that define what the words name, and all that the map knows by their nearness to them."""
    if context.map is None:
        return [], []
    from kcode.codemap.focus import near as near_focus

    try:
        with context.map.reading() as index:
            if index is None:
                return [], []
            definers = {name: rows for name in words if (rows := list(_definers(index, name)))}
            known = _numbers(index, there)
            order = [known[file] for file in near_focus(index, list(definers)) if file in known]
    except sqlite3.Error:  # being built anew, or of another version: as if there were none
        return [], []
    return [path for rows in definers.values() for path in rows if path in there], order


def _definers(index: sqlite3.Connection, word: str) -> Iterator[str]:
    """The files that define the name which the word is; of a plain word only where few do."""
    from kcode.codemap import store

    name = word.removesuffix("()").rpartition(".")[2]
    if len(name) < 3:
        return
    paths = sorted({path for _, path, _ in store.definers(index, name)})
    if len(paths) <= _COMMON or _CODE.search(word):
        yield from paths


def _numbers(index: sqlite3.Connection, paths: frozenset[str]) -> dict[int, str]:
    found = {}
    ordered = sorted(paths)
    for at in range(0, len(ordered), 500):
        part = ordered[at : at + 500]
        marks = ",".join("?" * len(part))
        rows = index.execute(f"SELECT id, path FROM files WHERE path IN ({marks})", part)  # noqa: S608 - only question marks are put in
        found.update(dict(rows.fetchall()))
    return found
