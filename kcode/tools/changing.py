"""Changes of files as the tools that change them plan, make and tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kcode.errors import KcodeError
from kcode.tools.base import Arguments, FileEdit, Intent, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded
from kcode.workspace.diff import counts, hunks, unified
from kcode.workspace.edits import EditOutcome, Replacement, apply_edits
from kcode.workspace.errors import NotThere, StaleFile, WorkspaceError
from kcode.workspace.files import TextFile
from kcode.workspace.syntax import newly_broken
from kcode.workspace.workspace import Workspace

DIFF_SHOWN = 4_000  # characters


@dataclass(frozen=True, slots=True)
class Change:
    """One file that changes. ``outcome`` tells how replacements matched; None for a file as a whole."""

    edit: FileEdit
    outcome: EditOutcome | None = None
    news: str = ""  # what others changed in it since the model saw it, in words for the model


def by_file(workspace: Workspace, wanted: Iterable[tuple[str, Replacement]]) -> dict[str, list[Replacement]]:
    """The replacements of each file in order, under the first of the names it is given.

    ``a.py`` and ``./a.py`` are one file, and so is ``A.py`` where the file system does not tell them apart.
    """
    found: dict[str, list[Replacement]] = {}
    names: dict[str, str] = {}
    for path, replacement in wanted:
        real = str(workspace.resolve(path))
        known = names.get(real.casefold())
        if known is None or not (known == path or _is_same(workspace, known, path)):
            known = path
        names.setdefault(real.casefold(), known)
        found.setdefault(known, []).append(replacement)
    return found


def _is_same(workspace: Workspace, one: str, other: str) -> bool:
    first, second = workspace.resolve(one), workspace.resolve(other)
    try:
        return first == second or first.samefile(second)
    except OSError:
        return False


def replaced(workspace: Workspace, wanted: Mapping[str, Sequence[Replacement]]) -> list[Change]:
    """The changes that the replacements of each file come to. Raises ToolRefused for all that are wrong."""
    changes: list[Change] = []
    refusals: list[str] = []
    for path, replacements in wanted.items():
        try:
            changes.append(_replaced(workspace, path, replacements))
        except ToolRefused as problem:
            refusals.append(str(problem))
    if refusals:
        fine = [change.edit.path for change in changes]
        if fine:
            refusals.append(f"What was wanted of {', '.join(fine)} would match; no file was changed.")
        raise ToolRefused("\n".join(refusals))
    return changes


def _replaced(workspace: Workspace, path: str, replacements: Sequence[Replacement]) -> Change:
    try:
        file = workspace.read(path)
    except NotThere as problem:
        if len(replacements) == 1 and not replacements[0].old and replacements[0].lines is None:
            workspace.resolve(path)
            return Change(FileEdit(path, None, replacements[0].new))
        raise ToolRefused(f"{problem.message} (write_file creates files)") from None
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}{': ' if problem.remedy else ''}{problem.remedy}") from None
    freshness = workspace.freshness(path, file.text)
    if freshness != "fresh" and any(one.lines is not None for one in replacements):
        raise ToolRefused(f"{path} was not changed. {told_stale(workspace, path, file.text, 'line numbers')}")
    read = workspace.last_seen(path) if freshness == "changed" else None
    outcome = apply_edits(file.text, replacements, read)
    if not outcome.ok:
        stale = "" if freshness == "fresh" else f"\n{told_stale(workspace, path, file.text)}"
        raise ToolRefused(f"{path} was not changed. " + "\n".join(outcome.problems) + stale)
    edit = FileEdit(path, file.text, outcome.text)
    check_encodable(file, edit)
    news = _difference(workspace, path, file.text) if freshness == "changed" else ""
    return Change(edit, outcome, news)


def told_stale(workspace: Workspace, path: str, text: str, what: str = "it") -> str:
    """That the model does not know the file as it is, and what changed; if all is shown, it knows it then."""
    if workspace.freshness(path, text) == "unread":
        return f"You have not read {path} in this session: read it first."
    difference = _difference(workspace, path, text)
    if not difference or len(difference) > DIFF_SHOWN:
        return f"{path} changed on disk since you read it: read it again."
    workspace.saw(path, text)
    return f"{path} changed on disk since you read it; go by {what} as of now. What changed:\n{difference}"


def _difference(workspace: Workspace, path: str, text: str) -> str:
    before = workspace.last_seen(path)
    return "" if before is None else unified(before, text, path)


def check_encodable(file: TextFile, edit: FileEdit) -> None:
    """Raises ToolRefused where the file's encoding cannot hold the new text."""
    try:
        file.encode(edit.after or "")
    except WorkspaceError as problem:
        raise ToolRefused(f"{problem.message}: {problem.remedy}") from None


def intent(
    args: Arguments,
    context: ToolContext,
    edits: Sequence[FileEdit],
    moves: Sequence[tuple[str, str]] = (),
) -> Intent:
    """The intent of these edits, remembered as what is approved."""
    context.planned[id(args)] = tuple(edits)
    reasons = (context.workspace.sensitive(edit.path) for edit in edits)
    why = next((why for why in reasons if why), "")
    return Intent("edit", tuple(edits), sensitive=why, moves=tuple(moves), partly=True)


def approved(args: Arguments, context: ToolContext, edits: Sequence[FileEdit]) -> None:
    """Raises ToolRefused where these are not the edits that were planned."""
    planned = context.planned.pop(id(args), None)
    if planned is not None and planned != tuple(edits):
        paths = ", ".join(dict.fromkeys(edit.path for edit in planned))
        raise ToolRefused(f"{paths} changed on disk while this waited: read it again")


