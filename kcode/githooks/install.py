"""Putting kcode's hook into a repository and taking it out again, leaving what was there as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem, UsageError
from kcode.githooks import shared
from kcode.githooks.place import Place
from kcode.githooks.script import CHAINED, is_ours, recorded_program, script

HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "pre-push", "post-merge")


@dataclass(frozen=True, slots=True)
class Status:
    """One hook's state. ``state`` is ``none``, ``ours`` or ``other``; ``program`` is the recorded kcode.
    ``by`` names who runs this repository's hooks (husky, lefthook), or is ``""`` for git itself; ``called``
    tells whether git calls them for this hook yet."""

    hook: str
    path: Path
    state: str
    chained: bool
    program: str
    program_there: bool
    by: str = ""
    called: bool = True


class TakenByLefthook(UsageError):
    """lefthook's file has the hook's section already; ``lines`` are to be added there by hand."""

    def __init__(self, file: Path, hook: str, lines: str) -> None:
        super().__init__(f"{file} has a section {hook} already", "add the command kcode to it by hand")
        self.lines = lines


def check_name(hook: str) -> None:
    if hook not in HOOKS:
        raise UsageError(f"there is no hook {hook!r} in kcode", f"hooks: {', '.join(HOOKS)}")


def status(place: Place, hook: str) -> Status:
    check_name(hook)
    if theirs := shared.shared_hook(place, hook):
        there = shared.present(theirs, hook)
        other = shared.taken(theirs, hook) or (theirs.by == "husky" and theirs.file.exists())
        state = "ours" if there else "other" if other else "none"
        calls = state != "ours" or shared.called(theirs, place, hook)
        return Status(hook, theirs.file, state, False, "", True, theirs.by, calls)
    path = place.hooks / hook
    content = _content(path)
    state = "none" if content is None else "ours" if is_ours(content) else "other"
    program = recorded_program(content) if content is not None and state == "ours" else ""
    there = bool(program) and os.access(program, os.X_OK)
    return Status(hook, path, state, os.path.lexists(_chained(path)), program, there)


def install(place: Place, hook: str, program: str = "") -> Status:
    """Install or renew ``hook``; one that is there already is moved beside it and runs first.

    ``program`` is the kcode to start; empty for the one that runs now. Raises
    :class:`EnvironmentProblem` where the folder cannot be written, :class:`UsageError` where a hook
    chained earlier is in the way.
    """
    before = status(place, hook)
    if before.by:
        return _install_shared(place, before)
    aside = _chained(before.path)
    if before.state == "other" and before.chained:
        raise UsageError(
            f"{before.path} was replaced after kcode had set an older hook aside at {aside}",
            "keep one of the two files, then run this again",
        )
    text = script(hook, program or own_program())
    with _told(before.path):
        before.path.parent.mkdir(parents=True, exist_ok=True)
        if before.state == "other":
            before.path.rename(aside)
        fresh = before.path.with_name(f"{hook}.kcode-new")
        fresh.write_bytes(text.encode("utf-8", "surrogateescape"))
        fresh.chmod(0o755)
        fresh.replace(before.path)
    return status(place, hook)


def uninstall(place: Place, hook: str) -> bool:
    """Remove ``hook`` and put back what it had set aside. Returns whether there was one of ours."""
    now = status(place, hook)
    if now.by:
        theirs = shared.shared_hook(place, hook)
        if now.state == "ours" and theirs is not None:
            with _told(now.path):
                shared.remove(theirs, hook)
        return now.state == "ours"
    if now.state == "other" and now.chained:
        raise UsageError(
            f"{now.path} is not kcode's, yet {_chained(now.path)} waits to be put back",
            "keep one of the two files by hand",
        )
    with _told(now.path):
        if now.state == "ours" and now.chained:
            _chained(now.path).replace(now.path)
        elif now.state == "ours":
            now.path.unlink()
        elif now.state == "none" and now.chained:
            _chained(now.path).rename(now.path)
    return now.state == "ours"


def _install_shared(place: Place, before: Status) -> Status:
    """Add our lines to husky's or lefthook's file. Raises :class:`TakenByLefthook`."""
    theirs = shared.shared_hook(place, before.hook)
    if theirs is not None and before.state != "ours":
        if shared.taken(theirs, before.hook):
            raise TakenByLefthook(theirs.file, before.hook, shared.lines(theirs, before.hook))
        with _told(theirs.file):
            shared.add(theirs, before.hook)
    return status(place, before.hook)


def own_program() -> str:
    """The absolute path of the running kcode, else the one on PATH.

    The link on PATH is kept as a link: it survives an upgrade that replaces what it points to.
    """
    running = Path(sys.argv[0])
    if running.name == "kcode" and running.is_absolute() and os.access(running, os.X_OK):
        linked = shutil.which("kcode")
        same = linked and Path(linked).is_absolute() and Path(linked).resolve() == running.resolve()
        return linked if linked and same else str(running)
    beside = Path(sys.executable).parent / "kcode"
    found = shutil.which("kcode")
    if os.access(beside, os.X_OK):
        return str(beside)
    if found:
        return str(Path(found).absolute())
    raise EnvironmentProblem("the kcode program was not found on PATH", "install kcode with ./install.sh")


def _chained(path: Path) -> Path:
    return path.with_name(path.name + CHAINED)


def _content(path: Path) -> bytes | None:
    """None where there is nothing; a link into nowhere and a folder count as somebody's."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"" if path.is_symlink() else None
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read ({error.strerror})", "look at that file") from None


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be changed ({error.strerror})", "check the permissions of the hooks folder"
        ) from None
