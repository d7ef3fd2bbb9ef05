"""Asking the terminal for its background, and keeping its replies apart from what a person types.

The question goes out with the first sign of life and is answered while the prompt's imports run; nobody
waits for it. Behind it goes a request that every terminal answers (its device attributes): once that
answer is there, no other will come. What comes late, over a slow line, is taken out of the keys by
:class:`Replies` wherever they are read. No library is imported here.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from kcode.ui.look.terminal import Look

QUESTION = "\x1b]11;?\x1b\\\x1b[c"
_COLOUR = re.compile(r"\x1b\]11;(?:rgba?:([0-9a-fA-F/]+)|#([0-9a-fA-F]+))?[^\x07\x1b]*(?:\x07|\x1b\\|\x9c)")
_ATTRIBUTES = re.compile(r"\x1b\[\?[0-9;]*c")
# The beginning of either reply at the end of what has been read: the rest is still on its way.
_BEGINNING = re.compile(r"\x1b(?:\](?:1(?:1(?:;[^\x07\x1b\x9c]{0,40}\x1b?)?)?)?|\[(?:\?[0-9;]{0,40})?)?\Z")
_MUTE_TERMS = ("linux", "screen", "eterm", "emacs", "vt", "ansi", "cons", "sun")


class Replies:
    """Takes the terminal's replies out of the text that is read from it.

    ``dark`` is None until the background is known; ``pending`` tells whether a reply may still come;
    ``on_background`` is called when it comes late.
    """

    def __init__(self, *, pending: bool = True) -> None:
        self.dark: bool | None = None
        self.pending = pending
        self.on_background: Callable[[bool], object] | None = None
        self._held = ""

    def feed(self, text: str) -> str:
        """``text`` without the replies. What may be the beginning of one is held back."""
        text = self._held + text
        self._held = ""
        if not self.pending or "\x1b" not in text:
            return text
        text = _COLOUR.sub(self._background, text)
        if found := _ATTRIBUTES.search(text):
            self.pending = False
            return text[: found.start()] + text[found.end() :]
        if found := _BEGINNING.search(text):
            self._held = text[found.start() :]
            return text[: found.start()]
        return text

    def flush(self) -> str:
        """What was held back and turned out to be keys: nothing has followed it."""
        held, self._held = self._held, ""
        return held

    def _background(self, found: re.Match[str]) -> str:
        dark = _is_dark(found[1] or found[2] or "")
        if dark is not None:
            self.dark = dark
            if self.on_background is not None:
                self.on_background(dark)
        return ""


def ask_background(
    look: Look,
    environ: Mapping[str, str] | None = None,
    *,
    keys: TextIO | None = None,
    screen: TextIO | None = None,
) -> Replies:
    """Send the question to ``screen`` (stdout) where the answer, which comes among ``keys`` (stdin),
    matters and the terminal can be asked.

    The terminal must not echo from before this call until keys are read through the returned replies.
    """
    env = os.environ if environ is None else environ
    keys, screen = keys or sys.stdin, screen or sys.stdout
    if not _worth_asking(look, env) or not (_is_tty(keys) and _is_tty(screen)):
        return Replies(pending=False)
    try:
        os.write(screen.fileno(), QUESTION.encode())
    except (OSError, ValueError):
        return Replies(pending=False)
    return Replies()


def _worth_asking(look: Look, env: Mapping[str, str]) -> bool:
    if sys.platform == "win32" or look.plain or not look.colour or look.theme in ("dark", "light", "none"):
        return False
    if env.get("STY") or "INSIDE_EMACS" in env:
        return False
    return bool(env.get("TMUX")) or not env.get("TERM", "").startswith(_MUTE_TERMS)


def _is_tty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def read_background(replies: Replies, keys: TextIO | None = None) -> str:
    """What the person has typed so far; the replies among it go into ``replies``. Never waits."""
    if not replies.pending:
        return ""  # unread keys stay where they are
    source = (keys or sys.stdin).fileno()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    typed = ""
    # The other bytes of a character that is cut in two are there at once, or never.
    while select.select([source], [], [], 0.05 if decoder.getstate()[0] else 0)[0]:
        try:
            data = os.read(source, 4096)
        except OSError:
            break
        if not data:
            break
        typed += replies.feed(decoder.decode(data))
    return typed + decoder.decode(b"", final=True)


def seen(look: Look, replies: Replies) -> Look:
    """``look`` with the background that the terminal told."""
    return look if replies.dark is None else replace(look, dark=replies.dark)


def _is_dark(value: str) -> bool | None:
    """Of ``RRRR/GGGG/BBBB`` (1 to 4 digits each, perhaps with an alpha behind) or ``RRGGBB``."""
    parts = value.split("/") if "/" in value else [value[at : at + len(value) // 3] for at in _thirds(value)]
    if len(parts) < 3 or not all(parts[:3]) or any(len(part) > 4 for part in parts):
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in parts[:3])
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5)


def _thirds(value: str) -> tuple[int, ...]:
    each = len(value) // 3
    return (0, each, 2 * each) if each else ()
