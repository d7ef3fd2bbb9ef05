"""``kcode changelog``: what a range of commits means for users."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.cli.root import Flags, option_for

if TYPE_CHECKING:
    from kcode.agent.grouping import Logged

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
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Sort the subjects as they are; asks no model, needs no key.")
    ] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Write the changelog of a range for users, as Markdown on standard output."""
    import asyncio

    from kcode.cli.asking import flags_with

    above: Flags = ctx.find_root().obj or Flags()
    return asyncio.run(_run(flags_with(above, model, provider, base_url), range_, no_model))


async def _run(flags: Flags, revisions: str, no_model: bool) -> int:
    from kcode.agent.explaining import ask_about, commits, logged, room
    from kcode.cli.asking import answered
    from kcode.cli.errand import errand
    from kcode.cli.start import begin, endpoint_of
    from kcode.ui.committing import no_repository
    from kcode.workspace.repo import is_bare
    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    if not workspace.is_git and not is_bare(workspace.root):
        raise no_repository(workspace.root)
    found = logged(workspace.root, revisions)[1]  # what is wrong with it is told before a provider is opened
    settings = begin(flags).settings
    if no_model or endpoint_of(settings).profile.embedded:
        return _sorted(found, asked=no_model)
    async with errand(flags, "changelog", workspace.root, settings) as session:
        material = commits(workspace.root, revisions, room(session))
        return await answered(ask_about(session, "changelog", material), material)


def _sorted(found: Sequence[Logged], *, asked: bool) -> int:
    """The subjects themselves under their headings; ``asked``: the user wanted no model."""
    from kcode.agent.grouping import grouped
    from kcode.i18n import _, n_
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.look.terminal import tolerate

    desk, made = ConsoleDesk(), grouped(found)
    tolerate(sys.stdout)
    if made.text:
        print(made.text)
    else:
        desk.say(_("no commit of it concerns users"), "dim")
    if not asked:
        desk.say(
            _(
                "no model was asked: the embedded one is too small; these are the log's subjects, sorted "
                "(kcode login, for a K2 model that writes for users)"
            ),
            "dim",
        )
    if made.left_out:
        said = n_(
            "{count} commit that only concerns developers is left out",
            "{count} commits that only concern developers are left out",
            made.left_out,
        )
        desk.say(said.format(count=made.left_out), "dim")
    return 0
