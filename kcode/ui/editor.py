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
from kcode.ui.approval.ask import is_dumb
from kcode.ui.look import figures
from kcode.ui.look.terminal import size_of

_NOT_FOUND = 127  # the shell's


async def edit(text: str, name: str, editor: str) -> str | None:
    """``text`` as it was left in ``editor``, a shell command, in a file called ``name``.

    None where the editor ended with an error: nothing is decided by it. Ctrl-C belongs to the editor while
    it runs. Raises EnvironmentProblem where it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="kcode-edit-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        with _lines_and_echo(), _told(editor):
            child = _started(editor, path)
            with _ctrl_c_is_the_editors():  # from here on: the child would ignore it, too
                code = await asyncio.to_thread(child.wait)
        if code == _NOT_FOUND:
            raise EnvironmentProblem(
                _("the editor {editor} was not found").format(editor=editor),
                _("set EDITOR to one that is there"),
            )
        return path.read_text(encoding="utf-8", errors="replace") if code == 0 else None


def _started(editor: str, path: Path) -> subprocess.Popen[bytes]:
    windows = sys.platform == "win32"
    argv = [*shlex.split(editor, posix=False)] if windows else ["/bin/sh", "-c", f'{editor} "$@"', editor]
    try:
        return subprocess.Popen([*argv, str(path)], env=child_environment())  # noqa: S603 - the editor that the user chose
    except OSError as error:
        raise EnvironmentProblem(
            _("the editor {editor} cannot be started ({reason})").format(
                editor=editor, reason=error.strerror
            ),
            _("set EDITOR to one that is there"),
        ) from None


async def edit_text(text: str, name: str = "message.md") -> str:
    """``text`` as it was left in the user's editor. Raises EnvironmentProblem where that cannot be started,
    or ends with an error: then nothing is taken from it."""
    changed = await edit(text, name, own_editor())
    if changed is None:
        raise EnvironmentProblem(
            _("the editor {editor} ended with an error; nothing is taken from it").format(
                editor=figures.one_line(own_editor())
            ),
            _("save and leave the editor without an error"),
        )
    return changed


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


@contextlib.contextmanager
def _told(editor: str) -> Iterator[None]:
    """Say what is waited for: an editor with a window of its own leaves the terminal empty."""
    if not sys.stdout.isatty():
        yield
        return
    words = _("{editor} is open: save and close it to go on").format(editor=figures.one_line(editor))
    sys.stdout.write(figures.cut(words, size_of(sys.stdout)[0] - 1))
    sys.stdout.flush()
    try:
        yield
    finally:  # what was typed meanwhile has been echoed behind it
        sys.stdout.write("\n" if is_dumb() else "\r\x1b[J")
        sys.stdout.flush()


@contextlib.contextmanager
def _lines_and_echo() -> Iterator[None]:
    """The terminal as programs expect it: the session's own application had it in raw mode."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    from prompt_toolkit.input.vt100 import cooked_mode

    with cooked_mode(sys.stdin.fileno()):
        yield
