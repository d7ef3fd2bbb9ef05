"""The session in the terminal: prompt, turn, prompt. The scrollback stays the user's."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from kcode.errors import ExitCode, KcodeError
from kcode.ui.terminal import Look

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings

T = TypeVar("T")


class Sitting:
    """The state of one sitting. ``session`` is there from the first message on."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        root: Path,
        settings: Settings,
        look: Look,
        attach: Sequence[str] = (),
    ) -> None:
        from kcode.ui import status
        from kcode.ui.commands import table as commands
        from kcode.ui.keys import KeyReader
        from kcode.ui.prompt import Prompt

        self.root = root
        self.settings = settings
        self.look = look
        self.mode: str = settings.agent.mode
        self.session: Session | None = None  # until it is ready
        self.leaving = False
        self.draft = ""  # what the next prompt begins with
        self._open_session = open_session
        self._attach = attach  # files for the first message
        self._notices: list[tuple[str, str]] = []  # text and style, for the next time the prompt comes
        self._opening: asyncio.Task[Session] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._working: Callable[[], object] | None = None
        self._status = status.Status()
        self._branch = status.branch_of(root)
        self._prompt = Prompt(
            root,
            self.look,
            commands={command.name: command.help for command in commands.COMMANDS},
            status=lambda columns: status.line(self._status, self.mode, self._branch, columns),
            cycle_mode=self.cycle_mode,
            on_first_paint=self._begin_opening,
        )
        self._keys = KeyReader(self._prompt.session.input, on_escape=self._interrupt)

    async def run(self) -> ExitCode:
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._sigint)
        try:
            for path in self._attach:
                await self._answer(f"/attach {shlex.quote(path)}")
            while not self.leaving:
                self._tell_notices()
                try:
                    message = (await self._prompt.ask(self._take_draft())).strip()
                except EOFError:
                    break
                await self._answer(message)
        finally:
            await self._close()
        return ExitCode.OK

    def _take_draft(self) -> str:
        draft, self.draft = self.draft, ""
        return draft

    def cycle_mode(self) -> None:
        """The next mode, in the order plan, ask, edits, auto."""
        from kcode.config.settings import Mode

        modes = list(get_args(Mode))
        self.set_mode(modes[(modes.index(self.mode) + 1) % len(modes)])

    def set_mode(self, mode: str) -> None:
        self.mode = mode
        if self.session is not None:
            self.session.mode = mode  # type: ignore[assignment]  # checked by the callers
        self._prompt.refresh()

    def say(self, text: object = "", style: str = "") -> None:
        """Print a line, or anything rich can print, between turns."""
        from rich.text import Text

        from kcode.ui.terminal import make_console

        console = make_console(sys.stdout, self.look)
        console.print(Text(text, style=style) if isinstance(text, str) else text)

    async def notice(self, text: str, style: str = "yellow") -> None:
        """Tell something that came up in the background: above the prompt, or before it comes again."""
        self._notices.append((text, style))
        if self._prompt.shown:
            await self._prompt.aside(self._tell_notices)

    def _tell_notices(self) -> None:
        while self._notices:
            text, style = self._notices.pop(0)
            self.say(f"note: {text}", style)

    def complain(self, error: KcodeError) -> None:
        from kcode.ui.errors import report

        report(error, stream=sys.stdout)

    async def ready(self) -> Session:
        """The session, waiting for it where it is still being opened. Raises what opening raised."""
        if self.session is None:
            self._begin_opening()
            assert self._opening is not None
            if not self._opening.done():
                with self._keys.reading():
                    await asyncio.wait({self._opening})
            self.session = self._opening.result()
            self.session.mode = self.mode  # type: ignore[assignment]
        return self.session

    async def during(self, work: Callable[[], object], interrupt: Callable[[], object]) -> None:
        """Await ``work()`` while keys are read and Ctrl-C and Esc call ``interrupt``."""
        self._working = interrupt
        try:
            with self._keys.reading():
                await work()  # type: ignore[misc]
        finally:
            self._working = None

    async def aside(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await ``work()`` with the terminal to itself: a picker, an editor, plain output."""
        return await work()

    async def turn(self, message: str) -> None:
        """Run one turn as if ``message`` had been typed."""
        await self._turn(await self.ready(), message)

    # --- one message ---------------------------------------------------------------------------

    async def _answer(self, message: str) -> None:
        from kcode.ui.commands import table as commands

        try:
            session = await self.ready()
            if message.startswith("/") and commands.looks_like_command(message):
                await commands.run(self, message)
                self.say()
            else:
                await self._turn(session, message)
        except KcodeError as error:
            if self.session is None:
                raise
            self.complain(error)
        self.refresh_status()

    async def _turn(self, session: Session, message: str) -> None:
        from kcode.ui.approve import TerminalApprover
        from kcode.ui.render import make_renderer, show

        renderer = make_renderer(
            sys.stdout,
            self.look,
            show_reasoning=self.settings.ui.show_reasoning,
            typed=self._keys.typed,
        )
        session.approver = TerminalApprover(
            sys.stdout,
            self.look,
            pause=renderer.paused,
            on_interrupt=session.interrupt,
            keep=self._keys.keep,
        )
        self.say()
        await self.during(lambda: show(session.turn(message), renderer), session.interrupt)
        self.say()

    def refresh_status(self) -> None:
        from kcode.ui import status

        if self.session is not None:
            self._status = status.Status.of(self.session)
            self.mode = self.session.mode
        self._branch = status.branch_of(self.root)

    # --- opening, closing, interrupting --------------------------------------------------------

    def _begin_opening(self) -> None:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(asyncio.to_thread(self._open))
            self._opening.add_done_callback(self._opened)

    def _open(self) -> Session:
        session = self._open_session()
        # What the first turn needs is imported now, while the user still types.
        for module in ("kcode.ui.approve", "kcode.ui.render", "rich.markdown", "rich.syntax"):
            import_module(module)
        return session

    def _opened(self, task: asyncio.Task[Session]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._prompt.give_up(error)
            return
        from kcode.ui import status

        session = task.result()
        self._status = status.Status.of(session)
        self._prompt.refresh()
        self._preparing = asyncio.create_task(self._prepare(session))

    async def _prepare(self, session: Session) -> None:
        from kcode.providers.base import Preparable

        endpoint = getattr(session.provider, "endpoint", None)  # the embedded model has none
        if endpoint is not None and endpoint.notice:
            await self.notice(endpoint.notice, "dim")
        if isinstance(session.provider, Preparable):
            with contextlib.suppress(KcodeError):  # the first request meets the same trouble and says it
                await session.provider.prepare()
        from kcode.providers.moonshot.balance import hint

        if low := await hint(session.provider, self.settings):
            await self.notice(low)

    def _interrupt(self) -> None:
        if self._working is not None:
            self._working()

    def _sigint(self) -> None:
        if self._working is not None:
            self._working()
        else:
            self._prompt.sigint()

    async def _close(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
        if self._opening is None:
            return
        if self.session is None:
            await asyncio.wait({self._opening})
            if self._opening.exception() is not None:
                return
            self.session = self._opening.result()
        if self.session.cost.requests:
            self.say("kcode -c continues this session", "dim")
        await self.session.close()
