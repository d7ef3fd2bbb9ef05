"""The terminal's input for prompt_toolkit, without the replies of :mod:`kcode.ui.look.background`."""

from __future__ import annotations

import sys
from typing import TextIO

from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyPress

from kcode.ui.look.background import Replies


def input_without(replies: Replies, typed: str = "", keys: TextIO | None = None) -> Input:
    """What is typed at ``keys`` (stdin); ``typed`` was read before and comes first.

    Use it for every application of the sitting, by ``create_app_session(input=…)``.
    """
    keys = keys or sys.stdin
    if sys.platform == "win32" or not keys.isatty():
        return create_input(keys)
    from prompt_toolkit.input.vt100 import Vt100Input

    class _Input(Vt100Input):
        def read_keys(self) -> list[KeyPress]:
            return self._parsed(replies.feed(self.stdin_reader.read()))

        def flush_keys(self) -> list[KeyPress]:
            held = self._parsed(replies.flush())
            return held + super().flush_keys()

        def preload(self, text: str) -> None:
            store_typeahead(self, self._parsed(text))

        def _parsed(self, text: str) -> list[KeyPress]:
            self.vt100_parser.feed(text)
            keys, self._buffer = self._buffer, []
            return keys

    made = _Input(keys)
    if typed:
        made.preload(typed)
    return made
