"""rename_symbol: a name changed wherever it means the same thing, as a language server finds it."""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import Field

from kcode.diagnostics.lsp.renaming import NotRenamed, Renamed
from kcode.tools import changing
from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded, plural
from kcode.tools.changing import Change
from kcode.workspace.diff import unified
from kcode.workspace.errors import WorkspaceError

_LINE = re.compile(r"\r\n|\n|\r")


class RenameSymbolArguments(Arguments):
    path: str
    line: int = Field(ge=1)
    name: str = Field(min_length=1)
    new_name: str = Field(min_length=1)
    occurrence: int | None = Field(None, ge=1)


class RenameSymbol(Tool[RenameSymbolArguments]):
    name = "rename_symbol"
    arguments = RenameSymbolArguments

    def title(self, args: RenameSymbolArguments) -> str:
        return f"rename {args.name} to {args.new_name}"

    async def plan(self, args: RenameSymbolArguments, context: ToolContext) -> Intent:
        found = await _asked(args, context)
        for edit in found.edits:
            try:
                changing.check_encodable(context.workspace.read(edit.path), edit)
            except WorkspaceError as problem:
                raise ToolRefused(f"this would change {edit.path}, but {problem.message}") from None
        return replace(changing.intent(args, context, found.edits), partly=False)

    async def run(self, args: RenameSymbolArguments, context: ToolContext) -> ToolOutcome:
        edits = context.planned.pop(id(args), None)
        if edits is None:
            edits = (await _asked(args, context)).edits
        workspace = context.workspace
        known = [edit.path for edit in edits if workspace.freshness(edit.path, edit.before or "") == "fresh"]
        changing.apply(workspace, edits, f"renaming {args.name}")
        for edit in edits:
            if edit.path in known and edit.after is not None:
                workspace.saw(edit.path, edit.after)
        return changing.outcome_of([Change(edit) for edit in edits], _told(args, edits))


async def _asked(args: RenameSymbolArguments, context: ToolContext) -> Renamed:
    if context.servers is None:
        raise ToolRefused("no language server is configured: use references and edit_file")
    if args.new_name == args.name:
        raise ToolRefused("the new name is the old one")
    try:
        text = context.workspace.read(args.path).text
    except WorkspaceError as problem:
        raise ToolRefused(problem.message) from None
    try:
        return await context.servers.rename(args.path, _places(args, text), args.new_name)
    except NotRenamed as problem:
        raise ToolRefused(f"nothing was renamed: {problem}") from None


def _places(args: RenameSymbolArguments, text: str) -> list[int]:
    """Where the name is in its line, as indices in the text: all, or the one that was named."""
    starts = [0, *(found.end() for found in _LINE.finditer(text))]
    ends = [*(found.start() for found in _LINE.finditer(text)), len(text)]
    if args.line > len(starts):
        raise ToolRefused(f"{args.path} has {plural(len(starts), 'line')}")
    start, end = starts[args.line - 1], ends[args.line - 1]
    word = re.compile(rf"(?<!\w){re.escape(args.name)}(?!\w)")
    places = [found.start() for found in word.finditer(text, start, end)]
    if not places:
        near = [
            number + 1
            for number, (at, to) in enumerate(zip(starts, ends, strict=True))
            if word.search(text, at, to)
        ]
        near.sort(key=lambda line: abs(line - args.line))
        hint = f"it is in {'lines' if len(near) > 1 else 'line'} {', '.join(map(str, near[:5]))}"
        raise ToolRefused(
            f"line {args.line} of {args.path} is {text[start:end].strip()[:120]!r}, without {args.name!r}; "
            + (hint if near else "nor has any other line of it")
        )
    if args.occurrence is None:
        return places
    if args.occurrence > len(places):
        raise ToolRefused(f"line {args.line} has {args.name!r} {len(places)} times")
    return [places[args.occurrence - 1]]


def _told(args: RenameSymbolArguments, edits: tuple[FileEdit, ...]) -> str:
    text = f"Renamed {args.name} to {args.new_name} in {plural(len(edits), 'file')}:\n"
    text += "\n".join(f"{edit.path}, {changing.where(edit)}" for edit in edits)
    diff = "".join(unified(edit.before, edit.after, edit.path) for edit in edits)
    return f"{text}\n{bounded(diff, changing.DIFF_SHOWN)}"
