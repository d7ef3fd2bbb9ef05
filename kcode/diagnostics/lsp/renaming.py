"""What a server says that renaming comes to, as texts of files before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.diagnostics.lsp.positions import Lines, Overlapping, applied
from kcode.errors import KcodeError
from kcode.workspace.change import FileEdit
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.diagnostics.lsp.server import Server

MOST = 1_000  # files


class NotRenamed(Exception):
    """It cannot be renamed; the message says why, for the model."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """``places`` counts the changes in all files; ``server`` is the name of who found them."""

    edits: tuple[FileEdit, ...]
    places: int
    server: str


async def renamed(
    server: Server, workspace: Workspace, path: str, places: Sequence[int], new: str
) -> Renamed:
    """Raises :class:`NotRenamed`, ServerError, ServerGone."""
    answers = [await _asked(server, workspace, path, place, new) for place in places]
    if any(answer != answers[0] for answer in answers[1:]):
        raise NotRenamed("this name stands for several things in that line: say which by occurrence")
    if not answers[0]:
        raise NotRenamed(f"{server.name} finds nothing to rename there")
    edits = []
    for name, changes in sorted(answers[0].items()):
        before = _text(workspace, name)
        try:
            after = applied(before, changes, server.units)
        except (Overlapping, KeyError, TypeError, ValueError) as problem:
            raise NotRenamed(f"{server.name} sent changes of {name} that cannot be made: {problem}") from None
        if after != before:
            edits.append(FileEdit(name, before, after))
    count = sum(len(changes) for changes in answers[0].values())
    return Renamed(tuple(edits), count, server.name)


async def _asked(
    server: Server, workspace: Workspace, path: str, place: int, new: str
) -> dict[str, list[Any]]:
    """The changes of each file. Files that the server may have read otherwise than we do are told it, and it
    is asked again."""
    for _ in range(2):
        position = Lines(_text(workspace, path), server.units).place(place)
        answer = await server.ask(
            "textDocument/rename",
            {"textDocument": {"uri": server.uri(path)}, "position": position, "newName": new},
        )
        changes = _changes(server, answer)
        if len(changes) > MOST:
            raise NotRenamed(f"this is used in {len(changes)} files: too many for one undoable step")
        others = [
            name for name in changes if server.version_of(name) is None and not _is_plain(workspace, name)
        ]
        if not others:
            return changes
        for name in others:
            server.put(name, _text(workspace, name))
        await server.settled(others, 5.0)
    return changes


def _changes(server: Server, answer: Any) -> dict[str, list[Any]]:
    if not isinstance(answer, dict):
        return {}
    found: dict[str, list[Any]] = {}
    documents = answer.get("documentChanges")
    if isinstance(documents, list) and documents:
        for each in documents:
            if not isinstance(each, dict) or "kind" in each:
                raise NotRenamed(f"{server.name} would create, rename or delete files for this")
            named = each["textDocument"]
            path = _path(server, str(named["uri"]))
            version, ours = named.get("version"), server.version_of(path)
            if version is not None and ours is not None and version != ours:
                raise NotRenamed(f"{server.name} knows an older text of {path}: try again")
            found.setdefault(path, []).extend(each.get("edits", []))
    else:
        changes = answer.get("changes")
        for uri, edits in (changes if isinstance(changes, dict) else {}).items():
            found.setdefault(_path(server, uri), []).extend(edits)
    return {path: edits for path, edits in found.items() if edits}


def _path(server: Server, uri: str) -> str:
    path = server.path_of(uri)
    if path is None:
        raise NotRenamed(f"this would change what is not in the workspace: {uri}")
    return path


def _text(workspace: Workspace, path: str) -> str:
    try:
        return workspace.read(path).text
    except KcodeError as problem:
        raise NotRenamed(f"this would change {path}, but {problem.message}") from None


def _is_plain(workspace: Workspace, path: str) -> bool:
    """Whether a server that reads the file itself takes it for the same text."""
    try:
        return workspace.read(path).encoding == "utf-8"
    except KcodeError:
        return True
