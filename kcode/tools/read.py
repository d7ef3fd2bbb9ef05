"""read_file: the lines of text files with their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from kcode.errors import KcodeError
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import RESULT_LIMIT, plural, short_line
from kcode.tools.filekinds import instead, kind_of, notebook
from kcode.tools.images import image_shown, is_image
from kcode.workspace.errors import BinaryFile, TooLarge, WorkspaceError
from kcode.workspace.files import TextFile, read_lines
from kcode.workspace.nearest import numbered

DEFAULT_LINES = 400
MOST_FILES = 10


class ReadFileArguments(Arguments):
    path: str
    start_line: int | None = None
    line_count: int | None = Field(None, ge=1)
    more_paths: list[str] | None = Field(None, max_length=MOST_FILES)

    @field_validator("start_line")
    @classmethod
    def _counted_from_one(cls, value: int | None) -> int | None:
        if value == 0:
            raise ValueError("lines are counted from 1; -1 is the last one")
        return value


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
        if args.more_paths:
            return f"read {', '.join((args.path, *args.more_paths))}"
        if args.start_line is None:
            return f"read {args.path}"
        if args.start_line < 0:
            return f"read the end of {args.path}"
        return f"read {args.path} from line {args.start_line}"

    async def plan(self, args: ReadFileArguments, context: ToolContext) -> Intent:
        paths = (args.path, *(args.more_paths or ()))
        reasons = (context.workspace.sensitive(path) for path in paths)
        return Intent("read", sensitive=next((why for why in reasons if why), ""), paths=paths)

    async def run(self, args: ReadFileArguments, context: ToolContext) -> ToolOutcome:
        if not args.more_paths:
            return _read(args, context, RESULT_LIMIT)
        paths = list(dict.fromkeys((args.path, *args.more_paths)))
        parts, payloads = [], []
        images: list[str] = []
        for path in paths:
            try:
                one = _read(args.model_copy(update={"path": path}), context, RESULT_LIMIT // len(paths))
                parts.append(f"=== {path}\n{one.text}")
                payloads.append(one.payload)
                images += one.images
            except (ToolRefused, KcodeError) as problem:
                parts.append(f"=== {path}\nError: {problem}")
        if not payloads:
            raise ToolRefused("\n".join(parts))
        wrong = len(paths) - len(payloads)
        brief = plural(len(payloads), "file") + (f", {wrong} could not be read" if wrong else "")
        return ToolOutcome("\n".join(parts), brief, payload=tuple(payloads), images=tuple(images))


def _read(args: ReadFileArguments, context: ToolContext, room: int) -> ToolOutcome:
    workspace = context.workspace
    try:
        file = workspace.read(args.path)
    except TooLarge as problem:
        if args.start_line is None:
            raise ToolRefused(f"{problem.message}: use grep, or give start_line and line_count") from None
        return _from_large(args, context, room)
    except BinaryFile as problem:
        if is_image(path := workspace.resolve(args.path)):
            return image_shown(path, args.path, context.unseen)
        raise ToolRefused(_what_it_is(problem, workspace.resolve(args.path))) from None
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}{_instead(problem)}") from None
    if args.path.lower().endswith(".ipynb") and args.start_line is None:
        shown = notebook(file.text)
        if shown is not None:
            return _cells(args.path, shown, room)
    workspace.saw(args.path, file.text)
    lines = [line.removesuffix("\r") for line in file.text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    start = args.start_line or 1
    count = args.line_count or DEFAULT_LINES
    if start < 0:
        count = args.line_count or min(-start, DEFAULT_LINES)
        start = max(len(lines) + start + 1, 1)
    if start > max(len(lines), 1):
        raise ToolRefused(f"{args.path} has only {plural(len(lines), 'line')}")
    fitting = _fitting(lines[start - 1 : start - 1 + count], room)
    return _outcome(args, start, fitting, len(lines), _peculiarities(file))


def _from_large(args: ReadFileArguments, context: ToolContext, room: int) -> ToolOutcome:
    start = args.start_line or 1
    path = context.workspace.readable(args.path)
    count = args.line_count or DEFAULT_LINES
    if start < 0:
        count = args.line_count or min(-start, DEFAULT_LINES)
        start = max(_count_lines(path) + start + 1, 1)
    part = read_lines(path, args.path, start, count, room)
    lines = [line.rstrip("\r\n") for line in part.lines]
    notes = [] if part.more else ["this is the end of the file"]
    return _outcome(args, start, _fitting(lines, room), None, notes)


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    for block in _blocks(path):
        count += block.count(b"\n")
        last = block[-1:]
    return count + (last != b"\n")


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(1_048_576):
            yield block


def _cells(path: str, text: str, room: int) -> ToolOutcome:
    lines = _fitting(text.split("\n"), room)
    cut = len(text.split("\n")) - len(lines)
    notes = ["a notebook, shown as its cells: edits work on its JSON, which start_line=1 shows"]
    if cut:
        notes.insert(0, f"{plural(cut, 'line')} more")
    body = "\n".join(lines)
    return ToolOutcome(f"{body}\n[{'; '.join(notes)}]", plural(text.count("--- cell "), "cell"))


def _what_it_is(problem: BinaryFile, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            kind = kind_of(stream.read(512), path.name)
    except OSError:
        kind = ""
    how = instead(kind)
    return f"{problem.message}" + (f": {kind}" if kind else "") + (f"; {how}" if how else "")


def _fitting(lines: list[str], room: int) -> list[str]:
    """As many whole lines as the room holds, at least one."""
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
        at_end = "this is the end of the file" in notes
        more = (
            f"; continue with start_line={end + 1}" if (total is None or end < total) and not at_end else ""
        )
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
