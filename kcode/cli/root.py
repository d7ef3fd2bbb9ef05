"""The command line's root: its options, and commands that are imported when they are used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kcode.cli.door import Escaped
from kcode.cli.helping import dress
from kcode.cli.table import COMMANDS, SUMMARY, help_text, option
from kcode.errors import UsageError


@dataclass(frozen=True)
class Flags:
    """The root options as given; None where not given."""

    prompt: str | None = None
    continue_: bool = False
    resume: str | None = None
    attach: list[str] | None = None
    model: str | None = None
    provider: str | None = None
    base_url: str | None = None
    mode: str | None = None
    allow: list[str] | None = None
    deny: list[str] | None = None
    output: str | None = None
    max_turns: int | None = None
    max_cost: str | None = None
    max_seconds: float | None = None
    cwd: str | None = None

    def overrides(self) -> dict[str, object]:
        """The flags that stand for settings, by dotted key."""
        given: dict[str, object | None] = {
            "provider.model": self.model,
            "provider.name": self.provider,
            "provider.base_url": self.base_url,
            "agent.mode": self.mode,
            "agent.max_turns": self.max_turns,
            "agent.max_cost": self.max_cost,
            "agent.max_seconds": self.max_seconds,
        }
        return {key: value for key, value in given.items() if value is not None}


class LazyGroup(TyperGroup):
    """Finds commands in the table and imports a command's module on use."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        row = next((row for row in COMMANDS if row.name == cmd_name), None)
        if row is None:
            return None
        app: typer.Typer = importlib.import_module(row.module).app
        found = typer.main.get_command(app)
        found.help = found.help or row.help
        return dress(found, row.name)

    def get_help(self, ctx: Any) -> str:
        return help_text().rstrip("\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = [row.name for row in COMMANDS]
        if args and args[0] not in known and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], known, 1)
            hint = f"did you mean {close[0]!r}?" if close else 'a task goes with -p: kcode -p "…"'
            raise Escaped(UsageError(f"there is no command {args[0]!r}", hint))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            code = super().invoke(ctx)
        except (KeyboardInterrupt, EOFError, OSError) as error:
            raise Escaped(error) from error
        if isinstance(code, int) and code:
            ctx.exit(int(code))
        return code


def option_for(name: str) -> Any:
    """A root option as the table spells it, for the root and for commands that take it too."""
    row = option(name)
    return typer.Option(*row.flags, metavar=row.metavar or None, help=row.help)


app = typer.Typer(
    cls=LazyGroup,
    name="kcode",
    help=SUMMARY,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    prompt: Annotated[str | None, option_for("prompt")] = None,
    continue_: Annotated[bool, option_for("continue_")] = False,
    resume: Annotated[str | None, option_for("resume")] = None,
    attach: Annotated[list[str] | None, option_for("attach")] = None,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
    mode: Annotated[str | None, option_for("mode")] = None,
    allow: Annotated[list[str] | None, option_for("allow")] = None,
    deny: Annotated[list[str] | None, option_for("deny")] = None,
    output: Annotated[str | None, option_for("output")] = None,
    max_turns: Annotated[int | None, option_for("max_turns")] = None,
    max_cost: Annotated[str | None, option_for("max_cost")] = None,
    max_seconds: Annotated[float | None, option_for("max_seconds")] = None,
    cwd: Annotated[str | None, option_for("cwd")] = None,
    debug: Annotated[bool, option_for("debug")] = False,
    version: Annotated[bool, option_for("version")] = False,
) -> int:
    if version:
        from kcode import __version__

        print(f"kcode {__version__}")
        raise typer.Exit(0)
    given = {name: ctx.params[name] for name in Flags.__dataclass_fields__}
    flags = Flags(**given)
    _check(flags, ctx.invoked_subcommand)
    ctx.obj = flags
    if cwd is not None:
        _enter(cwd)
    if ctx.invoked_subcommand is not None:
        return 0
    if prompt is not None:
        from kcode.cli.headless import run as run_headless

        return run_headless(flags)
    from kcode.cli.repl import run as run_repl

    return run_repl(flags)


def command() -> Any:
    """The parser of the whole command line."""
    return typer.main.get_command(app)


def _check(flags: Flags, subcommand: str | None) -> None:
    if subcommand is not None:
        for given, spelled in (
            (flags.prompt is not None, "-p"),
            (flags.continue_, "-c"),
            (flags.resume is not None, "--resume"),
            (flags.output is not None, "--output"),
            (bool(flags.attach), "--attach"),
            (bool(flags.allow), "--allow"),
            (bool(flags.deny), "--deny"),
        ):
            if given:
                raise UsageError(f"{spelled} does not go with the command {subcommand!r}", "leave one out")
    if flags.continue_ and flags.resume is not None:
        raise UsageError("-c and --resume do not go together", "-c takes the last session")
    if flags.output is not None and flags.output not in ("text", "json", "stream-json"):
        raise UsageError(f"--output must be text, json or stream-json, not {flags.output!r}")
    if flags.output is not None and flags.prompt is None:
        raise UsageError("--output goes with -p only", "kcode -p PROMPT --output json")


def _enter(folder: str) -> None:
    import os

    try:
        os.chdir(Path(folder).expanduser())
    except OSError as error:
        raise UsageError(f"--cwd {folder}: {error.strerror}", "name a folder that is there") from None
