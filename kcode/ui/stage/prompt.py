"""The input: lines that grow, the history of the project, completion, and the sign before them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Always, Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.styles import Style

from kcode.ui.completing.completion import MENU_ROWS, Completion, keep_small
from kcode.ui.look.theme import prompt_rules, theme_of
from kcode.ui.stage.bindings import Hands, Keyboard
from kcode.ui.stage.history import open_history
from kcode.ui.stage.pasting import Folds

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from kcode.ui.look.terminal import Look

Kind = Literal["message", "shell", "note", "command"]


class Prompt:
    """The input and what belongs to it. ``session`` is prompt_toolkit's, ``keyboard`` what keys do."""

    def __init__(
        self,
        root: Path,
        look: Look,
        *,
        completion: Completion,
        hands: Hands,
        editing_mode: str = "emacs",
        fold_lines: int = 10,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._look = look
        self.folds = Folds(fold_lines)
        self.keyboard = Keyboard(hands, self.folds, stays=look.plain)
        self.session: PromptSession[str] = PromptSession(
            message=self._sign,
            history=open_history(root, self.folds.open_marks),
            key_bindings=self.keyboard.bindings(),
            completer=completion,
            complete_while_typing=Condition(lambda: completion.wanted(get_app().current_buffer.document)),
            auto_suggest=None if look.plain else AutoSuggestFromHistory(),
            multiline=True,
            prompt_continuation=lambda width, line, wrapped: " " * width,
            reserve_space_for_menu=MENU_ROWS,
            enable_history_search=False,
            editing_mode=EditingMode.VI if editing_mode == "vi" else EditingMode.EMACS,
            style=Style(prompt_rules(theme_of(look))),
            input=input,
            output=output,
        )
        # The status stands right under the text, not at the bottom of an empty screen.
        self.session.layout.current_window.dont_extend_height = Always()
        keep_small(self.session.layout)

    @property
    def text(self) -> str:
        """The draft as it would be sent."""
        return self.folds.expand(self.session.default_buffer.text)

    @text.setter
    def text(self, text: str) -> None:
        buffer = self.session.default_buffer
        buffer.text = self.folds.refold(text)
        buffer.cursor_position = len(buffer.text)

    @property
    def editing(self) -> str:
        """The mode of editing where it matters: ``""``, or vi's ``insert``, ``normal``, ``replace``."""
        app = self.session.app
        if app.editing_mode != EditingMode.VI:
            return ""
        names = {InputMode.INSERT: "insert", InputMode.REPLACE: "replace"}
        return names.get(app.vi_state.input_mode, "normal")

    def _sign(self) -> FormattedText:
        kind = kind_of(self.session.default_buffer.text + "x")  # the sign alone tells already
        if kind == "shell":
            return FormattedText([("class:warn", "! ")])
        if kind == "note":
            return FormattedText([("class:good", "# ")])
        return FormattedText([("class:prompt", sign_of(self._look))])


def sign_of(look: Look) -> str:
    """What stands before the input, and before a message in the scrollback."""
    return "❯ " if look.unicode else "> "


def kind_of(text: str) -> Kind:
    """What a typed text is: ``!ls`` for the shell, ``#`` and one line a note for AGENTS.md, ``/help`` a
    command, anything else a message."""
    if text.startswith("!") and text[1:].strip():
        return "shell"
    if text.startswith("#") and text[1:].strip() and "\n" not in text.strip():
        return "note"
    return "command" if text.startswith("/") else "message"
