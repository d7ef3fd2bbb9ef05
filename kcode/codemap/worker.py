"""Reads and parses a share of the files in a process of its own: parsing holds Python's lock.

``python -m kcode.codemap.worker OUTPUT`` reads JSON from stdin: the workspace's folder, the paths, in which
order to take their chunks, and the index, whose contents need no parsing. It appends to OUTPUT marshalled
lists of results, each behind its length in four bytes, so that they can be recorded while it works. Beside
OUTPUT lies a file for each chunk that a worker has taken: who has done its own takes of the others'.

Without OUTPUT it stands by: each line of stdin is a task without an index, and for each path a list goes to
stdout. It ends with stdin, or when no task has come for :data:`IDLE_S`.
"""

from __future__ import annotations

import gc
import hashlib
import json
import marshal
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from kcode.codemap import store
from kcode.codemap.languages import language_for
from kcode.codemap.pack import Entry, entry_of
from kcode.codemap.tags import LARGEST, Tags, tags_of

Result = tuple[str, int, int, bytes, Entry | None]
"""Path, size, time in ns, digest; and the tags, None for a content that is known."""

FRAME = 50  # files of a chunk, whose results are written at a time
IDLE_S = 300.0
FILE_S = 60.0  # of the processor: a grammar that takes longer for one file hangs
_MORE = 65_536  # bytes
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


def digest_of(source: bytes, language: str) -> bytes:
    """What a content is known by: the same bytes are another thing in another language."""
    return hashlib.blake2b(source, digest_size=16, person=language.encode()[:16]).digest()


def read(root: str, path: str, known: frozenset[bytes]) -> Result | None:
    """One file's result; None where it cannot be read or is none of the map's business.

    A symlink is not followed: what it leads to has a path of its own, or is not of the workspace.
    """
    language = language_for(path)
    if language is None:
        return None
    try:
        descriptor = os.open(f"{root}/{path}", _FLAGS)
    except (OSError, ValueError):
        return None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            return None
        source = _content(descriptor, info.st_size)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    binary = b"\0" in source[:8_000] and source[:2] not in (b"\xff\xfe", b"\xfe\xff")
    if len(source) > LARGEST or binary:
        source = b""  # data or generated: the file is known, but tells nothing
    digest = digest_of(source, language.name)
    if digest in known:
        return path, info.st_size, info.st_mtime_ns, digest, None
    tags = tags_of(source, language)
    return None if tags is None else (path, info.st_size, info.st_mtime_ns, digest, entry_of(tags))


def _content(descriptor: int, size: int) -> bytes:
    """What is in a file that had this size; more than :data:`LARGEST` bytes of one that is larger."""
    source = os.read(descriptor, min(size, LARGEST) + 1)  # no buffer of the largest size for every file
    while len(source) <= LARGEST and (more := os.read(descriptor, _MORE)):
        source += more
    return source


def read_in_time(root: str, path: str, known: frozenset[bytes]) -> Result | None:
    """:func:`read`, or the end of this process where the file takes longer than :data:`FILE_S`."""
    if sys.platform == "win32":
        return read(root, path, known)
    signal.setitimer(signal.ITIMER_PROF, FILE_S)  # nobody answers it: the process ends within the grammar
    try:
        return read(root, path, known)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def unreadable(root: str, path: str) -> Result | None:
    """The result for a file on which its grammar fails: it tells nothing. None where it is gone."""
    language = language_for(path)
    try:
        info = os.lstat(f"{root}/{path}")
    except (OSError, ValueError):
        return None
    digest = digest_of(b"", language.name if language else "")
    return path, info.st_size, info.st_mtime_ns, digest, entry_of(Tags((), ()))


def known_digests(index: Path) -> frozenset[bytes]:
    connection = store.open_for_reading(index)
    if connection is None:
        return frozenset()
    try:
        return frozenset(digest for (digest,) in connection.execute("SELECT digest FROM contents"))
    finally:
        connection.close()


def at_path(out: Path) -> Path:
    """Where a worker says which of its paths it is at: a grammar may crash."""
    return out.with_suffix(".at")


def stand_by() -> int:
    out = sys.stdout.buffer
    while True:
        idle = threading.Timer(IDLE_S, os._exit, (0,))
        idle.daemon = True
        idle.start()
        line = sys.stdin.buffer.readline()
        idle.cancel()
        if not line:
            return 0
        task = json.loads(line)
        for path in task["paths"]:
            write_frame(out, [read_in_time(task["root"], path, frozenset())])


def main() -> int:
    if len(sys.argv) < 2:
        return stand_by()
    task = json.load(sys.stdin)
    root, paths = task["root"], task["paths"]
    known = known_digests(Path(task["index"]))
    without = frozenset(task["without"])
    written = Path(sys.argv[1])
    gc.disable()  # what a file leaves behind has no cycles, and the process ends soon
    with written.open("ab") as out, at_path(written).open("wb", buffering=0) as place:

        def work(numbers: Iterable[int]) -> None:
            results = []
            for at in numbers:
                place.seek(0)
                place.write(b"%-12d" % at)
                spared = without and getattr(language_for(paths[at]), "name", "") in without
                results.append(
                    unreadable(root, paths[at]) if spared else read_in_time(root, paths[at], known)
                )
            write_frame(out, results)

        work(task["left"])
        for chunk in task["chunks"]:
            if _taken(written, chunk):
                work(chunk_of(paths, chunk))
    return 0


def chunk_of(paths: Sequence[str], chunk: int) -> range:
    """The numbers of a chunk's paths."""
    return range(chunk * FRAME, min((chunk + 1) * FRAME, len(paths)))


def _taken(out: Path, chunk: int) -> bool:
    """Whether this worker is the one that takes the chunk."""
    try:
        os.close(os.open(out.with_name(f"chunk-{chunk}"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def write_frame(out: BinaryIO, results: Iterable[Result | None]) -> None:
    frame = marshal.dumps([result for result in results if result is not None])
    out.write(len(frame).to_bytes(4, "little") + frame)
    out.flush()


if __name__ == "__main__":
    raise SystemExit(main())
