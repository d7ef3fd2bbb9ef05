"""The stage of a terminal that cannot move its cursor: prompt, turn, prompt; keys typed meanwhile wait."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_toolkit.application import Application, get_app, in_terminal, run_in_terminal
from prompt_toolkit.input.typeahead import store_typeahead

from kcode.ui.stage.bindings import fill
from kcode.ui.stage.keys import KeyReader, keys_of

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPress

    from kcode.ui.stage.prompt import Prompt

T = TypeVar("T")


class PlainStage:
    """Has a :class:`kcode.ui.stage.stage.Stage`'s side towards the sitting; nothing is repainted."""

    def __init__(
        self,
        *,
        make_prompt: Callable[[], Prompt],
        on_escape: Callable[[], object],
        on_first_paint: Callable[[], None],
        typed: str = "",
    ) -> None:
        self.prompt = make_prompt()
        self._input = self.prompt.session.input
        store_typeahead(self._input, keys_of(typed))
        self.terminal = sys.stdout
        self._keys = KeyReader(self._input, on_escape=on_escape)
        self._on_first_paint: Callable[[], None] | None = on_first_paint
        self._ended = False
        self._asking = False
        self._context = copy_context()
        self._draft = ""

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()``; keys are read all the time."""
        self._context = copy_context()
        return await work()

    async def ask(self, draft: str = "") -> str:
        """The next message; the input begins with ``draft``. Raises EOFError where the user leaves."""
        if self._ended:
            raise EOFError
        draft, self._draft = "\n".join(filter(None, (draft, self._draft))), ""
        if self._on_first_paint is not None:
            action, self._on_first_paint = self._on_first_paint, None
            asyncio.get_running_loop().call_soon(action)
        self._asking = True
        try:
            return await self.prompt.session.prompt_async(handle_sigint=False, default=draft)
        finally:
            self._asking = False

    @property
    def waiting(self) -> bool:
        """Whether the prompt is on the terminal."""
        return self._asking and self._app.is_running and not self._app.is_done

    def answer(self, text: str) -> bool:
        """End the prompt with ``text``; False where there is none."""
        if not self.waiting:
            return False
        self._app.exit(result=text)
        return True

    def leave(self) -> None:
        """Whoever waits for a message, now or later, is told that there is none."""
        self._ended = True
        if self.waiting:
            self._app.exit(exception=EOFError())

    def put(self, draft: str) -> None:
        """Put ``draft`` before what stands in the input."""
        if self.waiting:
            fill(self.prompt.session.default_buffer, draft)
        else:
            self._draft = "\n".join(filter(None, (draft, self._draft)))

    @property
    def region(self) -> None:
        """There is none: lines are written as they come."""
        return None

    def typed(self) -> str:
        """What was typed ahead, as one line."""
        return self._keys.typed()

    async def above(self, write: Callable[[], None]) -> None:
        """Call ``write`` while the prompt steps aside."""
        await run_in_terminal(write)

    def press_ctrl_c(self) -> bool:
        """Let the prompt take a Ctrl-C; False where there is none."""
        if self.waiting:
            self._app.key_processor.send_sigint()
        return self.waiting

    def hang_up(self) -> None:
        """The terminal is gone."""

    def refresh(self) -> None:
        """Something that is shown has changed."""
        self._app.invalidate()

    def keep(self, keys: list[KeyPress]) -> None:
        """Keys that somebody read, but which belong to the next prompt."""
        self._keys.keep(keys)

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Keys are read within this block; they belong to the next prompt."""
        return self._keys.reading()

    async def aside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()`` with the terminal to itself."""
        async with in_terminal():
            return await work()

    def suspend(self) -> None:
        """Ctrl-Z at the prompt."""
        self._app.suspend_to_background()

    @property
    def _app(self) -> Application[Any]:
        """The application that asks: on a dumb terminal the prompt makes another one each time."""
        return self._context.copy().run(get_app)
