"""Small questions on the terminal: one key, one line, one of a few. Whoever asks owns the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kcode.ui.look.terminal import Look, size_of

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPress
    from prompt_toolkit.output import Output

    Keep = Callable[[list[KeyPress]], object]

PAUSE_S = 0.3  # without a key before a key counts as an answer, where typing ahead is possible
INTERRUPTED = "interrupt"


async def choose_key(
    message: str,
    options: Sequence[tuple[str, str]],
    look: Look,
    *,
    escape: str = "",
    keep: Keep | None = None,
) -> str:
    """One of ``options`` (key, label) by its key; ``escape`` for Esc and the end of input, ``INTERRUPTED``
    for Ctrl-C. On a narrow terminal the labels that come last give way to their keys."""

    def line() -> str:
        return f"{fitted(message, options, size_of(sys.stdout)[0] - 1)} "

    return await ask_key(line, "".join(key for key, _ in options), look, keep, escape=escape)


def fitted(message: str, options: Sequence[tuple[str, str]], columns: int) -> str:
    """``message`` and the options on one line of ``columns``: labels are left out from the last one but the
    very last (by custom the help), where there is no room for all."""
    from kcode.ui.look import widths

    order = [*range(len(options) - 2, -1, -1), len(options) - 1]
    bare: set[int] = set()
    while True:
        shown = [key if n in bare else f"{key} {label}" for n, (key, label) in enumerate(options)]
        line = "  ".join([f"{message} {shown[0]}" if shown else message, *shown[1:]])
        if widths.columns(line) < columns or len(bare) == len(options):
            return line
        bare.add(order[len(bare)])


async def ask_key(
    message: str | Callable[[], str], keys: str, look: Look, keep: Keep | None = None, *, escape: str = "n"
) -> str:
    """Wait for one of ``keys``; Esc and the end of input count as ``escape``, Ctrl-C as ``INTERRUPTED``.

    ``message`` may depend on the width of the terminal, which may change while the question stands.
    A capital counts as its small letter where the capital is no key. With ``keep``, what somebody who was
    typing goes on typing is no answer: those keys are handed over. A terminal that knows no control
    sequences takes a line with the key in it.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import FormattedText

    def text() -> str:
        return message if isinstance(message, str) else message()

    if is_dumb():
        return await _ask_on_a_line(text(), keys, escape)
    from kcode.ui.approval.stepping import erase_after_reflow

    style = "" if look.plain else "bold"
    session: PromptSession[str] = PromptSession(
        key_bindings=_bindings(keys, keep, escape), erase_when_done=True, output=_quiet_output()
    )
    session.app.ttimeoutlen = 0.05
    erase_after_reflow(session.app)
    return await session.prompt_async(lambda: FormattedText([(style, text())]), handle_sigint=False)


async def ask_line(message: str) -> str | None:
    """One line of text; None for Esc, Ctrl-C or the end of input, so that nothing is decided by it."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()
    bindings.add("escape", eager=True)(lambda event: event.app.exit(exception=EOFError()))
    session: PromptSession[str] = PromptSession(
        key_bindings=bindings,
        enable_suspend=True,
        erase_when_done=True,
        output=None if is_dumb() else _quiet_output(),
    )
    try:
        return (await session.prompt_async(message, handle_sigint=False)).strip()
    except (EOFError, KeyboardInterrupt):
        return None


def is_dumb() -> bool:
    """Whether the terminal cannot move its cursor."""
    return os.environ.get("TERM", "") in ("", "dumb", "unknown") and sys.platform != "win32"


def drop_unread() -> None:
    """Keys that the terminal holds but nobody has read were not meant for a question that comes now."""
    if sys.platform == "win32":
        return
    import termios

    with contextlib.suppress(termios.error, OSError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _ask_on_a_line(message: str, keys: str, escape: str) -> str:
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()  # which knows of dumb terminals
    while True:
        try:
            said = (await session.prompt_async(message, handle_sigint=False)).strip()[:1]
        except EOFError:
            return escape
        except KeyboardInterrupt:
            return INTERRUPTED
        if key := _key(said, keys):
            return key


def _key(pressed: str, keys: str) -> str:
    if len(pressed) != 1:
        return ""
    return next((key for key in (pressed, pressed.lower()) if key in keys), "")


def _bindings(keys: str, keep: Keep | None, escape: str) -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.keys import Keys

    from kcode.ui.approval.stepping import bind_suspend

    bindings = KeyBindings()
    bind_suspend(bindings)
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
        pasted = event.key_sequence[0].key == Keys.BracketedPaste
        if not still_typing(event) and not pasted and (key := _key(event.data, keys)):
            event.app.exit(result=key)

    @bindings.add("c-c", eager=True)
    @bindings.add("<sigint>", eager=True)
    def _interrupt(event: KeyPressEvent) -> None:
        event.app.exit(result=INTERRUPTED)

    @bindings.add("escape", eager=True)
    @bindings.add("c-d", eager=True)
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit(result=escape)

    return bindings


def _quiet_output() -> Output:
    """The terminal without the question where its cursor is: the answer could come after the key."""
    from prompt_toolkit.output import create_output
    from prompt_toolkit.output.vt100 import Vt100_Output

    output = create_output()
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output
