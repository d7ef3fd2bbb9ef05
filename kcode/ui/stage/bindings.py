"""What keys do at the prompt, beside editing."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, has_focus, has_selection, vi_navigation_mode
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys

from kcode.ui.output.notify import bind_focus
from kcode.ui.stage.history import ProjectHistory
from kcode.ui.stage.pasting import line_ends

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer

    from kcode.ui.stage.pasting import Folds

QUIT_WITHIN_S = 2.0  # between the two Ctrl-C that quit
TWICE_WITHIN_S = 1.0  # between the two Esc that rewind


class Hands(Protocol):
    """What the keys reach. ``working`` and ``queued`` tell whether the model works, whether messages wait."""

    @property
    def working(self) -> bool: ...

    @property
    def queued(self) -> bool: ...

    def send(self, text: str) -> None: ...

    def steer(self, text: str) -> None: ...

    def take_back(self) -> str: ...

    def interrupt(self) -> None: ...

    def leave(self) -> None: ...

    def cycle_mode(self) -> None: ...

    def open_details(self) -> None: ...

    def focus(self, inside: bool) -> None: ...

    def edit(self) -> None: ...

    def suspend(self) -> None: ...


class Keyboard:
    """The bindings, and what they remember: when Ctrl-C and Esc were pressed last.

    ``stays``: a message stays where it was typed when it is sent.
    """

    def __init__(self, hands: Hands, folds: Folds, *, stays: bool) -> None:
        self._hands = hands
        self._stays = stays
        self._folds = folds
        self.replays = False  # keys are told again that were read before: what comes now is not part of them
        self._interrupted = -QUIT_WITHIN_S
        self._escaped = -TWICE_WITHIN_S

    @property
    def quitting(self) -> bool:
        """Whether another Ctrl-C would quit."""
        return time.monotonic() - self._interrupted < QUIT_WITHIN_S

    def bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        self._add_sending(bindings)
        self._add_pasting(bindings)
        self._add_leaving(bindings)
        self._add_sitting(bindings)
        return bindings

    # --- Enter ---------------------------------------------------------------------------------

    def _add_sending(self, bindings: KeyBindings) -> None:
        in_draft = has_focus(DEFAULT_BUFFER)

        @bindings.add("enter", filter=in_draft & ~_menu_choice)
        def _enter(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.document.text_before_cursor.endswith("\\"):
                buffer.delete_before_cursor()
                buffer.newline(copy_margin=False)
            elif not self.replays and _more_follows(event):
                buffer.newline(copy_margin=False)
            elif buffer.text.strip():
                self._hands.send(self.take(buffer, stays=self._stays))

        @bindings.add("enter", filter=in_draft & _menu_choice)
        def _choose(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            buffer.complete_state = None
            if buffer.document.text_before_cursor.endswith("/"):
                buffer.start_completion()  # a folder: what is in it comes next

        @bindings.add("c-j", filter=in_draft & ~vi_navigation_mode)
        @bindings.add("escape", "enter", filter=in_draft)
        def _newline(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=False)

        @bindings.add("c-s", filter=in_draft & self._when(lambda: self._hands.working), eager=True)
        def _steer(event: KeyPressEvent) -> None:
            self._hands.steer(self.take(event.current_buffer))

        @bindings.add("up", filter=in_draft & _nothing_typed)
        def _earlier(event: KeyPressEvent) -> None:
            if self._hands.queued:
                fill(event.current_buffer, self._hands.take_back())
            else:
                _back_in_history(event)

    def take(self, buffer: Buffer, *, stays: bool = False) -> str:
        """The draft as it is sent, and as the history has it. The input is empty afterwards, or it stays."""
        text = self._folds.expand(buffer.text).strip()
        if text:
            buffer.history.append_string(text)
        if not stays:
            buffer.reset()
        return text

    # --- pastes --------------------------------------------------------------------------------

    def _add_pasting(self, bindings: KeyBindings) -> None:
        in_draft = has_focus(DEFAULT_BUFFER)

        @bindings.add(Keys.BracketedPaste, filter=in_draft)
        def _paste(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(self._folds.fold(line_ends(event.data)))

        def behind_mark() -> int:
            return self._folds.before(get_app().current_buffer.document.text_before_cursor)

        def at_mark() -> int:
            return self._folds.after(get_app().current_buffer.document.text_after_cursor)

        plain = in_draft & ~has_selection

        @bindings.add("backspace", filter=plain & self._when(lambda: behind_mark() > 0))
        def _delete_mark(event: KeyPressEvent) -> None:
            event.current_buffer.delete_before_cursor(behind_mark())

        @bindings.add("delete", filter=plain & self._when(lambda: at_mark() > 0))
        def _delete_next_mark(event: KeyPressEvent) -> None:
            event.current_buffer.delete(at_mark())

    # --- Ctrl-C, Ctrl-D, Esc, Ctrl-Z -----------------------------------------------------------

    def _add_leaving(self, bindings: KeyBindings) -> None:
        in_draft = has_focus(DEFAULT_BUFFER)

        @bindings.add("c-c", filter=in_draft, eager=True)
        @bindings.add("<sigint>", eager=True)
        def _ctrl_c(event: KeyPressEvent) -> None:
            if event.app.current_buffer.text:
                self.take(event.app.current_buffer)
            elif self._hands.working:
                self._hands.interrupt()
            elif self.quitting:
                self._hands.leave()
            else:
                self._interrupted = time.monotonic()

        @bindings.add("c-d", filter=in_draft & _nothing_typed, eager=True)
        def _ctrl_d(event: KeyPressEvent) -> None:
            self._hands.leave()

        @bindings.add("c-z")
        def _suspend(event: KeyPressEvent) -> None:
            self._hands.suspend()

        answers = self._when(lambda: _nothing_typed() or _menu() or self._hands.working or _vi())

        @bindings.add("escape", filter=in_draft & _alone & answers, eager=True)
        def _escape(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            now, before = time.monotonic(), self._escaped
            if _menu():
                buffer.cancel_completion()
            elif buffer.text and _vi() and event.app.vi_state.input_mode != InputMode.NAVIGATION:
                _to_navigation(event)
            elif self._hands.working:
                self._hands.interrupt()
            elif buffer.text:
                _to_navigation(event)
            elif now - before < TWICE_WITHIN_S:
                self._hands.send("/rewind")
            else:
                self._escaped = now

    # --- what the sitting does -----------------------------------------------------------------

    def _add_sitting(self, bindings: KeyBindings) -> None:
        bind_focus(bindings, self._hands.focus)

        @bindings.add("s-tab", filter=~_menu_choice)
        def _cycle(event: KeyPressEvent) -> None:
            self._hands.cycle_mode()

        @bindings.add("c-o")
        def _details(event: KeyPressEvent) -> None:
            self._hands.open_details()

        @bindings.add("c-x", "c-e", filter=has_focus(DEFAULT_BUFFER))
        @bindings.add("v", filter=has_focus(DEFAULT_BUFFER) & vi_navigation_mode)
        def _edit(event: KeyPressEvent) -> None:
            self._hands.edit()

    @staticmethod
    def _when(question: Callable[[], bool]) -> Condition:
        return Condition(question)


def fill(buffer: Buffer, text: str) -> None:
    """Put ``text`` before what stands in the input already."""
    rest = buffer.text
    buffer.text = f"{text}\n{rest}" if text and rest else text or rest
    buffer.cursor_position = len(text)


def _more_follows(event: KeyPressEvent) -> bool:
    """Whether more keys came with this one, as in a paste of a terminal that does not mark its pastes."""
    if event.app.key_processor.input_queue:
        return True
    if sys.platform == "win32":
        return False
    try:
        return bool(select.select([event.app.input.fileno()], [], [], 0)[0])
    except (OSError, ValueError, NotImplementedError):
        return False


def _back_in_history(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    history: History = buffer.history
    if isinstance(history, ProjectHistory) and history.refresh():
        buffer.reset()
    if buffer._load_history_task is not None:  # of the input as it was painted
        buffer.auto_up(count=event.arg)
        return
    buffer.load_history_if_not_yet_loaded()

    async def go() -> None:  # begins after the loading, which needs one step of the event loop
        buffer.history_backward(count=event.arg)

    event.app.create_background_task(go())


def _to_navigation(event: KeyPressEvent) -> None:
    """Esc in vi mode."""
    buffer, state = event.current_buffer, event.app.vi_state
    if state.input_mode in (InputMode.INSERT, InputMode.REPLACE, InputMode.INSERT_MULTIPLE):
        buffer.cursor_position += buffer.document.get_cursor_left_position()
    state.input_mode = InputMode.NAVIGATION
    state.waiting_for_digraph = False
    state.operator_func = None
    buffer.exit_selection()


@Condition
def _alone() -> bool:
    """Nothing came with the key: Esc, and not the beginning of Alt with another key."""
    return not get_app().key_processor.input_queue


@Condition
def _nothing_typed() -> bool:
    return not get_app().current_buffer.text


@Condition
def _menu_choice() -> bool:
    """Whether an entry of the completion menu is selected."""
    state = get_app().current_buffer.complete_state
    return state is not None and state.current_completion is not None


def _menu() -> bool:
    return get_app().current_buffer.complete_state is not None


def _vi() -> bool:
    return get_app().editing_mode == EditingMode.VI
