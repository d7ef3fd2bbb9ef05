"""list_dir and find_files: what files there are, without the ignored ones."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome
from kcode.tools.bounds import plural
from kcode.tools.globs import matcher
from kcode.workspace.errors import NotAFile

ENTRIES_SHOWN = 300
FILES_SHOWN = 200


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
        return Intent("read")

    async def run(self, args: ListDirArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        folder = workspace.resolve(args.path, must_exist=True)
        if not folder.is_dir():
            raise NotAFile(f"{args.path} is a file: use read_file")
        prefix = "" if folder == workspace.root else workspace.relative(folder) + "/"
        files = [path[len(prefix) :] for path in workspace.list_files(folder) if path.startswith(prefix)]
        note = ""
        if not files:  # an empty folder, or one that is ignored as a whole
            files = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
            note = "\n[ignored by .gitignore; one level is shown]" if files else ""
        entries = _entries(files, args.depth or 2)
        shown = entries[:ENTRIES_SHOWN]
        lines = [entry if entry.endswith("/") else _with_size(folder / entry, entry) for entry in shown]
        if len(entries) > len(shown):
            more = len(entries) - len(shown)
            note += f"\n[{more:,} more entries; give a path, a smaller depth, or use find_files]"
        text = ("\n".join(lines) or "(empty)") + note
        return ToolOutcome(text, f"{len(entries):,} entries", payload=entries)


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


class FindFiles(Tool[FindFilesArguments]):
    name = "find_files"
    read_only = True
    arguments = FindFilesArguments

    def title(self, args: FindFilesArguments) -> str:
        return f"find {args.pattern}" + (f" in {args.path}" if args.path != "." else "")

    async def plan(self, args: FindFilesArguments, context: ToolContext) -> Intent:
        return Intent("read")

    async def run(self, args: FindFilesArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        folder = workspace.resolve(args.path, must_exist=True)
        prefix = "" if folder == workspace.root else workspace.relative(folder) + "/"
        matches = matcher(args.pattern)
        found = [
            path
            for path in workspace.list_files(folder)
            if path.startswith(prefix) and matches.match_file(path[len(prefix) :])
        ]
        if not found:
            text = f"no file matches {args.pattern} (ignored files are not looked at)"
            return ToolOutcome(text, "none", payload=found)
        shown = found[:FILES_SHOWN]
        more = len(found) - len(shown)
        note = f"\n[{more:,} more of {len(found):,}; narrow the pattern]" if more else ""
        return ToolOutcome("\n".join(shown) + note, plural(len(found), "file"), payload=found)
