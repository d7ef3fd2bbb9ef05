"""Process groups: told to end, waited for, and found out whether a member still runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_WINDOWS = sys.platform == "win32"


def wait_unreaped(process: subprocess.Popen[bytes]) -> None:
    """Block until the child ended, leaving it a zombie: its id stays ours until the group was signalled."""
    if hasattr(os, "waitid"):
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def signal_group(process: subprocess.Popen[bytes], *, hard: bool) -> None:
    if _WINDOWS:
        if process.poll() is None:
            subprocess.run(  # noqa: S603 - our own words
                ["taskkill", "/T", "/F", "/PID", str(process.pid)],  # noqa: S607 - the system's, wherever
                capture_output=True,
                check=False,
            )
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL if hard else signal.SIGTERM)


def end_leftovers(group: int, grace_s: float) -> None:
    """Kill what is left of a group whose leader was reaped. The id is not reused while members live."""
    if _WINDOWS:
        return
    until = time.monotonic() + grace_s
    while group_lives(group):
        if time.monotonic() >= until:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
            return
        time.sleep(0.01)


def group_lives(group: int) -> bool:
    """Whether a member still runs. Zombies do not: in containers their init may never collect them."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not sys.platform.startswith("linux"):
        return True
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            state, _parent, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False
