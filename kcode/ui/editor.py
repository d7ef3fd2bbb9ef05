"""A text in the user's own editor, and back.

The editor needs the terminal itself, so it is a plain child and not one behind the pipes of the process door.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.i18n import _
from kcode.safety.process import child_environment, run_sync


def edited(text: str, name: str, editor: str) -> str | None:
    """``text`` as it was left in ``editor``, a shell command, in a file called ``name``.

    None where the editor ended with an error: nothing is decided by it. Ctrl-C belongs to the editor while
    it runs. Raises EnvironmentProblem where it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="kcode-edit-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        if sys.platform == "win32":
            argv = [*shlex.split(editor, posix=False), str(path)]
        else:
            argv = ["/bin/sh", "-c", f'{editor} "$@"', editor, str(path)]
        try:
            with _ctrl_c_is_the_editors():
                code = subprocess.run(argv, check=False, env=child_environment()).returncode
        except OSError as error:
            raise EnvironmentProblem(
                _("the editor {editor} cannot be started ({reason})").format(
                    editor=editor, reason=error.strerror
                ),
                _("set EDITOR to one that is there"),
            ) from None
        if code == 127:
            raise EnvironmentProblem(
                _("the editor {editor} was not found").format(editor=editor),
                _("set EDITOR to one that is there"),
            )
        return path.read_text(encoding="utf-8", errors="replace") if code == 0 else None


async def edit(text: str, name: str, editor: str) -> str | None:
    """:func:`edited` while the event loop goes on; Ctrl-C is the editor's meanwhile."""
    with _ctrl_c_is_the_editors():
        return await asyncio.to_thread(edited, text, name, editor)


async def edit_text(text: str, name: str = "message.md") -> str:
    """``text`` as it was left in the user's editor; as it was, where that ended with an error."""
    changed = await edit(text, name, own_editor())
    return text if changed is None else changed.removesuffix("\n")


def git_editor(root: Path) -> str:
    """The editor git would open: GIT_EDITOR, core.editor, VISUAL, EDITOR, or its own default."""
    found = run_sync(["git", "var", "GIT_EDITOR"], cwd=root, env=child_environment(), timeout_s=10)
    return found.stdout.strip() if found.code == 0 and found.stdout.strip() else own_editor()


def own_editor() -> str:
    """VISUAL or EDITOR, else what the system always has."""
    default = "notepad" if sys.platform == "win32" else "vi"
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or default


@contextlib.contextmanager
def _ctrl_c_is_the_editors() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
