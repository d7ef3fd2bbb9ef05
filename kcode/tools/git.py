"""git_status, git_diff, git_log, git_show: history and changes, read only.

The rest (blame, branches, stashes, adding, committing, switching, restoring, reverting) goes through
run_command, where :mod:`kcode.safety.gitcommands` judges it: every declaration here is part of every
conversation and paid for in each.
"""

from __future__ import annotations

import re
from typing import Literal, TypeVar

from pydantic import Field

from kcode.safety.process import Finished
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import RESULT_LIMIT, bounded, plural
from kcode.workspace.repo import NO_PROGRAMS, git
from kcode.workspace.workspace import Workspace

_READ = 2_000_000  # bytes of git's output looked at
_NO_COMMITS = ("does not have any commits yet", "bad revision 'HEAD'", "ambiguous argument 'HEAD'")

G = TypeVar("G", bound=Arguments)


class _GitTool(Tool[G]):
    read_only = True

    async def plan(self, args: G, context: ToolContext) -> Intent:
        path = getattr(args, "path", None)
        return (
            Intent("read", sensitive=context.workspace.sensitive(path), paths=(path,))
            if path
            else Intent("read")
        )


class NoArguments(Arguments):
    pass


class GitStatus(_GitTool[NoArguments]):
    name = "git_status"
    arguments = NoArguments

    async def run(self, args: NoArguments, context: ToolContext) -> ToolOutcome:
        done = await _git(context.workspace, "status", "--porcelain", "--branch", "--untracked-files=all")
        lines = done.stdout.splitlines()
        branch = lines[0].removeprefix("## ") if lines else "?"
        changed = lines[1:]
        text = "\n".join([f"branch: {branch}", *(changed or ["nothing changed"])])
        return ToolOutcome(bounded(text, hint="use git_diff with a path"), _changes(len(changed)))


class GitDiffArguments(Arguments):
    range: str | None = None
    path: str | None = None
    staged: bool = False
    form: Literal["stat", "words"] | None = None


class GitDiff(_GitTool[GitDiffArguments]):
    name = "git_diff"
    arguments = GitDiffArguments

    def title(self, args: GitDiffArguments) -> str:
        form = {"stat": "--stat", "words": "--word-diff"}.get(args.form or "", "")
        parts = ["git diff", form, "--staged" if args.staged else "", args.range or "", args.path or ""]
        return " ".join(part for part in parts if part)

    async def run(self, args: GitDiffArguments, context: ToolContext) -> ToolOutcome:
        workspace = context.workspace
        arguments = [
            "diff",
            *NO_PROGRAMS,
            *(["--staged"] if args.staged else []),
            *_revision(args.range),
        ]
        paths = _pathspec(workspace, args.path)
        if args.form == "stat":
            done = await _git(workspace, *arguments, "--stat=120,90", "--summary", "--", *paths)
            text = bounded(done.stdout.rstrip("\n"), hint="name a path")
            sums = next((line.strip() for line in text.split("\n") if " changed, " in line), "no differences")
            return ToolOutcome(text or "no differences", sums)
        if args.form == "words":
            arguments += ["--word-diff=plain", "--word-diff-regex=[^[:space:]]+"]
        diff = await _git(workspace, *arguments, "--", *paths)
        if not diff.stdout.strip():
            return ToolOutcome("no differences (git_diff does not show untracked files)", "no differences")
        shown, files = _without_sensitive(workspace, diff.stdout)
        text = _bounded_diff(shown)
        if len(text) < len(shown) - 1:
            overview = await _git(workspace, *arguments, "--stat", "--", *paths)
            text = f"{bounded(overview.stdout, 4_000)}\n{_by_file(shown)}"
        return ToolOutcome(text, plural(files, "file"), payload=shown)


class GitLogArguments(Arguments):
    range: str | None = None
    path: str | None = None
    max_count: int | None = Field(None, ge=1, le=200)
    lines: str | None = Field(None, pattern=r"^\d+,\d+$")
    search: str | None = None


class GitLog(_GitTool[GitLogArguments]):
    name = "git_log"
    arguments = GitLogArguments

    def title(self, args: GitLogArguments) -> str:
        return " ".join(part for part in ("git log", args.range, args.path) if part)

    async def run(self, args: GitLogArguments, context: ToolContext) -> ToolOutcome:
        paths = _pathspec(context.workspace, args.path)
        if args.lines:
            if not args.path:
                raise ToolRefused("lines needs the path of a file")
            name = context.workspace.relative(context.workspace.locate(args.path))
            paths = [f"-L{args.lines}:{name}", "--no-patch"]
        done = await _git(
            context.workspace,
            "log",
            f"--max-count={args.max_count or 20}",
            "--date=short",
            "--format=%h %ad %an: %s",
            "--fixed-strings",
            "--regexp-ignore-case",
            *([_search(args.search)] if args.search else []),
            *_revision(args.range),
            *(paths if args.lines else ["--", *paths]),
        )
        lines = done.stdout.splitlines()
        text = bounded(done.stdout.rstrip("\n")) or "no commits"
        return ToolOutcome(text, plural(len(lines), "commit"))


