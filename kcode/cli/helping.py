"""What ``kcode COMMAND --help`` shows: usage, words, arguments, options, examples; from the parser and the
tables."""

from __future__ import annotations

import inspect
import shutil
import sys
from typing import Any

from kcode.cli.examples import examples_of
from kcode.i18n import _
from kcode.ui.look.wrapping import wrapped

_LEFT = 26  # columns of the names, with their margin


def dress(command: Any, path: str) -> Any:
    """Give ``command``, found under ``path`` (``config set``), and all below it this help; returns it."""
    command.get_help = lambda ctx: text_of(command, path, ctx)
    for name, below in getattr(command, "commands", {}).items():
        dress(below, f"{path} {name}".strip())
    return command


def text_of(command: Any, path: str, ctx: Any) -> str:
    """The whole help of a command, without the last line end."""
    width = _width()
    usage = usage_of(command, path, ctx)
    parts = [_("Usage: {usage}").format(usage=usage), about(command, width, "  ")]
    arguments = [p for p in shown(command, ctx) if p.param_type_name == "argument" and p.help]
    options = [p for p in shown(command, ctx) if p.param_type_name == "option"]
    parts.append(_section(_("Arguments"), [(value_of(p), _(p.help)) for p in arguments], width))
    parts.append(_section(_("Commands"), [(name, _brief(c)) for name, c in below(command)], width))
    parts.append(_section(_("Options"), [(spelled(p), _(p.help or "")) for p in options], width))
    if found := examples_of(path):
        lines = [f"  {line}\n      {_(says)}" for line, says in found]
        parts.append(_("Examples:") + "\n" + "\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def usage_of(command: Any, path: str, ctx: Any) -> str:
    """``kcode config set [OPTIONS] KEY VALUE``"""
    words = ["kcode", *path.split(), "[OPTIONS]"]
    for argument in shown(command, ctx):
        if argument.param_type_name == "argument":
            value = value_of(argument)
            words.append(value if argument.required or "[" in value else f"[{value}]")
    return " ".join([*words, *(["COMMAND [ARGS]..."] if below(command) else [])])


def about(command: Any, width: int, margin: str) -> str:
    """The command's words as paragraphs."""
    paragraphs = inspect.cleandoc(_(inspect.cleandoc(command.help or ""))).split("\n\n")
    return "\n\n".join(
        "\n".join(margin + line for line in wrapped(" ".join(p.split()), width - len(margin)))
        for p in paragraphs
        if p.strip()
    )


def shown(command: Any, ctx: Any) -> list[Any]:
    """The parameters that the help names, ``--help`` last."""
    return [p for p in command.get_params(ctx) if not getattr(p, "hidden", False)]


def below(command: Any) -> list[tuple[str, Any]]:
    """The subcommands by name, those that the help names."""
    return [(name, c) for name, c in getattr(command, "commands", {}).items() if not c.hidden]


def value_of(parameter: Any) -> str:
    """What stands for the value: ``KEY``, ``ID...``."""
    value: str = parameter.metavar or parameter.name.strip("_").upper()
    return value + "..." if parameter.nargs == -1 and "..." not in value else value


def spelled(option: Any) -> str:
    """``-y, --yes`` or ``--since WHEN``, the short flag first, ``--no-check`` behind a slash."""
    flags = sorted(option.opts, key=lambda flag: flag.startswith("--"))
    text = ", ".join(flags) + "".join(f" / {flag}" for flag in option.secondary_opts)
    return text if option.is_flag else f"{text} {value_of(option)}"


def _brief(command: Any) -> str:
    """The first sentence of the command's words, without its stop."""
    words = inspect.cleandoc(command.help or "")
    said = _(words)
    if said == words:
        text: str = command.get_short_help_str(200)
        return text
    return said.partition("\n")[0].partition("。")[0]


def _section(title: str, rows: list[tuple[str, str]], width: int) -> str:
    if not rows:
        return ""
    lines = [_("{title}:").format(title=title)]
    for left, right in rows:
        words = wrapped(right, max(width - _LEFT, 30)) or [""]
        if len(left) + 4 > _LEFT:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left:<{_LEFT - 2}}{words.pop(0)}".rstrip())
        lines += [" " * _LEFT + line for line in words]
    return "\n".join(lines)


def _width() -> int:
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    return max(50, min(columns, 100))
