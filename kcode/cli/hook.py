"""``kcode hook``: git hooks in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Install or remove git hooks, or run their checks.",
)

Hook = Annotated[str, typer.Argument(help="pre-commit.")]


@app.command()
def install(hook: Hook) -> int:
    """Install a hook into this repository; one that is there already keeps running before it."""
    from kcode.githooks.install import install as install_
    from kcode.githooks.place import find_place

    place = find_place(Path.cwd())
    done = install_(place, hook)
    print(f"installed {done.path}", file=sys.stderr)
    if done.chained:
        print(f"the hook that was there runs first ({done.path.name}.kcode-chained)", file=sys.stderr)
    if place.redirected:
        print(
            f"core.hooksPath points to {place.hooks}: every repository that uses it gets it", file=sys.stderr
        )
    return 0


@app.command()
def uninstall(hook: Hook) -> int:
    """Remove a hook and put back the one that was there before."""
    from kcode.githooks.install import uninstall as uninstall_
    from kcode.githooks.place import find_place

    place = find_place(Path.cwd())
    removed = uninstall_(place, hook)
    print(f"{'removed' if removed else 'there was no'} {hook} hook of kcode's", file=sys.stderr)
    return 0


@app.command()
def status() -> int:
    """Show which hooks are installed here."""
    from kcode.githooks.install import HOOKS
    from kcode.githooks.install import status as status_
    from kcode.githooks.place import find_place

    place = find_place(Path.cwd())
    for name in HOOKS:
        now = status_(place, name)
        words = {"none": "not installed", "ours": "installed", "other": "another hook, not kcode's"}[
            now.state
        ]
        print(f"{name}: {words}{', chained' if now.chained else ''} ({now.path})")
        if now.program and not now.program_there:
            print(f"  the kcode it starts is gone: {now.program}; `kcode hook install {name}` renews it")
    return 0


@app.command(context_settings={"ignore_unknown_options": True})
def run(hook: Hook, rest: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> int:
    """Run a hook's check on what is staged."""
    from kcode.githooks.run import main

    return main([hook, *(rest or [])])
