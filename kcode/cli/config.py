"""``kcode config``: show and change settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kcode.i18n import _

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show and change settings.",
)

Project = Annotated[bool, typer.Option("--project", help="The project's file instead of your own.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> int:
    """Show every setting, its value and where the value comes from."""
    from kcode.config.keys import flatten

    loaded = _load(ctx)
    values = {key: _shown(key, value) for key, value in flatten(loaded.settings).items()}
    if as_json:
        rows = {key: {"value": value, "origin": loaded.origins[key]} for key, value in values.items()}
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for key, value in values.items():
        print(f"{key:<28} {_toml(value):<28} {_short(loaded.origins[key])}".rstrip())
    return 0


@app.command()
def get(ctx: typer.Context, key: Annotated[str, typer.Argument(help="Like agent.max_turns.")]) -> int:
    """Print the value of one setting."""
    from kcode.config.keys import field_of, flatten

    field_of(key)
    print(_plain(_shown(key, flatten(_load(ctx).settings)[key])))
    return 0


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    key: Annotated[str, typer.Argument(help="Like agent.max_turns.")],
    value: Annotated[str, typer.Argument(help="The new value; an empty one is text of no length.")],
    project: Project = False,
) -> int:
    """Change one setting in your file; comments in it are kept."""
    from kcode.config.edit import set_value

    path = _file(project)
    new = set_value(path, key, value, project=project)
    print(f"{key} = {_toml(_shown(key, new))}  ({_tilde(path)})", file=sys.stderr)
    return 0


@app.command()
def unset(key: Annotated[str, typer.Argument(help="Like agent.max_turns.")], project: Project = False) -> int:
    """Remove one setting from your file, so that its default holds again."""
    from kcode.config.edit import unset as remove

    remove(_file(project), key, project=project)
    return 0


@app.command()
def edit(project: Project = False) -> int:
    """Open the file in your editor ($VISUAL, $EDITOR) and check it afterwards."""
    import os
    import shlex
    import shutil

    from kcode.config.edit import check_text, write_atomically
    from kcode.config.tomlfile import read
    from kcode.errors import EnvironmentProblem

    path = _file(project)
    spelled = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not spelled:
        spelled = next((name for name in ("editor", "nano", "vi", "notepad") if shutil.which(name)), "")
    if not spelled:
        raise EnvironmentProblem("no editor was found", f"set EDITOR, or edit {path} by other means")
    if not path.exists():
        write_atomically(path, _STARTER)
    _run_editor([*shlex.split(spelled), str(path)])
    check_text(read(path)[1], path, project=project)
    print(_("{file} is fine").format(file=_tilde(path)), file=sys.stderr)
    return 0


@app.command("path")
def path_(project: Project = False) -> int:
    """Print where the file is."""
    print(_file(project))
    return 0


_STARTER = """\
# kcode's settings. `kcode config list` shows all of them with their values.
# [agent]
# mode = "ask"
"""


def _run_editor(argv: list[str]) -> None:
    """The editor needs the terminal itself, so it is a plain child and not one behind pipes."""
    import subprocess

    from kcode.errors import EnvironmentProblem

    try:
        code = subprocess.run(argv, check=False).returncode  # noqa: S603 - the editor that the user chose
    except OSError as error:
        raise EnvironmentProblem(f"{argv[0]}: cannot be started ({error.strerror})", "set EDITOR") from None
    if code != 0:
        raise EnvironmentProblem(f"{argv[0]} ended with code {code}", "nothing was checked; run it again")


def _load(ctx: typer.Context) -> Any:
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root

    flags = ctx.find_root().obj
    return load_settings(project_root(Path.cwd()), flags.overrides() if flags else {})


def _file(project: bool) -> Path:
    from kcode.config.paths import project_config_file, project_root, user_config_file

    return project_config_file(project_root(Path.cwd())) if project else user_config_file()


def _shown(key: str, value: Any) -> Any:
    """A secret as its last four characters; anything else as it is."""
    from kcode.config.keys import SECRET_KEYS

    if key in SECRET_KEYS and value:
        return "…" + value[-4:] if len(value) >= 12 else "…"
    return value


def _toml(value: Any) -> str:
    if value is None:
        return "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(origin: str) -> str:
    for kind in ("user file ", "project file "):
        if origin.startswith(kind):
            return kind + _tilde(Path(origin[len(kind) :]))
    return origin


def _tilde(path: Path) -> str:
    from kcode.cli.door import with_tilde

    return with_tilde(path)
