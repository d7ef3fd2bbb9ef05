"""git run by kcode for itself, its answers as bytes: nothing of the user's configuration has a say.

File names may be any bytes, and contents are; so answers are not decoded here.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.output import feed
from kcode.safety.process import child_environment, spawn

TIMEOUT_S = 300.0
_LOOK_S = 0.2  # between two looks at whether to stop
_SETTINGS = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.autocrlf=false", "core.safecrlf=false",
    "core.fileMode=true", "core.symlinks=true", "core.quotePath=false", "core.untrackedCache=true",
    "core.compression=1", "core.ignoreCase=false", "core.precomposeUnicode=false", "core.longPaths=true",
    "core.splitIndex=false", "core.sparseCheckout=false", "core.protectNTFS=false", "core.protectHFS=false",
    "status.showUntrackedFiles=all", "status.renames=false", "gc.auto=0", "advice.addEmbeddedRepo=false",
    "index.version=2", "core.bigFileThreshold=64m",
)  # fmt: skip
# To ask the user's own repository something without changing or starting anything there.
USERS = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def git_bytes(
    arguments: Sequence[str],
    cwd: Path,
    more: Mapping[str, str] | None = None,
    input: bytes = b"",
    stop: threading.Event | None = None,
) -> bytes:
    """The bytes git prints. ``stop`` ends it. Raises :class:`EnvironmentProblem` in git's own words."""
    env = {name: value for name, value in child_environment().items() if not name.startswith("GIT_")}
    if more is None or "GIT_DIR" not in more:
        env |= {n: v for n, v in os.environ.items() if n.startswith("GIT_CONFIG_")}  # the user's own places
    env |= {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_AUTHOR_NAME": "kcode",
        "GIT_AUTHOR_EMAIL": "kcode",
        "GIT_COMMITTER_NAME": "kcode",
        "GIT_COMMITTER_EMAIL": "kcode",
        **(more or {}),
    }
    child = spawn(["git", *arguments], cwd=cwd, env=env)
    try:
        out, err = _communicate(child.process, input, stop)
    except BaseException:
        child.kill_group()
        raise
    if child.process.returncode:
        words = err.decode("utf-8", "replace").strip().splitlines()
        raise EnvironmentProblem(
            f"git: {words[-1].removeprefix('fatal: ') if words else f'exit code {child.process.returncode}'}"
        )
    return out


def _communicate(
    process: subprocess.Popen[bytes], input: bytes, stop: threading.Event | None
) -> tuple[bytes, bytes]:
    # Fed by a thread: after its first time limit, Popen.communicate forgets what it has not written yet.
    stdin, process.stdin = process.stdin, None
    if stdin is not None:
        threading.Thread(target=feed, args=(stdin, input), daemon=True).start()
    until = time.monotonic() + TIMEOUT_S
    while True:
        if stop is not None and stop.is_set():
            raise EnvironmentProblem("git was stopped, because kcode ends")
        try:
            return process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired as problem:
            if time.monotonic() > until:
                raise EnvironmentProblem("git took too long and was stopped") from problem


def private_git(
    folder: Path, root: Path, *arguments: str, input: bytes = b"", stop: threading.Event | None = None
) -> bytes:
    """Run git on the repository ``folder``, which is kcode's own, with ``root`` as its working tree."""
    options = [word for setting in _SETTINGS for word in ("-c", setting)]
    own = {
        "GIT_DIR": str(folder),
        "GIT_WORK_TREE": str(root),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    return git_bytes([*options, *arguments], root, own, input, stop)
