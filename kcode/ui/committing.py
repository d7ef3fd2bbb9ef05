"""The dialogue of ``/commit`` and ``kcode commit``: what goes in, a drafted message, a yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kcode.errors import NotAchieved, UsageError
from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui.desk import INTERRUPTED, Desk, yes_or_no
from kcode.ui.look import figures

if TYPE_CHECKING:
    from pathlib import Path

    from kcode.agent.committing import Draft
    from kcode.agent.session import Session
    from kcode.githooks.checks import Finding
    from kcode.ui.look.terminal import Look
    from kcode.ui.splitting import Made
    from kcode.workspace.staging import Changes, Draftable
    from kcode.workspace.workspace import Workspace

SCISSORS = "# ------------------------ >8 ------------------------"
_LISTED = 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """``all_changes``: the whole work tree, whatever is staged. ``yes``: without asking. ``hint`` is what
    the user says about the commit. ``split``: several commits, by what belongs together."""

    all_changes: bool = False
    yes: bool = False
    hint: str = ""
    split: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """``commit`` is the new commit's short id, ``""`` where none was made; ``message`` is the draft's.
    ``commits`` are those of a change that was divided, in order; the last one's are beside it."""

    commit: str = ""
    message: str = ""
    files: tuple[str, ...] = ()
    hook_changed: bool = False
    commits: tuple[Made, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; stable keys."""
        return {
            "committed": bool(self.commit),
            "commit": self.commit,
            "message": self.message,
            "files": list(self.files),
            "changed_by_hook": self.hook_changed,
            "commits": [made.as_json() for made in self.commits],
        }


async def commit(desk: Desk, session: Session, wanted: Wanted) -> Outcome:
    """The whole dialogue. Without somebody to ask and without ``yes`` it ends with the draft.

    Until the last yes neither the index nor HEAD changes. Raises UsageError where there is nothing that
    could be committed, NotAchieved where a check, git or a hook says no, ProviderError.
    """
    from kcode.agent.committing import style_of
    from kcode.workspace.staging import draftable

    root = session.root
    found = committable(session.workspace)
    some, paths, split = await _chosen(desk, found, wanted)
    if not some:
        desk.say(_("nothing was committed"), "dim")
        return Outcome()
    change = await draftable(root, paths)
    await _checked(desk, change, wanted)
    if split:
        return await _divided(desk, session, change, wanted)
    dialogue = _Dialogue(desk, session, change, style_of(root))
    return await dialogue.run(wanted)


async def _divided(desk: Desk, session: Session, change: Draftable, wanted: Wanted) -> Outcome:
    from kcode.agent.committing import style_of
    from kcode.ui.splitting import SplitDialogue

    style = style_of(session.root)
    dialogue = SplitDialogue(desk, session, change, style, change.paths is None, wanted.hint)
    made = await dialogue.run(wanted.yes)
    if not made:
        return Outcome()
    files = tuple(dict.fromkeys(path for each in made for path in each.files))
    return Outcome(made[-1].commit, made[-1].message, files, commits=tuple(made))


def no_repository(root: Path) -> UsageError:
    """For a folder that no work tree of git's is in."""
    from kcode.workspace.repo import is_bare

    if is_bare(root):
        return UsageError(
            _("this is a bare repository: it has no files to work on"),
            _("make a work tree: git worktree add ../FOLDER BRANCH"),
        )
    return UsageError(_("this folder is no git repository"), "git init")


def committable(workspace: Workspace) -> Changes:
    """What there is to commit; raises UsageError where no commit can be made here now."""
    from kcode.githooks.place import find_place
    from kcode.workspace.repo import check_repository
    from kcode.workspace.staging import changes

    if not workspace.is_git:
        raise no_repository(workspace.root)
    check_repository(workspace.root)
    place = find_place(workspace.root)
    if place.unfinished:
        raise UsageError(
            _("a {what} is under way here").format(what=place.unfinished),
            _("finish it first: kcode resolve --continue, or git; `git status` says how"),
        )
    found = changes(workspace.root)
    if found.conflicts:
        named = ", ".join(figures.one_line(path) for path in found.conflicts[:5])
        raise UsageError(_("conflicts are not resolved: {files}").format(files=named), "git status")
    if not found.staged and not found.unstaged:
        raise NotAchieved(_("there is nothing to commit: the work tree is clean"))
    return found


async def _chosen(desk: Desk, found: Changes, wanted: Wanted) -> tuple[bool, Sequence[str] | None, bool]:
    """Whether to commit, which paths beside the index (None for that as it is, empty for all), and whether
    to divide them."""
    if wanted.all_changes or (wanted.split and not found.staged):
        return True, (), wanted.split
    if found.staged:
        for path in found.partly:
            desk.say(
                _("{path}: only the staged part is committed").format(path=figures.one_line(path)), "yellow"
            )
        return True, None, wanted.split
    if wanted.yes or not desk.person:
        raise UsageError(
            _("nothing is staged"), _("git add what belongs together, or take all changes: --all")
        )
    paths = [change.path for change in found.unstaged]
    desk.say(_("nothing is staged; these files have changed:"))
    for number, change in enumerate(found.unstaged[:_LISTED], 1):
        desk.say(f"  {number:>3}  {change.code.strip():<2} {figures.one_line(change.path)}")
    if len(paths) > _LISTED:
        desk.say(_("  and {count} more").format(count=len(paths) - _LISTED), "dim")
    key = await desk.key(
        _("Commit what?"),
        [
            ("a", _("all of it")),
            ("s", _("all, in several commits")),
            ("p", _("pick files")),
            ("n", _("nothing")),
        ],
    )
    if key != "p":
        return key in ("a", "s"), (), key == "s"
    words = await desk.line(_("numbers or folders, such as 1 3-5 docs/:"))
    return bool(words), picked(words or "", paths), False


def picked(words: str, paths: Sequence[str]) -> list[str]:
    """The paths that numbers (from 1), ranges of them, names and folders stand for. Raises UsageError."""
    chosen: dict[str, None] = {}
    for word in words.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if first.isdigit() and (not dash or last.isdigit()):
            numbers = range(int(first), int(last or first) + 1)
            found = [paths[number - 1] for number in numbers if 1 <= number <= len(paths)]
        else:
            found = [path for path in paths if path == word or path.startswith(word.rstrip("/") + "/")]
        if not found:
            raise UsageError(_("{word!r} is none of these files").format(word=word))
        chosen.update(dict.fromkeys(found))
    return list(chosen)


async def _checked(desk: Desk, change: Draftable, wanted: Wanted) -> None:
    """Stop where a key, a password or a conflict marker would be committed, before a model sees anything."""
    found = findings(change.diff)
    if not found:
        return
    desk.say(_("this should not be committed:"), "yellow")
    for finding in found[:_LISTED]:
        desk.say(f"  {clean(finding.path)}:{finding.line}: {clean(from_below(finding.what))}")
    if len(found) > _LISTED:
        desk.say(_("  and {count} more").format(count=len(found) - _LISTED), "dim")
    if wanted.yes or not desk.person or await desk.key(_("Go on anyway?"), yes_or_no()) != "y":
        from kcode.githooks.checks import ALLOW

        raise NotAchieved(
            _("nothing was committed"),
            _('mend these lines; one that is meant to be so can say "{words}"').format(words=ALLOW),
        )


def findings(diff: str) -> list[Finding]:
    """What the pre-commit hook would say to the added lines of ``diff``."""
    from kcode.githooks.checks import all_checks
    from kcode.githooks.offline import added
    from kcode.workspace.unidiff import parse

    return all_checks(added(parse(diff)))


class _Dialogue:
    """From a chosen change to its commit."""

    def __init__(self, desk: Desk, session: Session, change: Draftable, style: Any) -> None:
        from kcode.workspace.unidiff import parse

        self._desk, self._session, self._change, self._style = desk, session, change, style
        self._files = tuple(file.path for file in parse(change.diff))

    async def run(self, wanted: Wanted) -> Outcome:
        desk, hint = self._desk, wanted.hint
        drafted = await self._draft(hint)
        while drafted is not None:
            self._show(drafted)
            if wanted.yes:
                return await self._commit(drafted)
            if not desk.person:
                return Outcome("", drafted.message, self._files)
            key = await desk.key(_("Commit this?"), _choices())
            if key == "y":
                return await self._commit(drafted)
            if key == "e":
                drafted = await self._edited(drafted)
            elif key == "r":
                said = await desk.line(_("what should the message say?"))
                if said:
                    hint = "; ".join(filter(None, [hint, said]))
                    drafted = await self._draft(hint) or drafted
            elif key in ("n", INTERRUPTED):
                break
        desk.say(_("nothing was committed; what was staged is as before"), "dim")
        return Outcome("", drafted.message if drafted else "", self._files)

    async def _draft(self, hint: str) -> Draft | None:
        from kcode.agent.committing import draft, with_trailer

        session = self._session
        work = draft(session, self._change, self._style, hint=hint, withheld=session.workspace.withheld)
        drafted = await self._desk.during(_("drafting the message…"), work)
        if drafted is None or not drafted.message:
            return None
        message = await with_trailer(session.root, drafted.message, session.settings.commit.trailer)
        return replace(drafted, message=message)

    def _show(self, drafted: Draft) -> None:
        desk = self._desk
        desk.say()
        for number, line in enumerate(drafted.message.split("\n")):
            desk.say(_indented(line, desk.look, "" if number else "bold"))
        desk.say()
        lines = self._change.stat.split("\n")
        for line in lines if len(lines) <= _LISTED else [*lines[: _LISTED - 1], "  …", lines[-1]]:
            desk.say(clean(line), "dim")
        for words in _unseen(drafted, self._change.whole):
            desk.say(words, "yellow")

    async def _edited(self, drafted: Draft) -> Draft:
        from kcode.ui.editor import git_editor

        below = "\n".join(f"# {clean(line)}" for line in self._change.stat.split("\n"))
        note = _("# What is below this line is not part of the message; an empty message gives up.")
        text = f"{drafted.message}\n\n{SCISSORS}\n{note}\n{below}\n"
        back = await self._desk.edit(text, "COMMIT_EDITMSG", git_editor(self._session.root))
        if back is None:
            self._desk.say(_("the editor ended with an error: the message is as it was"), "yellow")
            return drafted
        message = back.partition(SCISSORS)[0].strip()
        if not message:
            raise NotAchieved(_("the message is empty: nothing was committed"))
        return replace(drafted, message=message)

    async def _commit(self, drafted: Draft) -> Outcome:
        from kcode.config.project import branch_of
        from kcode.workspace import staging

        root, message = self._session.root, drafted.message
        kept = staging.kept_message(root)
        before = staging.head(root)
        work = staging.commit(root, self._change, message)
        done = await self._desk.during(_("committing…"), work)
        if done is None and staging.head(root) == before:
            self._desk.say(_("interrupted: nothing was committed"), "yellow")
            return Outcome("", message, self._files)
        if done is not None and done.output.strip():
            self._desk.say(clean(done.output.rstrip()))
        if done is not None and not done.commit:
            raise refusal(done.output, done.code, _shortest(kept, root))
        short = done.commit if done is not None else staging.head(root)[:9]
        changed = done is not None and done.tree != self._change.tree
        self._desk.say(f"[{branch_of(root) or 'HEAD'} {short}] {drafted.subject}", "green")
        if changed:
            self._desk.say(_("a hook changed what was committed: git show"), "yellow")
        return Outcome(short, message, self._files, changed)


def refusal(output: str, code: int, kept: str) -> NotAchieved:
    """What became of a commit that git did not make; ``kept`` is the file of its message, ``""`` for none."""
    from kcode.workspace.staging import could_not_sign

    if could_not_sign(output):
        return NotAchieved(
            _("the commit could not be signed, so it was not made; what was staged is as before"),
            _(
                "git config user.signingKey names the key (with a passphrase: gpg-agent or ssh-add has to "
                "know it); then git commit -F {file}, or without one: git commit --no-gpg-sign -F {file}"
            ).format(file=kept),
        )
    return NotAchieved(
        _("git or a hook refused the commit (exit code {code})").format(code=code),
        _("the message is kept: git commit -F {file}").format(file=kept),
    )


def _indented(line: str, look: Look, style: str) -> object:
    """A line of the message; where somebody reads it, what is wrapped stays indented."""
    from rich.padding import Padding
    from rich.text import Text

    return f"  {line}".rstrip() if look.plain or not line else Padding(Text(line, style), (0, 0, 0, 2))


def _choices() -> list[tuple[str, str]]:
    return [
        ("y", _("yes")),
        ("e", _("edit the message")),
        ("r", _("redraft with a hint")),
        ("n", _("no")),
    ]


def _unseen(drafted: Draft, whole: bool) -> list[str]:
    """What of the change the draft was made without."""
    seen, told = drafted.seen, []
    if seen.shown < seen.hunks or not whole:
        told.append(
            _("the change is large: the draft was made from {shown} of {hunks} hunks").format(
                shown=seen.shown, hunks=seen.hunks
            )
        )
    if seen.apart:
        count = len(seen.apart)
        named = ", ".join(figures.one_line(path) for path, _why in seen.apart[:3])
        told.append(
            n_("not shown to the model: {files}", "not shown to the model ({count}): {files}", count).format(
                count=count, files=named + (" …" if count > 3 else "")
            )
        )
    return told


def _shortest(path: Any, root: Any) -> str:
    try:
        return str(path.relative_to(root))
    except ValueError:
        return str(path)
