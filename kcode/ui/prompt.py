"""The prompt: one line that grows, history of the project, completion of commands, the status line."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Always, Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

from kcode.config.paths import state_dir
from kcode.ui.theme import prompt_rules, theme_of

if TYPE_CHECKING:
    from kcode.ui.terminal import Look

QUIT_WITHIN_S = 2.0  # between the two Ctrl-C that quit


class Prompt:
    """Asks for the next message. ``status`` gives the toolbar's text for a number of columns."""

    def __init__(
        self,
        root: Path,
        look: Look,
        *,
        commands: Mapping[str, str],
        status: Callable[[int], str],
        cycle_mode: Callable[[], None],
        on_first_paint: Callable[[], None],
    ) -> None:
        self._look = look
        self._status = status
        self._cycle_mode = cycle_mode
        self._last_interrupt = 0.0
        self.session: PromptSession[str] = PromptSession(
            history=open_history(root),
            key_bindings=self._bindings(),
            completer=CommandCompleter(commands),
            complete_while_typing=Condition(_typing_a_command),
            auto_suggest=None if look.plain else AutoSuggestFromHistory(),
            multiline=True,
            prompt_continuation=lambda width, line, wrapped: " " * width,
            bottom_toolbar=None if look.plain else self._toolbar,
            reserve_space_for_menu=6,
            enable_suspend=True,
            enable_history_search=False,
            style=_style(look),
        )
        self.session.app.ttimeoutlen = 0.05
        # The status stands right under the text, not at the bottom of an empty screen.
        self.session.layout.current_window.dont_extend_height = Always()
        self._on_first_paint: Callable[[], None] | None = on_first_paint
        self.session.app.after_render += self._painted

    async def ask(self, draft: str = "") -> str:
        """The next message, beginning with ``draft``. Raises EOFError where the user leaves."""
        self._last_interrupt = 0.0
        sign = "❯ " if self._look.unicode else "> "
        return await self.session.prompt_async(
            FormattedText([("class:prompt", sign)]), handle_sigint=False, default=draft
        )

    def sigint(self) -> None:
        """A SIGINT that came as a signal, not as a key."""
        if self.session.app.is_running:
            self.session.app.key_processor.send_sigint()

    def give_up(self, error: BaseException) -> None:
        """End the prompt that is shown with ``error``."""
        if self.session.app.is_running:
            self.session.app.exit(exception=error)

    @property
    def shown(self) -> bool:
        """Whether the prompt is on the screen, waiting for a message."""
        return self.session.app.is_running

    async def aside(self, write: Callable[[], None]) -> None:
        """Call ``write`` while the prompt steps aside; what it prints stands above the prompt."""
        from prompt_toolkit.application import run_in_terminal

        await run_in_terminal(write)

    def refresh(self) -> None:
        """The status has changed."""
        self.session.app.invalidate()

    def _painted(self, _app: object) -> None:
        if self._on_first_paint is not None:
            action, self._on_first_paint = self._on_first_paint, None
            action()

    def _toolbar(self) -> FormattedText:
        columns = get_app().output.get_size().columns
        if time.monotonic() - self._last_interrupt < QUIT_WITHIN_S:
            return FormattedText([("", " press Ctrl-C again to quit")])
        return FormattedText([("", " " + self._status(columns - 2))])

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add("enter", filter=~Condition(_menu_choice))
        @bindings.add("c-j", filter=~Condition(_menu_choice))
        def _accept(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.document.text_before_cursor.endswith("\\"):
                buffer.delete_before_cursor()
                buffer.newline(copy_margin=False)
            elif buffer.text.strip():
                buffer.validate_and_handle()

        @bindings.add("enter", filter=Condition(_menu_choice))
        def _choose(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @bindings.add("escape", "enter")
        def _newline(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=False)

        @bindings.add("escape", "escape", filter=Condition(_nothing_typed))
        def _rewind(event: KeyPressEvent) -> None:
            event.app.exit(result="/rewind")

        @bindings.add("s-tab", filter=~Condition(_menu_choice))
        def _cycle(event: KeyPressEvent) -> None:
            self._cycle_mode()

        @bindings.add("c-c", eager=True)
        @bindings.add("<sigint>", eager=True)
        def _interrupt(event: KeyPressEvent) -> None:
            now = time.monotonic()
            if event.current_buffer.text:
                event.current_buffer.reset()
            elif now - self._last_interrupt < QUIT_WITHIN_S:
                event.app.exit(exception=EOFError(), style="class:exiting")
            else:
                self._last_interrupt = now

        return bindings


class CommandCompleter(Completer):
    """Completes ``/`` commands at the beginning of a message."""

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text
        if not typed.startswith("/") or any(c.isspace() for c in typed):
            return
        for name, help_text in self._commands.items():
            if f"/{name}".startswith(typed):
                yield Completion(f"/{name}", start_position=-len(typed), display_meta=help_text)


def open_history(root: Path) -> History:
    """The project's history, for its owner's eyes only; in memory where the disk does not allow a file."""
    folder = state_dir() / "history"
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    path = folder / f"{root.name or 'root'}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _typing_a_command() -> bool:
    return get_app().current_buffer.text.startswith("/")


def _nothing_typed() -> bool:
    return not get_app().current_buffer.text


def _menu_choice() -> bool:
    """Whether an entry of the completion menu is selected."""
    state = get_app().current_buffer.complete_state
    return state is not None and state.current_completion is not None


def _style(look: Look) -> Style:
    return Style(prompt_rules(theme_of(look)))
