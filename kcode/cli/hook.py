"""``kcode hook``: git hooks in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.githooks.install import Status
    from kcode.githooks.place import Place

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Install or remove git hooks, or run their checks.",
)

NAMES = "pre-commit, prepare-commit-msg, commit-msg, pre-push or post-merge"
Hook = Annotated[str, typer.Argument(help=f"{NAMES}.")]


@app.command()
def install(
    hook: Annotated[
        list[str] | None, typer.Argument(help=f"{NAMES}; several; without: pre-commit.", show_default=False)
    ] = None,
) -> int:
    """Install hooks into this repository; one that is there already keeps running before it."""
    from kcode.errors import ExitCode
    from kcode.githooks.install import TakenByLefthook, check_name
    from kcode.githooks.install import install as install_
    from kcode.githooks.place import find_place

    names, code = hook or ["pre-commit"], ExitCode.OK
    for name in names:
        check_name(name)
    place = find_place(Path.cwd())
    for name in names:
        try:
            _installed(install_(place, name), place)
        except TakenByLefthook as taken:
            _say(f"kcode: {taken.message}; {taken.remedy}:")
            _say(taken.lines)
            code = ExitCode.NOT_ACHIEVED
    return int(code)


def _not_called() -> str:
    return _("  git does not call lefthook for it yet: run `lefthook install`")


def _installed(done: Status, place: Place) -> None:
    if done.by:
        _say(_("{hook}: added to {path}, which {by} runs").format(hook=done.hook, path=done.path, by=done.by))
        if not done.called:
            _say(_not_called())
        return
    _say(_("installed {path}").format(path=done.path))
    if done.chained:
        _say(_("the hook that was there runs first ({name}.kcode-chained)").format(name=done.path.name))
    if place.redirected:
        _say(
            _("core.hooksPath points to {hooks}: every repository that uses it gets it").format(
                hooks=place.hooks
            )
        )


@app.command()
def uninstall(
    hook: Annotated[
        list[str] | None, typer.Argument(help=f"{NAMES}; several; without: all.", show_default=False)
    ] = None,
) -> int:
    """Remove hooks and put back those that were there before."""
    from kcode.githooks.install import HOOKS, check_name, status
    from kcode.githooks.install import uninstall as uninstall_
    from kcode.githooks.place import find_place

    for name in hook or ():
        check_name(name)
    place = find_place(Path.cwd())
    names = hook or [name for name in HOOKS if status(place, name).state == "ours"]
    for name in names:
        removed = uninstall_(place, name)
        said = _("removed {hook} hook of kcode's") if removed else _("there was no {hook} hook of kcode's")
        _say(said.format(hook=name))
    if not names:
        _say(_("there is no hook of kcode's here"))
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
        words = {"none": _("not installed"), "ours": _("installed"), "other": _("another hook, not kcode's")}[
            now.state
        ]
        by = _(", by {by}").format(by=now.by) if now.by and now.state == "ours" else ""
        print(f"{name}: {words}{_(', chained') if now.chained else ''}{by} ({now.path})")
        if not now.called:
            print(_not_called())
        if now.program and not now.program_there:
            print(
                _("  the kcode it starts is gone: {program}; `kcode hook install {name}` renews it").format(
                    program=now.program, name=name
                )
            )
    return 0


@app.command(context_settings={"ignore_unknown_options": True})
def run(hook: Hook, rest: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> int:
    """Run a hook's check on what is staged."""
    from kcode.cli.hooksession import hook_session
    from kcode.githooks.run import main

    return main([hook, *(rest or [])], hook_session)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
