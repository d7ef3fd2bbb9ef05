"""The stage: one application for the whole sitting, at the bottom of the terminal. The input is always
there; what is finished is written above it once and belongs to the scrollback from then on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_toolkit.application import Application, create_app_session, get_app, in_terminal
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import get_typeahead
from prompt_toolkit.layout import HSplit, Layout, VerticalAlign

from kcode.ui.stage.bindings import fill
from kcode.ui.stage.frames import FrameOutput, open_output, reflows
from kcode.ui.stage.jobcontrol import heeded, stop_group, taken_over
from kcode.ui.stage.keys import keys_of, quiet
from kcode.ui.stage.livelines import LiveWindow, rows_after_reflow, text_window
from kcode.ui.stage.replyinput import input_without
from kcode.ui.stage.stagestream import StageStream

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPress

    from kcode.ui.look.background import Replies
    from kcode.ui.look.terminal import Look
    from kcode.ui.stage.live import Region
    from kcode.ui.stage.prompt import Prompt

T = TypeVar("T")
ESCAPE_WAIT_S = 0.05  # an escape sequence's other bytes follow at once; a lone Esc has none

_is_aside: ContextVar[bool] = ContextVar("_is_aside", default=False)


class Stage:
    """Implements :class:`kcode.ui.stage.live.Region`, and is the terminal while ``run`` runs.

    ``make_prompt`` builds the input for a terminal's two ends; ``queued`` gives the rows above the input and
    ``status`` those below it, for a number of columns; ``on_first_paint`` is called once.
    """

    def __init__(
        self,
        look: Look,
        *,
        make_prompt: Callable[[Input, FrameOutput], Prompt],
        queued: Callable[[int], StyleAndTextTuples],
        status: Callable[[int], StyleAndTextTuples],
        on_first_paint: Callable[[], None],
        on_end: Callable[[], None],
        typed: str = "",
        replies: Replies | None = None,
    ) -> None:
        self._stdout, self._stderr = sys.stdout, sys.stderr
        self._input = input_without(replies) if replies is not None else create_input(sys.stdin)
        self._output = open_output(self._stdout, look)
        self.terminal = self._stdout
        self.stream = StageStream(self._stdout, self.write)
        self.prompt = make_prompt(self._input, self._output)
        self._live = LiveWindow()
        self._kept = keys_of(typed)
        self._away = False
        self._turns = asyncio.Lock()
        self._answer: asyncio.Future[str] | None = None
        self._ended = False
        self._context = copy_context()  # in which the stage is the application that is asked about
        self._on_first_paint: Callable[[], None] | None = on_first_paint
        self._on_end = on_end
        self.app = self._application(queued, status)

    # --- the sitting's side --------------------------------------------------------------------

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()`` with the stage on the terminal. What is printed meanwhile stands above it."""
        with create_app_session(input=self._input, output=self._output):
            self._context = copy_context()
            shown = asyncio.create_task(self.app.run_async(handle_sigint=False, set_exception_handler=False))
            shown.add_done_callback(lambda _: self._on_end())
            try:
                with (
                    heeded(self.suspend, self._continued),
                    contextlib.redirect_stdout(self.stream),
                    contextlib.redirect_stderr(self.stream),
                ):
                    return await work()
            finally:
                if begun := self.stream.take_begun():
                    self.write(begun + "\n")
                await asyncio.sleep(0)  # where the work ended at once, the application has not begun yet
                if self.app.is_running and not self.app.is_done:
                    self.app.exit()
                with contextlib.suppress(EOFError):  # the terminal was closed
                    await shown

    async def ask(self, draft: str = "") -> str:
        """The next message; the input begins with ``draft``. Raises EOFError where the user leaves."""
        if draft:
            self.put(draft)
        if self._ended:
            raise EOFError
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for a message: the model does not work."""
        return self._answer is not None and not self._answer.done()

    def answer(self, text: str) -> bool:
        """Give ``text`` to who waits in ``ask``; False where nobody does."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(text)
        return True

    def leave(self) -> None:
        """Whoever waits for a message, now or later, is told that there is none."""
        self._ended = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(EOFError())

    def put(self, draft: str) -> None:
        """Put ``draft`` before what stands in the input."""
        fill(self.prompt.session.default_buffer, self.prompt.folds.refold(draft))
        self.refresh()

    def take(self) -> str:
        """What stands in the input, which is empty afterwards."""
        return self.prompt.keyboard.take(self.prompt.session.default_buffer)

    @property
    def region(self) -> Region:
        """Where a turn's lines go."""
        return self

    def typed(self) -> str:
        """What was typed ahead and is not seen in the input: nothing."""
        return ""

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Keys are read all the time."""
        return contextlib.nullcontext()

    async def above(self, write: Callable[[], None]) -> None:
        """Call ``write``; what it prints stands above the input."""
        write()

    def press_ctrl_c(self) -> bool:
        """Let whoever has the terminal take a Ctrl-C; False where nobody reads keys."""
        return self._context.copy().run(self._press_ctrl_c)

    def hang_up(self) -> None:
        """The terminal is gone."""
        self._output.hang_up()

    def suspend(self) -> None:
        """Stop the process group as the shell expects it, and come back when it is continued."""
        self._context.copy().run(self._suspend)

    def refresh(self) -> None:
        """Something that is shown has changed."""
        self.app.invalidate()

    def keep(self, keys: list[KeyPress]) -> None:
        """Keys that somebody read who had the terminal for a while, but which belong to the input."""
        self._kept.extend(keys)

    async def aside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()`` with the terminal to itself: nothing of the stage is there, its keys are not read.

        One at a time; within such a block another is the same block.
        """
        if _is_aside.get():
            return await work()
        async with self._turns:
            token = _is_aside.set(True)
            try:
                with self._output.frame():
                    self.app.erase()
                async with in_terminal():
                    with quiet(self._input.fileno()), self._handed_over():
                        return await work()
            finally:
                _is_aside.reset(token)
                self._type_kept()

    # --- Region --------------------------------------------------------------------------------

    def update(self, finished: Sequence[str], live: Sequence[str]) -> None:
        """``finished`` are written above the stage, once; ``live`` are its first rows from now on."""
        changed = self._live.show([] if self._away else live)
        if finished:
            self.write("".join(f"{line}\n" for line in finished))
        elif changed:
            self.refresh()

    def clear(self) -> None:
        """Take the live lines away."""
        self.update((), ())

    def write(self, text: str) -> None:
        """Write whole lines above the stage: one frame."""
        if self._away or not self.app.is_running:
            self._stdout.write(text)
            self._stdout.flush()
            return
        with self._output.frame():
            self.app.erase()
            self._output.write_raw(text.replace("\n", "\r\n"))
            self.app.repaint()

    @property
    def columns(self) -> int:
        return self._output.get_size().columns

    # --- inside --------------------------------------------------------------------------------

    def _press_ctrl_c(self) -> bool:
        app = get_app()
        if app is self.app and self._away:
            return True  # an editor or plain output: it has got the signal too
        if app.is_running and not app.is_done:
            app.key_processor.send_sigint()
        return app.is_running

    def _suspend(self) -> None:
        app = get_app()
        paints = app.is_running and not (app is self.app and self._away)
        if paints:
            (self.app.erase if app is self.app else app.renderer.erase)()
        stop_group(self._input.fileno(), self.suspend, self._continued)
        if paints:
            app.renderer.reset()
            app.invalidate()

    def _continued(self) -> None:
        """A SIGCONT after a stop that could not be prepared for: the screen is not as it was left."""
        if taken_over(self._input.fileno()):
            self._context.copy().run(self._come_back)

    def _come_back(self) -> None:
        app = get_app()
        if app.is_running and not (app is self.app and self._away):
            self._input.raw_mode().__enter__()  # for good: the block that the application is in, ends it
            app.renderer.reset()
            app.invalidate()

    @contextlib.contextmanager
    def _handed_over(self) -> Iterator[None]:
        self._away = True
        self._stdout.write(self.stream.take_begun())
        self._stdout.flush()
        try:
            with contextlib.redirect_stdout(self._stdout), contextlib.redirect_stderr(self._stderr):
                yield
        finally:
            self._away = False

    def _type_kept(self) -> None:
        """Keys that came while somebody else had the terminal, one by one: an Enter among them sends."""
        keys, self._kept = [*self._kept, *get_typeahead(self._input)], []
        self.prompt.keyboard.replays = True
        try:
            for key in keys:
                self.app.key_processor.feed(key)
                self.app.key_processor.process_keys()
        finally:
            self.prompt.keyboard.replays = False

    def _application(
        self,
        queued: Callable[[int], StyleAndTextTuples],
        status: Callable[[int], StyleAndTextTuples],
    ) -> StageApplication:
        session = self.prompt.session
        rows = [
            self._live.container,
            text_window(lambda: queued(self.columns)),
            session.layout.container,
            text_window(lambda: status(self.columns)),
        ]
        focus = session.layout.current_window
        app = StageApplication(
            layout=Layout(HSplit(rows, align=VerticalAlign.TOP), focus),
            style=session.app.style,
            key_bindings=session.app.key_bindings,
            editing_mode=session.app.editing_mode,
            reverse_vi_search_direction=True,
            include_default_pygments_style=False,
            erase_when_done=True,
            terminal_size_polling_interval=None,
            input=self._input,
            output=self._output,
        )
        app.ttimeoutlen = ESCAPE_WAIT_S
        app.after_render += self._painted
        session.app = app  # what the session's own bindings look at
        return app

    def _painted(self, _app: object) -> None:
        if self._on_first_paint is not None:
            action, self._on_first_paint = self._on_first_paint, None
            action()
            self._type_kept()


