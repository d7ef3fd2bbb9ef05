"""A process that stands by to parse a few changed files: a grammar that fails takes it, not the session."""

from __future__ import annotations

import contextlib
import json
import marshal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from kcode.codemap.crew import MOST_CRASHES, crashed
from kcode.codemap.worker import Result, unreadable
from kcode.errors import EnvironmentProblem
from kcode.safety.process import Spawned, child_environment, spawn

READ_S = 600.0  # longest time for what is asked at once


class Standby:
    """Started when first asked; it ends by itself when it is not asked for a while, and with this process.
    To be asked by one thread at a time."""

    def __init__(self) -> None:
        self._child: Spawned | None = None
        self._closed = False

    def read(self, root: Path, paths: Sequence[str]) -> list[Result]:
        """The results of those files that can be read; one on which its grammar fails tells nothing.

        Raises OSError where no process can be started, or none answers.
        """
        found: list[Result] = []
        left = list(paths)
        for _ in range(MOST_CRASHES):
            answers, code = self._asked(root, left)
            found += [result for answer in answers for result in answer]
            left = left[len(answers) :]
            if not left:
                return found
            if crashed(code):
                missing = unreadable(str(root), left.pop(0))
                found += [missing] if missing is not None else []
            elif code:  # 0: it had just ended by itself
                raise OSError(f"the process that parses ended with {code}")
        raise OSError("the process that parses ends again and again")

    def close(self) -> None:
        """End the process, also while it is being asked: whoever asks gets an OSError."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill_group()

    def _asked(self, root: Path, paths: Sequence[str]) -> tuple[list[list[Result]], int]:
        """An answer for each path as far as they come, and how the process ended where it did."""
        if not paths:
            return [], 0
        child = self._started(root)
        assert child.process.stdin is not None
        assert child.process.stdout is not None
        answers: list[list[Result]] = []
        late = threading.Timer(READ_S, child.kill_group)
        late.start()
        try:
            with contextlib.suppress(OSError):  # it has ended: that is seen below
                child.process.stdin.write(json.dumps({"root": str(root), "paths": paths}).encode() + b"\n")
                child.process.stdin.flush()
            while len(answers) < len(paths):
                size = int.from_bytes(child.process.stdout.read(4), "little")
                frame = child.process.stdout.read(size) if size else b""
                if len(frame) < size or not size:
                    return answers, self._ended(child)
                answers.append(cast("list[Result]", marshal.loads(frame)))  # noqa: S302 - our own worker's, on its own pipe
        finally:
            late.cancel()
        return answers, 0

    def _started(self, root: Path) -> Spawned:
        if self._closed:
            raise OSError("closed")
        if self._child is None:
            try:
                self._child = spawn(
                    [sys.executable, "-m", "kcode.codemap.worker"],
                    cwd=root,
                    env=child_environment(
                        {"PYTHONSAFEPATH": "1"}
                    ),  # the workspace is no place to import from
                    stderr=subprocess.DEVNULL,
                )
            except EnvironmentProblem as problem:
                raise OSError(problem.message) from problem
        return self._child

    def _ended(self, child: Spawned) -> int:
        self._child = None
        code = child.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written yet
                    pipe.close()
        child.close()
        return code
