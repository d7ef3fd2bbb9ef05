"""edit_file and write_file: text replaced where it is found once, or a file written whole."""

from __future__ import annotations

import ast
import json
import warnings
from collections import Counter
from typing import Any

from pydantic import Field, field_validator

from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded, plural
from kcode.workspace.diff import counts, hunks, unified
from kcode.workspace.edits import EditOutcome, apply_edits
from kcode.workspace.errors import NotThere, StaleFile, WorkspaceError
from kcode.workspace.files import TextFile
from kcode.workspace.workspace import Workspace

_PARSE_LIMIT = 1_000_000  # characters of Python source checked after an edit


class Replacement(Arguments):
    old_text: str
    new_text: str
    replace_all: bool = False


class EditFileArguments(Arguments):
    path: str
    edits: list[Replacement] = Field(min_length=1)

    @field_validator("edits", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """K2 sometimes sends the list as JSON text, or a single replacement without its list."""
        if isinstance(value, str):
            try:
                value = json.loads(value, strict=False)
            except ValueError:
                return value
        return [value] if isinstance(value, dict) else value


class EditFile(Tool[EditFileArguments]):
    name = "edit_file"
    arguments = EditFileArguments

    def title(self, args: EditFileArguments) -> str:
        return f"edit {args.path}"

    async def plan(self, args: EditFileArguments, context: ToolContext) -> Intent:
        edit, _ = _planned_edit(args, context.workspace)
        context.planned[id(args)] = edit
        return Intent("edit", (edit,), sensitive=context.workspace.sensitive(args.path))

    async def run(self, args: EditFileArguments, context: ToolContext) -> ToolOutcome:
        planned = context.planned.pop(id(args), None)
        try:
            edit, outcome = _planned_edit(args, context.workspace)
        except ToolRefused:
            if planned is None:
                raise
            edit = None
        if edit is None or (planned is not None and edit != planned):  # what was approved is not what this is
            raise ToolRefused(f"{args.path} changed on disk while this waited: read it again")
        _apply(context.workspace, edit, f"edit of {args.path}")
        stages = Counter(outcome.stages)
        how = ", ".join(f"{count} {stage}" for stage, count in stages.items())
        text = (
            f"Edited {args.path}: {plural(outcome.replaced, 'replacement')} (matched: {how}), {_where(edit)}."
        )
        if set(stages) != {"exact"}:
            text += " Some text did not match exactly, so check the result:\n" + bounded(
                unified(edit.before, edit.after, args.path), 4_000
            )
        return _outcome(text + _newly_broken(edit), edit)


class WriteFileArguments(Arguments):
    path: str
    content: str


class WriteFile(Tool[WriteFileArguments]):
    name = "write_file"
    arguments = WriteFileArguments

    def title(self, args: WriteFileArguments) -> str:
        return f"write {args.path}"

    async def plan(self, args: WriteFileArguments, context: ToolContext) -> Intent:
        edit = _planned_write(args, context.workspace)
        context.planned[id(args)] = edit
        return Intent("edit", (edit,), sensitive=context.workspace.sensitive(args.path))

    async def run(self, args: WriteFileArguments, context: ToolContext) -> ToolOutcome:
        planned = context.planned.pop(id(args), None)
        edit = _planned_write(args, context.workspace)
        if planned is not None and edit != planned:
            raise ToolRefused(f"{args.path} changed on disk while this waited: read it again")
        if edit.before == edit.after:
            return ToolOutcome(f"{args.path} already has exactly this content.", "unchanged")
        _apply(context.workspace, edit, f"writing {args.path}")
        verb = "Created" if edit.before is None else "Rewrote"
        lines = (edit.after or "").count("\n")
        return _outcome(f"{verb} {args.path} ({plural(lines, 'line')})." + _newly_broken(edit), edit)


def _planned_edit(args: EditFileArguments, workspace: Workspace) -> tuple[FileEdit, EditOutcome]:
    try:
        file = workspace.read(args.path)
    except NotThere as problem:
        raise ToolRefused(f"{problem.message} (write_file creates files)") from None
    except WorkspaceError as problem:
        raise ToolRefused(problem.message) from None
    outcome = apply_edits(file.text, [(e.old_text, e.new_text, e.replace_all) for e in args.edits])
    if not outcome.ok:
        stale = {
            "changed": f"\n{args.path} changed on disk since you read it: read it again.",
            "unread": f"\nYou have not read {args.path} in this session: read it first.",
        }.get(workspace.freshness(args.path, file.text), "")
        raise ToolRefused(f"{args.path} was not changed. " + "\n".join(outcome.problems) + stale)
    edit = FileEdit(args.path, file.text, outcome.text)
    _check_encodable(file, edit)
    return edit, outcome


def _planned_write(args: WriteFileArguments, workspace: Workspace) -> FileEdit:
    try:
        file = workspace.read(args.path)
    except NotThere:
        workspace.resolve(args.path)
        return FileEdit(args.path, None, args.content)
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}: it is not overwritten") from None
    freshness = workspace.freshness(args.path, file.text)
    if freshness != "fresh" and file.text:
        why = (
            "exists and you have not read it"
            if freshness == "unread"
            else "changed on disk since you read it"
        )
        raise ToolRefused(f"{args.path} {why}: read it first, then edit_file or write_file")
    content = args.content
    if file.newline == "\r\n" and "\r\n" not in content:
        content = content.replace("\n", "\r\n")
    edit = FileEdit(args.path, file.text, content)
    _check_encodable(file, edit)
    return edit


def _check_encodable(file: TextFile, edit: FileEdit) -> None:
    try:
        file.encode(edit.after or "")
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}: {problem.remedy}") from None


def _apply(workspace: Workspace, edit: FileEdit, label: str) -> None:
    try:
        workspace.apply([edit], label=label)
    except StaleFile as problem:
        raise ToolRefused(f"{problem.message}: read it again") from None
    workspace.saw(edit.path, edit.after or "")


def _outcome(text: str, edit: FileEdit) -> ToolOutcome:
    added, removed = counts(edit.before, edit.after)
    return ToolOutcome(text, f"+{added} -{removed}", payload=(edit,), changed=(edit.path,))


def _where(edit: FileEdit) -> str:
    """Where the new text is, so that the model need not read the file again to go on."""
    spans = [
        f"{hunk.new_start}-{hunk.new_start + hunk.new_count - 1}"
        if hunk.new_count > 1
        else str(hunk.new_start)
        for hunk in hunks(edit.before, edit.after, 0)
    ]
    shown = ", ".join(spans[:10]) + (" and more" if len(spans) > 10 else "")
    return f"now at lines {shown}" if len(spans) > 1 or "-" in shown else f"now at line {shown}"


def _newly_broken(edit: FileEdit) -> str:
    """A warning where Python source parsed before and does not any more."""
    if not edit.path.endswith((".py", ".pyi")):
        return ""
    after = _syntax_error(edit.after or "")
    if not after or (edit.before is not None and _syntax_error(edit.before)):
        return ""
    return f"\nWarning: the file no longer parses as Python: {after}"


def _syntax_error(source: str) -> str:
    if len(source) > _PARSE_LIMIT:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as problem:
        return f"line {problem.lineno}: {problem.msg}"
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""
