"""``kcode resolve``: merge conflicts, hunk by hunk, checked by the tests."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.cli.root import Flags, option_for

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.resolving import Outcome, Wanted

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def resolve(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Files and folders; without: all.", show_default=False),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Take what is certain and what the model is sure of.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what --yes would do; change nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as JSON on stdout; asks nobody.")
    ] = False,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="Do not run the affected tests.")] = False,
    go_on: Annotated[
        bool, typer.Option("--continue", help="When nothing is left, let git go on: merge, rebase, …")
    ] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Resolve merge conflicts hunk by hunk: ours, theirs, both, what the model proposes, or your edit."""
    import asyncio

    from kcode.cli.asking import flags_with
    from kcode.errors import UsageError
    from kcode.i18n import _
    from kcode.ui.resolving import Wanted

    if yes and dry_run:
        raise UsageError(_("--yes and --dry-run do not go together"), _("leave one of them out"))
    above: Flags = ctx.find_root().obj or Flags()
    flags = flags_with(above, model, provider, base_url)
    wanted = Wanted(tuple(paths or ()), yes, dry_run, not no_tests, go_on)
    return asyncio.run(_run(flags, wanted, as_json))


async def _run(flags: Flags, wanted: Wanted, as_json: bool) -> int:
    from dataclasses import replace

    from kcode.cli.errand import errand
    from kcode.cli.start import begin
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.resolving import resolve as resolve_
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    settings = begin(flags).settings
    wanted = replace(wanted, paths=tuple(_from_root(path, workspace.root) for path in wanted.paths))
    desk = ConsoleDesk()
    desk.person = desk.person and not as_json
    opened: list[Session] = []
    async with AsyncExitStack() as stack:

        async def session() -> Session:
            if not opened:
                opened.append(
                    await stack.enter_async_context(errand(flags, "resolve", workspace.root, settings))
                )
            return opened[0]

        outcome = await resolve_(desk, workspace, settings, session, wanted)
        cost = opened[0].cost.text() if opened and opened[0].cost.requests else ""
    return _conclude(outcome, wanted, as_json, desk.person, cost)


def _conclude(outcome: Outcome, wanted: Wanted, as_json: bool, person: bool, cost: str) -> int:
    import sys

    from kcode.errors import ExitCode
    from kcode.i18n import _

    code = ExitCode.NOT_ACHIEVED if outcome.left else ExitCode.OK
    if as_json:
        data = {**outcome.as_json(), "cost": cost, "exit_code": int(code)}
        print(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        for file in outcome.files:
            if file.state == "added":
                print(file.path)
        if outcome.left and not (person or wanted.yes or wanted.dry_run):
            print(
                _("nobody is here to choose; --yes takes what is certain, --dry-run shows it"),
                file=sys.stderr,
            )
    return int(code)


def _from_root(path: str, root: Path) -> str:
    """A path typed anywhere, as git names it; the file may be gone."""
    inside = os.path.relpath(os.path.realpath(Path.cwd() / path), os.path.realpath(root))
    return "" if inside == "." else inside.replace(os.sep, "/")