def make(workspace: Workspace, changes: Sequence[Change], label: str) -> str:
    """Make the changes, all or none. Returns the checkpoint's id."""
    identity = apply(workspace, [change.edit for change in changes], label)
    for change in changes:
        if change.edit.after is not None:
            workspace.saw(change.edit.path, change.edit.after)
    return identity


def apply(workspace: Workspace, edits: Sequence[FileEdit], label: str) -> str:
    """:func:`make`, without the model being taken to know the files. Returns the checkpoint's id."""
    try:
        return workspace.apply(edits, label=label)
    except StaleFile as problem:
        raise ToolRefused(f"{problem.message}: read it again") from None


def make_all(
    workspace: Workspace, changes: Sequence[Change], moves: Sequence[tuple[str, str]], label: str
) -> None:
    """Changes, then moves, all or none: what was done before a move that fails is undone."""
    done = [make(workspace, changes, label)] if changes else []
    try:
        for old, new in moves:
            done.append(workspace.move(old, new, label=label))
            workspace.saw(new, workspace.read(new).text)
    except KcodeError:
        for identity in reversed(done):
            workspace.undo(identity)
        raise


def make_part(
    workspace: Workspace, asked: Intent, accepted: Sequence[FileEdit], label: str, reason: str
) -> ToolOutcome:
    """Make the edits that were accepted in the place of those asked for, and tell the model of both.

    Raises ToolRefused where a file changed on disk meanwhile or cannot hold the text; then nothing is done.
    """
    wanted = {edit.path: edit for edit in asked.edits}
    for edit in accepted:
        if edit.path not in wanted or wanted[edit.path].before != edit.before:
            raise ToolRefused(f"{edit.path} was not part of the question: nothing was done")
    chosen = {edit.path: edit for edit in accepted}
    moves = [pair for pair in asked.moves if set(pair) <= chosen.keys()]
    moved = {path for pair in moves for path in pair}
    changes = [Change(edit) for edit in accepted if edit.path not in moved]
    for old, new in moves:
        if chosen[old].before != chosen[new].after:
            changes.append(Change(FileEdit(old, chosen[old].before, chosen[new].after)))
    for change in changes:
        if change.edit.before is not None:
            try:
                check_encodable(workspace.read(change.edit.path), change.edit)
            except WorkspaceError as problem:
                raise ToolRefused(f"{problem.message}: nothing was done") from None
    make_all(workspace, changes, moves, label)
    text = "\n".join([*_told_part(asked.edits, chosen), *([f"Their reason: {reason}"] if reason else [])])
    outcome = outcome_of([Change(edit) for edit in accepted], text)
    return replace(outcome, brief=f"{outcome.brief}, in part")


def _told_part(asked: Sequence[FileEdit], chosen: Mapping[str, FileEdit]) -> list[str]:
    told = ["The user accepted only a part of this, or changed it. What is on disk now:"]
    for edit in asked:
        made = chosen.get(edit.path)
        if made is None:
            told.append(f"{edit.path}: not changed, the user declined it.")
        elif made == edit:
            told.append(f"{edit.path}: as you asked.")
        else:
            told.append(f"{edit.path}: changed, but not as you asked. From your version to what it is now:")
            told.append(bounded(unified(edit.after, made.after, edit.path).rstrip("\n"), DIFF_SHOWN))
            broken = newly_broken(made)
            told += [f"Warning: {broken}"] if broken else []
    return [*told, "Do not make the declined changes again unless the user asks for them."]


def told(change: Change) -> str:
    """What was changed in one file and where, in words for the model."""
    edit, outcome = change.edit, change.outcome
    if edit.before is None:
        text = f"Created {edit.path}."
    elif edit.after is None:
        text = f"Deleted {edit.path}."
    elif outcome is None:
        text = f"Rewrote {edit.path}, {where(edit)}."
    else:
        stages = Counter(outcome.stages)
        how = ", ".join(f"{count} {stage}" for stage, count in stages.items())
        many = f"{outcome.replaced} replacement{'' if outcome.replaced == 1 else 's'}"
        text = f"Edited {edit.path}: {many} (matched: {how}), {where(edit)}."
        if set(stages) - {"exact"}:
            text += " Some text did not match exactly, so check the result:\n"
            text += bounded(unified(edit.before, edit.after, edit.path), DIFF_SHOWN)
    if change.news:
        text += f"\n{edit.path} had changed on disk since you read it; this change is kept:\n"
        text += bounded(change.news, DIFF_SHOWN)
    broken = newly_broken(edit)
    return f"{text}\nWarning: {broken}" if broken else text


def outcome_of(changes: Sequence[Change], text: str = "") -> ToolOutcome:
    """The result of changes that were made; ``text`` instead of what :func:`told` says."""
    edits = tuple(change.edit for change in changes)
    sums = [counts(edit.before, edit.after) for edit in edits]
    brief = f"+{sum(added for added, _ in sums)} -{sum(removed for _, removed in sums)}"
    return ToolOutcome(
        text or "\n".join(map(told, changes)),
        brief if len(edits) == 1 else f"{brief} in {len(edits)} files",
        payload=edits,
        changed=tuple(edit.path for edit in edits),
    )


def where(edit: FileEdit) -> str:
    """Where the new text is, so that the model need not read the file again to go on."""
    spans = [
        f"{hunk.new_start}-{hunk.new_start + hunk.new_count - 1}"
        if hunk.new_count > 1
        else str(hunk.new_start)
        for hunk in hunks(edit.before, edit.after, 0)
    ]
    shown = ", ".join(spans[:10]) + (" and more" if len(spans) > 10 else "")
    return f"now at lines {shown}" if len(spans) > 1 or "-" in shown else f"now at line {shown}"
