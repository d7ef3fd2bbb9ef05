"""``kcode review``: what is wrong with a change, for people and for CI."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from kcode.cli.root import Flags, option_for

if TYPE_CHECKING:
    from kcode.agent.reviewing import Review, Severity
    from kcode.workspace.ranges import NamedChange
    from kcode.workspace.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


FORMATS = ("text", "json", "sarif", "github")


@dataclass(frozen=True)
class Wanted:
    """What one ``kcode review`` is to do. ``fail_on`` is ``""`` for never, ``format`` one of
    :data:`FORMATS`."""

    words: tuple[str, ...] = ()
    staged: bool = False
    format: str = "text"
    fail_on: str = ""
    apply: tuple[int, ...] = ()
    yes: bool = False


@app.command()
def review(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RANGE] [PATH]...",
            help="A..B, a revision (everything since), paths; a .patch or .diff file, or - for a patch on "
            "standard input; without: everything that is not committed.",
            show_default=False,
        ),
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="Only what is staged.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, json, sarif or github.")
    ] = "text",
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", metavar="SEVERITY", help="Exit code 1 from this on: high, medium or low."),
    ] = "",
    apply: Annotated[
        list[int] | None,
        typer.Option(
            "--apply",
            metavar="N",
            help="Make the change that finding N of the last review suggests; repeatable; asks no model.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --apply: without asking.")] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Look for bugs in a change: file, line, severity, when it fails and what would mend it."""
    from kcode.errors import UsageError
    from kcode.i18n import _

    if fail_on not in ("", "high", "medium", "low"):
        raise UsageError(_("--fail-on must be high, medium or low, not {word!r}").format(word=fail_on))
    if format_ not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(_("--format must be one of {known}, not {word!r}").format(known=known, word=format_))
    above: Flags = ctx.find_root().obj or Flags()
    flags = replace(
        above,
        model=model or above.model,
        provider=provider or above.provider,
        base_url=base_url or above.base_url,
    )
    shape = "json" if as_json else format_
    return run(flags, Wanted(tuple(words or ()), staged, shape, fail_on, tuple(apply or ()), yes))


def run(flags: Flags, wanted: Wanted) -> int:
    """Review in the current folder; the exit code is one of :class:`kcode.errors.ExitCode`."""
    import asyncio

    return asyncio.run(_apply(wanted) if wanted.apply else _run(flags, wanted))


async def _run(flags: Flags, wanted: Wanted) -> int:
    from kcode.agent.reviewing import Review
    from kcode.agent.reviewing import review as review_
    from kcode.agent.suggested import keep
    from kcode.cli.errand import errand
    from kcode.cli.start import begin, endpoint_of
    from kcode.githooks.offline import checks_only
    from kcode.i18n import _
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.reviewing import offer
    from kcode.workspace.unidiff import parse
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    change = await _change(workspace, wanted)
    files = parse(change.diff)
    if not files:
        return _conclude(Review(), wanted, change.what, change.whole, "", workspace)
    desk = ConsoleDesk()

    def progress(done: int, all_: int) -> None:
        if done < all_ and not desk.look.plain:
            desk.say(_("{done} of {all} parts looked at").format(done=done, all=all_), "dim")

    settings = begin(flags).settings
    if endpoint_of(settings).profile.embedded:
        result = checks_only(files)  # certain without a model: none is needed on this machine
        if workspace.is_git:
            keep(workspace.root, result)
        return _conclude(result, wanted, change.what, change.whole, "", workspace)
    async with errand(flags, "review", workspace.root, settings) as session:
        work = review_(
            session,
            files,
            change.what,
            withheld=session.workspace.withheld,
            on_progress=progress,
        )
        reviewed = await desk.during(_("reviewing…"), work)
        assert reviewed is not None  # interrupted, it raises
        result = reviewed
        if workspace.is_git:
            keep(workspace.root, result)
        code = _conclude(result, wanted, change.what, change.whole, session.cost.text(), workspace)
        if wanted.format == "text" and sys.stdout.isatty():
            await offer(desk, workspace, result)
        return code


