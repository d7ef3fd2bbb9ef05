"""What the model is told: the system text, which never changes, and the context of a user message.

The system text holds no clock, no git status and no file list (the prefix law); what changes is appended
to the user's message instead.
"""

from __future__ import annotations

import platform
import time

from kcode.config.prompts import load_prompt
from kcode.errors import EnvironmentProblem, KcodeError
from kcode.workspace.workspace import Workspace

_LISTING_LIMIT = 40


def system_text() -> str:
    return load_prompt("system")


def first_context(workspace: Workspace) -> str:
    """The block appended to a conversation's first user message: where we are."""
    lines = [f"date: {time.strftime('%Y-%m-%d')}", f"system: {platform.system()}", *_place(workspace)]
    return "\n".join(["<context>", *lines, "</context>"])


def _place(workspace: Workspace) -> list[str]:
    try:
        names = sorted(
            f"{entry.name}/" if entry.is_dir() else entry.name
            for entry in workspace.root.iterdir()
            if not entry.name.startswith(".") and entry.name != "__pycache__"
        )
    except OSError as error:
        raise EnvironmentProblem(
            f"the folder {workspace.root} cannot be listed: {error.strerror}",
            "is it still there, and yours to read?",
        ) from error
    more = f" (+{len(names) - _LISTING_LIMIT} more)" if len(names) > _LISTING_LIMIT else ""
    lines = [f"workspace top level: {' '.join(names[:_LISTING_LIMIT]) or '(empty)'}{more}"]
    if not workspace.is_git:
        return [*lines, "git: not a repository"]
    from kcode.workspace.repo import branch_and_changes

    try:
        branch, changed = branch_and_changes(workspace.root)
    except KcodeError as error:
        return [*lines, f"git: {error.message}"]
    return [*lines, f"git: on {branch}, {changed} changed files"]
