"""Server-sent events, read incrementally: any split of the bytes gives the same events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

MAX_EVENT_BYTES = 64 * 1024 * 1024


class EventTooLarge(ValueError):
    """An event of more than MAX_EVENT_BYTES: a server that has lost its line ends."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its ``data`` lines joined by newlines, and its type (``""`` for none).

    ``unfinished`` says that the stream ended before the event's empty line: its data may be cut.
    """

    data: str
    type: str = ""
    unfinished: bool = field(default=False, compare=False)


class EventDecoder:
    """Feed it bytes as they come. Lines end with LF, CRLF or CR; ``data:`` needs no space after it.

    Follows the WHATWG rules, except that an event which the stream's end cuts off before its empty line
    is still delivered by :meth:`end`: servers were seen to close right after the last data line.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._skip_newline = False
        self._at_start = True
        self._data: list[str] = []
        self._type = ""
        self._held = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes."""
        if not chunk:
            return []
        if self._skip_newline and chunk.startswith(b"\n"):  # second half of a CRLF that was split
            chunk = chunk[1:]
        self._skip_newline = chunk.endswith(b"\r") if chunk else False
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return self._lines(lines)

    def end(self) -> list[Event]:
        """The event, if any, that the end of the stream completes."""
        lines = [self._rest, b""]
        self._rest = b""
        return [replace(event, unfinished=True) for event in self._lines(lines)]

    def _lines(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for raw in lines:
            if self._at_start:
                self._at_start = False
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if raw:
                self._field(raw)
                continue
            if self._data:
                events.append(Event("\n".join(self._data), self._type))
                self._data, self._held = [], 0
            self._type = ""
        return events

    def _field(self, raw: bytes) -> None:
        name, _, value = raw.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._held += len(value)
            if self._held > MAX_EVENT_BYTES:
                raise EventTooLarge
            self._data.append(value.decode("utf-8", "replace"))
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
