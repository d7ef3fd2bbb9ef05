"""One file in conflict, from its first hunk to what it is to hold: asked about, or decided without asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcode.errors import NotAchieved
from kcode.i18n import _, from_below
from kcode.ui import conflictview
from kcode.ui.desk import INTERRUPTED, Desk, yes_or_no
from kcode.ui.look import figures
from kcode.workspace.conflictmarks import ConflictHunk, hunks, together
from kcode.workspace.conflicts import BASE, OURS, THEIRS, Conflict, Settled, permissions, side_content

if TYPE_CHECKING:
    from pathlib import Path

    from kcode.agent.resolving import Proposal
    from kcode.agent.session import Session
    from kcode.workspace.unfinished import Operation

Opened = Callable[[], Awaitable["Session"]]
"""Opens what answers, at the first question to it: choosing a side needs no model."""


class Stopped(Exception):
    """The person wants no further question; what was decided before counts."""


@dataclass(frozen=True, slots=True)
class HunkOutcome:
    """``how``: ours, theirs, both, proposal, edited, certain, or ``""`` where it is left as it is."""

    line: int
    how: str = ""
    why: str = ""
    text: str = ""
    sides: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls, conflict: Conflict, hunk: ConflictHunk, how: str = "", why: str = "", content: bytes = b""
    ) -> HunkOutcome:
        """With the texts of both sides and of the base (None: not known)."""
        data = {"ours": hunk.ours, "base": hunk.base, "theirs": hunk.theirs}
        sides = {n: None if d is None else conflictview.text_of(d, conflict) for n, d in data.items()}
        return cls(hunk.line, how, why, conflictview.text_of(content, conflict), sides)

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "how": self.how, "why": self.why, "resolution": self.text, **self.sides}


@dataclass(slots=True)
class FileOutcome:
    """``state``: ``added`` (resolved and in the index), ``resolved`` (decided, not added) or ``left``."""

    path: str
    kind: str
    state: str = "left"
    how: str = ""
    why: str = ""
    hunks: list[HunkOutcome] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            "state": self.state,
            "how": self.how,
            "why": self.why,
            "hunks": [hunk.as_json() for hunk in self.hunks],
        }


@dataclass(slots=True)
class FileDialogue:
    """``alone``: nobody is asked; what is certain is taken, else what the model proposes."""

    desk: Desk
    root: Path
    found: Operation
    conflict: Conflict
    opened: Opened
    alone: bool
    outcome: FileOutcome = field(init=False)
    _chosen: dict[int, bytes] = field(default_factory=dict)
    _logs: tuple[str, str] | None = None
    _mode: str = ""

    def __post_init__(self) -> None:
        self.outcome = FileOutcome(self.conflict.path, self.conflict.kind)

    async def run(self) -> Settled | None:
        """What the path is to be: None where nothing changes. A file of which hunks are left comes back with
        the others resolved; ``outcome.state`` tells. Raises :class:`Stopped`."""
        conflict = self.conflict
        if conflict.kind == "text":
            return await self._text()
        if conflict.kind == "stray":
            lines = ", ".join(map(str, conflict.stray[:5]))
            self.outcome.why = _("markers are left at line {lines}: take them out by hand").format(
                lines=lines
            )
            self._tell(self.outcome.why)
            return None
        if conflict.kind == "edited":
            return await self._edited()
        return await self._whole()

    # --- hunks ---

    async def _text(self) -> Settled | None:
        for number, hunk in enumerate(hunks(self.conflict.parts)):
            self.outcome.hunks.append(await self._hunk(number, hunk))
        if not self.conflict.mode and len(self._chosen) == len(self.outcome.hunks):
            await self._which_mode()
        return self.so_far()

    def so_far(self) -> Settled | None:
        """What was decided until now about a file's hunks; None where nothing was."""
        if not self._chosen:
            return None
        from kcode.workspace.files import Stored

        conflict = self.conflict
        content = together(conflict.parts, {n: self._ended(n, c) for n, c in self._chosen.items()})
        mode = conflict.mode or self._mode or conflict.stages[OURS].mode
        if len(self._chosen) == len(hunks(conflict.parts)):
            self.outcome.state = "resolved"
        return Settled(conflict.path, Stored(content, permissions(mode)))

    def _ended(self, number: int, content: bytes) -> bytes:
        """Git ends the last line before a marker; a side whose file does not end so gets its own end back."""
        parts = self.conflict.parts
        if not isinstance(parts[-1], ConflictHunk) or number != len(hunks(parts)) - 1:
            return content
        which = {"ours": OURS, "theirs": THEIRS}.get(self.outcome.hunks[number].how, 0)
        whole = side_content(self.root, self.conflict, which) if which else None
        if whole is None or whole.data.endswith(b"\n"):
            return content
        return content.removesuffix(b"\n").removesuffix(b"\r")

    async def _hunk(self, number: int, hunk: ConflictHunk) -> HunkOutcome:
        from kcode.agent.resolving import certain

        sure = certain(hunk)
        if self.alone and sure:
            return self._take(number, "certain", sure[1], sure[0])
        if self.alone:
            return await self._without_asking(number, hunk)
        conflictview.hunk(self.desk, self.conflict, number)
        if sure:
            self.desk.say(_certainties()[sure[0]], "dim")
        return await self._asked(number, hunk)

    async def _asked(self, number: int, hunk: ConflictHunk) -> HunkOutcome:
        sides = {
            "o": ("ours", hunk.ours),
            "t": ("theirs", hunk.theirs),
            "b": ("both", hunk.ours + hunk.theirs),
        }
        while True:
            key = await self.desk.key(_("Resolve it how?"), _ways())
            if key in sides:
                how, content = sides[key]
                if wrong := self._wrong(number, content):
                    self.desk.say(from_below(wrong), "yellow")
                return self._take(number, how, content, "")
            if key == "p":
                told = await self._proposed(number, hunk)
                if told is not None:
                    return told
            elif key == "e":
                content_ = await self._in_editor(number, hunk, hunk.raw)
                if content_ is not None:
                    return self._take(number, "edited", content_, "")
            elif key in ("q", INTERRUPTED):
                self.outcome.hunks.append(HunkOutcome.of(self.conflict, hunk))
                raise Stopped
            else:
                return HunkOutcome.of(self.conflict, hunk)

    async def _proposed(self, number: int, hunk: ConflictHunk) -> HunkOutcome | None:
        """Taken, edited, or None for another way."""
        desk, wish = self.desk, ""
        while True:
            try:
                made = await self._proposal(number, wish)
            except NotAchieved as error:
                desk.say(f"{from_below(error.message)}; {from_below(error.remedy)}", "yellow")
                return None
            if made is None:
                return None
            conflictview.proposal(desk, self.conflict, made)
            ways = [("e", _("edit it")), ("r", _("again, with a hint")), ("n", _("no"))]
            key = await desk.key(_("Take it?"), ways if made.problem else [("y", _("yes")), *ways])
            if key == "y":
                return self._take(number, "proposal", made.content, made.why)
            if key == "e":
                content = await self._in_editor(number, hunk, made.content)
                return None if content is None else self._take(number, "edited", content, "")
            if key != "r":
                return None
            wish = await desk.line(_("what should it be like?")) or wish

    async def _without_asking(self, number: int, hunk: ConflictHunk) -> HunkOutcome:
        from kcode.agent.narrow import is_narrow

        try:
            if is_narrow(await self.opened()):
                why = _("the embedded model is too small to decide it alone")
                return HunkOutcome.of(self.conflict, hunk, "", why)
            made = await self._proposal(number, "")
        except NotAchieved as error:
            return HunkOutcome.of(self.conflict, hunk, "", error.message)
        if made is None:
            return HunkOutcome.of(self.conflict, hunk)
        if made.problem or not made.sure:
            why = made.problem or _("the model is not sure: {why}").format(why=made.why)
            return HunkOutcome.of(self.conflict, hunk, "", why, made.content)
        return self._take(number, "proposal", made.content, made.why)

    async def _proposal(self, number: int, wish: str) -> Proposal | None:
        from kcode.agent.resolving import propose
        from kcode.workspace.unfinished import messages

        session = await self.opened()
        if self._logs is None:
            self._logs = messages(self.root, self.found, self.conflict.path)
        work = propose(session, self.found, self._logs, self.conflict, number, self._chosen, wish=wish)
        return await self.desk.during(_("asking for a proposal…"), work)

    async def _in_editor(self, number: int, hunk: ConflictHunk, start: bytes) -> bytes | None:
        """What the person made of it; None where the editor failed or markers are left."""
        from kcode.agent.resolving import encoded
        from kcode.ui.editor import git_editor

        text = start.decode(self.conflict.encoding, "replace").replace("\r\n", "\n")
        name = self.conflict.path.rpartition("/")[2]
        back = await self.desk.edit(text, name, git_editor(self.root))
        if back is None:
            self.desk.say(_("the editor ended with an error: nothing is taken from it"), "yellow")
            return None
        try:
            content = encoded(back, self.conflict, hunk)
        except NotAchieved as error:
            self.desk.say(from_below(error.message), "yellow")
            return None
        wrong = self._wrong(number, content)
        if "marker" in wrong:
            self.desk.say(_("a conflict marker is left in it: nothing is taken"), "yellow")
            return None
        if wrong:
            self.desk.say(from_below(wrong), "yellow")
        return content

    def _wrong(self, number: int, content: bytes) -> str:
        from kcode.agent.resolving import problem_with

        return problem_with(self.conflict, number, content, self._chosen)

    def _take(self, number: int, how: str, content: bytes, why: str) -> HunkOutcome:
        self._chosen[number] = content
        hunk = hunks(self.conflict.parts)[number]
        return HunkOutcome.of(self.conflict, hunk, how, why, content)

    async def _which_mode(self) -> None:
        """Both sides added the file, one of them as a program."""
        if self.alone:
            self._chosen.clear()
            self.outcome.why = _("one side makes it executable: whether that is meant, only you can say")
            return
        key = await self.desk.key(_("One side makes it executable. Is it to be executable?"), yes_or_no())
        modes = (self.conflict.stages[OURS].mode, self.conflict.stages[THEIRS].mode)
        self._mode = max(modes) if key == "y" else min(modes)

    # --- whole files ---

    async def _edited(self) -> Settled | None:
        """No marker is left in it: somebody resolved it, or git could not say where it is."""
        mine = side_content(self.root, self.conflict, OURS)
        untouched = mine is not None and mine.data == (self.root / self.conflict.path).read_bytes()
        if self.alone and untouched:
            self.outcome.why = _("it is exactly our side: whether that is meant, only you can say")
            return None
        if not self.alone:
            self._tell(conflictview.kinds()["edited"])
            ways = [("y", _("as it is")), ("o", _("ours")), ("t", _("theirs")), *_leaving()]
            key = await self.desk.key(_("Is it resolved?"), ways)
            if key in ("o", "t"):
                return self._one_side(OURS if key == "o" else THEIRS)
            if key != "y":
                return self._left(key)
        self.outcome.state, self.outcome.how = "resolved", "edited"
        return Settled(self.conflict.path, leave=True)

    async def _whole(self) -> Settled | None:
        """One side or the other, or neither."""
        conflict, deleted = self.conflict, ("d", _("delete it"))
        has_ours, has_theirs = OURS in conflict.stages, THEIRS in conflict.stages
        if conflict.kind == "both deleted":
            return self._gone()
        if conflict.kind == "submodule":
            return await self._submodule()
        if self.alone:
            self.outcome.why = _("only a person can choose: {what}").format(
                what=conflictview.kinds()[conflict.kind]
            )
            return None
        self._tell(conflictview.kinds()[conflict.kind])
        self._sizes()
        ways = []
        if has_ours:
            ways.append(("o", _("keep ours") if has_theirs else _("keep it")))
        if has_theirs:
            ways.append(("t", _("keep theirs") if has_ours else _("keep it")))
        key = await self.desk.key(_("Resolve it how?"), [*ways, deleted, *_leaving()])
        if key in ("o", "t"):
            return self._one_side(OURS if key == "o" else THEIRS)
        if key == "d":
            self.outcome.state, self.outcome.how = "resolved", "deleted"
            return Settled(conflict.path)
        return self._left(key)

    def _gone(self) -> Settled | None:
        """Both sides took this name away: there is nothing to choose."""
        self.outcome.state, self.outcome.how = "resolved", "deleted"
        return Settled(self.conflict.path)

    async def _submodule(self) -> Settled | None:
        from kcode.workspace.conflicts import submodule_order

        conflict = self.conflict
        later = submodule_order(self.root, conflict)
        shas = {n: stage.sha[:10] for n, stage in conflict.stages.items()}
        if self.alone:
            if later:
                return self._entry(later)
            self.outcome.why = _("neither side of the submodule contains the other")
            return None
        self._tell(conflictview.kinds()["submodule"])
        for n, name in ((BASE, _("base")), (OURS, _("ours")), (THEIRS, _("theirs"))):
            note = "  " + _("(contains the other)") if n == later else ""
            self.desk.say(f"    {name}: {shas.get(n, _('not there'))}{note}", "dim")
        ways = [("o", _("ours"))] if OURS in shas else []
        ways += [("t", _("theirs"))] if THEIRS in shas else []
        key = await self.desk.key(_("Resolve it how?"), [*ways, *_leaving()])
        return self._entry(OURS if key == "o" else THEIRS) if key in ("o", "t") else self._left(key)

    def _entry(self, which: int) -> Settled:
        self.outcome.state, self.outcome.how = "resolved", "ours" if which == OURS else "theirs"
        self._tell(_("the submodule's own folder stays as it is: git submodule update"))
        return Settled(self.conflict.path, entry=self.conflict.stages[which])

    def _one_side(self, which: int) -> Settled | None:
        content = side_content(self.root, self.conflict, which)
        self.outcome.state, self.outcome.how = "resolved", "ours" if which == OURS else "theirs"
        return Settled(self.conflict.path, content)

    def _left(self, key: str) -> Settled | None:
        if key in ("q", INTERRUPTED):
            raise Stopped
        return None

    def _sizes(self) -> None:
        for n, name in ((BASE, _("base")), (OURS, _("ours")), (THEIRS, _("theirs"))):
            content = side_content(self.root, self.conflict, n)
            if content is not None:
                size = _("{count} bytes").format(count=f"{len(content.data):,}")
                target = f" -> {content.data.decode('utf-8', 'replace')}" if content.link else ""
                mode = self.conflict.stages[n].mode
                self.desk.say(f"    {name}: {size}, {mode}{figures.one_line(target)}", "dim")

    def _tell(self, words: str) -> None:
        self.desk.say(f"{figures.one_line(self.conflict.path)}: {words}")


def _certainties() -> dict[str, str]:
    return {
        "both sides are the same": _("both sides are the same"),
        "only theirs changed it": _("only theirs changed it"),
        "only ours changed it": _("only ours changed it"),
    }


def _ways() -> list[tuple[str, str]]:
    return [
        ("o", _("ours")),
        ("t", _("theirs")),
        ("b", _("both")),
        ("p", _("propose")),
        ("e", _("edit")),
        *_leaving(),
    ]


def _leaving() -> list[tuple[str, str]]:
    return [("s", _("skip")), ("q", _("stop here"))]
