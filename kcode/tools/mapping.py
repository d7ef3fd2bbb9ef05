"""find_symbol, references, outline, map: what the code map knows, for the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from kcode.codemap import asking, store
from kcode.codemap.service import CodeMap
from kcode.codemap.store import Place
from kcode.codemap.tags import Definition
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded, plural
from kcode.workspace.apart import NoAnswerError
from kcode.workspace.ignore import kept_out
from kcode.workspace.workspace import Workspace

WAIT_S = 10.0  # for the index to be brought up to date before it is asked as it is
CHARACTERS = 3.5  # of code, a token: what a budget in tokens is measured by
BUDGET = 2_000  # tokens
MOST = 10_000  # tokens
T = TypeVar("T")


class FindSymbolArguments(Arguments):
    name: str = Field(min_length=1)
    max_results: int | None = Field(None, ge=1, le=200)


class ReferencesArguments(Arguments):
    name: str = Field(min_length=1)
    max_results: int | None = Field(None, ge=1, le=500)


class OutlineArguments(Arguments):
    path: str = Field(min_length=1)


class MapArguments(Arguments):
    focus: str | None = None
    budget: int | None = Field(None, ge=100, le=MOST)


class FindSymbol(Tool[FindSymbolArguments]):
    name = "find_symbol"
    read_only = True
    arguments = FindSymbolArguments

    def title(self, args: FindSymbolArguments) -> str:
        return f"find symbol {args.name}"

    async def run(self, args: FindSymbolArguments, context: ToolContext) -> ToolOutcome:
        limit = args.max_results or 50
        found, note = await _ask(context, lambda map_: _find(map_, args.name, limit + 1))
        hidden = hidden_from_models(context.workspace)
        visible = [place for place in found if not hidden(place.path)]
        lines = [
            f"{place.path}:{place.definition.line}: {_described(place.definition)}"
            for place in visible[:limit]
        ]
        if not lines:
            lines = [f"no definition of {args.name!r} is known; grep finds text that is no definition"]
        if len(visible) > limit:
            note = f"the first {limit}; there are more{'; ' if note else ''}{note}"
        exact = sum(place.definition.name == args.name for place in visible)
        brief = plural(len(visible[:limit]), "definition") if exact or not visible else "only similar names"
        return ToolOutcome(_with_note(bounded("\n".join(lines)), note), brief, payload=tuple(visible[:limit]))


class References(Tool[ReferencesArguments]):
    name = "references"
    read_only = True
    arguments = ReferencesArguments

    def title(self, args: ReferencesArguments) -> str:
        return f"references to {args.name}"

    async def run(self, args: ReferencesArguments, context: ToolContext) -> ToolOutcome:
        limit = args.max_results or 100
        found, note = await _ask(context, lambda map_: _uses(map_, args.name, limit))
        hidden = hidden_from_models(context.workspace)
        visible = [use for use in found.shown if not hidden(use.path)]
        lines = [
            f"{use.path}:{use.line}:{' [definition]' if use.defines else ''} {use.text}" for use in visible
        ]
        if not lines:
            lines = [f"no use of {args.name!r} is known; grep finds it in strings, comments and other files"]
        if found.unread:
            some = f"the first {len(found.shown)} of more than {found.total:,}"
            note = f"{some}: {plural(found.unread, 'more file')} may use it{'; ' if note else ''}{note}"
            brief = f"more than {plural(found.total, 'line')}"
        else:
            brief = (
                f"{plural(found.total, 'line')} in {plural(len({each.path for each in found.shown}), 'file')}"
            )
            if found.total > len(found.shown):
                note = f"the first {len(found.shown)} of {found.total:,}{'; ' if note else ''}{note}"
        return ToolOutcome(_with_note(bounded("\n".join(lines)), note), brief, payload=tuple(visible))


class Outline(Tool[OutlineArguments]):
    name = "outline"
    read_only = True
    arguments = OutlineArguments

    def title(self, args: OutlineArguments) -> str:
        return f"outline {args.path}"

    async def plan(self, args: OutlineArguments, context: ToolContext) -> Intent:
        return Intent("read", sensitive=context.workspace.sensitive(args.path), paths=(args.path,))

    async def run(self, args: OutlineArguments, context: ToolContext) -> ToolOutcome:
        target = context.workspace.readable(args.path)
        if target.is_dir():
            raise ToolRefused(f"{args.path} is a folder: map with it as the focus shows what is in it")
        try:
            found = await asyncio.to_thread(asking.outline, context.workspace.root, str(target))
        except OSError as problem:
            raise ToolRefused(f"{args.path} cannot be read: {problem.strerror}") from None
        except NoAnswerError:
            raise ToolRefused(f"the grammar fails on {args.path}: read_file shows it") from None
        if found is None:
            raise ToolRefused(f"no outline for files like {args.path}: read_file shows it")
        lines = [
            f"{'  ' * depth}{each.line}-{each.end}: {each.signature}"
            if each.end > each.line
            else f"{'  ' * depth}{each.line}: {each.signature}"
            for depth, each in found
        ]
        text = bounded("\n".join(lines)) or f"{args.path} defines nothing that the map knows"
        return ToolOutcome(text, plural(len(found), "definition"), payload=tuple(each for _, each in found))


class Map(Tool[MapArguments]):
    name = "map"
    read_only = True
    arguments = MapArguments

    def title(self, args: MapArguments) -> str:
        return f"map of the code near {args.focus}" if args.focus else "map of the code"

    async def run(self, args: MapArguments, context: ToolContext) -> ToolOutcome:
        budget = args.budget or BUDGET
        focus = tuple(part for part in (args.focus or "").replace(",", " ").split() if part)
        drawn, note = await _ask(context, lambda map_: _draw(map_, budget, focus, context.workspace))
        files = sum(not line.startswith(" ") for line in drawn.splitlines())
        empty = "there is nothing that the map could show"
        if not drawn and note:
            empty = "there is no map yet; list_dir, outline and grep do without it"
        return ToolOutcome(_with_note(drawn or empty, note), plural(files, "file"))


async def _ask(context: ToolContext, question: Callable[[CodeMap], T]) -> tuple[T, str]:
    """The answer, and what the model has to know about it."""
    map_ = context.map or CodeMap(context.workspace.root)
    fresh = await map_.refresh(WAIT_S)
    notes = [] if fresh else [await asyncio.to_thread(_behind, map_)]
    if fresh and map_.cut:
        notes.append(map_.cut)
    if fresh and map_.unread:
        notes.append(
            f"no grammar is installed for {', '.join(map_.unread)}: grep finds what is in such files"
        )
    return await asyncio.to_thread(question, map_), "; ".join(notes)


def _behind(map_: CodeMap) -> str:
    """Why the answer may miss something, and how far the index is."""
    if map_.problem:
        return f"the index could not be brought up to date: {map_.problem}"
    with map_.reading() as index:
        known, present = store.progress(index) if index else (0, 0)
    if known < present:
        return f"the index is being made, {known:,} of {present:,} files are in it: ask again for the rest"
    return "the index is being brought up to date: what changed a moment ago may be missing"


def _find(map_: CodeMap, name: str, limit: int) -> list[Place]:
    with map_.reading() as index:
        return asking.find_symbol(index, name, limit) if index else []


def _uses(map_: CodeMap, name: str, limit: int) -> asking.Uses:
    with map_.reading() as index:
        return asking.references(index, map_.root, name, limit) if index else asking.Uses([], 0, 0)


def _draw(map_: CodeMap, budget: int, focus: tuple[str, ...], workspace: Workspace) -> str:
    with map_.reading() as index:
        return asking.draw(index, budget, measure, focus, hidden_from_models(workspace)) if index else ""


def hidden_from_models(workspace: Workspace) -> Callable[[str], bool]:
    """Whether a path is of the files that a model is not shown unasked, also where the index is behind."""
    rules = kept_out(workspace.root)
    return lambda path: bool(workspace.sensitive(path)) or rules.hiding(path) is not None


def measure(text: str) -> int:
    """Tokens of a part of the map, about."""
    return int(len(text) / CHARACTERS) + 1


def _described(definition: Definition) -> str:
    """The signature, behind the kind where it does not say so itself."""
    known = definition.kind in definition.signature.split() or definition.kind in ("function", "method")
    return definition.signature if known else f"{definition.kind} {definition.signature}"


def _with_note(text: str, note: str) -> str:
    return f"{text}\n[{note}]" if note else text
