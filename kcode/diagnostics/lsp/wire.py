"""Messages of a language server on a pipe: JSON behind a header that tells its length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST = 64_000_000  # bytes of one message
_HEADER = 4_096  # bytes of a header
_END = b"\r\n\r\n"


class Garbage(ValueError):
    """What came is no message; nothing after it can be read either."""


def encoded(message: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Reader:
    """Takes bytes as they come and gives the messages that are whole."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._body = -1  # length of the body that is waited for; -1: a header

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Raises :class:`Garbage`."""
        self._bytes += chunk
        while True:
            if self._body < 0:
                end = self._bytes.find(_END)
                if end > _HEADER or (end < 0 and len(self._bytes) > _HEADER):
                    raise Garbage("a header that does not end")
                if end < 0:
                    return
                self._body = _length(bytes(self._bytes[:end]))
                del self._bytes[: end + len(_END)]
            if len(self._bytes) < self._body:
                return
            body = bytes(self._bytes[: self._body])
            del self._bytes[: self._body]
            self._body = -1
            yield _message(body)


def _length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
            if length > MOST:
                raise Garbage(f"a message of {length:,} bytes")
            return length
    raise Garbage(f"a header without a length: {header[:60]!r}")


def _message(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Garbage(f"a message that is no JSON: {body[:60]!r}") from None
    if not isinstance(value, dict):
        raise Garbage("a message that is no object")
    return value
