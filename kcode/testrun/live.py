"""Counting tests while a runner still prints."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from kcode.testrun.adapter import Signs
from kcode.testrun.report import TestProgress

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ANY = Signs(
    re.compile(r"::\S.* PASSED\b|^test\S* .*\.\.\. ok$|^test \S+ \.\.\. ok$|^\s*(?:✓|✔|ok \d+)\s|^--- PASS"),
    re.compile(
        r"::\S.* (?:FAILED|ERROR)\b|^test\S* .*\.\.\. (?:FAIL|ERROR)"
        r"|^\s*(?:✗|✘|✖|×|not ok \d+)\s|^--- FAIL"
    ),
)


class Live:
    """Tells of the tests that a runner's lines (``signs``) speak of."""

    def __init__(self, tell: Callable[[TestProgress], None] | None, signs: Signs = ANY) -> None:
        self._tell = tell
        self._signs = signs
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = self._shown = ""
        self._passed = self._failed = self._total = 0
        self._ended = False

    @property
    def ended(self) -> tuple[int, int]:
        """How many tests have passed and failed, as far as the lines tell."""
        return max(0, self._passed - (self._failed if self._signs.both else 0)), self._failed

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        self._rest = self._rest[-10_000:]
        if not lines:
            return
        for line in map(_plain, lines):
            self._count(line)
        if self._tell is not None:
            self._tell(TestProgress(self._shown[:120], *self.ended, self._total))

    def _count(self, line: str) -> None:
        signs = self._signs
        hidden = signs.hidden.search(line) if signs.hidden else None
        self._shown = (hidden[1] if hidden else line.strip()) or self._shown
        self._ended = self._ended or bool(signs.end and signs.end.search(line))
        if self._ended:
            return
        self._passed += bool(signs.passed.search(line))
        self._failed += bool(signs.failed.search(line))
        if signs.total and (found := signs.total.search(line)):
            self._total = int(found[1]) + (self._total if signs.adds else 0)


def _plain(line: str) -> str:
    return _ESCAPES.sub("", line).rstrip("\r")
