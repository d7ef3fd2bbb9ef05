"""Asking a person in the terminal before something happens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from kcode.agent import approval
from kcode.agent.approval import Answer, Question
from kcode.i18n import _, from_below, n_
from kcode.ui.approval.ask import INTERRUPTED, PAUSE_S, choose_key, drop_unread
from kcode.ui.approval.ask import ask_key as ask_key
from kcode.ui.approval.ask import ask_line as ask_line
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look, look_at, make_console, person_present
from kcode.ui.look.theme import theme_of
from kcode.ui.stage.keys import quiet

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPress
    from rich.console import Console

    from kcode.ui.approval.offers import Offer

ROWS_SHOWN = 120  # of a change, before the rest waits for `v`
SETTLE_S = 0.02  # lets the renderer show the events that led here before the question
__all__ = ["INTERRUPTED", "PAUSE_S", "TerminalApprover", "ask_key", "ask_line"]


class TerminalApprover:
    """Shows what is about to happen and waits for a key.

    ``pause`` gives a block in which nobody else writes to the terminal; ``on_interrupt`` is called for
    Ctrl-C; ``keep`` takes keys that somebody was typing for the next message when the question came;
    ``layout`` is the setting ``ui.diff``. Without a terminal to ask on, the answer is no: it never hangs.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        look: Look | None = None,
        *,
        pause: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        on_interrupt: Callable[[], object] = lambda: None,
        keep: Callable[[list[KeyPress]], object] | None = None,
        layout: str = "auto",
    ) -> None:
        self._stream = stream or sys.stdout
        self._look = look or look_at(self._stream)
        self._pause = pause
        self._on_interrupt = on_interrupt
        self._keep = keep
        self._layout = layout
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        if not person_present():
            return Answer("no", f"not allowed without a person to ask ({question.why}); use --mode or a rule")
        async with self._one_at_a_time:
            await asyncio.sleep(SETTLE_S)
            with self._pause(), quiet(sys.stdin.fileno()):
                if self._keep is None:
                    drop_unread()
                return await _Asking(self._stream, self._look, self._layout, self._keep).about(
                    question, self._on_interrupt
                )


