"""A log of what went over the wire, bodies only, for finding out who is wrong. Off unless asked for."""

from __future__ import annotations

import os
from typing import BinaryIO

from kcode.errors import EnvironmentProblem


class WireLog:
    """Appends request and response bodies to the file at ``path`` (readable by the user alone).

    Headers are never written, so no key is. With an empty path nothing is.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._count = 0
        self._answering = 0

    def request(self, body: bytes) -> int:
        """Logs a request and returns its number."""
        self._count += 1
        if self._path:
            self._write(b"\n>>> request %d\n%s\n" % (self._count, body))
        return self._count

    def response(self, number: int, piece: bytes) -> None:
        if self._path:
            head = b"" if self._answering == number else b"\n<<< response %d\n" % number
            self._answering = number
            self._write(head + piece)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                self._file = os.fdopen(descriptor, "ab", buffering=0)
            self._file.write(data)
        except OSError as problem:
            raise EnvironmentProblem(
                f"The wire log {self._path} cannot be written: {problem.strerror}",
                "Unset KCODE_WIRE_LOG or name another file.",
            ) from None
