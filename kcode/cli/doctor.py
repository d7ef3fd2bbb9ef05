"""``kcode doctor``: what kcode finds on this machine, line by line, and how to mend what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kcode.cli import examine, examine_service
from kcode.cli.door import with_tilde
from kcode.cli.examine import Finding
from kcode.cli.table import padded
from kcode.errors import ExitCode, KcodeError
from kcode.i18n import _, for_programs, from_below
from kcode.ui.look.wrapping import wrapped

if TYPE_CHECKING:
    from kcode.config.settings import Settings

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LEFT = 15  # columns of the mark and the name


@app.command()
def doctor(
    ctx: typer.Context,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the provider too, as little as possible.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> int:
    """Check what kcode finds on this machine: terminal, git, keys, model, sandbox, disk; how to fix it.

    Asks nobody without --online. Exit code 9 where something that is needed is missing.
    """
    from kcode.ui.look.terminal import tolerate

    tolerate(sys.stdout)
    if as_json:
        for_programs()
    found: list[Finding] = []
    for finding in _findings(ctx.find_root().obj, online):
        found.append(finding)
        if not as_json:
            _print(finding)
    needed = [finding for finding in found if finding.ok is False]
    code = int(ExitCode.ENVIRONMENT) if needed else 0
    if as_json:
        print(json.dumps({"findings": [f._asdict() for f in found], "exit_code": code}, indent=2))
    return code


def _findings(flags: Any, online: bool) -> Iterator[Finding]:
    yield from _guarded("python", examine.python)
    yield from _guarded("terminal", examine.terminal)
    yield from _guarded("git", examine.git)
    read: list[Settings] = []
    yield from _guarded("settings", lambda: _settings(flags, read))
    if not read:
        from kcode.config.settings import Settings as Defaults

        read.append(Defaults())
    settings = read[0]
    yield from _guarded("provider", lambda: examine_service.provider(settings))
    yield from _guarded("keys", lambda: examine_service.keys(settings))
    yield from _guarded("network", examine_service.proxies)
    if online:
        yield from _guarded("online", lambda: examine_service.online(settings))
    yield from _guarded("model", lambda: examine_service.embedded(settings))
    yield from _guarded("sandbox", lambda: examine_service.sandbox(settings))
    yield from _guarded("disk", examine.disk)
    yield from _guarded("editor", examine.editor)
    yield from _guarded("clipboard", examine.clipboard)
    yield from _guarded("completion", examine.completion)
    yield from _guarded("grammars", examine.grammars)


def _settings(flags: Any, read: list[Settings]) -> Iterator[Finding]:
    from kcode.cli.start import begin

    loaded = begin(flags).loaded
    read.append(loaded.settings)
    used = sorted({with_tilde_in(origin) for origin in loaded.origins.values() if origin != "default"})
    yield Finding("settings", True, ", ".join(used) or _("defaults"))


def with_tilde_in(origin: str) -> str:
    for kind in ("user file ", "project file "):
        if origin.startswith(kind):
            return kind + with_tilde(Path(origin[len(kind) :]))
    return origin


def _guarded(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of ``check``; whatever stops it is one: the other checks are made all the same."""
    try:
        yield from check()
    except KcodeError as error:
        yield Finding(what, False, from_below(error.message), from_below(error.remedy))
    except OSError as error:
        at = f"{error.filename}: " if error.filename else ""
        yield Finding(what, False, f"{at}{error.strerror or error}", _("check the path and its permissions"))
    except Exception as error:  # outer door
        says = _("the check itself failed: {kind}: {words}").format(kind=type(error).__name__, words=error)
        yield Finding(what, False, says, _("please report it"))


def _print(finding: Finding) -> None:
    from kcode.safety.sanitize import clean
    from kcode.ui.look.paint import painted
    from kcode.ui.look.terminal import look_at, size_of
    from kcode.ui.look.theme import theme_of

    look = look_at(sys.stdout)
    theme = theme_of(look)
    width = size_of(sys.stdout)[0] if sys.stdout.isatty() else 0
    mark, style = {True: ("ok", theme.good), False: ("no", theme.bad), None: ("-", theme.warn)}[finding.ok]
    begin = f"{painted(f'{mark:<3}', style, look)} {padded(_(finding.what), 10)}"
    print(f"{begin} {_wrapped(clean(finding.says), width)}")
    if finding.fix:
        label = painted(padded(_("try:"), 4), "bold", look)
        print(f"{' ' * _LEFT}{label} {_wrapped(clean(finding.fix), width, 5)}", flush=True)


def _wrapped(text: str, width: int, more: int = 0) -> str:
    """``text`` behind the left columns and ``more``; as it is where no terminal gives a width."""
    room = width - _LEFT - more - 1
    if room < 30:
        return text
    return f"\n{' ' * (_LEFT + more)}".join(wrapped(text, room)) or text
