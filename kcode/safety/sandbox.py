"""Confining a command: it reads the system, writes where it may, and has a network only if allowed.

The strongest that this machine really lets us use, tried once: bubblewrap, then Landlock with seccomp,
macOS Seatbelt; else nothing, said plainly by :func:`status`. What each tier leaves open is in SECURITY.md.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from kcode.config.paths import config_dir
from kcode.errors import EnvironmentProblem
from kcode.safety import landlock, seccomp

Kind = Literal["bubblewrap", "landlock", "seatbelt", "none"]
_PROBE_S = 10.0
_DENIED = re.compile(
    r"permission denied|operation not permitted|read-only file system|network is unreachable"
    r"|could not resolve|temporary failure in name resolution|name or service not known",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a command may do: write below ``writable``, and reach the network if ``network``."""

    writable: tuple[Path, ...]
    network: bool = False


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """What holds here. ``detail`` says it to people, with the reason where it is weaker than it could be."""

    kind: Kind
    detail: str

    @property
    def holds(self) -> bool:
        return self.kind != "none"


class Opener(Protocol):
    def __call__(self, command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]: ...


def start(confine: Confinement, argv: Sequence[str], popen: Opener) -> subprocess.Popen[bytes]:
    """Start ``argv`` through ``popen``, confined as well as this machine can. Raises OSError."""
    kind = status().kind
    if kind == "bubblewrap":
        return _start_bubblewrap(confine, argv, popen)
    if kind == "landlock":
        return _start_landlock(confine, argv, popen)
    if kind == "seatbelt":
        return popen(["/usr/bin/sandbox-exec", "-p", _seatbelt_profile(confine), *argv])
    return popen(argv)


@functools.cache
def status() -> SandboxStatus:
    """What confinement holds on this machine, found out by using it once."""
    if sys.platform == "darwin":
        return _probe("seatbelt", "macOS Seatbelt", _start_seatbelt) or SandboxStatus(
            "none", "sandbox-exec does not work here"
        )
    if not sys.platform.startswith("linux"):
        return SandboxStatus("none", f"no sandbox is known for {sys.platform}: every command is asked about")
    reasons = []
    if bubblewrap():
        found = _probe("bubblewrap", f"bubblewrap ({bubblewrap()})", _start_bubblewrap)
        if found:
            return found
        reasons.append(
            "bubblewrap is installed but not allowed to work here (containers and AppArmor forbid it)"
        )
    else:
        reasons.append("bubblewrap is not installed")
    version = landlock.version()
    if version:
        words = f"Landlock {version} and seccomp; {reasons[0]}"
        found = _probe("landlock", words, _start_landlock)
        if found:
            return found
    reasons.append("Landlock is not available in this kernel")
    return SandboxStatus("none", "commands run unconfined: " + "; ".join(reasons))


def in_words(wanted: bool, network: bool) -> str:
    """What a command runs in, for the person who is asked whether it may. The first call tries it out."""
    if not wanted:
        return "not confined: the setting safety.sandbox is off"
    if not status().holds:
        return "not confined: no sandbox works on this machine"
    if network:
        return "confined: writes only here and in a private temporary folder; the network is open"
    return "confined: writes only here and in a private temporary folder, no network"


def looks_confined(output: str) -> bool:
    """Whether a failure reads as if the sandbox had caused it."""
    return bool(_DENIED.search(output[-20_000:]))


