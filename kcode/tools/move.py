"""move_path and delete_path: undoable like every other change."""

from __future__ import annotations

from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import plural
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.workspace import Workspace


class MovePathArguments(Arguments):
    path: str
    to: str


class MovePath(Tool[MovePathArguments]):
    name = "move_path"
    arguments = MovePathArguments

    def title(self, args: MovePathArguments) -> str:
        return f"move {args.path} to {args.to}"

    async def plan(self, args: MovePathArguments, context: ToolContext) -> Intent:
        workspace = context.workspace
        workspace.locate(args.to)
        gone = _deletions(workspace, args.path)
        source = workspace.relative(workspace.locate(args.path))
        base = args.to.rstrip("/")
        if workspace.resolve(args.to).is_dir():
            base = f"{base}/{source.rpartition('/')[2]}"
        arrived = [FileEdit(base + edit.path[len(source) :], None, edit.before, edit.note) for edit in gone]
        sensitive = _sensitive(workspace, args.path, gone) or workspace.sensitive(args.to)
        moves = tuple((old.path, new.path) for old, new in zip(gone, arrived, strict=True))
        return Intent("edit", (*gone, *arrived), sensitive=sensitive, moves=moves)

    async def run(self, args: MovePathArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        files = [workspace.relative(file) for file in workspace.files_below(args.path)]
        workspace.move(args.path, args.to, label=f"moving {args.path}")
        text = f"Moved {args.path} to {args.to} ({plural(len(files), 'file')})."
        return ToolOutcome(text, plural(len(files), "file"), changed=(*files, args.to))


class DeletePathArguments(Arguments):
    path: str


class DeletePath(Tool[DeletePathArguments]):
    name = "delete_path"
    arguments = DeletePathArguments

    def title(self, args: DeletePathArguments) -> str:
        return f"delete {args.path}"

    async def plan(self, args: DeletePathArguments, context: ToolContext) -> Intent:
        edits = _deletions(context.workspace, args.path)
        return Intent("edit", tuple(edits), sensitive=_sensitive(context.workspace, args.path, edits))

    async def run(self, args: DeletePathArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        files = [workspace.relative(file) for file in workspace.files_below(args.path)]
        workspace.delete(args.path, label=f"deleting {args.path}")
        return ToolOutcome(
            f"Deleted {args.path} ({plural(len(files), 'file')}).",
            plural(len(files), "file"),
            changed=tuple(files),
        )


def _deletions(workspace: Workspace, path: str) -> list[FileEdit]:
    """The files that go, with their text where they have one, for the person who is asked."""
    try:
        files = workspace.files_below(path)
        if not files:
            return [FileEdit(workspace.relative(workspace.locate(path)), "", None, "empty folder")]
        return [_deletion(workspace, workspace.relative(file)) for file in files]
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}{': ' + problem.remedy if problem.remedy else ''}") from None


def _deletion(workspace: Workspace, path: str) -> FileEdit:
    file = workspace.locate(path)
    try:
        if file.is_symlink():
            return FileEdit(path, "", None, f"link to {file.readlink()}")
        status = file.stat()
        runs = "executable" if status.st_mode & 0o111 else ""
        return FileEdit(path, workspace.read(path).text, None, runs)
    except WorkspaceError:
        return FileEdit(path, "", None, f"not text, {status.st_size:,} bytes")
    except OSError as problem:
        raise ToolRefused(f"{path}: {problem.strerror}") from None


def _sensitive(workspace: Workspace, path: str, edits: list[FileEdit]) -> str:
    reasons = (workspace.sensitive(one) for one in (path, *(edit.path for edit in edits)))
    return next((why for why in reasons if why), "")