async def _change(workspace: Workspace, wanted: Wanted) -> NamedChange:
    """The change that is meant: a patch, which needs no repository, or what git says."""
    from kcode.errors import UsageError
    from kcode.i18n import _
    from kcode.ui.committing import no_repository
    from kcode.workspace.patchfile import diff_in
    from kcode.workspace.ranges import NamedChange, named_change
    from kcode.workspace.repo import is_bare

    (word,) = wanted.words if len(wanted.words) == 1 else ("",)
    if (given := _patch(word)) is not None:
        diff = diff_in(given.decode("utf-8", "replace"))
        if given.strip() and not diff:
            raise UsageError(_("there is no diff in {name}").format(name=word), "git diff | kcode review -")
        return NamedChange(_("a patch on standard input") if word == "-" else word, diff)
    if not workspace.is_git:
        if is_bare(workspace.root):
            raise no_repository(workspace.root)
        raise UsageError(
            _("this folder is no git repository"), _("git init; or give a patch: kcode review - < x.patch")
        )
    return await named_change(workspace.root, wanted.words, staged=wanted.staged, start=Path.cwd())


def _patch(word: str) -> bytes | None:
    """What ``-`` and the name of a patch stand for; None for another word."""
    if word == "-":
        return sys.stdin.buffer.read()
    is_patch = word.endswith((".patch", ".diff")) and Path(word).is_file()
    return Path(word).read_bytes() if is_patch else None


async def _apply(wanted: Wanted) -> int:
    """Make what findings of the last review suggest, after a yes; all of them or none."""
    from kcode.agent.suggested import edits_of, kept
    from kcode.errors import ExitCode, UsageError
    from kcode.i18n import _
    from kcode.ui.desk import ConsoleDesk, yes_or_no
    from kcode.workspace.diff import unified
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    edits = edits_of(workspace, kept(workspace.root), wanted.apply)
    desk = ConsoleDesk()
    for edit in edits:
        desk.say(unified(edit.before, edit.after, edit.path).rstrip("\n"))
    if not wanted.yes:
        if not desk.person:
            raise UsageError(_("nobody is here to say yes"), _("--yes applies it without asking"))
        if await desk.key(_("Apply this?"), yes_or_no()) != "y":
            desk.say(_("nothing was changed"), "dim")
            return int(ExitCode.NOT_ACHIEVED)
    workspace.apply(edits, label="kcode review --apply")
    for edit in edits:
        print(edit.path)
    return int(ExitCode.OK)


def _conclude(result: Review, wanted: Wanted, what: str, whole: bool, cost: str, workspace: Workspace) -> int:
    from kcode.errors import ExitCode
    from kcode.ui import reviewing
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.look.terminal import look_at, make_console, tolerate

    failing = wanted.fail_on and result.at_least(cast("Severity", wanted.fail_on))
    code = ExitCode.NOT_ACHIEVED if failing else ExitCode.OK
    tolerate(sys.stdout)
    if wanted.format == "json":
        data = {"range": what, "whole": whole, **result.as_json(), "cost": cost, "exit_code": int(code)}
        print(json.dumps(data, ensure_ascii=False, indent=2))
        return int(code)
    look = look_at(sys.stdout)
    if wanted.format in ("sarif", "github"):
        from kcode.ui.reviewformats import github, sarif

        text = sarif(result, workspace) if wanted.format == "sarif" else github(result)
        sys.stdout.write(f"{text}\n" if text else "")
    elif not sys.stdout.isatty():
        text = reviewing.plain(result)
        sys.stdout.write(f"{text}\n" if text else "")
    else:
        for block in reviewing.findings(result):
            make_console(sys.stdout, look).print(block)
    sys.stdout.flush()
    for line in reviewing.summary(result, what, whole):
        ConsoleDesk().say(line, "dim")
    return int(code)
