"""A conflict as people read it: both sides, what they came from, and what is proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures
from kcode.workspace.conflictmarks import ConflictHunk, side

if TYPE_CHECKING:
    from kcode.agent.resolving import Proposal
    from kcode.ui.desk import Desk
    from kcode.workspace.conflicts import Conflict
    from kcode.workspace.unfinished import Operation

_AROUND = 3  # lines before and behind a conflict
_SHOWN = 40  # lines of one side
_CORNERS = ("┌", "├", "│", "└")
_PLAIN = ("+", "+", "|", "+")


def kinds() -> dict[str, str]:
    """What each kind of conflict is, in words."""
    return {
        "text": _("both sides changed the same lines"),
        "edited": _("no markers are left in it; it is not added yet"),
        "stray": _("markers are left that do not belong together"),
        "binary": _("cannot be merged by lines: one side or the other"),
        "link": _("a symbolic link: one side or the other"),
        "submodule": _("a submodule: both sides moved it"),
        "deleted by them": _("we changed it, they deleted it (or moved it)"),
        "deleted by us": _("they changed it, we deleted it (or moved it)"),
        "both deleted": _("both sides moved or deleted it"),
        "added by us": _("only our side has it under this name"),
        "added by them": _("only their side has it under this name"),
    }


def overview(desk: Desk, found: Operation, conflicts: list[Conflict]) -> None:
    """Every conflict in a line, and what the two sides are."""
    count = len(conflicts)
    words = n_("{count} file in conflict", "{count} files in conflict", count).format(count=count)
    desk.say(f"{found.name}: {words}" if found.name else words, "bold")
    desk.say(_("  ours: {side}").format(side=_sides()[found.ours_is]), "dim")
    desk.say(_("  theirs: {side}").format(side=_sides()[found.theirs_is]), "dim")
    for each in conflicts:
        many = sum(isinstance(part, ConflictHunk) for part in each.parts)
        what = kinds()[each.kind]
        if many > 1:
            what += " " + _("({count} places)").format(count=many)
        desk.say(f"  {figures.one_line(each.path)}: {what}")


def _sides() -> dict[str, str]:
    return {
        "what is checked out": _("what is checked out"),
        "what is being brought in": _("what is being brought in"),
        "what the commit is put onto": _("what the commit is put onto"),
        "the commit that is being rebased": _("the commit that is being rebased"),
        "the patch that is being applied": _("the patch that is being applied"),
        "the branch that is checked out": _("the branch that is checked out"),
        "what is being merged": _("what is being merged"),
        "the commit that is being picked": _("the commit that is being picked"),
        "the state before the commit that is being reverted": _(
            "the state before the commit that is being reverted"
        ),
    }


def hunk(desk: Desk, conflict: Conflict, number: int) -> None:
    """One hunk (from 0) with the lines around it."""
    places = [n for n, part in enumerate(conflict.parts) if isinstance(part, ConflictHunk)]
    at = places[number]
    part = conflict.parts[at]
    assert isinstance(part, ConflictHunk)
    top, between, left, bottom = _CORNERS if desk.look.unicode else _PLAIN
    desk.say()
    desk.say(f"{number + 1}/{len(places)}  {figures.one_line(conflict.path)}:{part.line}", "bold")
    _plain(desk, side(conflict.parts[:at], lambda each: each.ours), conflict, last=True)
    desk.say(f"{top} {_named(_('ours'), part.ours_label)}", "cyan")
    _boxed(desk, left, part.ours, conflict, "cyan")
    if part.base is not None:
        desk.say(f"{between} {_('base')}", "dim")
        _boxed(desk, left, part.base, conflict, "dim")
    desk.say(f"{between} {_named(_('theirs'), part.theirs_label)}", "magenta")
    _boxed(desk, left, part.theirs, conflict, "magenta")
    desk.say(bottom, "dim")
    _plain(desk, side(conflict.parts[at + 1 :], lambda each: each.ours), conflict, last=False)


def proposal(desk: Desk, conflict: Conflict, found: Proposal) -> None:
    """What is proposed, why, and what of the sides is not in it."""
    top, _between, left, bottom = _CORNERS if desk.look.unicode else _PLAIN
    desk.say(f"{top} {_('proposed')}", "green")
    _boxed(desk, left, found.content, conflict, "green")
    desk.say(f"{bottom} {figures.one_line(found.why)}", "green")
    for words in remarks(found):
        desk.say(words, "yellow")


def remarks(found: Proposal) -> list[str]:
    """What somebody should know before taking it."""
    said = []
    if found.problem:
        said.append(
            _("it cannot be taken: {why}").format(why=figures.one_line(from_below(found.problem), 200))
        )
    if not found.sure:
        said.append(_("the model is not sure: the sides contradict each other"))
    if found.lost:
        shown = "; ".join(figures.one_line(line, 60) for line in found.lost[:3])
        more = " …" if len(found.lost) > 3 else ""
        said.append(
            n_("not in it: {lines}", "{count} lines not in it: {lines}", len(found.lost)).format(
                count=len(found.lost), lines=shown + more
            )
        )
    return said


def text_of(data: bytes, conflict: Conflict) -> str:
    """Lines of a side for a terminal."""
    return clean(data.decode(conflict.encoding, "replace").replace("\r\n", "\n")).rstrip("\n")


def _named(which: str, label: bytes) -> str:
    name = figures.one_line(label.decode("utf-8", "replace"), 60)
    return f"{which}  {name}" if name else which


def _boxed(desk: Desk, left: str, data: bytes, conflict: Conflict, style: str) -> None:
    if not data:
        desk.say(f"{left}   {_('(nothing: the lines are gone)')}", style)
        return
    lines = text_of(data, conflict).split("\n")
    for line in lines[:_SHOWN]:
        desk.say(f"{left} {line}".rstrip(), style)
    if len(lines) > _SHOWN:
        rest = _("… {count} more lines: e shows them all").format(count=len(lines) - _SHOWN)
        desk.say(f"{left}   {rest}", "dim")


def _plain(desk: Desk, data: bytes, conflict: Conflict, *, last: bool) -> None:
    """The lines beside a conflict."""
    lines = text_of(data, conflict).split("\n") if data else []
    for line in lines[-_AROUND:] if last else lines[:_AROUND]:
        desk.say(f"  {line}".rstrip(), "dim")
