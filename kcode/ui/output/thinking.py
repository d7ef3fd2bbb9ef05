"""The model's reasoning: a short moving block while it streams, one line when it has ended."""

from __future__ import annotations

from kcode.i18n import _, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures

LIVE_LINES = 3
TAIL = 2_000  # characters that the last lines are taken from


class Thinking:
    """One stretch of reasoning. ``text`` is empty when there is none."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._tail = ""
        self._characters = 0
        self._began = 0.0

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def feed(self, text: str, now: float) -> None:
        """Take what came at ``now`` (seconds of the renderer's clock)."""
        if not self._parts:
            text = text.lstrip()
            self._began = now
        if text:
            self._parts.append(text)
            self._tail = (self._tail + text)[-TAIL:]
            self._characters += len(text)

    def forget(self) -> None:
        """It has been dealt with, or does not count."""
        self._parts, self._tail, self._characters = [], "", 0

    def heading(self, now: float) -> str:
        """``thinking… 12s``."""
        return _("thinking… {time}").format(time=figures.seconds(now - self._began))

    def last_lines(self) -> list[str]:
        """The last lines as they were written; those that reach far back are left out."""
        lines = [line for line in clean(self._tail).split("\n") if line.strip()]
        return lines[-LIVE_LINES:]

    def summary(self, now: float, key: str) -> str:
        """``thought for 12s · 1.2k characters · Ctrl-O shows it``; ``key`` is ``""`` where none opens it."""
        time = figures.seconds(now - self._began)
        size = n_("{count} character", "{count} characters", self._characters)
        size = size.format(count=figures.tokens(self._characters))
        parts = [_("thought for {time}").format(time=time), size]
        if key:
            parts.append(_("{key} shows it").format(key=key))
        return " · ".join(parts)
