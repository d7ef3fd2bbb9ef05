"""Where a piece of work with questions is done: in the session, or as a command of its own.

``kcode commit`` and ``/commit`` are one dialogue; what differs is who owns the terminal meanwhile.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

from kcode.i18n import _
from kcode.ui.look.terminal import Look, look_at, make_console, person_present, tolerate

if TYPE_CHECKING:
    from kcode.ui.sitting import Sitting

T = TypeVar("T")
INTERRUPTED = "interrupt"


class Desk(Protocol):
    """``key`` and ``line`` ask; without somebody to ask they answer ``n`` and None."""

    @property
    def look(self) -> Look: ...

    @property
    def person(self) -> bool:
        """Whether somebody can be asked."""
        ...

    def say(self, text: object = "", style: str = "") -> None: ...

    async def key(self, question: str, options: Sequence[tuple[str, str]]) -> str:
        """The key of one of ``options`` (key, label); ``n`` for Esc and the end of input, ``INTERRUPTED`` for
        Ctrl-C."""
        ...

    async def line(self, question: str) -> str | None:
        """A line of text; None for Esc, Ctrl-C or the end of input."""
        ...

    async def edit(self, text: str, name: str, editor: str) -> str | None:
        """``text`` as it was left in ``editor``; None where that ended with an error."""
        ...

    async def during(self, label: str, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``; None where it was interrupted and the session goes on."""
        ...


class SessionDesk:
    """In the session: the terminal is borrowed for every question."""

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self.person = True

    @property
    def look(self) -> Look:
        return self._sitting.look

    def say(self, text: object = "", style: str = "") -> None:
        self._sitting.say(text, style)

    async def key(self, question: str, options: Sequence[tuple[str, str]]) -> str:
        from kcode.ui.approval.ask import choose_key

        return await self._sitting.aside(lambda: choose_key(question, options, self.look, escape="n"))

    async def line(self, question: str) -> str | None:
        from kcode.ui.approval.ask import ask_line

        return await self._sitting.aside(lambda: ask_line(f"{question} "))

    async def edit(self, text: str, name: str, editor: str) -> str | None:
        from kcode.ui.editor import edit

        return await self._sitting.aside(lambda: edit(text, name, editor))

    async def during(self, label: str, work: Coroutine[Any, Any, T]) -> T | None:
        from kcode.ui.commands.base import interruptible

        if label:
            self.say(label, "dim")
        return await interruptible(self._sitting, work)


class ConsoleDesk:
    """A command of its own: everything it says goes to stderr, answers are lines from stdin."""

    def __init__(self) -> None:
        tolerate(sys.stderr)
        self.look = look_at(sys.stderr)
        self.person = person_present()
        self.keys: TextIO = sys.stdin  # where answers come from

    def say(self, text: object = "", style: str = "") -> None:
        from rich.text import Text

        console = make_console(sys.stderr, self.look)
        if isinstance(text, str) and self.look.plain:
            sys.stderr.write(f"{text}\n")  # whole: where nobody looks at columns nothing is wrapped
        else:
            console.print(Text(text, style=style) if isinstance(text, str) else text)
        sys.stderr.flush()

    async def key(self, question: str, options: Sequence[tuple[str, str]]) -> str:
        keys = [key for key, _label in options]
        shown = "  ".join([question, *(f"{key} {label}" for key, label in options)])
        while (answer := await self.line(f"{shown}:")) is not None:
            if answer[:1].lower() in keys:
                return answer[:1].lower()
        return "n"

    async def line(self, question: str) -> str | None:
        if not self.person:
            return None
        with _ctrl_c_raises():  # from before the question: an answer may be as quick as its first letter
            sys.stderr.write(f"{question} ")
            sys.stderr.flush()
            line = self.keys.readline()
        return line.strip() if line else None

    async def edit(self, text: str, name: str, editor: str) -> str | None:
        from kcode.ui.editor import edit

        return await edit(text, name, editor)

    async def during(self, label: str, work: Coroutine[Any, Any, T]) -> T | None:
        if label and not self.look.plain:
            sys.stderr.write(label)
            sys.stderr.flush()
        try:
            return await work
        finally:
            if label and not self.look.plain:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()


def yes_or_no() -> list[tuple[str, str]]:
    """The options of a question that only wants a yes."""
    return [("y", _("yes")), ("n", _("no"))]


@contextlib.contextmanager
def _ctrl_c_raises() -> Iterator[None]:
    """The event loop's own handler only takes note of Ctrl-C, and a blocked read would go on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
