"""The arguments that confine a command with bubblewrap, and finding it.

As measured: for uid 0 it needs a user namespace without rights, and /proc/sys bound again.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_OF_THE_SYSTEM = ("/run/current-system", "/run/booted-system", "/run/opengl-driver")  # NixOS: the PATH itself
_RESOLVER = Path("/etc/resolv.conf")
_GIT = ("hooks", "config", "config.worktree", "info/attributes")


@functools.cache
def program() -> str:
    """The path of the system's bwrap; never one inside the folder we are in."""
    found = shutil.which("bwrap")
    if not found or Path(found).resolve().is_relative_to(Path.cwd()):
        return ""
    return str(Path(found).resolve())


def argv(
    writable: Sequence[Path],
    unreadable: Iterable[Path],
    sockets: Iterable[Path],
    *,
    network: bool,
    resolver: bool,
    filter_fd: int | None,
    temporary: Path | None = None,
) -> list[str]:
    """All up to the ``--``. Paths are real ones; a later mount covers an earlier one.

    With ``network`` it is that of whoever starts it; with ``resolver`` what looks up names there is seen.
    """
    words = [program(), "--unshare-user", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev"]
    words += ["--proc", "/proc", "--ro-bind-try", "/proc/sys", "/proc/sys"]
    words += ["--tmpfs", "/run"]
    words += ["--bind", str(temporary), "/tmp"] if temporary else ["--tmpfs", "/tmp"]  # noqa: S108 - its own, inside
    for name in _OF_THE_SYSTEM:
        words += ["--ro-bind-try", name, name]
    if os.path.ismount("/dev/shm"):  # noqa: S108 - looked at only
        words += ["--tmpfs", "/dev/shm"]  # noqa: S108 - an empty one, inside
    for path in sockets:
        if not path.is_relative_to("/run") and not path.is_relative_to("/tmp"):  # noqa: S108 - looked at only
            words += ["--ro-bind-try", "/dev/null", str(path)]
    above: list[Path] = []
    inside: list[Path] = []
    for path in unreadable:
        (inside if any(path.is_relative_to(place) for place in writable) else above).append(path)
    words += _covered(above)
    for path in writable:
        words += ["--bind", str(path), str(path)]
    words += _covered(inside)
    for path in _obeyed_by_git(writable):
        words += ["--ro-bind-try", str(path), str(path)]
    if resolver:  # names are resolved through files and sockets below /run
        words += ["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"]
        settings = os.path.realpath(_RESOLVER)
        if settings.startswith("/run/"):
            words += ["--ro-bind-try", settings, settings]
    if not network:
        words.append("--unshare-net")
    words += ["--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    return words if filter_fd is None else [*words, "--seccomp", str(filter_fd)]


def _covered(places: Iterable[Path]) -> Iterator[str]:
    for path in places:
        yield from ("--tmpfs", str(path)) if path.is_dir() else ("--ro-bind-try", "/dev/null", str(path))


def _obeyed_by_git(writable: Sequence[Path]) -> list[Path]:
    """What git would execute or obey later, outside the sandbox."""
    return [root / ".git" / name for root in writable if (root / ".git").is_dir() for name in _GIT]