def _probe(
    kind: Kind, words: str, starter: Callable[[Confinement, Sequence[str], Opener], subprocess.Popen[bytes]]
) -> SandboxStatus | None:
    """``kind`` if a command starts in it, may write where allowed, and may not elsewhere."""
    with tempfile.TemporaryDirectory(prefix="kcode-probe-") as folder:
        inside, outside = Path(folder, "inside"), Path(folder, "outside")
        inside.mkdir()
        outside.mkdir()
        script = 'echo x > "$1/file" && ! { echo x > "$2/file"; } 2>/dev/null'

        def popen(command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
            quiet = subprocess.DEVNULL
            pipes: dict[str, Any] = {"stdin": quiet, "stdout": quiet, "stderr": quiet, **more}
            process: subprocess.Popen[bytes] = subprocess.Popen(
                list(command), start_new_session=True, **pipes
            )
            return process

        command = ["/bin/sh", "-c", script, "probe", str(inside.resolve()), str(outside.resolve())]
        try:
            process = starter(Confinement((inside.resolve(),)), command, popen)
        except (OSError, EnvironmentProblem):
            return None
        try:
            worked = process.wait(_PROBE_S) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        return SandboxStatus(kind, words) if worked and not (outside / "file").exists() else None


# --- bubblewrap ------------------------------------------------------------------------------


@functools.cache
def bubblewrap() -> str:
    """The path of the system's bwrap; never one inside the folder we are in."""
    found = shutil.which("bwrap")
    if not found or Path(found).resolve().is_relative_to(Path.cwd()):
        return ""
    return str(Path(found).resolve())


def bubblewrap_argv(confine: Confinement, filter_fd: int | None) -> list[str]:
    """The options of bwrap, as measured: /proc/sys stays writable for uid 0 unless bound again."""
    argv = [bubblewrap(), "--unshare-user", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev"]
    argv += [
        "--proc",
        "/proc",
        "--ro-bind-try",
        "/proc/sys",
        "/proc/sys",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
    ]
    for folder in _secret_folders(confine):
        argv += ["--tmpfs", str(folder)]
    for path in confine.writable:
        argv += ["--bind", str(path), str(path)]
    for path in _protected(confine):
        argv += ["--ro-bind-try", str(path), str(path)]
    argv += [] if confine.network else ["--unshare-net"]
    argv += ["--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    if confine.network:  # names are resolved through files and sockets below /run
        argv += ["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"]
    return argv if filter_fd is None else [*argv, "--seccomp", str(filter_fd)]


def _start_bubblewrap(confine: Confinement, argv: Sequence[str], popen: Opener) -> subprocess.Popen[bytes]:
    program = seccomp.program(network=True)  # its own network namespace does that part
    if program is None:
        return popen([*bubblewrap_argv(confine, None), "--", *argv])
    reading, writing = os.pipe()
    try:
        os.write(writing, program)  # under a kilobyte: it fits any pipe
        os.close(writing)
        return popen([*bubblewrap_argv(confine, reading), "--", *argv], pass_fds=(reading,))
    finally:
        os.close(reading)


def _protected(confine: Confinement) -> list[Path]:
    """What git would execute or obey later, outside the sandbox."""
    return [
        root / ".git" / name
        for root in confine.writable
        for name in ("hooks", "config")
        if (root / ".git").is_dir()
    ]


def _secret_folders(confine: Confinement) -> list[Path]:
    home = Path.home()
    named = [home / name for name in (".ssh", ".gnupg", ".aws", ".kube", ".config/gcloud")]
    return [
        folder
        for folder in (*named, config_dir())
        if folder.is_dir() and not any(path.is_relative_to(folder) for path in confine.writable)
    ]


# --- Landlock --------------------------------------------------------------------------------


def _start_landlock(confine: Confinement, argv: Sequence[str], popen: Opener) -> subprocess.Popen[bytes]:
    """Restrictions are per thread and inherited by children, so a throw-away thread takes them on.

    No ``preexec_fn``: forking a large parent costs tens of milliseconds and is unsafe with threads.
    """
    outcome: list[subprocess.Popen[bytes] | BaseException] = []

    def restricted() -> None:
        try:
            landlock.restrict_thread(confine.writable, tcp=confine.network)
            seccomp.restrict_thread(network=confine.network)
            outcome.append(popen(argv))
        except BaseException as problem:  # outer door of this thread: raised again in the caller's
            outcome.append(problem)

    thread = threading.Thread(target=restricted, name="confined start")
    thread.start()
    thread.join()
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


# --- Seatbelt --------------------------------------------------------------------------------


def _start_seatbelt(confine: Confinement, argv: Sequence[str], popen: Opener) -> subprocess.Popen[bytes]:
    return popen(["/usr/bin/sandbox-exec", "-p", _seatbelt_profile(confine), *argv])


def _seatbelt_profile(confine: Confinement) -> str:
    quoted = [str(path.resolve()).replace("\\", "\\\\").replace('"', '\\"') for path in confine.writable]
    allowed = "".join(f'(subpath "{path}")' for path in quoted)
    devices = '(literal "/dev/null")(literal "/dev/zero")(literal "/dev/tty")(regex #"^/dev/fd/")'
    hooks = "".join(f'(subpath "{path}/.git/hooks")(literal "{path}/.git/config")' for path in quoted)
    network = "" if confine.network else "(deny network*)"
    return (
        f"(version 1)(allow default)(deny file-write*)(allow file-write* {allowed}{devices})"
        f"(deny file-write* {hooks}){network}"
    )
