"""``kcode map``: the files that matter most in this repository and what they define; where a name stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcode.i18n import _, from_below

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kcode.codemap.service import CodeMap

SCHEMA = "kcode.map/1"
Row = tuple[str, int, str, str]  # path, line, kind, text

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(name="map")
def show(
    focus: Annotated[
        list[str] | None,
        typer.Option("--focus", metavar="WHAT", help="A path, folder or symbol; may be given several times."),
    ] = None,
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="N", min=100, help="The size of the map, about, in tokens.")
    ] = 2_000,
    symbol: Annotated[
        str, typer.Option("--symbol", metavar="NAME", help="Where this is defined, instead of the map.")
    ] = "",
    uses: Annotated[
        str, typer.Option("--uses", metavar="NAME", help="The lines that use this, instead of the map.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> int:
    """Show the files that matter most and what they define: those that other files lean on."""
    import sys
    from pathlib import Path

    from kcode.config.paths import project_root
    from kcode.errors import EnvironmentProblem, UsageError

    if bool(symbol) + bool(uses) + bool(focus) > 1:
        raise UsageError(_("--focus, --symbol and --uses are three questions"), _("ask one at a time"))
    map_ = _updated(project_root(Path.cwd()).resolve())
    with map_.reading() as index:
        if index is None:
            raise EnvironmentProblem(
                _("the code map cannot be read"), _("is the cache folder yours to read?")
            )
        if symbol or uses:
            _print_rows(_rows(index, map_.root, symbol, uses), as_json)
        else:
            _print_map(index, map_.root, tokens, focus or (), as_json)
    if map_.cut:
        print(from_below(map_.cut), file=sys.stderr)
    if map_.unread:
        print(_left_out(map_.unread), file=sys.stderr)
    return 0


def _left_out(languages: Sequence[str]) -> str:
    from kcode.codemap.languages import missing, package

    packages = sorted({package(each) for each in missing() if each.name in languages})
    says = _("left out, as their grammars are not installed: {languages}").format(
        languages=", ".join(languages)
    )
    return f"{says}\npip install {' '.join(packages)}"


def _updated(root: Path) -> CodeMap:
    """The map, brought up to date. Raises EnvironmentProblem where it cannot be."""
    import asyncio

    from kcode.codemap.service import BUILD_S, CodeMap
    from kcode.errors import EnvironmentProblem

    map_ = CodeMap(root)

    async def update() -> bool:
        try:
            return await map_.refresh(BUILD_S)
        finally:
            await map_.close()

    if not asyncio.run(update()):
        raise EnvironmentProblem(
            _("the code map cannot be made: {why}").format(why=map_.problem),
            _("is the cache folder yours to write, and the disk not full?"),
        )
    return map_


def _rows(index: sqlite3.Connection, root: Path, symbol: str, uses: str) -> list[Row]:
    from kcode.codemap import asking
    from kcode.errors import NotAchieved

    hidden = _hidden(root)
    if symbol:
        found = [place for place in asking.find_symbol(index, symbol, 200) if not hidden(place.path)]
        rows = [(p.path, p.definition.line, p.definition.kind, p.definition.signature) for p in found]
    else:
        lines = asking.references(index, root, uses, 10_000).shown
        rows = [
            (use.path, use.line, "definition" if use.defines else "use", use.text)
            for use in lines
            if not hidden(use.path)
        ]
    if not rows:
        raise NotAchieved(
            _("{name} is in no file that the map knows").format(name=repr(symbol or uses)),
            _("the map knows code; text in other files is for grep"),
        )
    return rows


def _hidden(root: Path) -> Callable[[str], bool]:
    """Whether a path is of the files that nobody is shown unasked: keys, credentials."""
    from kcode.workspace.places import Places

    places = Places(root)
    return lambda path: bool(places.sensitive(path))


def _print_rows(rows: Sequence[Row], as_json: bool) -> None:
    import json

    from kcode.ui.look.figures import one_line

    if as_json:
        found = [dict(zip(("path", "line", "kind", "text"), row, strict=True)) for row in rows]
        print(json.dumps({"schema": SCHEMA, "found": found}, ensure_ascii=False, indent=2))
        return
    for path, line, kind, text in rows:
        mark = "" if kind == "use" or kind in text.split() else f"{kind} "
        print(f"{one_line(path)}:{line}: {mark}{one_line(text)}")


def _print_map(
    index: sqlite3.Connection, root: Path, tokens: int, focus: Sequence[str], as_json: bool
) -> None:
    import json
    import sys

    from kcode.codemap.asking import draw
    from kcode.codemap.focus import unknown
    from kcode.errors import NotAchieved
    from kcode.safety.sanitize import clean
    from kcode.tools.mapping import measure

    hidden = _hidden(root)
    if missing := unknown(index, focus):
        raise NotAchieved(
            _("{name} is no path, folder or symbol that the map knows").format(name=repr(missing[0])),
            _("paths are those below {root}; --symbol finds names that are similar").format(root=root),
        )
    drawn = draw(index, tokens, measure, focus, hidden)
    if as_json:
        print(
            json.dumps(
                {"schema": SCHEMA, "tokens": measure(drawn), "map": drawn}, ensure_ascii=False, indent=2
            )
        )
    elif drawn:
        sys.stdout.write(_fitted(clean(drawn)))
    else:
        print(_("there is no code here that the map knows"), file=sys.stderr)


def _fitted(drawn: str) -> str:
    """In a terminal no signature runs on into a second line; paths, and what a pipe gets, are left whole."""
    import shutil
    import sys

    from kcode.ui.look.figures import cut

    if not sys.stdout.isatty():
        return drawn
    width = shutil.get_terminal_size().columns
    return "\n".join(cut(line, width) if line.startswith(" ") else line for line in drawn.split("\n"))
