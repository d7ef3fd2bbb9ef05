"""The profile that confines a command on macOS, as ``sandbox-exec`` reads it.

Of the rules that match, the last decides. Paths are real ones: ``/tmp`` is a link there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

PROGRAM = "/usr/bin/sandbox-exec"
_DEVICES = ("null", "zero", "tty", "ptmx", "dtracehelper")
_SERVICES = (
    "com.apple.SecurityServer",
    "com.apple.securityd.xpc",
    "com.apple.pasteboard.1",
    "com.apple.pboard",
    "com.apple.coreservices.launchservicesd",
    "com.apple.coreservices.appleevents",
)
"""The keychain, the clipboard, and what starts programs outside."""


def argv(profile: str, command: Sequence[str]) -> list[str]:
    return [PROGRAM, "-p", profile, *command]


def profile_for(writable: Sequence[Path], unreadable: Iterable[Path], *, network: bool, port: int = 0) -> str:
    """Reads what is not secret, writes below ``writable`` but what git obeys, no agents, no network but
    ``port`` of this machine where one is given."""
    devices = [f"(literal {_quoted(f'/dev/{name}')})" for name in _DEVICES]
    folders = [f"(subpath {_quoted(path)})" for path in writable]
    lines = [
        "(version 1)",
        "(allow default)",
        "(deny file-write*)",
        f'(allow file-write* {" ".join(folders)} {" ".join(devices)} (regex #"^/dev/(fd/|ttys)"))',
    ]
    guarded = [
        f"({kind} {_quoted(path / '.git' / name)})"
        for path in writable
        for kind, name in (("subpath", "hooks"), ("literal", "config"), ("literal", "config.worktree"))
    ]
    if guarded:
        lines.append(f"(deny file-write* {' '.join(guarded)})")
    secret = [f"(subpath {_quoted(path)})" for path in unreadable]
    if secret:
        lines.append(f"(deny file-read-data file-write* {' '.join(secret)})")
        lines.append(f"(allow file-read-data {' '.join(folders)})")
    lines.append("(deny network-outbound (remote unix-socket))" if network else "(deny network*)")
    if port and not network:
        lines.append(f'(allow network-outbound (remote ip "localhost:{port}"))')
    if network:
        resolver = _quoted("/private/var/run/mDNSResponder")
        lines.append(f"(allow network-outbound (remote unix-socket (path-literal {resolver})))")
    for folder in folders:
        lines.append(f"(allow network-bind (local unix-socket {folder}))")
        lines.append(f"(allow network-outbound (remote unix-socket {folder}))")
    services = " ".join(f"(global-name {_quoted(name)})" for name in _SERVICES)
    lines += [
        f"(deny mach-lookup {services})",
        "(deny appleevent-send)",
        "(deny lsopen)",
        "(deny signal)",
        "(allow signal (target same-sandbox))",
    ]
    return "\n".join(lines)


def _quoted(path: Path | str) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
