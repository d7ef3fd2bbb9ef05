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

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Wanted:
    """What one ``kcode review`` is to do. ``fail_on`` is ``""`` for never."""

    words: tuple[str, ...] = ()
    staged: bool = False
    as_json: bool = False
    fail_on: str = ""


@app.command()
def review(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RANGE] [PATH]...",
            help="A..B, a revision (everything since), paths; without: everything that is not committed.",
            show_default=False,
        ),
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="Only what is staged.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON on stdout.")] = False,
    fail_on: Annotated[
        str,
        typer.Option("--fail-on", metavar="SEVERITY", help="Exit code 1 from this on: high, medium or low."),
    ] = "",
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Look for bugs in a change: file, line, severity, when it fails and what would mend it."""
    from kcode.errors import UsageError
    from kcode.i18n import _

    if fail_on not in ("", "high", "medium", "low"):
        raise UsageError(_("--fail-on must be high, medium or low, not {word!r}").format(word=fail_on))
    above: Flags = ctx.find_root().obj or Flags()
    flags = replace(
        above,
        model=model or above.model,
        provider=provider or above.provider,
        base_url=base_url or above.base_url,
    )
    return run(flags, Wanted(tuple(words or ()), staged, as_json, fail_on))


def run(flags: Flags, wanted: Wanted) -> int:
    """Review in the current folder; the exit code is one of :class:`kcode.errors.ExitCode`."""
    import asyncio

    return asyncio.run(_run(flags, wanted))


async def _run(flags: Flags, wanted: Wanted) -> int:
    from kcode.agent.reviewing import Review
    from kcode.agent.reviewing import review as review_
    from kcode.cli.errand import errand
    from kcode.errors import UsageError
    from kcode.i18n import _
    from kcode.ui.desk import ConsoleDesk
    from kcode.workspace.ranges import named_change
    from kcode.workspace.unidiff import parse
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    if not workspace.is_git:
        raise UsageError(_("this folder is no git repository"), "git init")
    change = await named_change(workspace.root, wanted.words, staged=wanted.staged, start=Path.cwd())
    files = parse(change.diff)
    if not files:
        return _conclude(Review(), wanted, change.what, change.whole, "")
    desk = ConsoleDesk()

    def progress(done: int, all_: int) -> None:
        if done < all_ and not desk.look.plain:
            desk.say(_("{done} of {all} parts looked at").format(done=done, all=all_), "dim")

    async with errand(flags, "review", workspace.root) as session:
        work = review_(
            session,
            files,
            change.what,
            withheld=session.workspace.sensitive,
            on_progress=progress,
        )
        result = await desk.during(_("reviewing…"), work)
        assert result is not None  # interrupted, it raises
        return _conclude(result, wanted, change.what, change.whole, session.cost.text())


def _conclude(result: Review, wanted: Wanted, what: str, whole: bool, cost: str) -> int:
    from kcode.errors import ExitCode
    from kcode.ui import reviewing
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.terminal import look_at, make_console, tolerate

    failing = wanted.fail_on and result.at_least(cast("Severity", wanted.fail_on))
    code = ExitCode.NOT_ACHIEVED if failing else ExitCode.OK
    tolerate(sys.stdout)
    if wanted.as_json:
        data = {"range": what, "whole": whole, **result.as_json(), "cost": cost, "exit_code": int(code)}
        print(json.dumps(data, ensure_ascii=False, indent=2))
        return int(code)
    look = look_at(sys.stdout)
    if not sys.stdout.isatty():
        text = reviewing.plain(result)
        sys.stdout.write(f"{text}\n" if text else "")
    else:
        for block in reviewing.findings(result):
            make_console(sys.stdout, look).print(block)
    sys.stdout.flush()
    for line in reviewing.summary(result, what, whole):
        ConsoleDesk().say(line, "dim")
    return int(code)
