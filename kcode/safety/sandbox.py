"""Confining a command: it reads the system, writes where it may, and has a network only if allowed.

The strongest that this machine really lets us use, tried once: bubblewrap, then Landlock with seccomp,
macOS Seatbelt; else nothing, said plainly by :func:`status`. What each tier leaves open is in SECURITY.md.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from kcode.errors import EnvironmentProblem
from kcode.safety import bwrap, hidden, landlock, rooms, seatbelt, seccomp, wayout
from kcode.safety.hosts import Gate
from kcode.safety.limits import Limits

Kind = Literal["bubblewrap", "landlock", "seatbelt", "none"]
_PROBE_S = 10.0
_COVERED = (Path("/run"), Path("/tmp"))  # noqa: S108 - where a room has its own
_DENIED = re.compile(
    r"permission ?(?:error|denied)|operation not permitted|read-only file ?system|network is unreachable"
    r"|could not resolve|temporary failure in name resolution|name or service not known|nodename nor servname"
    r"|\bE(?:PERM|ACCES|ROFS|NETUNREACH|AI_AGAIN|NOTFOUND)\b|getaddrinfo|no route to host"
    r"|could not (?:lock|write) config file|device or resource busy|invalid cross-device link"
    r"|(?:cannot|can't|failed to) connect to the docker (?:daemon|api)|error dialing"
    r"|network access is disabled|unable to resolve host"
    r"|failed to lookup address|unknown ?host(?:exception)?\b|\blookup \S+ on \S+:\d+: "
    r"|usable (?:local|wildcard) ip|gpg failed to sign"
    r"|error connecting to agent|connection to your authentication agent"
    r"|temporary failure resolving|\blookup \S+: (?:no such host|temporary failure)"
    r"|AccessDeniedException|access to the path .{1,300} is denied"
    # what somebody put there outside
    r"|(?<![\w.-])/(?:tmp|run)/[^\n]{1,300}no such file or directory"
    r"|no such file or directory[^\n]{0,9}(?<![\w.-])/(?:tmp|run)/"
    # a service of the machine's own, which the loopback of a room does not have
    r"|(?:ECONNREFUSED|refused|connect).{0,80}\b(?:3306|5432|5672|6379|9092|9200|11211|27017)\b.{0,40}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a command may do: write below ``writable`` (real paths), and reach the network if ``network``.

    ``free``: it is not confined, though its limits hold and what it leaves running ends with it.
    ``temporary`` (below one of ``writable``) is its /tmp where this machine can do that; the commands that
    have the same share a loopback of their own, and reach what ``gate`` lets them reach. ``told``: all of
    their programs are told of that way out, not only those that fetch packages. ``caches`` is the folder, of
    ``writable`` too, for what builds keep. ``hidden`` places below ``writable`` are not seen,
    where mounts can do that.
    """

    writable: tuple[Path, ...]
    network: bool = False
    free: bool = False
    limits: Limits = field(default_factory=Limits)
    temporary: Path | None = None
    gate: Gate | None = None
    told: bool = False
    caches: Path | None = None
    hidden: tuple[Path, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether a command really is confined. The first call tries it out."""
        return not self.free and status().holds


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


def start(
    confine: Confinement, argv: Sequence[str], env: Mapping[str, str], popen: Opener, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start ``argv`` through ``popen``, which starts it in ``cwd``, confined as well as this machine can.

    Raises OSError.
    """
    kind = "none" if confine.free else status().kind
    if kind == "none":
        return popen(argv, env=dict(env))
    starter = _STARTERS[kind]
    way = wayout.way_for(confine, one_port=kind == "seatbelt" or (kind == "landlock" and _one_port()))
    environ = wayout.variables(
        hidden.without_secrets(env), way, told=confine.told, network=confine.network, caches=confine.caches
    )
    return starter(confine, argv, functools.partial(popen, env=environ), way, cwd or Path.cwd())


def _one_port() -> bool:
    return landlock.version() >= 4 and seccomp.program(network="one port") is not None


@functools.cache
def way_out() -> Literal["room", "one port", ""]:
    """How confined commands can be let through to single hosts on this machine, found out by trying."""
    kind = status().kind
    if kind in ("bubblewrap", "landlock") and rooms.room_for(None, ()) is not None:
        return "room"
    return "one port" if kind == "seatbelt" or (kind == "landlock" and _one_port()) else ""


def has_loopback(confine: Confinement) -> bool:
    """Whether servers on localhost work for such a command. The first call tries it out."""
    if confine.free or confine.network:
        return True
    kind = status().kind
    way = wayout.way_for(confine, one_port=False) if kind != "none" else wayout.NO_WAY
    return kind in ("none", "bubblewrap") or way.room is not None


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
    if bwrap.program():
        found = _probe("bubblewrap", f"bubblewrap ({bwrap.program()})", _start_bubblewrap)
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
    if way_out():
        return "confined: writes only here and in a private temporary folder, reaches only hosts you allow"
    return "confined: writes only here and in a private temporary folder, no network"


def looks_confined(output: str) -> bool:
    """Whether a failure reads as if the sandbox had caused it."""
    return bool(_DENIED.search(output[-20_000:]))


def _probe(kind: Kind, words: str, starter: Starter) -> SandboxStatus | None:
    """``kind`` if a command starts in it, may write where allowed, and may not elsewhere."""
    with tempfile.TemporaryDirectory(prefix="kcode-probe-") as folder:
        inside, outside = Path(folder, "inside"), Path(folder, "outside")
        inside.mkdir()
        outside.mkdir()
        script = 'echo x > "$1/file" && ! { echo x > "$2/file"; } 2>/dev/null'

        def popen(command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
            quiet = subprocess.DEVNULL
            pipes: dict[str, Any] = {"stdin": quiet, "stdout": quiet, "stderr": quiet, **more}
            process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - the one door; what passes was judged by policy
                list(command), start_new_session=True, **pipes
            )
            return process

        command = ["/bin/sh", "-c", script, "probe", str(inside.resolve()), str(outside.resolve())]
        try:
            process = starter(Confinement((inside.resolve(),)), command, popen, wayout.NO_WAY, inside)
        except (OSError, EnvironmentProblem):
            return None
        try:
            worked = process.wait(_PROBE_S) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        return SandboxStatus(kind, words) if worked and not (outside / "file").exists() else None


# --- the kinds ---------------------------------------------------------------------------------


def _start_bubblewrap(
    confine: Confinement, argv: Sequence[str], popen: Opener, way: wayout.Way, cwd: Path
) -> subprocess.Popen[bytes]:
    room = way.room
    program = seccomp.program(network="whole" if confine.network else "own")
    options = functools.partial(
        bwrap.argv,
        confine.writable,
        (*hidden.secret_places(confine.writable), *confine.hidden),
        hidden.open_sockets(os.environ, confine.writable),
        network=confine.network or room is not None,
        resolver=confine.network,
        temporary=confine.temporary,
    )
    reading, writing = os.pipe()
    try:
        os.write(writing, program or b"")  # under a kilobyte: it fits any pipe
        os.close(writing)
        command = [*options(filter_fd=None if program is None else reading), "--", *argv]
        if room is not None and not room.direct:
            command = room.argv(command, cwd, mounts=False)
            return popen(command, pass_fds=(reading, *room.handles))
        begin = functools.partial(popen, command, pass_fds=(reading,))
        if room is not None:
            return _in_a_thread(functools.partial(room.enter, mounts=False), begin)
        if confine.network:  # abstract sockets belong to the network that is shared then
            return _in_a_thread(landlock.restrict_scope, begin)
        return begin()
    finally:
        os.close(reading)


def _start_landlock(
    confine: Confinement, argv: Sequence[str], popen: Opener, way: wayout.Way, cwd: Path
) -> subprocess.Popen[bytes]:
    room = way.room
    secret = hidden.secret_places(confine.writable)
    sockets = hidden.open_sockets(os.environ, confine.writable)
    places = confine.writable
    if room is not None and room.temporary is not None:
        places = (*places, room.temporary)
        sockets = tuple(one for one in sockets if not any(one.is_relative_to(top) for top in _COVERED))
    network = _kind_of_network(confine, way)

    def restrict() -> None:
        if room is not None and room.direct:
            room.enter(mounts=True, hidden=confine.hidden)
        seccomp.drop_rights()
        landlock.restrict_thread(places, secret, tcp=network in ("whole", "own"), port=way.port)
        seccomp.restrict_thread(
            network=network, unix=not sockets, entering=room is not None and not room.direct
        )

    if room is not None and not room.direct:
        argv = room.argv(argv, cwd, mounts=True)
        return _in_a_thread(restrict, functools.partial(popen, argv, pass_fds=room.handles))
    return _in_a_thread(restrict, functools.partial(popen, argv))


def _kind_of_network(confine: Confinement, way: wayout.Way) -> seccomp.Network:
    if confine.network:
        return "whole"
    if way.room is not None:
        return "own"
    return "one port" if way.port else "none"


def _start_seatbelt(
    confine: Confinement, argv: Sequence[str], popen: Opener, way: wayout.Way, cwd: Path
) -> subprocess.Popen[bytes]:
    places = [Path(os.path.realpath(path)) for path in confine.writable]
    profile = seatbelt.profile_for(
        places, hidden.secret_places(places), network=confine.network, port=way.port
    )
    return popen(seatbelt.argv(profile, argv))


Starter = Callable[[Confinement, Sequence[str], Opener, wayout.Way, Path], "subprocess.Popen[bytes]"]
_STARTERS: dict[str, Starter] = {
    "bubblewrap": _start_bubblewrap,
    "landlock": _start_landlock,
    "seatbelt": _start_seatbelt,
}


def _in_a_thread(
    restrict: Callable[[], object], start: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """Restrictions are per thread and inherited by children, so a throw-away thread takes them on.

    No ``preexec_fn``: forking a large parent costs tens of milliseconds and is unsafe with threads. The
    thread stays as long as the child: one that dies with its parent dies with this thread.
    """
    outcome: list[subprocess.Popen[bytes] | BaseException] = []
    started = threading.Event()

    def restricted() -> None:
        try:
            restrict()
            outcome.append(start())
        except BaseException as problem:  # outer door of this thread: raised again in the caller's
            outcome.append(problem)
        started.set()
        if isinstance(outcome[0], subprocess.Popen):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, outcome[0].pid, os.WEXITED | os.WNOWAIT)

    threading.Thread(target=restricted, name="confined start", daemon=True).start()
    started.wait()
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result
