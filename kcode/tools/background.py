"""Commands that a session has left running: started, listened to, stopped, ended with the session."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.safety.longrun import LongRun
from kcode.tools.base import ToolRefused

if TYPE_CHECKING:
    from kcode.safety.sandbox import Confinement

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BackgroundTask:
    """A command in the background. ``started`` is seconds since the epoch; ``code`` is its exit status (128
    and more: killed by a signal), None while it runs."""

    id: str
    command: str
    started: float
    running: bool = True
    code: int | None = None


@dataclass(slots=True)
class _Entry:
    task: BackgroundTask
    run: LongRun
    told: bool = False  # the model knows that it has ended
    readers: int = 0  # who waits for it tells of its end


class Background:
    """``on_start`` is told a task before it starts, and prevents it by raising; ``on_end`` is called on the
    event loop when one has ended, where the loop still runs."""

    def __init__(
        self,
        on_start: Callable[[BackgroundTask], None] = lambda task: None,
        on_end: Callable[[], None] = lambda: None,
        count: int = 0,
    ) -> None:
        self._on_start, self._on_end = on_start, on_end
        self._entries: dict[str, _Entry] = {}
        self.count = count  # ids go on behind those of an earlier run of the session

    def start(
        self,
        argv: Sequence[str],
        command: str,
        *,
        cwd: Path,
        env: Mapping[str, str],
        scratch: Path,
        confine: Confinement | None,
        timeout_s: float | None,
    ) -> BackgroundTask:
        """Raises ToolRefused where too many run, EnvironmentProblem where it cannot be started."""
        running = [each.task.id for each in self._entries.values() if each.run.running]
        if len(running) >= AT_ONCE:
            raise ToolRefused(f"{AT_ONCE} commands run in the background ({', '.join(running)}): stop one")
        self.count += 1
        task = BackgroundTask(f"bg{self.count}", command, time.time())
        self._on_start(task)
        loop = asyncio.get_running_loop()
        run = LongRun(
            argv,
            cwd=cwd,
            env=env,
            log=scratch / f"{task.id}.log",
            confine=confine,
            timeout_s=timeout_s,
        )
        self._entries[task.id] = _Entry(task, run)
        run.when_ended(lambda: _in_loop(loop, self._on_end))
        return task

    def tasks(self) -> tuple[BackgroundTask, ...]:
        """All of this run of the session, oldest first."""
        return tuple(_now(each) for each in self._entries.values())

    async def read(self, identity: str, wait_s: float) -> tuple[BackgroundTask, str, Path]:
        """Wait up to ``wait_s`` seconds for its end; what it printed since the last time, and the file that
        has it all. Raises ToolRefused for an unknown id."""
        entry = self._entry(identity)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        entry.run.when_ended(lambda: _in_loop(loop, ended.set))
        entry.readers += 1
        try:
            async with asyncio.timeout(wait_s):
                await ended.wait()
        except TimeoutError:
            pass
        finally:
            entry.readers -= 1
        task = _now(entry)
        entry.told = entry.told or not task.running
        text, _ = entry.run.news()
        return task, text, entry.run.log

    async def stop(self, identity: str) -> None:
        """End it and what it started. Raises ToolRefused for an unknown id."""
        entry = self._entry(identity)
        entry.told = True
        await asyncio.to_thread(entry.run.stop)

    def take_ended(self) -> list[tuple[BackgroundTask, str, float]]:
        """Those that ended by themselves and were not told of yet: the task, its last words, seconds."""
        found = []
        for entry in self._entries.values():
            if not entry.told and not entry.readers and not entry.run.running:
                entry.told = True
                found.append((_now(entry), entry.run.news()[0], entry.run.seconds))
        return found

    async def close(self) -> None:
        """End all that run; nobody is told."""
        running = [each for each in self._entries.values() if each.run.running]
        for each in running:
            each.told = True
        await asyncio.gather(*(asyncio.to_thread(each.run.stop) for each in running))

    def _entry(self, identity: str) -> _Entry:
        entry = self._entries.get(identity)
        if entry is None:
            known = ", ".join(self._entries) or "none"
            raise ToolRefused(f"there is no background command {identity!r}; there are: {known}")
        return entry


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(call)


def _now(entry: _Entry) -> BackgroundTask:
    task, code = entry.task, entry.run.code
    if code is None:
        return task
    return BackgroundTask(task.id, task.command, task.started, False, 128 - code if code < 0 else code)
