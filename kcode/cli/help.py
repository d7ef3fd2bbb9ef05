"""``kcode help``: the screen of ``--help``, all options, or a command's own help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="[options|COMMAND...]", help="What to tell about.")
    ] = None,
) -> int:
    """Show the options of kcode itself, or a command's help with examples. Without a word: the commands."""
    from kcode.cli.table import help_text, options_text

    if not topic:
        print(help_text(), end="")
    elif topic == ["options"]:
        print(options_text(), end="")
        _print_examples()
    else:
        print(_of(ctx.find_root(), topic))
    return 0


def _print_examples() -> None:
    from kcode.cli.examples import examples_of
    from kcode.i18n import _

    print("\n" + _("Examples:"))
    for line, says in examples_of(""):
        print(f"  {line}\n      {_(says)}")


def _of(root: Any, topic: list[str]) -> str:
    from difflib import get_close_matches

    from kcode.errors import UsageError
    from kcode.i18n import _

    command = root.command
    for position, word in enumerate(topic):
        known = command.list_commands(root) if hasattr(command, "list_commands") else []
        if word not in known:
            path = " ".join(topic[: position + 1])
            near = get_close_matches(word, known, 1)
            hint = _("did you mean {word!r}?").format(word=near[0]) if near else _("kcode --help lists them")
            raise UsageError(_("there is no command {path!r}").format(path=path), hint)
        command = command.get_command(root, word)
    found: str = command.get_help(type(root)(command, info_name=topic[-1], parent=root))
    return found
