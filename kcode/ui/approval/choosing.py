"""Deciding on a change piece by piece, as ``git add -p`` does: by file, by hunk, by part of a hunk."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from rich.console import Console
from rich.text import Text

from kcode.agent.approval import Answer
from kcode.errors import KcodeError
from kcode.i18n import _, n_
from kcode.safety.sanitize import clean
from kcode.tools.base import FileEdit, Intent
from kcode.ui.approval.ask import INTERRUPTED, ask_key, ask_line
from kcode.ui.approval.diffrows import bare
from kcode.ui.approval.diffview import headline, print_edits, print_hunk
from kcode.ui.approval.hunks import (
    DoesNotApply,
    Hunk,
    as_patch,
    from_patch,
    hunks_of,
    like_before,
    split,
    with_hunks,
)
from kcode.ui.editor import edit_text
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of

ESCAPED = "escape"
_SUMMARY = 60  # columns of a line that tells one piece from another in the list


@dataclass(frozen=True, slots=True)
class Piece:
    """What is decided on at once: hunks of one edit, or a file moved (two edits). ``yes`` None: undecided."""

    edits: tuple[FileEdit, ...]
    hunks: tuple[Hunk, ...]
    yes: bool | None = None
    reason: str = ""

    @property
    def edit(self) -> FileEdit:
        return self.edits[-1]

    @property
    def path(self) -> str:
        return self.edit.path

    @property
    def as_a_whole(self) -> bool:
        """A file that is moved or deleted is not taken apart."""
        return len(self.edits) > 1 or self.edit.after is None

    def parts(self) -> tuple[Piece, ...]:
        """Its hunks, or the changes of its only hunk; itself where there is no more than one."""
        if self.as_a_whole:
            return (self,)
        parts = self.hunks if len(self.hunks) > 1 else tuple(chain.from_iterable(map(split, self.hunks)))
        return tuple(replace(self, hunks=(part,)) for part in parts) if len(parts) > 1 else (self,)


def pieces_of(intent: Intent, *, by_file: bool = False) -> list[Piece]:
    """The files of a planned change, or their hunks, in the order they are planned."""
    by_path = {edit.path: edit for edit in intent.edits}
    source = {new: old for old, new in intent.moves if old in by_path and new in by_path}
    gone = set(source.values())
    found: list[Piece] = []
    for edit in intent.edits:
        if edit.path in source:
            found.append(Piece((by_path[source[edit.path]], edit), hunks_of(edit)))
        elif edit.path not in gone and edit.before != edit.after:
            whole = Piece((edit,), hunks_of(edit))
            apart = [replace(whole, hunks=(hunk,)) for hunk in whole.hunks]
            found += [whole] if by_file or whole.as_a_whole else apart
    return found


def accepted(intent: Intent, pieces: Sequence[Piece]) -> Answer:
    """The answer that the decisions come to; what is undecided is declined."""
    reason = "; ".join(dict.fromkeys(piece.reason for piece in pieces if piece.reason))
    made: list[FileEdit] = []
    for edit in intent.edits:
        own = [piece for piece in pieces if edit in piece.edits and piece.yes]
        if any(piece.as_a_whole for piece in own):
            made.append(edit)
        elif left := with_hunks(edit, chain.from_iterable(piece.hunks for piece in own)):
            made.append(left)
    changed = [edit for edit in intent.edits if edit.before != edit.after]
    if not made:
        return Answer("no", reason)
    return Answer("yes", reason) if made == changed else Answer("yes", reason, tuple(made))


class Choosing:
    """The walk through the pieces of one question. ``run`` gives the answer, ``ESCAPED`` where the person
    went back to the question, ``INTERRUPTED`` for Ctrl-C: then nothing is decided."""

    def __init__(self, intent: Intent, console: Console, look: Look, layout: str, *, by_file: bool) -> None:
        self._intent = intent
        self._console = console
        self._look = look
        self._layout = layout
        self.pieces = pieces_of(intent, by_file=by_file)
        self._at = 0
        self._said = ""  # the file whose headline stands above

    async def run(self) -> Answer | str:
        shown = -1
        while any(piece.yes is None for piece in self.pieces):
            if shown != self._at:
                self._show()
            key = await ask_key(f"{self._question()} ", self._keys(), self._look, escape=ESCAPED)
            if key in (ESCAPED, INTERRUPTED):
                return key
            shown = self._at
            before = self.pieces[self._at]
            if not await self._do(key):
                break
            if self.pieces[self._at] is not before:
                shown = -1
        return accepted(self._intent, self.pieces)

    # --- one key -------------------------------------------------------------------------------

    async def _do(self, key: str) -> bool:
        """False where the walk ends."""
        if key in "yn":
            self._decide(key == "y")
        elif key in "ad":
            self._decide_file(key == "a")
        elif key in "jkJK":
            self._move(key)
        elif key == "r":
            if (reason := await ask_line(_("because: "))) is not None:
                self._decide(False, reason)
        elif key == "s":
            self._split()
        elif key == "e":
            await self._edit()
        elif key == "g":
            await self._go_to()
        elif key == "/":
            await self._search()
        elif key == "?":
            self._print(help_text(self._keys()))
        return key != "q"

    def _decide(self, yes: bool, reason: str = "") -> None:
        self.pieces[self._at] = replace(self.pieces[self._at], yes=yes, reason=reason)
        self._next_open()

    def _decide_file(self, yes: bool) -> None:
        path = self.pieces[self._at].path
        for number in range(self._at, len(self.pieces)):
            piece = self.pieces[number]
            if piece.path == path and (piece.yes is None or number == self._at):
                self.pieces[number] = replace(piece, yes=yes)
        self._next_open()

    def _next_open(self) -> None:
        """The next that is undecided; after the last one the first."""
        count = len(self.pieces)
        order = [(self._at + n) % count for n in range(1, count + 1)]
        self._at = next((n for n in order if self.pieces[n].yes is None), self._at)

    def _move(self, key: str) -> None:
        forward = key in "jJ"
        numbers = range(self._at + 1, len(self.pieces)) if forward else range(self._at - 1, -1, -1)
        wanted = (n for n in numbers if key.isupper() or self.pieces[n].yes is None)
        self._at = next(wanted, self._at)

    def _split(self) -> None:
        parts = self.pieces[self._at].parts()
        told = n_("split into {count} part", "split into {count} parts", len(parts))
        self._print(told.format(count=len(parts)))
        self.pieces[self._at : self._at + 1] = [replace(part, yes=None, reason="") for part in parts]

    async def _go_to(self) -> None:
        for number, piece in enumerate(self.pieces, 1):
            mark = {None: " ", True: "+", False: "-"}[piece.yes]
            self._print(f"{mark}{number:>4}: {_summary(piece)}")
        said = await ask_line(_("go to which one? "))
        if said and said.isdigit() and 1 <= int(said) <= len(self.pieces):
            self._at = int(said) - 1
        elif said:
            self._print(_("there is no {number}").format(number=figures.one_line(said)))

    async def _search(self) -> None:
        said = await ask_line(_("search for: "))
        if not said:
            return
        try:
            wanted = re.compile(said)
        except re.error:
            wanted = re.compile(re.escape(said))
        count = len(self.pieces)
        order = [(self._at + n) % count for n in range(1, count + 1)]
        found = next((n for n in order if any(map(wanted.search, _changed_lines(self.pieces[n])))), None)
        if found is None:
            self._print(_("nothing that is decided on has {text}").format(text=figures.one_line(said)))
        else:
            self._at = found

    async def _edit(self) -> None:
        piece = self.pieces[self._at]
        try:
            hunks = await self._edited(piece)
        except (KcodeError, UnicodeError) as problem:
            self._print(problem.message if isinstance(problem, KcodeError) else str(problem))
            return
        if not hunks:
            self._print(_("nothing is left of it: it stays as it was; n declines it"))
            return
        self.pieces[self._at] = replace(piece, hunks=hunks, yes=True, reason="")
        self._next_open()

    async def _edited(self, piece: Piece) -> tuple[Hunk, ...]:
        if len(piece.hunks) > 1:
            after = await edited_text(piece.edit)
            return () if after is None else hunks_of(replace(piece.edit, after=after))
        hunk = piece.hunks[0]
        same = [each for each in self.pieces if each.path == piece.path and each is not piece]
        others = [*chain.from_iterable(each.hunks for each in same)]
        text = as_patch(piece.edit, hunk, others) + _guide()
        while True:
            left = await _editor(text, "hunk.diff")
            try:
                made = from_patch(piece.edit, hunk, left, others)
                return () if made is None else (made,)
            except DoesNotApply as problem:
                self._print(_("it does not apply: {problem}").format(problem=clean(str(problem))))
                again = await ask_key(_("Edit it again? y yes  n no, keep it as it was "), "yn", self._look)
                if again != "y":
                    return ()
                text = left

    # --- what is seen --------------------------------------------------------------------------

    def _show(self) -> None:
        piece = self.pieces[self._at]
        if piece.as_a_whole or len(piece.hunks) > 1:
            moves = [(piece.edits[0].path, piece.path)] if len(piece.edits) > 1 else []
            print_edits(self._console, piece.edits, self._look, layout=self._layout, moves=moves)
            self._said = piece.path
            return
        if self._said != piece.path:
            self._console.print(headline(piece.edit, self._look))
            self._said = piece.path
        for hunk in piece.hunks:
            print_hunk(self._console, piece.edit, hunk, self._look, self._layout)

    def _question(self) -> str:
        piece = self.pieces[self._at]
        what = _("Apply this file?") if len(piece.hunks) > 1 or piece.as_a_whole else _("Apply this hunk?")
        decided = {None: "", True: _(" (was: yes)"), False: _(" (was: no)")}[piece.yes]
        return f"({self._at + 1}/{len(self.pieces)}) {what}{decided} [{','.join(self._keys())}]"

    def _keys(self) -> str:
        """The keys that do something here."""
        piece = self.pieces[self._at]
        open_ = [number for number, each in enumerate(self.pieces) if each.yes is None]
        keys = "ynqad"
        keys += "j" if any(number > self._at for number in open_) else ""
        keys += "J" if self._at < len(self.pieces) - 1 else ""
        keys += "k" if any(number < self._at for number in open_) else ""
        keys += "K" if self._at else ""
        keys += "g/" if len(self.pieces) > 1 else ""
        keys += "s" if len(piece.parts()) > 1 else ""
        keys += "" if piece.as_a_whole else "e"
        return keys + "r?"

    def _print(self, text: str) -> None:
        self._console.print(Text(text, style=theme_of(self._look).dim), overflow="fold")


def help_text(keys: str) -> str:
    """A line for each of ``keys``."""
    lines = {
        "y": _("apply this"),
        "n": _("do not apply this"),
        "q": _("leave; neither this nor what is still undecided is applied"),
        "a": _("apply this and all that follow in the file"),
        "d": _("apply neither this nor any that follow in the file"),
        "j": _("leave this undecided, go to the next undecided one"),
        "J": _("leave this undecided, go to the next one"),
        "k": _("leave this undecided, go to the undecided one before"),
        "K": _("leave this undecided, go to the one before"),
        "g": _("choose one to go to"),
        "/": _("search for a regular expression"),
        "s": _("split this into smaller ones"),
        "e": _("edit this in $VISUAL or $EDITOR, and apply it so"),
        "r": _("do not apply this, because …: your reason goes to the model"),
        "?": _("this help; Esc goes back to the whole question"),
    }
    return "\n".join(f"{key} - {lines[key]}" for key in keys)


async def edited_text(edit: FileEdit) -> str | None:
    """The file as it would become, changed in the editor; None where it came back empty."""
    name = edit.path.replace("\\", "/").rpartition("/")[2]
    left = await _editor((edit.after or "").replace("\r\n", "\n"), name)
    return like_before(edit.after or "", left) if left else None


async def _editor(text: str, name: str) -> str:
    with _ctrl_c_is_the_editors():
        return await edit_text(text, name)


@contextlib.contextmanager
def _ctrl_c_is_the_editors() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _guide() -> str:
    lines = (
        _("---"),
        _("To remove '-' lines, make them ' ' lines (context)."),
        _("To remove '+' lines, delete them."),
        _("Lines starting with # will be left out."),
        _("If it does not apply, you can edit it again. Without any line left it stays as it was."),
    )
    return "".join(f"# {line}\n" for line in lines)


def _summary(piece: Piece) -> str:
    line = next(_changed_lines(piece), "").strip()
    first = piece.hunks[0].start + 1 if piece.hunks else 1
    return figures.cut(f"{figures.one_line(piece.path)}:{first}  {figures.one_line(line)}", _SUMMARY)


def _changed_lines(piece: Piece) -> Iterator[str]:
    blocks = [block for hunk in piece.hunks for block in hunk.blocks]
    return (sign + bare(line) for b in blocks for sign, rows in (("-", b.old), ("+", b.new)) for line in rows)
