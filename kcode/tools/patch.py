"""apply_patch: a patch of several files, applied wholly or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import model_validator

from kcode.tools import changing
from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.changing import Change
from kcode.tools.edit_shapes import own_names
from kcode.workspace.errors import NotThere, WorkspaceError
from kcode.workspace.patchtext import FileChange, as_text, read_patch
from kcode.workspace.workspace import Workspace


class ApplyPatchArguments(Arguments):
    patch: str

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = own_names(value, frozenset(cls.model_fields))
        if len(value) == 1 and set(value) <= {"input", "diff", "text"}:
            value = {"patch": next(iter(value.values()))}
        if "patch" in value:
            value["patch"] = as_text(value["patch"])
        return value


@dataclass(frozen=True, slots=True)
class _Plan:
    """``changes`` are made first, then ``moves`` (from, to)."""

    changes: tuple[Change, ...]
    moves: tuple[tuple[str, str], ...] = ()
    shown: tuple[FileEdit, ...] = field(default=())  # with the moved files gone here and come there


class ApplyPatch(Tool[ApplyPatchArguments]):
    name = "apply_patch"
    arguments = ApplyPatchArguments

    def title(self, args: ApplyPatchArguments) -> str:
        try:
            return f"patch {', '.join(change.path for change in read_patch(args.patch))}"
        except WorkspaceError:
            return "patch"

    async def plan(self, args: ApplyPatchArguments, context: ToolContext) -> Intent:
        plan = _planned(args.patch, context.workspace)
        return changing.intent(args, context, plan.shown, plan.moves)

    async def run(self, args: ApplyPatchArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        try:
            plan = _planned(args.patch, workspace)
        except ToolRefused:
            changing.approved(args, context, ())
            raise
        changing.approved(args, context, plan.shown)
        paths = ", ".join(dict.fromkeys(edit.path for edit in plan.shown))
        changing.make_all(workspace, plan.changes, plan.moves, f"patch of {paths}")
        texts = [*map(changing.told, plan.changes), *(f"Moved {old} to {new}." for old, new in plan.moves)]
        return changing.outcome_of([Change(edit) for edit in plan.shown], "\n".join(texts))


def _planned(text: str, workspace: Workspace) -> _Plan:
    try:
        wanted = read_patch(text)
        for one in wanted:
            one.path = _without_side(workspace, one.path)
        updates = {one.path: one.replacements for one in wanted if one.kind == "update" and one.replacements}
        others = [_whole(one, workspace) for one in wanted if one.kind != "update"]
        moves = tuple((one.path, one.to) for one in wanted if one.to)
        _check_moves(workspace, moves)
        changes = (*changing.replaced(workspace, updates), *others)
        return _Plan(changes, moves, tuple(_shown(workspace, changes, moves)))
    except WorkspaceError as problem:
        remedy = f": {problem.remedy}" if problem.remedy else ""
        raise ToolRefused(f"{problem.message}{remedy}. No file was changed.") from None


def _without_side(workspace: Workspace, path: str) -> str:
    """``a/file`` for ``file``, as diffs name it, where that alone is there."""
    bare = path[2:] if path.startswith(("a/", "b/")) else ""
    if bare and not workspace.resolve(path).exists() and workspace.resolve(bare).is_file():
        return bare
    return path


def _whole(change: FileChange, workspace: Workspace) -> Change:
    """A file that is created or deleted."""
    if change.kind == "delete":
        return Change(FileEdit(change.path, workspace.read(change.path).text, None))
    try:
        file = workspace.read(change.path)
    except NotThere:
        workspace.resolve(change.path)
        return Change(FileEdit(change.path, None, change.content))
    if file.text:
        raise WorkspaceError(f"{change.path} exists already", "update it, or delete it first")
    return Change(FileEdit(change.path, file.text, change.content))


def _check_moves(workspace: Workspace, moves: Sequence[tuple[str, str]]) -> None:
    for old, new in moves:
        workspace.read(old)
        if workspace.locate(new).exists():
            raise WorkspaceError(f"{new} exists already", "delete it first, or choose another name")


def _shown(
    workspace: Workspace, changes: Sequence[Change], moves: Sequence[tuple[str, str]]
) -> list[FileEdit]:
    """The changes as a person is asked about them."""
    targets = dict(moves)
    shown = [change.edit for change in changes if change.edit.path not in targets]
    edited = {change.edit.path: change.edit for change in changes}
    for old, new in moves:
        edit = edited.get(old)
        before = edit.before if edit else workspace.read(old).text
        shown += [FileEdit(old, before, None), FileEdit(new, None, edit.after if edit else before)]
    return shown
