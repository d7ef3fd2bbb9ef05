"""What follows a repair, on the command line and in the session: applying it, a branch, a commit."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcode.errors import KcodeError, NotAchieved, UsageError
from kcode.i18n import _, from_below
from kcode.repair.aim import Asked
from kcode.safety.sanitize import clean

if TYPE_CHECKING:
    from pathlib import Path

    from kcode.agent.session import Session
    from kcode.repair.result import RepairResult
    from kcode.ui.desk import Desk

_MOST_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one repair is to do. ``max_seconds`` is 0 for the setting's value."""

    asked: Asked = field(default_factory=Asked)
    yes: bool = False
    dry_run: bool = False
    commit: bool = False
    branch: str = ""
    max_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an approved patch. ``why`` says what did not come about, and is empty else."""

    checkpoint: str = ""
    branch: str = ""
    commit: str = ""
    message: str = ""
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; stable keys."""
        return {
            "applied": bool(self.checkpoint),
            "branch": self.branch,
            "commit": self.commit,
            "commit_message": self.message,
            "not_done": self.why,
        }


def wanted_of(argument: str) -> Wanted:
    """``/fix``'s argument: the options of ``kcode fix``, and everything behind ``--`` as a command."""
    before, dashes, command = f" {argument} ".partition(" -- ")
    try:
        words = shlex.split(before)
        after = tuple(shlex.split(command)) if dashes else ()
    except ValueError:
        words, after = before.split(), tuple(command.split())
    options: dict[str, Any] = {}
    asked: dict[str, Any] = {"command": after}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name, _equals, value = word.partition("=")
        if name in _SWITCHES:
            options[_SWITCHES[name]] = True
        elif name in _ASKED_SWITCHES:
            asked[_ASKED_SWITCHES[name]] = True
        elif name in ("--branch", "--good", "--attempts", "--max-seconds"):
            _take(name, value or next(waiting, ""), options, asked)
        elif word.startswith("--"):
            raise UsageError(
                _("/fix has no option {word}").format(word=word), "/fix [TARGET | -- COMMAND] [--attempts N]"
            )
        else:
            rest.append(word)
    return checked(Wanted(asked=Asked(words=" ".join(rest), **asked), **options))


_SWITCHES = {"--yes": "yes", "-y": "yes", "--dry-run": "dry_run", "--commit": "commit"}
_ASKED_SWITCHES = {"--bisect": "bisect", "--allow-test-changes": "allow_test_changes"}


def _take(name: str, value: str, options: dict[str, Any], asked: dict[str, Any]) -> None:
    """An option with a value; raises UsageError where that is none of its kind."""
    try:
        if name == "--attempts":
            asked["attempts"] = int(value)
        elif name == "--max-seconds":
            options["max_seconds"] = float(value)
        elif not value:
            raise ValueError
        elif name == "--good":
            asked.update(good=value, bisect=True)
        else:
            options["branch"] = value
    except ValueError:
        raise UsageError(_("{name} wants a value").format(name=name), "/help fix") from None


def checked(wanted: Wanted) -> Wanted:
    """``wanted``, or UsageError where its parts do not go together."""
    asked = wanted.asked
    if wanted.yes and wanted.dry_run:
        raise UsageError(_("--yes and --dry-run do not go together"), _("leave one of them out"))
    if wanted.dry_run and (wanted.commit or wanted.branch):
        raise UsageError(
            _("--dry-run applies nothing, and so it commits nothing"), _("leave one of them out")
        )
    if asked.command and asked.words:
        raise UsageError(
            _("a test and a command do not go together"), _("name the tests in the command: kcode fix -- …")
        )
    if not 1 <= asked.attempts <= _MOST_ATTEMPTS:
        raise UsageError(_("--attempts takes 1 to {count}").format(count=_MOST_ATTEMPTS))
    return wanted


async def check_place(root: Path, wanted: Wanted) -> None:
    """Told before a model works: a branch or commit that could not be made. Raises UsageError."""
    if not (wanted.commit or wanted.branch):
        return
    from kcode.githooks.place import find_place
    from kcode.workspace import repo, staging

    if repo.find_root(root) is None:
        raise UsageError(_("this folder is no git repository"), "git init")
    place = find_place(root)
    if wanted.commit and place.unfinished:
        raise UsageError(
            _("a {what} is under way here").format(what=place.unfinished),
            _("finish it with git first: `git status` says how"),
        )
    if wanted.commit and not staging.head(root):
        raise UsageError(_("there is no commit yet"), _("make the first one: kcode commit"))
    if wanted.branch:
        form = await repo.git(root, "check-ref-format", "--branch", wanted.branch)
        if form.code or wanted.branch.startswith("-"):
            raise UsageError(_("{name!r} is no name for a branch").format(name=wanted.branch))
        there = await repo.git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{wanted.branch}")
        if there.code == 0:
            raise UsageError(
                _("there is a branch {name!r} already").format(name=wanted.branch), _("choose another name")
            )


