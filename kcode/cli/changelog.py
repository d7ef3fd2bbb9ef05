"""``kcode changelog``: what a range of commits means for users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kcode.cli.root import Flags, option_for

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def changelog(
    ctx: typer.Context,
    range_: Annotated[
        str,
        typer.Argument(
            metavar="[RANGE]",
            help="A..B, or a revision: everything since; without: since the last tag.",
            show_default=False,
        ),
    ] = "",
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Write the changelog of a range for users, as Markdown on standard output."""
    import asyncio

    from kcode.cli.asking import flags_with

    above: Flags = ctx.find_root().obj or Flags()
    return asyncio.run(_run(flags_with(above, model, provider, base_url), range_))


async def _run(flags: Flags, revisions: str) -> int:
    from kcode.agent.explaining import ask_about, commits, room
    from kcode.cli.asking import answered
    from kcode.cli.errand import errand
    from kcode.ui.committing import no_repository
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    if not workspace.is_git:
        raise no_repository(workspace.root)
    commits(workspace.root, revisions, 1)  # what is wrong with it is told before a provider is opened
    async with errand(flags, "changelog", workspace.root) as session:
        material = commits(workspace.root, revisions, room(session))
        return await answered(ask_about(session, "changelog", material), material)
