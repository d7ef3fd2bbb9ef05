"""Whether an answer's words only repeat themselves, letter for letter, and would do so until the limit.

A person may ask for a thousand times the same word, so what streams in is given room; an answer that the
output limit has cut in the middle of repeating is not gone on with.
"""

from __future__ import annotations

STREAM = 110_000  # characters of nothing but repetition end a stream
CUT = 8_000  # so many at its end, and a cut answer is not continued
LONGEST = 1_000  # characters of what is repeated
_EVERY = 4_000  # characters between two looks


class Repetition:
    """Feed it a text in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._kept = self._unseen = 0

    def feed(self, piece: str) -> bool:
        """True once the last :data:`STREAM` characters are one passage again and again."""
        self._pieces.append(piece)
        self._kept += len(piece)
        self._unseen += len(piece)
        if self._kept < STREAM or self._unseen < _EVERY:
            return False
        self._unseen = 0
        text = "".join(self._pieces)[-STREAM:]
        self._pieces, self._kept = [text], len(text)
        return repeats(text, STREAM)


def repeats(text: str, size: int = CUT) -> bool:
    """Whether the last ``size`` characters of ``text`` are one passage again and again."""
    tail = text[-size:]
    if len(tail) < size:
        return False
    before = tail.rfind(tail[-LONGEST:], size - 2 * LONGEST, size - 1)
    if before < 0:
        return False
    period = size - LONGEST - before
    return tail[period:] == tail[:-period]
