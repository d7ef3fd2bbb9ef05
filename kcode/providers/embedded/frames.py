"""Frames between kcode and its worker: four bytes of length, big endian, then one JSON object.

Used on both sides, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

MAX_FRAME = 256 * 1024 * 1024  # bytes; larger means that the stream lost its footing
_HEADER = struct.Struct(">I")


class BrokenFrame(Exception):
    """The bytes are not frames: something else wrote into the pipe, or the peer died inside one."""


def encode(message: dict[str, Any]) -> bytes:
    body = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return _HEADER.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message, or None at the end of the stream. Raises :class:`BrokenFrame`."""
    header = _read_exactly(stream, _HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise BrokenFrame("the stream ended inside a header")
    (length,) = _HEADER.unpack(header)
    if length > MAX_FRAME:
        raise BrokenFrame(f"a frame of {length} bytes")
    body = _read_exactly(stream, length)
    if len(body) < length:
        raise BrokenFrame("the stream ended inside a frame")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BrokenFrame(f"a frame that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise BrokenFrame("a frame that is not an object")
    return message


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = stream.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