class _Asking:
    """One question until it is answered."""

    def __init__(
        self,
        stream: TextIO,
        look: Look,
        layout: str,
        keep: Callable[[list[KeyPress]], object] | None,
    ) -> None:
        self._stream = stream
        self._look = look
        self._layout = layout
        self._keep = keep  # until the first key that was meant: then the person answers

    async def about(self, question: Question, on_interrupt: Callable[[], object]) -> Answer:
        from kcode.ui.approval.offers import offers_for

        offers = offers_for(question)
        left_out = self._show(question)
        ways = _ways(question)
        while True:
            options = _options(ways, left_out, bool(offers))
            key = await choose_key(_heading(question), options, self._look, escape="n", keep=self._keep)
            self._keep = None
            answer: Answer | str | None = None
            if key in "yn":
                answer = Answer("yes" if key == "y" else "no")
            elif key == INTERRUPTED:
                answer = INTERRUPTED
            elif key == "r":
                if (reason := await ask_line(_("because: "))) is not None:
                    answer = Answer("no", reason)
            elif key == "a":
                answer = await self._always(offers)
            elif key in "hf":
                answer = await self._piece_by_piece(question, by_file=key == "f")
            elif key == "e":
                answer = await self._by_hand(question)
            elif key == "v":
                self._show(question, whole=True)
                left_out = 0
            else:
                self._print(_help(options))
            if answer == INTERRUPTED:
                on_interrupt()
                return Answer("no", approval.INTERRUPTED)
            if isinstance(answer, Answer):
                return self._conclude(question, answer)

    # --- ways to answer ------------------------------------------------------------------------

    async def _always(self, offers: list[Offer]) -> Answer | str | None:
        """The rules in words, and the one that is chosen; None for none."""
        self._print(_("Allow this and do not ask again for:"))
        for number, offer in enumerate(offers, 1):
            self._print(f"  {number}  {figures.one_line(offer.words)}")
            for rule in offer.rules:
                self._print(f"     {_('rule')}: {figures.one_line(str(rule))}")
        keys = "".join(str(number) for number in range(1, len(offers) + 1))
        options = [(key, "") for key in keys]
        asked = _("Which one? {keys}  Esc back").format(keys=" ".join(keys))
        key = await ask_key(f"{asked} ", "".join(key for key, _label in options), self._look, escape="-")
        if key == INTERRUPTED:
            return INTERRUPTED
        if key == "-":
            return None
        offer = offers[int(key) - 1]
        return Answer("yes", rules=offer.rules, scope=offer.scope) if offer.rules else Answer("all")

    async def _piece_by_piece(self, question: Question, *, by_file: bool) -> Answer | str:
        from kcode.ui.approval.choosing import Choosing

        console = make_console(self._stream, self._look)
        choosing = Choosing(question.intent, console, self._look, self._layout, by_file=by_file)
        return await choosing.run()

    async def _by_hand(self, question: Question) -> Answer | None:
        """The one file as it would become, changed in the editor; shown once more before it is made."""
        from kcode.errors import KcodeError
        from kcode.ui.approval.choosing import edited_text
        from kcode.ui.approval.diffview import print_edits

        (edit,) = question.intent.edits
        try:
            after = await edited_text(edit)
        except (KcodeError, UnicodeError) as problem:
            self._print(problem.message if isinstance(problem, KcodeError) else str(problem))
            return None
        if after is None or after == edit.after:
            self._print(_("nothing was changed in the editor"))
            return None
        if after == edit.before:
            return Answer("no", "")
        mine = replace(edit, after=after)
        print_edits(make_console(self._stream, self._look), [mine], self._look, layout=self._layout)
        key = await choose_key(
            _("Apply your version?"), [("y", _("yes")), ("n", _("no, ask again"))], self._look, escape="n"
        )
        if key == INTERRUPTED:
            return None
        return Answer("yes", edits=(mine,)) if key == "y" else None

    # --- what is seen --------------------------------------------------------------------------

    def _show(self, question: Question, *, whole: bool = False) -> int:
        """Print the question; the number of rows that were left out."""
        from rich.text import Text

        theme = theme_of(self._look)
        console = make_console(self._stream, self._look)
        intent = question.intent
        left_out = 0
        console.print()
        if intent.edits:
            left_out = self._show_edits(console, question, whole)
        elif intent.command:
            from kcode.ui.approval.commandview import print_command

            print_command(console, question, self._look)
        else:
            console.print(Text(figures.one_line(from_below(question.title)), style="bold"))
        if intent.sensitive:
            careful = _("careful: {why}").format(why=figures.one_line(from_below(intent.sensitive)))
            console.print(Text(careful, style=theme.warn))
        if question.why:
            because = _("asked because {why}").format(why=figures.one_line(from_below(question.why)))
            console.print(Text(because, style=theme.dim))
        return left_out

    def _show_edits(self, console: Console, question: Question, whole: bool) -> int:
        from rich.text import Text

        from kcode.ui.approval.diffview import moved, print_edits

        intent = question.intent
        shown = list(moved(intent.edits, intent.moves))
        if len(shown) > 1:
            from kcode.ui.approval.diffview import headline

            told = n_("{count} file:", "{count} files:", len(shown)).format(count=len(shown))
            console.print(Text(told, style="bold"))
            for edit, source in shown:
                console.print(Text("  ").append_text(headline(edit, self._look, source)))
            console.print()
        left_out = print_edits(
            console,
            intent.edits,
            self._look,
            max_rows=None if whole else ROWS_SHOWN,
            layout=self._layout,
            moves=intent.moves,
        )
        if left_out:
            more = n_("… {count} more row; v shows it", "… {count} more rows; v shows them", left_out)
            console.print(Text(more.format(count=left_out), style=theme_of(self._look).dim))
        return left_out

    def _conclude(self, question: Question, answer: Answer) -> Answer:
        outcomes = {"yes": _("yes"), "no": _("no"), "all": _("yes, for all of this session")}
        told = outcomes[answer.verdict]
        if answer.edits is not None:
            told = _("yes, in part") if len(answer.edits) else told
        if answer.reason:
            told += _(", because: {reason}").format(reason=figures.one_line(answer.reason))
        self._print(f"  {told}")
        for rule in answer.rules:
            where = _("this session") if answer.scope == "session" else _("this project")
            self._print(f"  {where}: {figures.one_line(str(rule))}")
        if answer.rules and answer.scope == "folder":
            self._print("  " + _("kept in your own permissions.toml; kcode permissions forget removes it"))
        return answer

    def _print(self, text: str) -> None:
        from rich.text import Text

        make_console(self._stream, self._look).print(Text(text))
        self._stream.flush()


def _heading(question: Question) -> str:
    heads = {"edit": _("Apply this?"), "command": _("Run this?"), "test": _("Run the tests?")}
    return heads.get(question.intent.kind, _("Allow this?"))


def _options(ways: list[tuple[str, str]], left_out: int, offers: bool) -> list[tuple[str, str]]:
    """The keys with their labels; those that come last give way first where the terminal is narrow."""
    found = [("y", _("yes")), ("n", _("no")), ("r", _("no, because…"))]
    if offers:
        found.append(("a", _("always…")))
    if left_out:
        found.append(("v", _("view all")))
    return [*found, *ways, ("?", _("help"))]


def _ways(question: Question) -> list[tuple[str, str]]:
    """The keys that take the change apart."""
    intent = question.intent
    if not intent.partly:
        return []
    from kcode.ui.approval.choosing import pieces_of

    found = []
    pieces = pieces_of(intent)
    if len(pieces) > 1 or any(len(piece.parts()) > 1 for piece in pieces):
        found.append(("h", _("hunks")))
    if len({piece.path for piece in pieces}) > 1:
        found.append(("f", _("files")))
    if len(intent.edits) == 1 and intent.edits[0].after is not None:
        found.append(("e", _("edit")))
    return found


def _help(options: list[tuple[str, str]]) -> str:
    lines = {
        "y": _("yes, this once"),
        "n": _("no (Esc as well); the model is told"),
        "r": _("no, because …: your reason goes to the model"),
        "a": _("yes, and do not ask again: choose for what and how long"),
        "v": _("show everything that was left out above"),
        "h": _("decide hunk by hunk; split them, or edit them in your editor"),
        "f": _("decide file by file"),
        "e": _("edit the file as it would become in $VISUAL or $EDITOR"),
    }
    rows = [f"  {key}   {lines[key]}" for key, _label in options if key in lines]
    return "\n".join([*rows, "  " + _("Ctrl-C interrupts the turn")])
