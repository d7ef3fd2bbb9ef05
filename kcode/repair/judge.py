"""The client of the judge: candidates in, verdicts out, each run in a limited child process.

The judge itself (:mod:`kcode.repair.inside`) lives in the project's interpreter; one is started per
repair and works on a scratch copy, never on the user's tree.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from kcode.errors import EnvironmentProblem
from kcode.safety.process import Spawned, child_environment, spawn

_SCRIPT = Path(__file__).resolve().parent / "inside" / "kcode_judge.py"
MEMORY_MB = 2048  # address space of one candidate's run


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_test_s`` is CPU time of one test, ``wall_s`` the clock's time of one whole run, seconds."""

    per_test_s: float = 2.0
    wall_s: float = 20.0
    memory_mb: int = MEMORY_MB


@dataclass(frozen=True, slots=True)
class TracedFailure:
    """A failing test as seen from inside; ``call == expected`` is Python source, or empty."""

    type: str
    message: str
    frames: tuple[tuple[str, int, str], ...]  # (path, line, function) from outer to inner
    call: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run showed. ``lines`` and ``failures`` only from a traced run."""

    outcomes: Mapping[str, Literal["passed", "failed", "skipped"]]
    seconds: Mapping[str, float]
    ended: Literal["done", "killed", "crashed"]
    problem: str = ""  # a module that could not be imported, with the reason
    total_s: float = 0.0
    hung: int = 0  # tests stopped for using more than their CPU time
    reached: Mapping[str, int] = field(default_factory=dict)  # failing test -> the line at which it failed
    lines: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)  # test -> path -> lines
    failures: Mapping[str, TracedFailure] = field(default_factory=dict)

    def passing(self) -> frozenset[str]:
        return frozenset(test for test, outcome in self.outcomes.items() if outcome == "passed")

    def failing(self) -> frozenset[str]:
        return frozenset(test for test, outcome in self.outcomes.items() if outcome == "failed")


@dataclass(frozen=True, slots=True)
class Observed:
    """Inputs that a function was called with, pickled, and how to reach it from outside of the tests."""

    inputs: tuple[str, ...]
    module: str
    path: tuple[str, ...]  # sys.path of the tests


@dataclass(frozen=True, slots=True)
class Swap:
    """A function's new text: what it takes to exchange it in a program that runs already."""

    path: str
    name: str
    owners: tuple[str, ...]  # the classes that it is defined in, the outermost first
    first: int
    last: int  # of the old text
    text: str


class JudgeFailed(EnvironmentProblem):
    """The judge process could not be started or died; nothing was judged."""


class Judging(Protocol):
    """Who runs tests on candidates: :class:`Judge` for pytest, the suite's own runner for the rest."""

    async def run(
        self,
        targets: Sequence[str],
        limits: Limits,
        *,
        files: Mapping[str, bytes] | None = None,
        tolerated: Sequence[str] = (),
        first: Sequence[str] = (),
        stop: bool = False,
    ) -> Verdict: ...

    async def observe(self, targets: Sequence[str], limits: Limits, path: str, line: int) -> Observed: ...

    async def probe(
        self, observed: Observed, function: str, limits: Limits, files: Mapping[str, bytes]
    ) -> tuple[str, ...]: ...


