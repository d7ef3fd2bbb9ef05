"""The judge: a warm process in the project's own interpreter that runs tests on candidate files.

Started by :mod:`kcode.repair.judge` as a script, so it imports nothing of kcode and runs on Python 3.8
and later with any pytest from version 6 on. It reads one JSON request a line and answers each with one
JSON line. Every request is served by a forked child with hard limits, which spares the start of Python
and pytest for each candidate; where there is no fork, the child is a new process of this same script.

Request: ``files`` (path -> base64), ``args`` (pytest targets), ``required`` (ids; a failure of
another one is tolerated where ``tolerated`` names it), ``stop`` (end at the first failure that counts),
``first`` (ids that run before the others, all of them unless one runs out of time; the run ends after
them unless all passed), ``per_test_s`` (CPU seconds), ``wall_s``, ``memory_mb``, ``trace``,
``roots`` ([user's root, scratch root]).
``swap`` (a function's new text, see kcode_swap: only ``first`` is run, in a program that is imported already;
the answer is ``refused`` where that cannot be),
``observe`` ([path, line of a function]: keep what it is called with), ``probe`` (call it with that and
run no test).
Answer: ``outcomes`` (id -> passed, failed, skipped), ``seconds`` (id -> s), ``problem`` (collection error),
``ended`` (done, killed, crashed), ``reached`` (with ``first``: id -> line of the test's file at which it
failed), ``observed`` and ``answers`` where they were asked for, and with ``trace`` also ``lines`` and
``failures``.
"""

import base64
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

Note = Dict[str, Any]
Work = Callable[[Callable[[Note], None]], None]
Child = Optional["subprocess.Popen[bytes]"]

HERE = os.path.dirname(os.path.abspath(__file__))
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"  # Apple's frameworks abort after a fork
CHUNK = 65536
OPENING_S = 60.0  # for collecting the tests once
LASTING_S = 100000.0
SPARE_S = 5.0
SOON_S = 0.002  # between two looks at a child that has closed its pipe


def main() -> None:
    once = "--once" in sys.argv
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.dup(1)
    silence()
    if once:
        request = json.loads(requests.readline())
        import kcode_child  # type: ignore[import-not-found]

        del sys.path[0]
        child(request, lambda note: write(answers, note))
        return
    fork = CAN_FORK and "--no-fork" not in sys.argv
    if fork:
        import kcode_child  # warm: the children inherit it and pytest
        import kcode_swap  # type: ignore[import-not-found]  # noqa: F401

        kcode_child.warm_plugins()
    if os.path.abspath(sys.path[0]) == HERE:
        del sys.path[0]
    write(answers, {"ready": True, "fork": fork})
    collected = Collected()
    for request in lines_of(requests.fileno()):
        if "swap" in request:
            told = collected.serve(request, requests.fileno()) if fork else {"refused": True}
            if told is None:
                return
            write(answers, told)
            continue
        saved = put(request.get("files", {}))
        try:
            answer = serve(request, requests.fileno(), fork)
        finally:
            restore(saved)
        if answer is None:  # the other side is gone
            return
        if fork:
            kcode_child.warm_modules(answer.pop("modules", ()))
            gc.freeze()  # the children need not look through what they inherit
        write(answers, answer)


