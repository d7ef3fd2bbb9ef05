"""``kcode session``: list, show, export, fork, remove and prune the sessions of a project."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.conversation.sessions import Summary

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List, show, export, fork or remove sessions.",
)

Wanted = Annotated[
    str, typer.Argument(metavar="[ID|WORDS]", help="Beginning of an id, or words; without it the last one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.callback(invoke_without_command=True)
def session(ctx: typer.Context) -> int:
    return 0 if ctx.invoked_subcommand else list_()


@app.command("list")
def list_(
    search: Annotated[str, typer.Argument(metavar="[WORDS]", help="Only those that fit.")] = "",
    everywhere: Annotated[bool, typer.Option("--all", help="Those of every project.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show the project's sessions, the latest first."""
    from kcode.conversation.sessions import all_summaries, matching, summaries

    found = all_summaries() if everywhere else summaries(_root())
    if search:
        found = matching(found, search)
    if as_json:
        print(json.dumps([_object(each) for each in found], indent=2, ensure_ascii=False))
        return 0
    if not found:
        said = (
            _("no session fits {words!r}; kcode starts one")
            if search
            else _("no sessions here; kcode starts one")
        )
        print(said.format(words=search), file=sys.stderr)
        return 0
    print_list(found)
    return 0


@app.command()
def show(wanted: Wanted = "", as_json: AsJson = False) -> int:
    """Tell what a session is, where it is and what it cost."""
    from kcode.cli.table import padded
    from kcode.conversation.sessions import summary
    from kcode.safety.sanitize import clean
    from kcode.ui.picker import age, cost_text

    found = summary(_chosen(wanted))
    if as_json:
        print(json.dumps(_object(found), indent=2, ensure_ascii=False))
        return 0
    rows = [
        (_("session"), found.id),
        (_("begun"), _("{date} in {root}").format(date=_date(found.created), root=found.root)),
        (_("last used"), _("{age} ago").format(age=age(found.changed))),
        (_("branch"), found.branch or "-"),
        (_("model"), found.model or "-"),
        (_("messages"), str(found.messages)),
        (_("requests"), str(found.requests)),
        (_("cost"), cost_text(found) or "-"),
        (_("fork of"), found.parent),
        (_("damage"), found.damage),
        (_("file"), f"{found.path} ({found.size / 1e6:.1f} MB)"),
    ]
    for name, value in rows:
        if value:
            print(f"{padded(name, 10)} {' '.join(clean(value).split())}")
    for number, text in enumerate(found.typed, 1):
        print(f"{number:>4}  {' '.join(clean(text).split())}")
    return 0


@app.command()
def export(
    wanted: Wanted = "",
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="md, json or html.")] = "md",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A new file; else stdout.")
    ] = None,
) -> int:
    """Write a session as a document. Keys and passwords in it are masked."""
    from kcode.errors import UsageError
    from kcode.ui.exporting import FORMATS, document, redactor, write_new

    if format not in FORMATS:
        raise UsageError(f"--format must be md, json or html, not {format!r}")
    path = _chosen(wanted)
    text = document(path, format, redactor(_root()))
    if output is None:
        sys.stdout.write(_fit(text) if format == "md" and sys.stdout.isatty() else text)
        return 0
    write_new(Path(output).expanduser(), text)
    print(_("{stem} written to {output}").format(stem=path.stem, output=output), file=sys.stderr)
    return 0


@app.command()
def fork(wanted: Wanted = "", as_json: AsJson = False) -> int:
    """Copy a session under a new id; the original stays as it is."""
    from kcode.conversation.journal import fork as copy

    path = copy(_chosen(wanted), _root())
    if as_json:
        print(json.dumps({"session_id": path.stem}))
        return 0
    print(path.stem)
    print(_("go on in it: kcode --resume {stem}").format(stem=path.stem), file=sys.stderr)
    return 0


@app.command()
def rm(wanted: Annotated[list[str], typer.Argument(metavar="ID...", help="Beginnings of ids.")]) -> int:
    """Delete sessions for good."""
    from kcode.conversation.journal import find_session
    from kcode.conversation.sessions import remove

    paths = [find_session(_root(), each) for each in wanted]
    for path in dict.fromkeys(paths):
        remove(path)
        print(_("{stem} removed").format(stem=path.stem), file=sys.stderr)
    return 0


@app.command()
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="30d, 12h, 4w: those not used for so long.")
    ] = "",
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="500mb, 2gb: the oldest until within it.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Remove old sessions and snapshots of all projects; without options as the settings say."""
    from kcode.agent.housekeeping import tidy
    from kcode.config.layers import load_settings

    settings = load_settings(_root()).settings.sessions
    days = _seconds(older_than) / 86_400 if older_than else 0.0 if max_size else settings.keep_days
    size = _bytes(max_size) if max_size else 0 if older_than else settings.max_mb * 1_000_000
    done = tidy(days, size)
    if as_json:
        print(json.dumps({"sessions": done.sessions, "bytes_freed": done.size}))
        return 0
    print(
        _("{sessions} sessions removed, {done:.1f} MB freed").format(
            sessions=done.sessions, done=done.size / 1000000.0
        ),
        file=sys.stderr,
    )
    return 0


def print_list(found: list[Summary]) -> None:
    """One line a session, as wide as the terminal."""
    from kcode.ui.look.terminal import size_of, tolerate
    from kcode.ui.picker import row

    tolerate(sys.stdout)
    columns = size_of(sys.stdout)[0] if sys.stdout.isatty() else 160
    for each in found:
        print(f"{each.id}  {row(each, columns - len(each.id) - 3)}".rstrip())


def _chosen(wanted: str) -> Path:
    from kcode.conversation.journal import find_session
    from kcode.conversation.sessions import choose

    return choose(_root(), wanted) if wanted else find_session(_root())


def _root() -> Path:
    from kcode.config.paths import project_root

    return project_root(Path.cwd().resolve())


def _object(found: Summary) -> dict[str, Any]:
    return {
        "session_id": found.id,
        "title": found.title,
        "last": found.last,
        "branch": found.branch,
        "model": found.model,
        "root": found.root,
        "created": found.created,
        "changed": found.changed,
        "messages": found.messages,
        "requests": found.requests,
        "cost": [{"amount": str(amount), "currency": currency} for currency, amount in found.cost],
        "parent": found.parent,
        "damage": found.damage,
        "size": found.size,
        "path": str(found.path),
    }


def _fit(text: str) -> str:
    from kcode.safety.sanitize import clean

    return clean(text)


def _date(at: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


_UNITS: dict[Literal["age", "size"], dict[str, int]] = {
    "age": {"h": 3_600, "d": 86_400, "w": 604_800},
    "size": {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000},
}


def _seconds(text: str) -> float:
    return _measured(text, "age", "--older-than takes 12h, 30d or 4w")


def _bytes(text: str) -> int:
    return int(_measured(text, "size", "--max-size takes 500mb or 2gb"))


def _measured(text: str, kind: Literal["age", "size"], help: str) -> float:
    import re

    from kcode.errors import UsageError

    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)", text.strip().lower())
    unit = _UNITS[kind].get(match.group(2)) if match else None
    if match is None or unit is None:
        raise UsageError(f"{text!r} is not understood: {help}")
    return float(match.group(1)) * unit
