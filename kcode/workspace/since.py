"""What several checkpoints together changed: each file as it was first, and as it is now."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kcode.workspace.change import FileEdit
from kcode.workspace.encoding import decode
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.files import Stored, read_stored
from kcode.workspace.workspace import Workspace

_BINARY = "[binary file]\n"


def changes_since(workspace: Workspace, checkpoint_ids: Iterable[str]) -> list[FileEdit]:
    """One edit a file that differs now, sorted by path. Checkpoints that were pruned are passed over."""
    first: dict[str, Stored | None] = {}
    for identity in checkpoint_ids:
        try:
            record = workspace.checkpoints.load(identity)
        except WorkspaceError:
            continue
        for number, entry in enumerate(record.entries):
            if entry.path not in first:
                first[entry.path] = workspace.checkpoints.content(record, number)
    edits = []
    for path, before in sorted(first.items()):
        real = workspace.locate(path)
        now = read_stored(real, path) if os.path.lexists(real) else None
        if before != now:
            edits.append(FileEdit(path, _text(before), _text(now)))
    return edits


def _text(content: Stored | None) -> str | None:
    if content is None:
        return None
    decoded = decode(content.data)
    return _BINARY if decoded is None else decoded.text