async def take(
    desk: Desk,
    root: Path,
    wanted: Wanted,
    result: RepairResult,
    apply: Callable[[], str],
    session: Callable[[], Session],
) -> Taken:
    """Apply an approved patch, then the branch and the commit that were wanted.

    ``session`` opens what drafts the message. What cannot be done after the patch is applied is told in
    ``why``; the patch stays.
    """
    from kcode.workspace import repo

    own = await _changed_before(root, result) if wanted.commit else []
    checkpoint = apply()
    taken = Taken(checkpoint)
    if wanted.branch:
        done = await repo.git(root, "switch", "--quiet", "--create", wanted.branch)
        if done.code:
            why = _("the branch was not made: {why}").format(why=clean(done.stderr.strip()))
            return Taken(checkpoint, why=why)
        taken = Taken(checkpoint, wanted.branch)
    if not wanted.commit:
        return taken
    if own:
        why = _("not committed: {files} had changes of yours before").format(files=", ".join(own[:5]))
        return Taken(checkpoint, taken.branch, why=why)
    try:
        commit, message = await _committed(desk, session(), root, result)
    except KcodeError as error:
        return Taken(
            checkpoint, taken.branch, why=_("not committed: {why}").format(why=from_below(error.message))
        )
    return Taken(checkpoint, taken.branch, commit, message)


async def _changed_before(root: Path, result: RepairResult) -> list[str]:
    """Files of the patch that differ from HEAD already: a commit of them would take more than the patch."""
    from kcode.workspace import repo

    paths = [edit.path for edit in result.edits if edit.before is not None]
    if not paths:
        return []
    status = ["status", "--porcelain", "-z", "--untracked-files=all", "--", *_literal(paths)]
    done = await repo.git(root, *status)
    return [entry[3:] for entry in done.stdout.split("\0") if len(entry) > 3]


async def _committed(desk: Desk, session: Session, root: Path, result: RepairResult) -> tuple[str, str]:
    """Commit the patch alone, whatever else is staged, with the user's hooks and signature."""
    from kcode.safety.process import child_environment, run
    from kcode.ui.committing import findings
    from kcode.workspace import repo, staging

    if found := findings(result.diff):
        raise NotAchieved(f"{found[0].path}:{found[0].line}: {from_below(found[0].what)}")
    message = await desk.during(_("drafting the message…"), _message(session, root, result))
    if not message:
        raise NotAchieved(_("interrupted"))
    paths = [edit.path for edit in result.edits]
    new = [edit.path for edit in result.edits if edit.before is None]
    if new:
        repo.check(await repo.git(root, "add", "--intent-to-add", "--", *_literal(new)), "git add")
    keep = staging.kept_message(root)
    keep.write_text(f"{message.rstrip()}\n", encoding="utf-8")
    before = staging.head(root)
    options = ["--quiet", "--cleanup=whitespace", f"--file={keep}", "--only"]
    done = await run(
        ["git", "commit", *options, "--", *_literal(paths)],
        cwd=root,
        env=child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":"}),
        timeout_s=staging.HOOKS_TIMEOUT_S,
        merge_stderr=True,
    )
    if done.stdout.strip():
        desk.say(clean(done.stdout.rstrip()))
    after = staging.head(root)
    if after == before:
        raise NotAchieved(_("git or a hook refused the commit (exit code {code})").format(code=done.code))
    keep.unlink(missing_ok=True)
    return after[:9], message


async def _message(session: Session, root: Path, result: RepairResult) -> str:
    """A message in the repository's own style; a plain one where the model cannot be asked."""
    from kcode.agent.committing import draft, with_trailer
    from kcode.providers.base import ProviderError
    from kcode.workspace.logstyle import style_of
    from kcode.workspace.staging import Draftable

    test = result.targets[0] if result.targets else ""
    hint = f"it repairs the failing test {test}. {result.explanation}".strip()
    change = Draftable("", _with_headers(result), "", tuple(edit.path for edit in result.edits))
    message = ""
    try:
        drafted = await draft(
            session, change, style_of(root), hint=hint[:1_000], withheld=session.workspace.withheld
        )
        message = drafted.message
    except ProviderError:
        message = ""
    if not message:
        name = test.rpartition("::")[2] or "the failing test"
        message = f"Fix {name}"[:72] + (f"\n\n{result.explanation}" if result.explanation else "")
    return await with_trailer(root, message, session.settings.commit.trailer)


def _with_headers(result: RepairResult) -> str:
    """The patch as git writes one."""
    from kcode.workspace.diff import unified

    return "".join(
        f"diff --git a/{edit.path} b/{edit.path}\n{unified(edit.before, edit.after, edit.path)}"
        for edit in result.edits
    )


def _literal(paths: Sequence[str]) -> list[str]:
    return [f":(top,literal){path}" for path in paths]
