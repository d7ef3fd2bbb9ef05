"""The one door to processes: own group, time limit, bounded output, no orphan left behind.

Output is read by threads rather than by the event loop, so that the same code serves callers with
and without asyncio, on POSIX and on Windows, and keeps draining a flood while the loop is busy.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kcode.errors import EnvironmentProblem
from kcode.safety.groups import end_leftovers, signal_group, wait_unreaped
from kcode.safety.output import DRAIN_S, HeadTail, Pump, Relay, drain, feed

if TYPE_CHECKING:
    from kcode.safety.oversight import Oversight
    from kcode.safety.sandbox import Confinement

OUTPUT_LIMIT = 200_000  # bytes kept of each stream, half from its beginning and half from its end
TERM_GRACE_S = 1.0  # between SIGTERM and SIGKILL
KILL_WAIT_S = 5.0  # a process in uninterruptible sleep does not die at once

_WINDOWS = sys.platform == "win32"
_KEYS = frozenset({"MOONSHOT_API_KEY", "KIMI_API_KEY", "ARK_API_KEY"})


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended. ``code`` is the exit status, negative signal number where it was killed.

    ``stdout`` and ``stderr`` hold head and tail; ``cut_bytes`` counts what was left out between them.
    ``notes`` say what was done about a command of the model's: a limit that ended it, daemons, planted files.
    """

    code: int
    stdout: str
    stderr: str
    timed_out: bool
    seconds: float
    cut_bytes: int
    signal: int | None
    notes: tuple[str, ...] = ()


def child_environment(extra: Mapping[str, str] | None = None, *, keep_keys: bool = False) -> dict[str, str]:
    """The environment children get: ours without kcode's API keys, plus ``extra``."""
    env = {name: value for name, value in os.environ.items() if keep_keys or not _is_key(name)}
    env.update(extra or {})
    return env


def _is_key(name: str) -> bool:
    return name in _KEYS or (name.startswith("KCODE_") and name.endswith("API_KEY"))


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
    input: bytes | None = None,
    max_output: int = OUTPUT_LIMIT,
    merge_stderr: bool = False,
    on_output: Callable[[bytes], None] | None = None,
    enough: Callable[[bytes], bool] | None = None,
    confine: Confinement | None = None,
) -> Finished:
    """Run to the end, the time limit (seconds) or cancellation; the whole process group dies with it.

    ``env`` replaces the environment (None: :func:`child_environment`). ``on_output`` gets output as it
    comes, on the event loop's thread; of a flood it gets only the newest part. ``enough`` sees every chunk
    on a reading thread and ends the process by returning True. Raises :class:`EnvironmentProblem` where
    the program cannot be started.
    """
    import asyncio  # a git hook runs git without it: importing it costs as much as all else there

    loop = asyncio.get_running_loop()
    done: asyncio.Future[Finished] = loop.create_future()
    relay = Relay(loop, on_output) if on_output else None
    job = _Job(argv, cwd, env, timeout_s, input, max_output, merge_stderr, relay, enough, confine)

    def deliver(result: Finished | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        elif result is not None:
            done.set_result(result)

    def work() -> None:
        result, error = None, None
        try:
            result = job.finish()
        except BaseException as problem:  # outer door of this thread: it belongs to the awaiting task
            error = problem
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=work, name=f"run {argv[0]}", daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        job.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({done}, timeout=TERM_GRACE_S + KILL_WAIT_S)
        if done.done() and not done.cancelled():
            done.exception()  # seen, so that asyncio does not report it as lost
        raise


def run_sync(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
    input: bytes | None = None,
    max_output: int = OUTPUT_LIMIT,
    merge_stderr: bool = False,
    on_output: Callable[[bytes], None] | None = None,
    confine: Confinement | None = None,
) -> Finished:
    """:func:`run` for callers without an event loop; ``on_output`` is called from a reading thread."""
    return _Job(argv, cwd, env, timeout_s, input, max_output, merge_stderr, on_output, None, confine).finish()


@dataclass(slots=True)
class Spawned:
    """A long-lived child with pipes in a process group of its own."""

    process: subprocess.Popen[bytes]
    oversight: Oversight | None = None

    def kill_group(self, grace_s: float = TERM_GRACE_S) -> None:
        """End the child and everything it started: SIGTERM, up to ``grace_s`` seconds, SIGKILL."""
        signal_group(self.process, hard=False)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            signal_group(self.process, hard=True)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(KILL_WAIT_S)
        end_leftovers(self.process.pid, 0.0)
        self.close()

    def close(self) -> tuple[str, ...]:
        """After it has ended: what was done about what it left behind, in words."""
        oversight, self.oversight = self.oversight, None
        return oversight.close() if oversight is not None else ()

    def wait(self) -> int:
        """Block until the child ends, end what it left running in its group; the exit status, or minus the
        number of the signal that killed it."""
        wait_unreaped(self.process)
        signal_group(self.process, hard=False)  # still unreaped, so the id cannot be another's
        code = self.process.wait()
        end_leftovers(self.process.pid, TERM_GRACE_S)
        return code

    def end_group(self) -> None:
        """SIGTERM, then SIGKILL, to all of a group that a thread is waiting for in :meth:`wait`."""
        signal_group(self.process, hard=False)
        until = time.monotonic() + TERM_GRACE_S
        while self.process.returncode is None and time.monotonic() < until:
            time.sleep(0.01)
        if self.process.returncode is None:
            signal_group(self.process, hard=True)


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[Any] | None = subprocess.PIPE,
    stdout: int | IO[Any] | None = subprocess.PIPE,
    stderr: int | IO[Any] | None = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    confine: Confinement | None = None,
    too_much: Callable[[], None] = lambda: None,
) -> Spawned:
    """Start a child that lives until :meth:`Spawned.kill_group`. The caller reads its pipes.

    ``too_much`` is called, on a thread, where a confined one exceeds its limits.
    """
    pipes: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    if pass_fds:
        pipes["pass_fds"] = tuple(pass_fds)
    return Spawned(*_start(argv, cwd or Path.cwd(), env, confine, too_much, **pipes))


