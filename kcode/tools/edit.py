"""edit_file and write_file: text replaced where it is found once, or a file written whole."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from kcode.tools import changing
from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import plural
from kcode.tools.changing import Change
from kcode.tools.edit_shapes import as_list, joined, own_names, unfenced
from kcode.workspace import grammars, patchtext
from kcode.workspace.edits import Replacement as TextReplacement
from kcode.workspace.elision import left_out
from kcode.workspace.errors import NotThere, WorkspaceError
from kcode.workspace.syntax import newly_broken
from kcode.workspace.workspace import Workspace


class Replacement(Arguments):
    """``path`` (of another file) and ``start_line``/``end_line`` (lines by number) are taken, not offered."""

    old_text: str
    new_text: str
    replace_all: bool = False
    path: SkipJsonSchema[str | None] = None
    start_line: SkipJsonSchema[int | None] = Field(None, ge=1)
    end_line: SkipJsonSchema[int | None] = Field(None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _other_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = own_names(value, frozenset(cls.model_fields))
        after = value.pop("insert_line", None)
        if isinstance(after, int) and "start_line" not in value:
            value |= {"start_line": after + 1, "end_line": after}
        count = value.pop("line_count", None)
        if isinstance(count, int) and isinstance(value.get("start_line"), int):
            value.setdefault("end_line", value["start_line"] + count - 1)
        if value.get("start_line") is not None and "content" in value:
            value.setdefault("new_text", joined(value.pop("content")))
        if value.get("start_line") is not None or patchtext.is_patch(str(value.get("new_text", ""))):
            value.setdefault("old_text", "")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Replacement:
        if self.end_line is not None and (self.start_line is None or self.end_line < self.start_line - 1):
            raise ValueError("end_line needs a start_line that is not after it")
        return self


class EditFileArguments(Arguments):
    path: str
    edits: list[Replacement] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """A single replacement without its list, a patch, or paths that are told in the list alone."""
        if not isinstance(value, dict):
            return value
        if "edits" in value:
            value = own_names(value, frozenset(cls.model_fields))
            edits = as_list(value["edits"])
            first = edits[0] if isinstance(edits, list) and edits else None
            inside = own_names(first, frozenset()).get("path") if isinstance(first, dict) else None
            return {"path": inside, **value} if isinstance(inside, str) else value
        patch = value.get("patch") or value.get("diff")
        if isinstance(patch, str) and set(value) <= {"path", "patch", "diff"}:
            return {"path": value.get("path", ""), "edits": [{"old_text": "", "new_text": patch}]}
        flat = own_names(value, frozenset(cls.model_fields))
        taken = {*Replacement.model_fields, "content", "line_count", "insert_line"} - {"path"}
        parts = {key: flat.pop(key) for key in list(flat) if key in taken}
        ranged = "start_line" in parts and "content" in parts
        return flat | {"edits": [parts]} if "new_text" in parts or ranged else value

    @field_validator("edits", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """K2 sometimes sends the list as JSON text, or as a patch, or one replacement without its list."""
        if isinstance(value, str) and patchtext.is_patch(value):
            return [{"old_text": "", "new_text": value}]
        return as_list(value)


class EditFile(Tool[EditFileArguments]):
    name = "edit_file"
    arguments = EditFileArguments

    def title(self, args: EditFileArguments) -> str:
        paths = dict.fromkeys(edit.path or args.path for edit in args.edits)
        return f"edit {', '.join(paths)}"

    async def plan(self, args: EditFileArguments, context: ToolContext) -> Intent:
        changes = changing.replaced(context.workspace, _by_file(args, context.workspace))
        return changing.intent(args, context, [change.edit for change in changes])

    async def run(self, args: EditFileArguments, context: ToolContext) -> ToolOutcome:
        try:
            changes = changing.replaced(context.workspace, _by_file(args, context.workspace))
        except ToolRefused:
            changing.approved(args, context, ())
            raise
        changing.approved(args, context, [change.edit for change in changes])
        paths = ", ".join(change.edit.path for change in changes)
        changing.make(context.workspace, changes, f"edit of {paths}")
        return changing.outcome_of(changes)


def _by_file(args: EditFileArguments, workspace: Workspace) -> dict[str, list[TextReplacement]]:
    """The replacements of each file, in order; a patch in the place of the new text is read as one."""
    wanted: list[tuple[str, TextReplacement]] = []
    for edit in args.edits:
        path = edit.path or args.path
        if not edit.old_text.strip() and patchtext.is_patch(edit.new_text):
            for name, replacements in _from_patch(edit.new_text, path).items():
                wanted += [(name, replacement) for replacement in replacements]
        else:
            wanted.append((path, _as_text_replacement(edit)))
    return changing.by_file(workspace, wanted)


def _from_patch(text: str, path: str) -> dict[str, list[TextReplacement]]:
    try:
        changes = patchtext.read_patch(text, path)
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}: {problem.remedy}") from None
    if any(change.kind == "delete" or change.to for change in changes):
        raise ToolRefused("edit_file neither deletes nor moves: send the patch to apply_patch")
    return {
        change.path: change.replacements if change.kind == "update" else [TextReplacement("", change.content)]
        for change in changes
    }


def _as_text_replacement(edit: Replacement) -> TextReplacement:
    if edit.start_line is None:
        return TextReplacement(edit.old_text, edit.new_text, edit.replace_all)
    if edit.old_text:
        return TextReplacement(edit.old_text, edit.new_text, edit.replace_all, edit.start_line)
    count = (edit.end_line if edit.end_line is not None else edit.start_line) - edit.start_line + 1
    return TextReplacement("", edit.new_text, line=edit.start_line, lines=count)


class WriteFileArguments(Arguments):
    path: str
    content: str

    @model_validator(mode="before")
    @classmethod
    def _other_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = own_names(value, frozenset(cls.model_fields))
        for other in ("file_text", "contents", "text", "new_text"):
            if other in value and "content" not in value:
                value["content"] = value.pop(other)
        if "content" in value:
            value["content"] = joined(value["content"])
        return value


class WriteFile(Tool[WriteFileArguments]):
    name = "write_file"
    arguments = WriteFileArguments

    def title(self, args: WriteFileArguments) -> str:
        return f"write {args.path}"

    async def plan(self, args: WriteFileArguments, context: ToolContext) -> Intent:
        return changing.intent(args, context, [_planned_write(args, context.workspace)])

    async def run(self, args: WriteFileArguments, context: ToolContext) -> ToolOutcome:
        edit = _planned_write(args, context.workspace)
        changing.approved(args, context, [edit])
        if edit.before == edit.after:
            return ToolOutcome(f"{args.path} already has exactly this content.", "unchanged")
        changing.make(context.workspace, [Change(edit)], f"writing {args.path}")
        verb = "Created" if edit.before is None else "Rewrote"
        broken = newly_broken(edit)
        text = f"{verb} {args.path} ({plural((edit.after or '').count(chr(10)), 'line')})."
        return changing.outcome_of([Change(edit)], f"{text}\nWarning: {broken}" if broken else text)


def _content(args: WriteFileArguments) -> str:
    """The text of the file; of a source file without a Markdown fence around all of it."""
    source = grammars.source_of(args.path)
    return args.content if source is None or source.name == "markdown" else unfenced(args.content)


def _planned_write(args: WriteFileArguments, workspace: Workspace) -> FileEdit:
    try:
        file = workspace.read(args.path)
    except NotThere:
        workspace.resolve(args.path)
        return FileEdit(args.path, None, _content(args))
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}: it is not overwritten; {problem.remedy}".strip("; ")) from None
    freshness = workspace.freshness(args.path, file.text)
    if freshness == "unread" and file.text:
        raise ToolRefused(f"{args.path} exists and you have not read it: read it first, then edit_file")
    if freshness == "changed" and file.text:
        raise ToolRefused(f"Nothing was written. {changing.told_stale(workspace, args.path, file.text)}")
    lazy = left_out(args.content, file.text)
    if lazy:
        raise ToolRefused(f"content leaves lines out ({lazy!r}): give the whole file, or use edit_file")
    content = _content(args)
    if file.newline == "\r\n" and "\r\n" not in content:
        content = content.replace("\n", "\r\n")
    edit = FileEdit(args.path, file.text, content)
    changing.check_encodable(file, edit)
    return edit
