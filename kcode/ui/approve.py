"""Asking a person in the terminal before something happens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from kcode.agent.approval import Answer, Question
from kcode.safety.sanitize import clean
from kcode.ui import figures
from kcode.ui.keys import quiet
from kcode.ui.terminal import Look, look_at, make_console, person_present

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPress
    from prompt_toolkit.output import Output

ROWS_SHOWN = 120  # of a change, before the rest waits for `v`
SETTLE_S = 0.02  # lets the renderer show the events that led here before the question
PAUSE_S = 0.3  # without a key before a key counts as an answer, where typing ahead is possible
INTERRUPTED = "interrupt"
HELP = """\
  y   yes, this once
  n   no (Esc as well); the model is told
  r   no, because …: your reason goes to the model
  a   yes, and do not ask again for {kind} in this session
  v   show everything that was left out above
  Ctrl-C interrupts the turn"""
KINDS = {
    "edit": "edits of files",
    "command": "commands",
    "test": "test runs",
    "read": "reading",
    "note": "notes",
}
OUTCOMES = {"yes": "yes", "no": "no", "all": "yes, for all of this session"}


class TerminalApprover:
    """Shows what is about to happen and waits for one key.

    ``pause`` gives a block in which nobody else writes to the terminal; ``on_interrupt`` is called for
    Ctrl-C; ``keep`` takes keys that somebody was typing for the next message when the question came.
    Without a terminal to ask on, the answer is no: it never hangs.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        look: Look | None = None,
        *,
        pause: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        on_interrupt: Callable[[], object] = lambda: None,
        keep: Callable[[list[KeyPress]], object] | None = None,
    ) -> None:
        self._stream = stream or sys.stdout
        self._look = look or look_at(self._stream)
        self._pause = pause
        self._on_interrupt = on_interrupt
        self._keep = keep
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        if not person_present():
            return Answer("no", f"not allowed without a person to ask ({question.why}); use --mode or a rule")
        async with self._one_at_a_time:
            await asyncio.sleep(SETTLE_S)
            with self._pause(), quiet(sys.stdin.fileno()):
                if self._keep is None:
                    drop_unread()
                return await self._ask(question)

    async def _ask(self, question: Question) -> Answer:
        left_out = self._show(question)
        while True:
            key = await ask_key(f"{_options(question, left_out)} ", "ynra?v", self._look, self._keep)
            if key == "v":
                self._show(question, whole=True)
                left_out = 0
            elif key == "?":
                self._print(HELP.format(kind=_kind(question)))
            elif key == "r":
                reason = await ask_line("because: ")
                if reason is None:
                    continue
                return self._conclude(Answer("no", reason))
            elif key == INTERRUPTED:
                self._on_interrupt()
                return Answer("no", "interrupted by the user")
            else:
                return self._conclude(Answer("yes" if key == "y" else "all" if key == "a" else "no"))

    def _show(self, question: Question, *, whole: bool = False) -> int:
        """Print the question; the number of rows that were left out."""
        from rich.text import Text

        from kcode.ui.diffview import print_edits

        console = make_console(self._stream, self._look)
        intent = question.intent
        left_out = 0
        console.print()
        if intent.edits:
            limit = None if whole else ROWS_SHOWN
            left_out = print_edits(console, intent.edits, self._look, max_rows=limit)
            if left_out:
                console.print(Text(f"… {left_out} more rows; v shows them", style="dim"))
        elif intent.command:
            prompt = "$ "
            for line in clean(intent.command).splitlines():
                console.print(Text.assemble((prompt, "dim"), (line, "bold")), overflow="fold")
                prompt = "  "
        else:
            console.print(Text(figures.one_line(question.title), style="bold"))
        if intent.sensitive:
            console.print(Text(f"careful: {figures.one_line(intent.sensitive)}", style="yellow"))
        if question.why:
            console.print(Text(f"asked because {figures.one_line(question.why)}", style="dim"))
        return left_out

    def _conclude(self, answer: Answer) -> Answer:
        because = f", because: {figures.one_line(answer.reason)}" if answer.reason else ""
        self._print(f"  {OUTCOMES[answer.verdict]}{because}")
        return answer

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def _kind(question: Question) -> str:
    return KINDS.get(question.intent.kind, question.intent.kind)


def _options(question: Question, left_out: int) -> str:
    what = {"edit": "Apply this?", "command": "Run this?", "test": "Run the tests?"}
    view = " v view all" if left_out else ""
    return f"{what.get(question.intent.kind, 'Allow this?')} y yes  n no  r no, because…  a all{view}  ? help"


async def ask_key(
    message: str, keys: str, look: Look, keep: Callable[[list[KeyPress]], object] | None = None
) -> str:
    """Wait for one of ``keys``; Esc and the end of input count as ``n``, Ctrl-C as ``INTERRUPTED``.

    With ``keep``, what somebody who was typing goes on typing is no answer: those keys are handed over.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import FormattedText

    style = "" if look.plain else "bold"
    session: PromptSession[str] = PromptSession(
        key_bindings=_bindings(keys, keep), erase_when_done=True, output=_quiet_output()
    )
    session.app.ttimeoutlen = 0.05
    return await session.prompt_async(FormattedText([(style, message)]), handle_sigint=False)


async def ask_line(message: str) -> str | None:
    """One line of text; None for Esc, Ctrl-C or the end of input, so that nothing is decided by it."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()
    bindings.add("escape", eager=True)(lambda event: event.app.exit(exception=EOFError()))
    session: PromptSession[str] = PromptSession(
        key_bindings=bindings, erase_when_done=True, output=_quiet_output()
    )
    try:
        return (await session.prompt_async(message, handle_sigint=False)).strip()
    except (EOFError, KeyboardInterrupt):
        return None


def _bindings(keys: str, keep: Callable[[list[KeyPress]], object] | None) -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.keys import Keys

    bindings = KeyBindings()
    last = time.monotonic()

    def still_typing(event: KeyPressEvent) -> bool:
        nonlocal last
        before, last = last, time.monotonic()
        if keep is None or last - before >= PAUSE_S:
            return False
        keep(event.key_sequence)
        return True

    @bindings.add(Keys.Any, eager=True)
    @bindings.add("enter", eager=True)
    def _ignore_or_take(event: KeyPressEvent) -> None:
        pressed = event.data.lower()
        if not still_typing(event) and pressed and pressed in keys:
            event.app.exit(result=pressed)

    @bindings.add("c-c", eager=True)
    @bindings.add("<sigint>", eager=True)
    def _interrupt(event: KeyPressEvent) -> None:
        event.app.exit(result=INTERRUPTED)

    @bindings.add("escape", eager=True)
    @bindings.add("c-d", eager=True)
    def _no(event: KeyPressEvent) -> None:
        event.app.exit(result="n")

    return bindings


def _quiet_output() -> Output:
    """The terminal without the question where its cursor is: the answer could come after the key."""
    from prompt_toolkit.output import create_output
    from prompt_toolkit.output.vt100 import Vt100_Output

    output = create_output()
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output


def drop_unread() -> None:
    """Keys that the terminal holds but nobody has read were not meant for a question that comes now."""
    if sys.platform == "win32":
        return
    import termios

    with contextlib.suppress(termios.error, OSError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
