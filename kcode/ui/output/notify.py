"""Telling somebody who looks elsewhere that a long turn has ended: the bell, and a notification.

Terminals that know focus events (mode 1004) say when their window is left and entered; the sequences for
that are here. A terminal that says nothing counts as left: one bell too many is better than none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TextIO

from kcode.i18n import _
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from kcode.config.settings import Settings

FOCUS_ON = "\x1b[?1004h"
FOCUS_OFF = "\x1b[?1004l"
FOCUS_IN = "\x1b[I"  # what the terminal sends when its window is entered
FOCUS_OUT = "\x1b[O"
BELL = "\x07"


def turn_ended(
    stream: TextIO,
    look: Look,
    seconds: float,
    settings: Settings,
    focused: bool | None,
    *,
    project: str = "",
    environ: Mapping[str, str] | None = None,
) -> None:
    """Ring on ``stream`` after a turn of ``seconds``, as ``settings.ui`` wants it.

    ``focused``: whether the terminal's window is in use, None where it does not say. ``project`` names the
    folder in the notification. Nothing is written to what is no terminal, or to one that is dumb.
    """
    after = settings.ui.notify_after_s
    if settings.ui.notify == "off" or after <= 0 or seconds < after or focused:
        return
    if look.plain or not stream.isatty():
        return
    env = os.environ if environ is None else environ
    text = BELL
    if settings.ui.notify == "auto":
        took = figures.seconds(seconds)
        text = notification(_("the turn has ended after {time}").format(time=took), project, env) + text
    stream.write(text)
    stream.flush()


def notification(message: str, project: str, env: Mapping[str, str]) -> str:
    """The sequence that makes the terminal show ``message``; ``""`` where it would show the sequence."""
    term = env.get("TERM", "")
    if term.startswith("linux") or (term.startswith("screen") and "TMUX" not in env):
        return ""
    title = figures.one_line(f"kcode · {project}" if project else "kcode", 60).replace(";", ",")
    body = figures.one_line(message, 120).replace(";", ",")
    if "KITTY_WINDOW_ID" in env or "kitty" in term:
        sequence = f"\x1b]99;i=kcode:d=0;{title}\x1b\\\x1b]99;i=kcode:p=body;{body}\x1b\\"
    elif term.startswith(("rxvt", "foot")) or "VTE_VERSION" in env:
        sequence = f"\x1b]777;notify;{title};{body}\x1b\\"
    else:
        sequence = f"\x1b]9;{title}: {body}\x1b\\"
    return through_tmux(sequence) if "TMUX" in env else sequence


def through_tmux(sequence: str) -> str:
    """``sequence`` wrapped so that tmux hands it on to the terminal it runs in (``allow-passthrough on``)."""
    escaped = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{escaped}\x1b\\"


def bind_focus(bindings: KeyBindings, tell: Callable[[bool], None]) -> None:
    """Let ``tell`` know when the terminal's window is entered and left, once it was asked by FOCUS_ON."""
    from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
    from prompt_toolkit.keys import Keys

    # prompt_toolkit has no names for these; keys that no keyboard has carry them.
    for sequence, key, inside in ((FOCUS_IN, Keys.F23, True), (FOCUS_OUT, Keys.F24, False)):
        ANSI_SEQUENCES[sequence] = key
        bindings.add(key)(partial(_told, tell, inside))


def _told(tell: Callable[[bool], None], inside: bool, _event: KeyPressEvent) -> None:
    tell(inside)
