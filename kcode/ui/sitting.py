"""The session in the terminal: messages come in, turns and commands are run one after another."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from kcode.errors import ExitCode, KcodeError
from kcode.i18n import _
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import Theme, theme_of
from kcode.ui.opening import Opening
from kcode.ui.stage.jobcontrol import gone, write_nowhere

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings
    from kcode.ui.look.background import Replies
    from kcode.ui.output.details import Details
    from kcode.ui.stage.plainstage import PlainStage
    from kcode.ui.stage.stage import Stage

T = TypeVar("T")


class OpeningInterrupted(KcodeError):
    """The user did not want to wait for the session."""

    exit_code = ExitCode.INTERRUPTED


class Sitting:
    """The state of one sitting. ``session`` is there from the first message on; ``queue`` are messages that
    wait for the turn to end; ``draft`` is what the next prompt begins with.

    ``typed`` are the keys that were pressed before the terminal was taken over, ``replies`` what takes the
    terminal's own answers out of the later ones.
    """

    def __init__(
        self,
        open_session: Callable[[], Session],
        root: Path,
        settings: Settings,
        look: Look,
        attach: Sequence[str] = (),
        typed: str = "",
        replies: Replies | None = None,
    ) -> None:
        from kcode.ui import status
        from kcode.ui.stage import staging

        self.root = root
        self.settings = settings
        self.look = look
        self.mode: str = settings.agent.mode
        self.session: Session | None = None  # until it is ready
        self.leaving = False
        self.draft = ""
        self.focused: bool | None = None  # whether the terminal's window is in use; None: it does not say
        self.queue: list[str] = []
        self.awaiting = ""  # the message for which the session is being opened
        self.status = status.Status()
        self.branch = status.branch_of(root)
        self._attach = attach  # files for the first message
        self._notices: list[tuple[str, str]] = []  # text and style, for the next time nothing is worked on
        self._interrupts: list[Callable[[], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()  # what runs beside the turns
        self._failure: BaseException | None = None
        self.ended_by: signal.Signals | None = None
        self._opening = Opening(open_session, opened=self._opened, failed=self._failed, notice=self.notice)
        self.stage: Stage | PlainStage = staging.make_stage(self, self._opening.begin, typed, replies)

    @cached_property
    def details(self) -> Details:
        """What was folded away and can be opened by a key."""
        from kcode.ui.output.details import Details

        return Details()

    @property
    def theme(self) -> Theme:
        """The styles in use."""
        return theme_of(self.look)

    async def run(self) -> ExitCode:
        """Until the user leaves; ``ended_by`` says if a signal or the loss of the terminal ended it. Raises
        what opening the session raised."""
        main = asyncio.ensure_future(self.stage.run(self._serve))
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGINT, self._sigint)
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._end_by, number, main)
        try:
            await main
        except asyncio.CancelledError:
            if self.ended_by is None:
                raise
        except OSError:
            if not gone(sys.stdin.fileno()):
                raise
        finally:
            self._notice_loss()
            await self._close()
        if self._failure is not None and self.ended_by is None:
            raise self._failure
        return ExitCode.OK

    async def _serve(self) -> None:
        for path in self._attach:
            await self._answer(f"/attach {shlex.quote(path)}")
        while not self.leaving:
            self._tell_notices()
            try:
                message = await self._next()
            except EOFError:
                break
            await self._answer(message)

    async def _next(self) -> str:
        draft, self.draft = self.draft, ""
        if self.queue:
            self.stage.put(draft)
            return self.queue.pop(0)
        return (await self.stage.ask(draft)).strip()

    # --- for the commands ----------------------------------------------------------------------

    def set_mode(self, mode: str) -> None:
        self.mode = mode
        if self.session is not None:
            self.session.mode = mode  # type: ignore[assignment]  # checked by the callers
        self.stage.refresh()

    def say(self, text: object = "", style: str = "") -> None:
        """Print a line, or anything rich can print, above the prompt."""
        from rich.text import Text

        from kcode.ui.look.terminal import make_console

        console = make_console(sys.stdout, self.look)
        console.print(Text(text, style=style) if isinstance(text, str) else text)

    async def notice(self, text: str, style: str = "yellow") -> None:
        """Tell something that came up in the background: at once, or when the turn has ended."""
        self._notices.append((text, style))
        if self.stage.waiting:
            await self.stage.above(self._tell_notices)

    def complain(self, error: KcodeError) -> None:
        from kcode.ui.errors import report

        report(error, stream=sys.stdout)

    async def ready(self) -> Session:
        """The session, waiting for it where it is still being opened. Raises what opening raised, and
        OpeningInterrupted where the user does not want to wait."""
        if self.session is None:
            waiting = asyncio.ensure_future(self._opening.result())
            await self.during(lambda: asyncio.wait({waiting}), waiting.cancel)
            if waiting.cancelled():
                raise OpeningInterrupted(_("interrupted"), "")
            self.session = waiting.result()
            self.session.mode = self.mode  # type: ignore[assignment]
        return self.session

    async def during(self, work: Callable[[], Awaitable[object]], interrupt: Callable[[], object]) -> None:
        """Await ``work()`` while Ctrl-C and Esc call ``interrupt``."""
        self._interrupts.append(interrupt)
        try:
            with self.stage.reading():
                await work()
        finally:
            self._interrupts.remove(interrupt)

    async def aside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()`` with the terminal to itself: a picker, an editor, plain output."""
        return await self.stage.aside(work)

    async def turn(self, message: str) -> None:
        """Run one turn as if ``message`` had been typed."""
        from kcode.ui.turns import take_turn

        await take_turn(self, await self.ready(), message)

    def refresh_status(self) -> None:
        """Show where the session stands now."""
        from kcode.ui import status

        if self.session is not None:
            self.status = status.Status.of(self.session)
            self.mode = self.session.mode
        self.branch = status.branch_of(self.root)
        self.stage.refresh()

    # --- one message ---------------------------------------------------------------------------

    async def _answer(self, message: str) -> None:
        from kcode.ui.turns import answer

        try:
            if self.session is None:
                self.awaiting = message
                await self.ready()
            self.awaiting = ""
            await answer(self, message)
        except OpeningInterrupted:
            self.awaiting = ""
            self.stage.put(message)
        except KcodeError as error:
            if self.session is None:
                raise
            self.complain(error)
        self.refresh_status()

    async def _look(self, message: str) -> None:
        """A command that only looks, while the model works."""
        from kcode.ui.turns import answer

        try:
            await answer(self, message)
        except KcodeError as error:
            self.complain(error)

    # --- what keys do (kcode.ui.stage.bindings.Hands) ------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether something runs that a message has to wait for."""
        return not self.stage.waiting

    @property
    def queued(self) -> bool:
        return bool(self.queue)

    def send(self, text: str) -> None:
        """Answer ``text`` now, or queue it while something else is worked on."""
        from kcode.ui.turns import only_looks

        if self.stage.answer(text):
            return
        if self.session is not None and only_looks(text):
            self._beside(self._look(text))
        else:
            self.queue.append(text)
        self.stage.refresh()

    def steer(self, text: str) -> None:
        """Let ``text``, or the first message that waits, join the running turn; it waits where none runs.

        What is no message to the model is none here either: it is answered or waits as with Enter.
        """
        from kcode.ui.turns import for_the_model

        if text and not for_the_model(text):
            return self.send(text)
        if not text and (text := next(filter(for_the_model, self.queue), "")):
            self.queue.remove(text)
        if text and not (self.session is not None and self.session.steer(text)):
            self.queue.insert(0, text)
        return self.stage.refresh()

    def take_back(self) -> str:
        """The last message that waits, which does not wait any more."""
        return self.queue.pop() if self.queue else ""

    def interrupt(self) -> None:
        """End what runs. Messages that wait come back as the draft."""
        for interrupt in self._interrupts:
            interrupt()
        if self.queue:
            waiting, self.queue[:] = self.queue[:], []
            self.stage.put(self._as_draft(waiting))

    def _as_draft(self, waiting: list[str]) -> str:
        """Messages in one draft. Commands among several would mean something else there: they are told."""
        from kcode.ui.turns import for_the_model

        messages = [text for text in waiting if len(waiting) == 1 or for_the_model(text)]
        for text in waiting:
            if text not in messages:
                words = _("not run, as the turn was interrupted: {command}; Up brings it back")
                self.say(words.format(command=figures.one_line(text)), self.theme.warn)
        return "\n".join(messages)

    def leave(self) -> None:
        """End the sitting, and what runs."""
        self.leaving = True
        for interrupt in self._interrupts:
            interrupt()
        self.stage.leave()

    def cycle_mode(self) -> None:
        """The next mode, in the order plan, ask, edits, auto."""
        from kcode.config.settings import Mode

        modes = list(get_args(Mode))
        self.set_mode(modes[(modes.index(self.mode) + 1) % len(modes)])

    def open_details(self) -> None:
        """Print the newest thing that was folded away and not opened yet."""
        from kcode.ui.look.terminal import size_of

        if lines := self.details.next(size_of(sys.stdout)[0], self.look):
            sys.stdout.write("".join(f"{line}\n" for line in [*lines, ""]))
            sys.stdout.flush()

    def focus(self, inside: bool) -> None:
        """The terminal's window was entered, or left."""
        self.focused = inside

    def edit(self) -> None:
        """Open the draft in the user's editor."""
        self._beside(self._edit())

    def suspend(self) -> None:
        """Stop the process until the shell continues it."""
        self.stage.suspend()

    async def _edit(self) -> None:
        from kcode.ui.editor import edit_text
        from kcode.ui.stage.keys import lines_and_echo

        async def edited() -> str:
            with lines_and_echo(sys.stdin.fileno()):
                return await edit_text(self.stage.prompt.text)

        try:
            self.stage.prompt.text = (await self.aside(edited)).rstrip("\n")
        except KcodeError as error:
            self.complain(error)

    # --- opening, closing, signals -------------------------------------------------------------

    def _opened(self, session: Session) -> None:
        from kcode.ui import status

        self.status = status.Status.of(session)
        self.stage.refresh()

    def _failed(self, error: BaseException) -> None:
        self._failure = error
        self.stage.leave()

    def _tell_notices(self) -> None:
        while self._notices:
            text, style = self._notices.pop(0)
            self.say(_("note: {text}").format(text=text), style)

    def _beside(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sigint(self) -> None:
        """A SIGINT that came as a signal, not as a key."""
        if not self.stage.press_ctrl_c():
            self.interrupt()

    def _end_by(self, number: signal.Signals, main: asyncio.Task[None]) -> None:
        self.ended_by = number
        if number == signal.SIGHUP:
            self.stage.hang_up()
        main.cancel()

    def _notice_loss(self) -> None:
        """A terminal that is gone may be noticed by its end of input, or by what cannot be written, before
        the signal that says so."""
        if gone(sys.stdin.fileno()):
            self.ended_by = self.ended_by or signal.SIGHUP
            write_nowhere()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        session = await self._opening.close()
        if session is None:
            return
        if self.ended_by is None:
            self._tell_what_ends(session)
        await (self.session or session).close()

    def _tell_what_ends(self, session: Session) -> None:
        for task in session.background:
            if task.running:
                words = _("ended with kcode: {command}").format(command=figures.one_line(task.command))
                self.say(words, self.theme.warn)
        if session.cost.requests:
            self.say(_("kcode -c continues this session"), "dim")