class Judge:
    """A running judge for one scratch copy. Use :meth:`start`, then ``await close()``."""

    def __init__(self, child: Spawned, root: Path, scratch: Path, errors: IO[bytes]) -> None:
        self._child, self._root, self._scratch, self._errors = child, root, scratch, errors
        self._lock = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        python: Path,
        root: Path,
        scratch: Path,
        *,
        fork: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> Judge:
        """Start a judge in ``python`` for ``scratch``, the copy of ``root``, with the variables ``more``.
        Raises :class:`JudgeFailed`."""
        env = child_environment({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", **(more or {})})
        env.pop("PYTHONPYCACHEPREFIX", None)  # a cached module could be an earlier candidate's
        argv = [str(python), str(_SCRIPT), *([] if fork else ["--no-fork"])]
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close())
        judge = cls(spawn(argv, cwd=scratch, env=env, stderr=errors), root, scratch, errors)
        try:
            await judge._answer()
        except BaseException:
            await judge.close()
            raise
        return judge

    async def run(
        self,
        targets: Sequence[str],
        limits: Limits,
        *,
        files: Mapping[str, bytes] | None = None,
        tolerated: Sequence[str] = (),
        first: Sequence[str] = (),
        stop: bool = False,
        trace: bool = False,
        collect: bool = False,
    ) -> Verdict:
        """Run ``targets`` with ``files`` (relative path -> content) put in place of the copy's own.

        ``collect`` only lists the tests, as skipped ones; ``stop`` ends the run at the first failure of
        a test that is not ``tolerated``. The tests ``first`` run before the others, each of them unless one
        runs out of time, and the others only if they all pass; ``reached`` is told with them alone.
        Cancelling this call kills the run and the judge. Raises :class:`JudgeFailed`.
        """
        request = self._request(
            targets,
            limits,
            files=files or {},
            tolerated=list(tolerated),
            first=list(first),
            stop=stop,
            trace=trace,
            collect=collect,
        )
        return _verdict(await self._asked(request))

    def _request(
        self, targets: Sequence[str], limits: Limits, *, files: Mapping[str, bytes] | None = None, **more: Any
    ) -> dict[str, Any]:
        contents = {
            str(self._scratch / path): base64.b64encode(data).decode() for path, data in (files or {}).items()
        }
        return {
            "files": contents,
            "args": list(targets),
            "per_test_s": limits.per_test_s,
            "wall_s": limits.wall_s,
            "memory_mb": limits.memory_mb,
            "roots": [str(self._root), str(self._scratch)],
            **more,
        }

    async def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        async with self._lock:
            try:
                await asyncio.to_thread(self._send, request)
                return await self._answer()
            except asyncio.CancelledError:
                await self.close()
                raise

    async def exchanged(
        self, targets: Sequence[str], limits: Limits, swap: Swap, first: Sequence[str]
    ) -> Verdict | None:
        """What the tests ``first`` say of a function exchanged in a program that has collected ``targets``
        once: a tenth of the time of :meth:`run`. None where that cannot be told, and ``run`` has to."""
        change = {**asdict(swap), "path": str(self._scratch / swap.path)}
        answer = await self._asked(self._request(targets, limits, swap=change, first=list(first), stop=True))
        useless = answer.get("refused") or answer["ended"] == "crashed"
        return None if useless else _verdict(answer)

    async def observe(self, targets: Sequence[str], limits: Limits, path: str, line: int) -> Observed:
        """Run ``targets`` and keep what the function at ``line`` of ``path`` is called with."""
        answer = await self._asked(self._request(targets, limits, observe=[path, line]))
        told = answer.get("observed") or {"inputs": (), "module": "", "path": ()}
        return Observed(tuple(told["inputs"]), told["module"], tuple(told["path"]))

    async def probe(
        self, observed: Observed, function: str, limits: Limits, files: Mapping[str, bytes]
    ) -> tuple[str, ...]:
        """What the dotted ``function`` answers, with ``files`` in place, to each input and to variations of
        it, as text; empty where it could not be asked."""
        probe = {
            "inputs": list(observed.inputs),
            "module": observed.module,
            "path": list(observed.path),
            "function": function,
        }
        answer = await self._asked(self._request((), limits, files=files, probe=probe))
        return tuple(answer.get("answers", ()))

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._child.process.stdin:
                self._child.process.stdin.close()
        await asyncio.to_thread(self._child.kill_group, 0.2)
        if self._child.process.stdout:
            self._child.process.stdout.close()
        self._errors.close()

    def _send(self, request: Mapping[str, Any]) -> None:
        pipe = self._child.process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()
        except (OSError, ValueError) as error:
            raise JudgeFailed(f"the test judge is gone: {error}") from error

    async def _answer(self) -> dict[str, Any]:
        pipe = self._child.process.stdout
        assert pipe is not None
        line = await asyncio.to_thread(pipe.readline)
        if not line:
            raise JudgeFailed(
                f"the test judge ended: {self._last_words()}", "run the tests by hand with pytest"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        try:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        except (OSError, ValueError):
            return "no reason given"
        return said[-1] if said else "no reason given"


def _verdict(answer: Mapping[str, Any]) -> Verdict:
    failures = {
        test: TracedFailure(
            type=found["type"],
            message=found["message"],
            frames=tuple((path, line, function) for path, line, function in found["frames"]),
            call=found["call"],
            expected=found["expected"],
        )
        for test, found in answer.get("failures", {}).items()
    }
    return Verdict(
        outcomes=answer["outcomes"],
        seconds=answer["seconds"],
        ended=answer["ended"],
        problem=answer["problem"],
        total_s=answer["total_s"],
        hung=answer["hung"],
        reached=answer.get("reached", {}),
        lines=answer.get("lines", {}),
        failures=failures,
    )
