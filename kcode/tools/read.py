"""read_file: a text file's lines with their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import RESULT_LIMIT, plural, short_line
from kcode.workspace.errors import TooLarge, WorkspaceError
from kcode.workspace.files import TextFile, read_lines
from kcode.workspace.nearest import numbered

DEFAULT_LINES = 400


class ReadFileArguments(Arguments):
    path: str
    start_line: int | None = Field(None, ge=1)
    line_count: int | None = Field(None, ge=1)


@dataclass(frozen=True, slots=True)
class LinesRead:
    """What renderers get. ``total`` is None for a file too large to be counted."""

    path: str
    start: int
    lines: tuple[str, ...]
    total: int | None


class ReadFile(Tool[ReadFileArguments]):
    name = "read_file"
    read_only = True
    arguments = ReadFileArguments

    def title(self, args: ReadFileArguments) -> str:
        if args.start_line is None:
            return f"read {args.path}"
        return f"read {args.path} from line {args.start_line}"

    async def plan(self, args: ReadFileArguments, context: ToolContext) -> Intent:
        return Intent("read", sensitive=context.workspace.sensitive(args.path))

    async def run(self, args: ReadFileArguments, context: ToolContext) -> ToolOutcome:
        try:
            file = context.workspace.read(args.path)
        except TooLarge as problem:
            if args.start_line is None:
                raise ToolRefused(f"{problem.message}: use grep, or give start_line and line_count") from None
            return _from_large(args, context)
        except WorkspaceError as problem:
            raise ToolRefused(f"{problem.message}{_instead(problem)}") from None
        context.workspace.saw(args.path, file.text)
        lines = [line.removesuffix("\r") for line in file.text.split("\n")]
        if lines[-1] == "":
            lines.pop()
        start = args.start_line or 1
        if start > max(len(lines), 1):
            raise ToolRefused(f"{args.path} has only {plural(len(lines), 'line')}")
        shown = _fitting(lines[start - 1 : start - 1 + (args.line_count or DEFAULT_LINES)])
        return _outcome(args, start, shown, len(lines), _peculiarities(file))


def _from_large(args: ReadFileArguments, context: ToolContext) -> ToolOutcome:
    start = args.start_line or 1
    path = context.workspace.resolve(args.path, must_exist=True)
    part = read_lines(path, args.path, start, args.line_count or DEFAULT_LINES, RESULT_LIMIT)
    lines = [line.rstrip("\r\n") for line in part.lines]
    return _outcome(args, start, _fitting(lines), None, [] if part.more else ["this is the end of the file"])


def _fitting(lines: list[str]) -> list[str]:
    """As many whole lines as the limit holds, at least one."""
    room = RESULT_LIMIT
    shown: list[str] = []
    for line in map(short_line, lines):
        room -= len(line) + 8
        if shown and room < 0:
            break
        shown.append(line)
    return shown


def _outcome(
    args: ReadFileArguments, start: int, lines: list[str], total: int | None, notes: list[str]
) -> ToolOutcome:
    end = start + len(lines) - 1
    if total is not None and not lines:
        notes.insert(0, "the file is empty")
    elif total is None or start > 1 or end < total:
        whole = "a very large file" if total is None else f"{total:,}"
        more = f"; continue with start_line={end + 1}" if total is None or end < total else ""
        notes.insert(0, f"lines {start}-{end} of {whole}{more}")
    text = numbered(start, lines)
    if notes:
        text = f"{text}\n[{'; '.join(notes)}]" if lines else f"[{'; '.join(notes)}]"
    return ToolOutcome(
        text, plural(len(lines), "line"), payload=LinesRead(args.path, start, tuple(lines), total)
    )


def _peculiarities(file: TextFile) -> list[str]:
    """What the model should know about a file that it cannot see in the lines."""
    notes = []
    if file.encoding != "utf-8":
        notes.append(f"encoding {file.encoding}")
    if file.mixed_newlines:
        notes.append("mixed line endings")
    elif file.newline == "\r\n":
        notes.append("CRLF line endings, kept when you edit")
    if file.text and not file.final_newline:
        notes.append("no newline at the end")
    return notes


def _instead(problem: WorkspaceError) -> str:
    return f" ({problem.remedy})" if problem.remedy else ""
