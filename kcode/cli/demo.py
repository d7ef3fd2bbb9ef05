"""``kcode demo``: a small repository with a real bug, repaired before your eyes."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from kcode.cli.root import Flags, option_for
from kcode.i18n import _

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the example repository afterwards.")] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
) -> int:
    """Repair a bug in a small example repository. Nothing about the repair is prepared."""
    from dataclasses import replace

    above: Flags = ctx.find_root().obj or Flags()
    # The embedded model unless another provider is named: the demo needs no key and costs nothing.
    flags = replace(above, provider=provider or above.provider or "embedded", model=model or above.model)
    return _in_kept_folder(flags) if keep else _in_temporary_folder(flags)


def _in_temporary_folder(flags: Flags) -> int:
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="kcode-demo-", ignore_cleanup_errors=True) as folder:
        try:
            return _run(Path(folder), flags)
        finally:
            os.chdir(before)


def _in_kept_folder(flags: Flags) -> int:
    folder = Path(tempfile.mkdtemp(prefix="kcode-demo-"))
    try:
        return _run(folder, flags)
    finally:
        print(_("the example repository is {folder}").format(folder=folder), file=sys.stderr)


def _run(folder: Path, flags: Flags) -> int:
    from kcode.cli.fix import run
    from kcode.repair.aim import Asked
    from kcode.repair.demo_project import create
    from kcode.ui.fixing import Wanted

    project = create(folder)
    os.chdir(project.root)
    _say(_("A small repository with a bug and a failing test was made. kcode fix looks for the repair:"))
    _say("")
    code = run(flags, Wanted(Asked(project.failing_test), yes=True))
    _say("")
    done = _("The failing test passes now, and so does the rest of the suite.")
    _say(done if code == 0 else _("The demo did not find the repair."))
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr)
