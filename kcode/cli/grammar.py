"""The whole command line as data, read from the parser and the settings.

Completion must not import them at every Tab: ``python -m kcode.cli.grammar`` writes what it needs into
``words.py``, and a test holds that file to this one.
"""

from __future__ import annotations

from pathlib import Path
from pprint import pformat
from typing import Any, get_args

# What a value is, by command and parameter; a parameter that is not here completes nothing.
KINDS: dict[str, str] = {
    " resume": "sessions",
    " attach": "files",
    " output": "text|json|stream-json",
    " cwd": "folders",
    "* model": "models",
    "* provider": "providers",
    "* mode": "plan|ask|edits|auto",
    "fix target": "tests",
    "review words": "files",
    "resolve paths": "files",
    "review fail_on": "high|medium|low",
    "models provider": "providers",
    "models pull name": "embedded",
    "models pull source": "folders",
    "models verify name": "embedded",
    "models rm name": "embedded",
    "models path name": "embedded",
    "login profile": "providers",
    "logout profile": "providers",
    "provider check name": "providers",
    "provider verify cases": "files",
    "provider verify reference": "files",
    "provider verify out": "files",
    "cost by": "model|project|day",
    "session show wanted": "sessions",
    "session export wanted": "sessions",
    "session export format": "md|json|html",
    "session export output": "files",
    "session fork wanted": "sessions",
    "session rm wanted": "sessions",
    "config get key": "keys",
    "config set key": "keys",
    "config set value": "values",
    "config unset key": "keys",
    "review format_": "text|json|sarif|github",
    "hook install hook": "pre-commit|prepare-commit-msg|commit-msg|pre-push|post-merge",
    "hook uninstall hook": "pre-commit|prepare-commit-msg|commit-msg|pre-push|post-merge",
    "hook run hook": "pre-commit|prepare-commit-msg|commit-msg|pre-push|post-merge",
    "completion shell": "bash|zsh|fish|powershell",
    "help topic": "commands",
}


def tree() -> dict[str, Any]:
    """Per command path: its words, its options as (flags, kind, words; the kind is None for a switch), its
    arguments as (kind, whether more may follow)."""
    import typer

    from kcode.cli.helping import below
    from kcode.cli.root import command
    from kcode.cli.table import COMMANDS, OPTIONS

    root = command()
    ctx = typer.Context(root, info_name="kcode")
    found: dict[str, Any] = {"": _entry("", root)}
    by_name = {row.name: row for row in OPTIONS}
    assert {*by_name} >= {p.name for p in root.params}
    for row in COMMANDS:
        at = root.get_command(ctx, row.name)
        found[row.name] = (row.help, *_entry(row.name, at)[1:])
        for name, sub in below(at):
            found[f"{row.name} {name}"] = _entry(f"{row.name} {name}", sub)
    return found


def _entry(path: str, command: Any) -> tuple[Any, ...]:
    options, arguments = [], []
    for parameter in command.params:
        kind = KINDS.get(f"{path} {parameter.name}") or KINDS.get(f"* {parameter.name}", "")
        if getattr(parameter, "hidden", False):
            continue
        if parameter.param_type_name == "argument":
            arguments.append((kind, parameter.nargs == -1))
        else:
            flags = (*parameter.opts, *parameter.secondary_opts)
            options.append((flags, None if parameter.is_flag else kind, parameter.help or ""))
    options.append((("-h", "--help"), None, "Show this message and exit."))
    return (command.get_short_help_str(100), tuple(options), tuple(arguments))


def settings() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Per setting: what it means, and the values it can have where they are few."""
    from kcode.config.keys import all_keys

    found = {}
    for key, field in all_keys().items():
        choices = get_args(field.annotation)
        values = tuple(str(choice) for choice in choices if isinstance(choice, str) and choice)
        found[key] = (field.description or "", ("true", "false") if field.annotation is bool else values)
    return found


def models() -> dict[str, str]:
    """Per model id: who offers it."""
    from kcode.providers.catalog import models as known

    found: dict[str, list[str]] = {}
    for model in known():
        if model.status != "retired":
            found.setdefault(model.id, []).append(model.provider)
    return {name: ", ".join(providers) for name, providers in sorted(found.items())}


def providers() -> dict[str, str]:
    from kcode.providers.profiles import PROFILES

    return {profile.name: profile.title for profile in PROFILES.values()}


def embedded() -> list[str]:
    from kcode.config.paths import data_dir
    from kcode.providers.embedded.store import ModelStore

    return [entry.name for entry in ModelStore(data_dir()).entries()]


def everything() -> dict[str, Any]:
    return {
        "COMMANDS": tree(),
        "SETTINGS": settings(),
        "MODELS": models(),
        "PROVIDERS": providers(),
        "EMBEDDED": embedded(),
    }


def main() -> None:
    """Write ``words.py``."""
    lines = ['"""What completion completes. Written by ``python -m kcode.cli.grammar``: do not edit."""\n']
    lines += ["from __future__ import annotations\n\nfrom typing import Any\n\n# fmt: off"]
    for name, value in everything().items():
        lines.append(f"{name}: Any = {pformat(value, width=100, sort_dicts=False)}")
    (Path(__file__).parent / "words.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
