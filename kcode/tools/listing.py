"""list_dir and find_files: what files there are, without the ignored ones."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome
from kcode.tools.bounds import plural
from kcode.tools.globs import matcher
from kcode.workspace.errors import NotAFile
from kcode.workspace.ignore import kept_out
from kcode.workspace.workspace import Workspace

ENTRIES_SHOWN = 300
FILES_SHOWN = 200
LEFT_OUT_NAMED = 5
NEAR_SHOWN = 8
NEAR_SCORE = 70.0  # of 100, as rapidfuzz has it


class ListDirArguments(Arguments):
    path: str = "."
    depth: int | None = Field(None, ge=1, le=10)


class ListDir(Tool[ListDirArguments]):
    name = "list_dir"
    read_only = True
    arguments = ListDirArguments

    def title(self, args: ListDirArguments) -> str:
        return f"list {args.path}"

    async def plan(self, args: ListDirArguments, context: ToolContext) -> Intent:
        return Intent("read", paths=(args.path,))

    async def run(self, args: ListDirArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        folder = workspace.readable(args.path)
        if not folder.is_dir():
            raise NotAFile(f"{args.path} is a file: use read_file")
        files = await asyncio.to_thread(_below, workspace, folder)
        notes = []
        if files:
            left_out = await asyncio.to_thread(_left_out, folder, files)
            if left_out:
                notes.append(f"{', '.join(left_out)} not shown: ignored")
        else:  # an empty folder, or one that is ignored as a whole
            hides = kept_out(workspace.top_of(folder))
            top = workspace.top_of(folder)
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
            files = [name for name in names if not hides.hiding((folder / name).relative_to(top).as_posix())]
            if files:
                notes.append("ignored by .gitignore or .ignore; one level is shown")
        entries = _entries(files, args.depth or 2)
        shown = entries[:ENTRIES_SHOWN]
        below = Counter(file[: place + 1] for file in files for place in _slashes(file))
        deepest = {entry for entry in shown if entry.endswith("/") and entry.count("/") == (args.depth or 2)}
        lines = [
            _folder(entry, below[entry] if entry in deepest else 0)
            if entry.endswith("/")
            else _with_size(folder / entry, entry)
            for entry in shown
        ]
        if len(entries) > len(shown):
            more = len(entries) - len(shown)
            notes.append(f"{more:,} more entries; give a path, a smaller depth, or use find_files")
        text = ("\n".join(lines) or "(empty)") + (f"\n[{'; '.join(notes)}]" if notes else "")
        return ToolOutcome(text, f"{len(entries):,} entries", payload=entries)


def _below(workspace: Workspace, folder: Path) -> list[str]:
    """The files that count below a folder, relative to it."""
    prefix = "" if folder == workspace.root else workspace.relative(folder) + "/"
    return [path[len(prefix) :] for path in workspace.list_files(folder) if path.startswith(prefix)]


def _left_out(folder: Path, files: Sequence[str]) -> list[str]:
    """What else is directly in the folder, in words: names of the few, a count of the many."""
    shown = {file.split("/", 1)[0] for file in files}
    try:
        with os.scandir(folder) as scan:
            names = sorted(
                entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                for entry in scan
                if entry.name not in shown and entry.name != ".git"
            )
    except OSError:
        return []
    if len(names) <= LEFT_OUT_NAMED:
        return names
    return [*names[:LEFT_OUT_NAMED], f"{len(names) - LEFT_OUT_NAMED:,} more"]


def _slashes(path: str) -> list[int]:
    return [place for place, char in enumerate(path) if char == "/"]


def _folder(entry: str, files: int) -> str:
    return f"{entry}  {plural(files, 'file')}" if files else entry


def _entries(files: list[str], depth: int) -> list[str]:
    """Files and folders down to ``depth`` levels; folders end in a slash."""
    found: set[str] = set()
    for file in files:
        parts = file.split("/")
        for level in range(1, min(depth, len(parts) - 1) + 1):
            found.add("/".join(parts[:level]) + "/")
        if len(parts) <= depth:
            found.add(file)
    return sorted(found)


def _with_size(path: Path, name: str) -> str:
    try:
        size = path.lstat().st_size
    except OSError:
        return name
    return f"{name}  {_human(size)}"


def _human(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


class FindFilesArguments(Arguments):
    pattern: str = Field(min_length=1)
    path: str = "."
    newest: bool = False


class FindFiles(Tool[FindFilesArguments]):
    name = "find_files"
    read_only = True
    arguments = FindFilesArguments

    def title(self, args: FindFilesArguments) -> str:
        return f"find {args.pattern}" + (f" in {args.path}" if args.path != "." else "")

    async def plan(self, args: FindFilesArguments, context: ToolContext) -> Intent:
        return Intent("read", paths=(args.path,))

    async def run(self, args: FindFilesArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        folder = workspace.readable(args.path)
        if not folder.is_dir():
            raise NotAFile(f"{args.path} is a file: path names a folder")
        prefix = "" if folder == workspace.root else workspace.relative(folder) + "/"
        matches = matcher(args.pattern)
        files = await asyncio.to_thread(_below, workspace, folder)
        found = [prefix + file for file in files if matches.match_file(file)]
        if not found:
            return _nothing(args.pattern, [prefix + file for file in files])
        if args.newest:
            found = await asyncio.to_thread(_newest_first, workspace.root, found)
        shown = found[:FILES_SHOWN]
        more = len(found) - len(shown)
        note = f"\n[{more:,} more of {len(found):,}; narrow the pattern]" if more else ""
        return ToolOutcome("\n".join(shown) + note, plural(len(found), "file"), payload=found)


def _nothing(pattern: str, files: Sequence[str]) -> ToolOutcome:
    """That nothing matches, with the names that are nearest to what was asked for."""
    text = f"no file matches {pattern} (ignored files are not looked at)"
    near = _near(pattern, files)
    if near:
        text += "\nNear it: " + ", ".join(near)
    return ToolOutcome(text, "none", payload=[])


def _near(pattern: str, files: Sequence[str]) -> list[str]:
    """Files whose names are most like the letters of a glob, the best first."""
    from rapidfuzz import fuzz, process

    wanted = re.sub(r"\.\w+$", "", re.sub(r"[*?\[\]{}!,]", "", pattern).rsplit("/", 1)[-1]).lower()
    if len(wanted) < 3:
        return []
    stems = [PurePosixPath(file).stem.lower() for file in files]
    best = process.extract(wanted, stems, scorer=fuzz.ratio, score_cutoff=NEAR_SCORE, limit=50)
    inside = [index for index, stem in enumerate(stems) if wanted in stem][:50]
    ordered = sorted(best, key=lambda item: (-item[1], files[item[2]]))
    return [files[place] for place in dict.fromkeys([*(index for _, _, index in ordered), *inside])][
        :NEAR_SHOWN
    ]


def _newest_first(root: Path, files: Sequence[str]) -> list[str]:
    """By the time of the last change; files that vanished meanwhile last."""

    def changed(path: str) -> float:
        try:
            return (root / path).lstat().st_mtime
        except OSError:
            return 0.0

    return sorted(files, key=lambda path: (-changed(path), path))