class StageApplication(Application[Any]):
    """An application whose every repaint is one frame, and which leaves nothing behind when it shrinks."""

    output: FrameOutput
    _painted_columns = 0

    def repaint(self) -> None:
        """Repaint now."""
        self._redraw()

    def erase(self) -> None:
        """Take the stage off, with the rows that a reflow has made of its own."""
        painted, columns = self.renderer.last_rendered_screen, self.output.get_size().columns
        if painted is not None and columns < self._painted_columns and reflows(os.environ):
            cursor = painted.get_cursor_position(self.layout.current_window)
            self.output.write_raw("\r")
            self.output.cursor_up(rows_after_reflow(painted, cursor, columns) - cursor.y)
        self.renderer.erase()

    def _redraw(self, render_as_done: bool = False) -> None:
        size = self.output.get_size()
        with self.output.frame():
            painted = self.renderer.last_rendered_screen
            if painted is not None and not self._running_in_terminal:
                wanted = self.layout.container.preferred_height(size.columns, size.rows).preferred
                # The size may have changed before the signal for it has been heard.
                if min(wanted, size.rows) < painted.height or size.columns != self._painted_columns:
                    self.erase()
            super()._redraw(render_as_done)
        self._painted_columns = size.columns

    def _on_resize(self) -> None:
        with self.output.frame():
            self.erase()
            super()._on_resize()