@dataclass(slots=True)
class _Job:
    """One process from start to end. ``finish`` blocks; ``cancel`` may come from any thread."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] | None
    timeout_s: float
    input: bytes | None
    max_output: int
    merge_stderr: bool
    on_output: Callable[[bytes], None] | None
    enough: Callable[[bytes], bool] | None
    confine: Confinement | None
    _wake: threading.Event = field(default_factory=threading.Event)  # the child exited, or cancel
    _exited: threading.Event = field(default_factory=threading.Event)
    _oversight: Oversight | None = None

    def cancel(self) -> None:
        self._wake.set()

    def finish(self) -> Finished:
        began = time.monotonic()
        process, self._oversight = _start(
            self.argv,
            self.cwd,
            self.env,
            self.confine,
            self.cancel,
            stdin=subprocess.DEVNULL if self.input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if self.merge_stderr else subprocess.PIPE,
        )
        out, err = HeadTail(self.max_output), HeadTail(self.max_output)
        pumps = [Pump(process.stdout, out, self._heard)]
        if process.stderr is not None:
            pumps.append(Pump(process.stderr, err, self._heard))
        if process.stdin is not None:
            threading.Thread(target=feed, args=(process.stdin, self.input or b""), daemon=True).start()
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()

        timed_out = not self._ends_in_time()
        if not self._exited.is_set():
            self._stop(process)
        drain(pumps, DRAIN_S)
        code, notes = self._reap(process, pumps)
        said = "".join(f"\n[{note}]" for note in notes)
        return Finished(
            code=code,
            stdout=out.text() + said,
            stderr=err.text(),
            timed_out=timed_out,
            seconds=time.monotonic() - began,
            cut_bytes=out.cut + err.cut,
            signal=-code if code < 0 else None,
            notes=notes,
        )

    def _ends_in_time(self) -> bool:
        """Wait for its end as long as it may take; the time in which a person is asked is not its own."""
        gate = self.confine.gate if self.confine is not None else None
        end = time.monotonic() + self.timeout_s
        asked = gate.waited_s() if gate else 0.0
        while (left := end - time.monotonic() + (gate.waited_s() - asked if gate else 0.0)) > 0:
            if self._wake.wait(left):
                return True
        return self._wake.is_set()

    def _heard(self, chunk: bytes) -> None:
        if self._oversight is not None:
            self._oversight.heard(chunk)
        if self.on_output:
            self.on_output(chunk)
        if self.enough and self.enough(chunk):
            self.cancel()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        wait_unreaped(process)
        self._exited.set()
        self._wake.set()

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        signal_group(process, hard=False)
        if not self._exited.wait(TERM_GRACE_S):
            signal_group(process, hard=True)
            self._exited.wait(KILL_WAIT_S)

    def _reap(self, process: subprocess.Popen[bytes], pumps: list[Pump]) -> tuple[int, tuple[str, ...]]:
        """Collect the exit status, then end whatever the child left running; what was done, in words."""
        if not self._exited.is_set():  # survived SIGKILL: stuck in the kernel, nothing more to do
            code = -9
        else:
            signal_group(process, hard=False)  # still unreaped, so the id cannot be another's
            code = process.wait()
            end_leftovers(process.pid, TERM_GRACE_S)
        notes = self._oversight.close() if self._oversight is not None else ()
        drain(pumps, DRAIN_S)
        for pump in pumps:
            pump.stop()
        return code, notes


def _start(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    confine: Confinement | None,
    too_much: Callable[[], None],
    **pipes: Any,
) -> tuple[subprocess.Popen[bytes], Oversight | None]:
    environment = child_environment() if env is None else dict(env)
    if _WINDOWS:
        pipes["creationflags"] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)

    def popen(command: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
        more = {**pipes, "env": environment, **more}
        more["pass_fds"] = tuple({*pipes.get("pass_fds", ()), *more.get("pass_fds", ())})
        return subprocess.Popen(  # noqa: S603 - the one door; what passes was judged by policy
            list(command), cwd=cwd, start_new_session=not _WINDOWS, **more
        )

    try:
        if confine is None:
            return popen(argv), None
        from kcode.safety import oversight, sandbox

        around = oversight.Oversight(
            confine, lambda more: sandbox.start(confine, argv, {**environment, **more}, popen, cwd), too_much
        )
        return around.process, around
    except OSError as problem:
        raise _cannot_start(argv[0], cwd, problem) from problem
    except ValueError as problem:  # a NUL byte in an argument
        raise EnvironmentProblem(f"cannot start {argv[0]!r}: {problem}") from problem


def _cannot_start(program: str, cwd: Path, problem: OSError) -> EnvironmentProblem:
    if not cwd.is_dir():
        return EnvironmentProblem(f"cannot start {program}: the folder {cwd} is not there")
    if isinstance(problem, FileNotFoundError):
        return EnvironmentProblem(f"{program} was not found", f"install {program}, or put it on the PATH")
    if isinstance(problem, PermissionError):
        return EnvironmentProblem(f"{program} may not be executed", "check the file's permissions")
    if problem.errno == errno.E2BIG:
        return EnvironmentProblem(f"cannot start {program}: the command line is too long")
    if problem.errno in (errno.EAGAIN, errno.ENOMEM):
        return EnvironmentProblem(
            f"cannot start {program}: {problem.strerror}", "close other programs: too many processes"
        )
    return EnvironmentProblem(f"cannot start {program}: {problem.strerror or problem}")