def silence() -> None:
    """Nothing the code under test prints may reach the protocol."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def write(fd: int, data: Note) -> None:
    left = memoryview(json.dumps(data).encode("utf-8") + b"\n")
    while left:
        left = left[os.write(fd, left) :]


def lines_of(fd: int) -> Iterator[Note]:
    """Requests, one a line; the other side waits for the answer to each."""
    data = bytearray()
    while True:
        chunk = os.read(fd, CHUNK)
        if not chunk:
            return
        data += chunk
        if data.endswith(b"\n"):
            yield json.loads(data)
            data.clear()


def put(files: Dict[str, str]) -> Dict[str, bytes]:
    saved: Dict[str, bytes] = {}
    for path, text in files.items():
        with open(path, "rb") as file:
            saved[path] = file.read()
        with open(path, "wb") as file:
            file.write(base64.b64decode(text))
    return saved


def restore(saved: Dict[str, bytes]) -> None:
    for path, data in saved.items():
        with open(path, "wb") as file:
            file.write(data)


# --- one request, one child -----------------------------------------------------------------


def serve(request: Note, control: int, fork: bool) -> Optional[Note]:
    if fork:
        return forked(request, control, lambda tell: child(request, tell))
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - this file itself, by the same interpreter
        [sys.executable, os.path.abspath(__file__), "--once"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(request).encode("utf-8") + b"\n")
    process.stdin.close()
    until = began + request["wall_s"]
    collected, ended = collect(process.pid, process.stdout.fileno(), control, until, process)
    process.stdout.close()
    return None if ended == "abandoned" else compose(collected, ended, time.monotonic() - began)


class Collected:
    """A process that has collected the tests and waits for candidates (see kcode_swap). There is one at a
    time, for the targets that were asked for last; where it broke down these are refused from then on."""

    def __init__(self) -> None:
        self.pid, self.targets, self.asking, self.hearing = 0, "", -1, -1

    def serve(self, request: Note, control: int) -> Optional[Note]:
        """The verdict on a candidate, or ``refused``; None where the client is gone."""
        targets = json.dumps([request["args"], request["roots"]])
        if targets != self.targets:
            self.close()
            self.targets = targets
            self.open(request)
            if self.heard(control, OPENING_S) is None:
                return None
        if not self.pid:
            return {"refused": True}
        try:
            write(self.asking, request)
        except OSError:
            self.close()
            return {"refused": True}
        return self.heard(control, request["wall_s"] + SPARE_S)

    def open(self, request: Note) -> None:
        import kcode_child

        requests, self.asking = os.pipe()
        self.hearing, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setpgid(0, 0)
                os.close(self.asking)
                os.close(self.hearing)
                die_with_parent()
                lasting = {**request, "serve": (requests, answers), "wall_s": LASTING_S}
                kcode_child.run(lasting, lambda note: None)
            finally:
                os._exit(0)
        os.close(requests)
        os.close(answers)

    def heard(self, control: int, seconds: float) -> Optional[Note]:
        """What it says next; ``refused`` where it is gone or late, and None where the client is gone."""
        data, until = bytearray(), time.monotonic() + seconds
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([self.hearing, control], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self.hearing, CHUNK) if self.hearing in ready else b""
            if not chunk:
                self.close()
                return None if control in ready else {"refused": True}
            data += chunk
        said: Note = json.loads(data)
        return said

    def close(self) -> None:
        if self.pid:
            kill(self.pid, None)
            os.close(self.asking)
            os.close(self.hearing)
            self.pid = 0


def forked(request: Note, control: int, work: Work) -> Optional[Note]:
    """The answer that ``work`` tells in a child of its own; None where the client is gone."""
    began = time.monotonic()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.close(reading)
            die_with_parent()
            work(lambda note: write(writing, note))
        finally:
            os._exit(0)
    os.close(writing)
    collected, ended = collect(pid, reading, control, began + request["wall_s"], None)
    os.close(reading)
    return None if ended == "abandoned" else compose(collected, ended, time.monotonic() - began)


def collect(pid: int, reading: int, control: int, until: float, process: Child) -> Tuple[bytearray, str]:
    """Read the child's lines until it ended, its time is over, or the client is gone."""
    os.set_blocking(reading, False)
    data, gone, eof = bytearray(), False, False
    ended = "done"
    while not (gone and eof):
        watched = [control] if eof else [reading, control]
        ready, _, _ = select.select(watched, [], [], SOON_S if gone or eof else 0.1)
        if control in ready:
            ended = "abandoned"
            break
        if reading in ready:
            eof = drain(reading, data)
        if not gone:
            gone = over(pid, process)
            if gone:
                eof = drain(reading, data) or True  # a grandchild may hold the pipe open
        if not gone and time.monotonic() > until:
            ended = "killed"
            break
    kill(pid, process)
    drain(reading, data)
    return data, ended


def drain(fd: int, data: bytearray) -> bool:
    while True:
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            return True
        data += chunk


def over(pid: int, process: Child) -> bool:
    if process is not None:
        return process.poll() is not None
    return os.waitpid(pid, os.WNOHANG)[0] != 0


def kill(pid: int, process: Child) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    if process is not None:
        process.wait()
        return
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def compose(data: bytearray, ended: str, seconds: float) -> Note:
    answer: Note = {
        "outcomes": {},
        "seconds": {},
        "problem": "",
        "ended": ended,
        "total_s": seconds,
        "hung": 0,
        "reached": {},
    }
    finished = False
    for line in bytes(data).splitlines():
        try:
            note = json.loads(line)
        except ValueError:  # cut off by the kill
            continue
        if "id" in note:
            answer["outcomes"][note["id"]] = note["outcome"]
            answer["seconds"][note["id"]] = note["seconds"]
        elif "observed" in note:
            answer["observed"] = note["observed"]
        elif "answers" in note:
            answer["answers"] = note["answers"]
        elif "at" in note:
            answer["reached"].setdefault(note["of"], note["at"])
        elif "hung" in note:
            answer["hung"] = note["hung"]
        elif "refused" in note:
            answer["refused"] = True
        elif "problem" in note:
            answer["problem"] = answer["problem"] or note["problem"]
        elif "trace" in note:
            answer.update(note["trace"])
        elif "finished" in note:
            finished = True
            answer["exit"] = note["finished"]
            answer["modules"] = note["modules"]
    if ended == "done" and not finished:
        answer["ended"] = "crashed"
    return answer


def die_with_parent() -> None:
    """Linux: a killed judge takes its running child along."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    except (ImportError, OSError, AttributeError):
        pass


def child(request: Note, tell: Callable[[Note], None]) -> None:
    import kcode_child

    try:
        kcode_child.run(request, tell)
    except BaseException as error:  # outer door: told instead of lost with the process
        tell({"problem": "%s: %s" % (type(error).__name__, error)})
        raise


if __name__ == "__main__":
    main()
