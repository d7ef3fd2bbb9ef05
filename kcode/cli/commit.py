"""``kcode commit``: a drafted message for what is staged, and the commit after a yes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.cli.root import Flags, option_for

if TYPE_CHECKING:
    from kcode.ui.committing import Outcome, Wanted

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def commit(
    ctx: typer.Context,
    all_changes: Annotated[
        bool, typer.Option("--all", "-a", help="All changes, new files included, whatever is staged.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Commit without asking.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Several commits, by what belongs together, hunk by hunk.")
    ] = False,
    hint: Annotated[
        str, typer.Option("-m", "--hint", metavar="HINT", help="What the message should say.")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as JSON on stdout; without --yes only a draft.")
    ] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Draft a commit message for what is staged, in the repository's own style, and commit after a yes."""
    from kcode.ui.committing import Wanted

    above: Flags = ctx.find_root().obj or Flags()
    flags = replace(
        above,
        model=model or above.model,
        provider=provider or above.provider,
        base_url=base_url or above.base_url,
    )
    return run(flags, Wanted(all_changes, yes, hint.strip(), split), as_json)


def run(flags: Flags, wanted: Wanted, as_json: bool) -> int:
    """Commit in the current folder; the exit code is one of :class:`kcode.errors.ExitCode`."""
    import asyncio

    return asyncio.run(_run(flags, wanted, as_json))


async def _run(flags: Flags, wanted: Wanted, as_json: bool) -> int:
    from kcode.cli.errand import errand
    from kcode.ui.committing import commit as commit_
    from kcode.ui.committing import committable
    from kcode.ui.desk import ConsoleDesk
    from kcode.workspace.workspace import Workspace

    committable(Workspace.open(Path.cwd()))  # told before a provider is opened, or a key asked for
    desk = ConsoleDesk()
    desk.person = desk.person and not as_json
    async with errand(flags, "commit", Path.cwd()) as session:
        outcome = await commit_(desk, session, wanted)
        cost = session.cost.text() if session.cost.requests else ""
    return _conclude(outcome, wanted, as_json, desk.person, cost)


def _conclude(outcome: Outcome, wanted: Wanted, as_json: bool, person: bool, cost: str) -> int:
    from kcode.errors import ExitCode
    from kcode.i18n import _

    code = ExitCode.OK if outcome.commit else ExitCode.NOT_ACHIEVED
    if as_json:
        data = {**outcome.as_json(), "cost": cost, "exit_code": int(code)}
        print(json.dumps(data, ensure_ascii=False, indent=2))
    elif outcome.commit:
        print("\n".join(made.commit for made in outcome.commits) or outcome.commit)
    elif outcome.commits and not person:
        for made in outcome.commits:
            print(made.message, *(f"    {path}" for path in made.files), "", sep="\n")
        print(_("not committed; --yes commits it"), file=sys.stderr)
    elif outcome.message and not person:
        print(outcome.message)
        print(_("not committed; --yes commits it"), file=sys.stderr)
    return int(code)
