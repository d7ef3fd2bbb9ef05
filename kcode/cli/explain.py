"""``kcode explain``: what a commit, a file or a line is about."""

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
def explain(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="REV|FILE[:LINE]", help="A commit, A..B, a file, or FILE:LINE[-LINE].")
    ],
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Explain a commit, a range, a file or lines of it, as Markdown on standard output."""
    import asyncio

    from kcode.cli.asking import flags_with

    above: Flags = ctx.find_root().obj or Flags()
    return asyncio.run(_run(flags_with(above, model, provider, base_url), what))


async def _run(flags: Flags, what: str) -> int:
    from kcode.agent.explaining import ask_about, room, subject_of
    from kcode.cli.asking import answered
    from kcode.cli.errand import errand
    from kcode.workspace.workspace import Workspace

    workspace, here = Workspace.open(Path.cwd()), Path.cwd()
    subject_of(workspace, what, here, 1_000)  # what is wrong with it is told before a provider is opened
    async with errand(flags, "explain", workspace.root) as session:
        material = subject_of(workspace, what, here, room(session))
        return await answered(ask_about(session, "explain", material), material)
