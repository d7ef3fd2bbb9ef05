"""Choosing one of a list with the arrow keys; and how a session or a message looks in such a list."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.ui.look import figures

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from kcode.agent.rewind import Moment
    from kcode.conversation.sessions import Summary
    from kcode.ui.look.terminal import Look

_FRAME_ROWS = 3  # the title, the hint and a free line
_UNITS = (("s", 1, 60), ("m", 60, 60), ("h", 3_600, 24), ("d", 86_400, 28))  # seconds, up to so many
_NARROW = 100  # columns: below it the last message goes without


@dataclass(frozen=True, slots=True)
class Choice:
    """A row: ``text`` is searched and shown first, ``detail`` behind or below it, ``facts`` before."""

    text: str
    detail: str = ""
    facts: str = ""


async def pick(
    choices: Sequence[Choice],
    look: Look,
    *,
    title: str,
    start: int = 0,
    search: bool = False,
    digits: bool = False,
) -> int | None:
    """The index of the chosen row; None where the person left with Esc or Ctrl-C.

    With ``search``, typing narrows the list down; with ``digits``, 1 to 9 choose a row at once. Nothing of
    it stays on the terminal.
    """
    from prompt_toolkit.application import Application
    from prompt_toolkit.layout import Layout, Window
    from prompt_toolkit.layout.controls import FormattedTextControl
    from prompt_toolkit.styles import Style

    from kcode.ui.approval.stepping import erase_after_reflow
    from kcode.ui.look.theme import prompt_rules, theme_of

    state = _State(choices, look, title, start, search)
    style = Style([*prompt_rules(theme_of(look)), ("chosen", "" if look.plain else "bold")])
    application: Application[int | None] = Application(
        layout=Layout(
            Window(FormattedTextControl(state.render, focusable=True, show_cursor=False), wrap_lines=False)
        ),
        key_bindings=_bindings(state, digits),
        style=style,
        erase_when_done=True,
        full_screen=False,
        mouse_support=False,
    )
    application.ttimeoutlen = 0.05
    erase_after_reflow(application)
    state.size = lambda: (application.output.get_size().columns, application.output.get_size().rows)
    return await application.run_async(handle_sigint=False)


class _State:
    def __init__(self, choices: Sequence[Choice], look: Look, title: str, start: int, search: bool) -> None:
        self.choices = choices
        self.look = look
        self.title = title
        self.search = search
        self.typed = ""
        self.shown = list(range(len(choices)))
        self.at = min(max(start, 0), len(choices) - 1)
        self.size: Callable[[], tuple[int, int]] = lambda: (80, 24)

    @property
    def chosen(self) -> int | None:
        return self.shown[self.at] if self.shown else None

    def page(self) -> int:
        rows = self.size()[1]
        return max(1, (rows - _FRAME_ROWS) // self._row_height())

    def move(self, by: int) -> None:
        if self.shown:
            self.at = min(max(self.at + by, 0), len(self.shown) - 1)

    def type(self, text: str) -> None:
        self.typed = text
        words = text.casefold().split()
        self.shown = [
            number
            for number, choice in enumerate(self.choices)
            if all(word in f"{choice.text} {choice.detail} {choice.facts}".casefold() for word in words)
        ]
        self.at = 0

    def render(self) -> StyleAndTextTuples:
        columns, _ = self.size()
        width = max(10, columns - 1)
        page = self.page()
        first = min(max(0, self.at - page // 2), max(0, len(self.shown) - page))
        visible = self.shown[first : first + page]
        parts: StyleAndTextTuples = [("", figures.cut(self._head(), width) + "\n")]
        if not visible:
            parts.append(("class:dim", "  nothing fits\n"))
        for number in visible:
            self._row(parts, self.choices[number], number == self.chosen, width)
        below = len(self.shown) - first - len(visible)
        keys = "up, down, Enter, Esc" + ("; type to search" if self.search else "")
        parts.append(("class:dim", figures.cut(f"  {keys}" + (f"  ({below} more)" if below else ""), width)))
        return parts

    def _head(self) -> str:
        return f"{self.title}: {self.typed}" if self.typed else self.title

    def _row(self, parts: StyleAndTextTuples, choice: Choice, chosen: bool, width: int) -> None:
        sign = ("❯ " if self.look.unicode else "> ") if chosen else "  "
        style = "class:chosen" if chosen else ""
        text = figures.one_line(choice.text) or "(empty)"
        parts.append((style, figures.cut(f"{sign}{text}", width) + "\n"))
        if self._row_height() > 1:
            below = figures.one_line("  ".join(filter(None, (choice.facts, choice.detail))))
            parts.append(("class:dim", figures.cut(f"    {below}", width) + "\n"))

    def _row_height(self) -> int:
        return 2 if any(choice.facts or choice.detail for choice in self.choices) else 1


def _bindings(state: _State, digits: bool) -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.keys import Keys

    from kcode.ui.approval.stepping import bind_suspend

    bindings = KeyBindings()
    bind_suspend(bindings)

    def moves(*keys: str, by: Callable[[], int]) -> None:
        for key in keys:
            bindings.add(key)(lambda event: state.move(by()))

    moves("up", "c-p", by=lambda: -1)
    moves("down", "c-n", by=lambda: 1)
    moves("pageup", by=lambda: -state.page())
    moves("pagedown", by=lambda: state.page())
    moves("home", by=lambda: -len(state.choices))
    moves("end", by=lambda: len(state.choices))

    @bindings.add("enter")
    @bindings.add("c-j")
    def _take(event: KeyPressEvent) -> None:
        if state.chosen is not None:
            event.app.exit(result=state.chosen)

    @bindings.add("escape", eager=True)
    @bindings.add("c-c", eager=True)
    @bindings.add("c-d", eager=True)
    @bindings.add("<sigint>", eager=True)
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    if digits:
        for number in range(min(len(state.choices), 9)):
            bindings.add(str(number + 1))(lambda event, number=number: event.app.exit(result=number))

    if state.search:

        @bindings.add("backspace")
        def _shorter(event: KeyPressEvent) -> None:
            state.type(state.typed[:-1])

        @bindings.add(Keys.Any)
        def _longer(event: KeyPressEvent) -> None:
            if event.data.isprintable():
                state.type(state.typed + event.data)

    return bindings


def of_session(found: Summary) -> Choice:
    facts = [f"{age(found.changed)} ago", found.branch, cost_text(found), found.damage]
    return Choice(found.title, found.last, " · ".join(fact for fact in facts if fact))


def of_moment(moment: Moment) -> Choice:
    if not moment.files:
        return Choice(moment.text)
    return Choice(moment.text, facts=f"{moment.files} file{'s' if moment.files > 1 else ''} edited after it")


def row(found: Summary, columns: int) -> str:
    """A session in one line: age, cost, branch, title, and the last message where there is room."""
    left = f"{age(found.changed):>4}  {cost_text(found) or '-':<9}"
    branch = figures.one_line(found.branch, 16)
    room = max(10, columns - figures_width(left) - figures_width(branch) - 4)
    title = figures.one_line(found.title)
    if columns >= _NARROW and found.last and found.last != found.title:
        title = figures.cut(title, room // 2) + "  |  " + figures.one_line(found.last)
    if found.damage:
        title = f"[{found.damage}] {title}"
    return "  ".join(filter(None, (left, branch, figures.cut(title, room))))


def figures_width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def age(at: float, now: float | None = None) -> str:
    """``5s``, ``12m``, ``3h``, ``9d``, ``8w``: how long ago ``at`` (seconds since the epoch) was."""
    passed = max(0.0, (time.time() if now is None else now) - at)
    for unit, seconds, most in _UNITS:
        if passed < most * seconds:
            return f"{int(passed // seconds)}{unit}"
    return f"{int(passed // 604_800)}w"


def cost_text(found: Summary) -> str:
    """``¥0.0123``, ``$0.02 + ¥0.10``, ``free``; empty where nothing is known."""
    paid = [figures.money(amount, currency) for currency, amount in found.cost if amount]
    return " + ".join(paid) or ("free" if found.cost else "")
