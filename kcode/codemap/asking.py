"""Questions to the index: where a name is defined, who uses it, what a file holds, what matters most.

All functions read one connection (:func:`kcode.codemap.store.open_for_reading`) and are deterministic.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.codemap import store
from kcode.codemap.focus import near
from kcode.codemap.languages import language_for
from kcode.codemap.rank import UNRANKED
from kcode.codemap.store import Place
from kcode.codemap.tags import LARGEST, Definition, nested, number, tags_of

READ_FILES = 2_000  # files that are looked into for the uses of one name
LINE = 200  # characters of a line that is shown
PER_FILE = 12  # definitions that the map shows of one file
OUTER = frozenset(
    {"class", "struct", "interface", "trait", "enum", "module", "table", "heading", "extension"}
)


@dataclass(frozen=True, slots=True)
class Use:
    """A line (from 1) on which a name stands. ``defines``: it is the definition itself."""

    path: str
    line: int
    text: str
    defines: bool


def find_symbol(connection: sqlite3.Connection, name: str, limit: int = 50) -> list[Place]:
    """Definitions named ``name``; where there is none, those that differ in case, then begin with it, then
    hold it. ``Class.method`` and ``Class::method`` look for the method within the class."""
    outer, inner = _split(name)
    found = store.places(connection, "d.number = ? AND d.name = ?", (number(inner), inner), limit * 4)
    if outer:
        within = [place for place in found if _stands_in(connection, place, outer)]
        return within[:limit] or found[:limit]
    if found:
        return found[:limit]
    like = re.sub(r"([\\%_])", r"\\\1", inner)
    for pattern in (like, f"{like}%", f"%{like}%"):
        found = store.places(connection, "d.name LIKE ? ESCAPE '\\'", (pattern,), limit)
        if found:
            return found
    return []


def references(
    connection: sqlite3.Connection, root: Path, name: str, limit: int = 100
) -> tuple[list[Use], int]:
    """The lines on which ``name`` is used, in files by rank; and how many there are in all.

    Files that changed since the index was made are read as they are now.
    """
    _, inner = _split(name)
    word = re.compile(rf"(?<![\w$]){re.escape(inner)}(?![\w$])")
    defined = store.places(connection, "d.number = ? AND d.name = ?", (number(inner), inner), 10_000)
    lines = {(place.path, place.definition.line) for place in defined}
    paths = dict.fromkeys([*store.users_of(connection, inner), *(place.path for place in defined)])
    shown: list[Use] = []
    total = 0
    for path in list(paths)[:READ_FILES]:
        for line, text in _lines_with(root / path, word):
            total += 1
            if len(shown) < limit:
                shown.append(Use(path, line, text, (path, line) in lines))
    return shown, total


def outline(root: Path, path: str) -> list[tuple[int, Definition]] | None:
    """What the file defines now, with the depth of each; None where the map does not read such files.

    Raises OSError. The file itself is parsed, so that the answer is true while the index is behind.
    """
    language = language_for(path)
    if language is None:
        return None
    source = (root / path).read_bytes()
    tags = tags_of(source, language) if len(source) <= 8 * LARGEST else None
    return None if tags is None else list(nested(tags.definitions))


def draw(
    connection: sqlite3.Connection,
    budget: int,
    measure: Callable[[str], int],
    focus: Sequence[str] = (),
    hidden: Callable[[str], bool] = lambda path: False,
) -> str:
    """The files that matter most and what they define, within ``budget`` as ``measure`` counts it.

    ``focus`` are paths, folders or names of symbols: what is near them in the graph comes first. ``hidden``
    tells the paths that are left out. Nothing is parsed. Empty where the index is.
    """
    chosen: list[str] = []
    used = 0
    for path in _by_rank(connection, focus):
        if hidden(path):
            continue
        for many in (PER_FILE, 4, 1):
            block = _block(connection, path, many)
            if used + (cost := measure(block)) <= budget:
                break
        else:
            if used > budget * 0.9:
                break
            continue
        chosen.append(block)
        used += cost
        if len(chosen) >= 5_000:
            break
    return "".join(sorted(chosen))


def symbols(connection: sqlite3.Connection, typed: str, limit: int = 50) -> list[Place]:
    """Definitions whose name begins with ``typed`` (else holds it), whatever the case: for completion."""
    like = re.sub(r"([\\%_])", r"\\\1", typed)
    found = store.places(connection, "d.name LIKE ? ESCAPE '\\'", (f"{like}%",), limit)
    if len(found) < limit and typed:
        more = store.places(connection, "d.name LIKE ? ESCAPE '\\'", (f"_%{like}%",), limit - len(found))
        found += [place for place in more if place not in found]
    return found


def _by_rank(connection: sqlite3.Connection, focus: Sequence[str]) -> Iterator[str]:
    if focus:
        yield from near(connection, focus)
        return
    for (path,) in connection.execute("SELECT path FROM files ORDER BY score DESC, path"):
        yield path


def _block(connection: sqlite3.Connection, path: str, many: int) -> str:
    """A file's line and its most telling definitions, outer ones first chosen, in their order."""
    depths = list(nested(store.definitions_in(connection, path)))
    wanted = sorted(
        (n for n in range(len(depths)) if depths[n][0] < 2),
        key=lambda n: (depths[n][0], _weight(depths[n][1]), n),
    )[:many]
    lines = [f"{path}:"] if wanted else [path]
    lines += [
        f"{'  ' * (depths[n][0] + 1)}{depths[n][1].line}: {depths[n][1].signature}" for n in sorted(wanted)
    ]
    left_out = len(depths) - len(wanted)
    if wanted and left_out:
        lines.append(f"  … {left_out} more")
    return "\n".join(lines) + "\n"


def _weight(definition: Definition) -> int:
    if definition.kind in OUTER:
        return 0
    private = definition.name.startswith("_")
    return (2 if definition.kind in UNRANKED | {"constant"} else 1) + (2 if private else 0)


def _split(name: str) -> tuple[str, str]:
    """``A.b``, ``A::b``, ``A#b`` as ``A`` and ``b``."""
    parts = [part for part in re.split(r"::|[.#]", name.strip().removesuffix("()")) if part]
    if not parts:
        return "", name.strip()
    return (parts[-2] if len(parts) > 1 else ""), parts[-1]


def _stands_in(connection: sqlite3.Connection, place: Place, outer: str) -> bool:
    around = store.definitions_in(connection, place.path)
    line = place.definition.line
    if any(each.name == outer and each.line <= line <= each.end for each in around):
        return True
    stem = place.path.rpartition("/")[2].partition(".")[0]
    return stem == outer or re.search(rf"\b{re.escape(outer)}\b", place.definition.signature) is not None


def _lines_with(path: Path, word: re.Pattern[str]) -> Iterable[tuple[int, str]]:
    try:
        source = path.read_bytes()[: 8 * LARGEST]
    except OSError:
        return
    for line, text in enumerate(source.decode("utf-8", "replace").split("\n"), 1):
        if word.search(text):
            yield line, " ".join(text.split())[:LINE]