def _search(text: str) -> str:
    """``@name`` is an author, everything else words of the message."""
    return f"--author={text[1:]}" if text.startswith("@") and len(text) > 1 else f"--grep={text}"


class GitShowArguments(Arguments):
    rev: str = Field(min_length=1)


class GitShow(_GitTool[GitShowArguments]):
    name = "git_show"
    arguments = GitShowArguments

    def title(self, args: GitShowArguments) -> str:
        return f"git show {args.rev}"

    async def plan(self, args: GitShowArguments, context: ToolContext) -> Intent:
        path = args.rev.partition(":")[2]
        return (
            Intent("read", sensitive=context.workspace.sensitive(path), paths=(path,))
            if path
            else Intent("read")
        )

    async def run(self, args: GitShowArguments, context: ToolContext) -> ToolOutcome:
        done = await _git(
            context.workspace,
            "show",
            *NO_PROGRAMS,
            "--stat",
            "--patch",
            "--date=iso",
            *_revision(args.rev),
            "--",
        )
        if "\0" in done.stdout[:8000]:
            raise ToolRefused(f"{args.rev} is a binary file")
        shown, _ = _without_sensitive(context.workspace, done.stdout)
        return ToolOutcome(_bounded_diff(shown), args.rev, payload=shown)


async def _git(workspace: Workspace, *arguments: str) -> Finished:
    if not workspace.is_git:
        raise ToolRefused("this workspace is not a git repository")
    done = await git(workspace.root, *arguments, max_output=_READ)
    if done.timed_out:
        raise ToolRefused(f"git {arguments[0]} took too long; narrow it with a path or a range")
    if done.code:
        words = " ".join(done.stderr.split())
        if any(sign in words for sign in _NO_COMMITS):
            raise ToolRefused("the repository has no commits yet")
        raise ToolRefused(f"git {arguments[0]}: {words.removeprefix('fatal: ')[:400]}")
    return done


def _revision(text: str | None) -> list[str]:
    """Revisions as arguments; never something git would take for an option."""
    words = (text or "").split()
    if any(word.startswith("-") for word in words):
        raise ToolRefused(f"{text!r} is not a revision: options are not taken")
    return words


def _pathspec(workspace: Workspace, path: str | None) -> list[str]:
    if not path:
        return []
    return [f":(top,literal){workspace.relative(workspace.locate(path))}"]


def _without_sensitive(workspace: Workspace, diff: str) -> tuple[str, int]:
    """A diff without the parts of sensitive files, which only ``read_file`` shows, after a question; and
    how many files it is about."""
    parts = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    for number, part in enumerate(parts[1:], 1):
        header = part.partition("\n")[0]
        path = header.rpartition(" b/")[2].rstrip('"')
        if why := workspace.withheld(path):
            parts[number] = f"{header}\n[not shown: {why}]\n"
    return "".join(parts), len(parts) - 1


def _by_file(diff: str) -> str:
    """As many files as fit, whole, those that need least first and in the diff's order; the rest by name."""
    first, *parts = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    if len(parts) < 2:
        return _bounded_diff(diff)
    room, kept = RESULT_LIMIT - len(first), set[int]()
    for number in sorted(range(len(parts)), key=lambda n: len(parts[n])):
        if len(parts[number]) > room:
            break
        room -= len(parts[number])
        kept.add(number)
    if not kept:
        return _bounded_diff(diff)
    out = first + "".join(part for number, part in enumerate(parts) if number in kept)
    left = [part.partition("\n")[0].rpartition(" b/")[2] for n, part in enumerate(parts) if n not in kept]
    named = ", ".join(left[:50]) + (f" and {len(left) - 50} more" if len(left) > 50 else "")
    return f"{out.rstrip(chr(10))}\n[{plural(len(left), 'file')} left out for length; ask by path: {named}]"


def _bounded_diff(text: str) -> str:
    return bounded(text.rstrip("\n"), hint="ask for single files by path")


def _changes(count: int) -> str:
    return plural(count, "change") if count else "clean"
