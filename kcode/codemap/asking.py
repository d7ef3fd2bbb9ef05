"""Questions to the index: where a name is defined, who uses it, what a file holds, what matters most.

All functions read one connection (:func:`kcode.codemap.store.open_for_reading`) and are deterministic.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.codemap import names, store
from kcode.codemap.focus import near
from kcode.codemap.languages import language_for
from kcode.codemap.pack import entry_of, unpacked_definitions
from kcode.codemap.rank import UNRANKED
from kcode.codemap.ranking import UseCounts, in_order, ranking, use_counts
from kcode.codemap.store import Place
from kcode.codemap.tags import LARGEST, OUTER, Definition, Tags, nested, tags_of
from kcode.workspace import apart

READ_FILES = 2_000  # files that are looked into for the uses of one name
COUNTED_FILES = 100  # those of them in which uses are counted that are not shown
LINE = 200  # characters of a line that is shown
PER_FILE = 12  # definitions that the map shows of one file
MISSES = 40  # files that do not fit, before the map is full
SIMILAR = 200  # names that are looked up where there is none of that spelling


@dataclass(frozen=True, slots=True)
class Use:
    """A line (from 1) on which a name stands. ``defines``: it is the definition itself."""

    path: str
    line: int
    text: str
    defines: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """``total``: lines in the files that were looked into; ``unread``: other files that use the name too."""

    shown: list[Use]
    total: int
    unread: int


def find_symbol(connection: sqlite3.Connection, name: str, limit: int = 50) -> list[Place]:
    """Definitions named ``name``, by rank of their files; where there is none, those that differ in case,
    then begin with it, then hold it. ``Class.method`` and ``Class::method`` look for it in the class."""
    outer, inner = _split(name)
    found = _defined(connection, inner)
    if outer:
        within = [place for place in found if _stands_in(place, outer)]
        return (within or found)[:limit]
    if found:
        return found[:limit]
    seen: dict[Place, None] = {}
    for similar in _similar(connection, inner):
        seen.update(dict.fromkeys(_defined(connection, similar)))
        if len(seen) >= limit:
            break
    return list(seen)[:limit]


def _defined(connection: sqlite3.Connection, name: str) -> list[Place]:
    """Definitions of exactly this name, by rank of their files; prototypes and the like behind."""
    rows = store.definers(connection, name)
    order = {path: n for n, path in enumerate(in_order(ranking(connection), [row[:2] for row in rows]))}
    found = [
        Place(path, each)
        for _, path, text in rows
        for each in unpacked_definitions(text)
        if each.name == name
    ]
    found.sort(key=lambda place: (
        place.definition.kind in ("prototype", "impl", "key", "heading"),
        order[place.path], place.definition.line,
    ))  # fmt: skip
    return found


def _similar(connection: sqlite3.Connection, name: str) -> list[str]:
    """Names that are spelled otherwise, the likeliest first, then the most used."""
    wanted = name.casefold()
    tiers: tuple[list[str], list[str], list[str]] = ([], [], [])
    for each in dict.fromkeys(full.rpartition("/")[2] for full in names.load(connection).full):
        folded = each.casefold()
        if wanted in folded:
            tiers[0 if folded == wanted else 1 if folded.startswith(wanted) else 2].append(each)
    best = next((tier for tier in tiers if tier), [])
    return best[:SIMILAR]


def references(connection: sqlite3.Connection, root: Path, name: str, limit: int = 100) -> Uses:
    """The lines on which ``name`` is used, in files by rank.

    Files that changed since the index was made are read as they are now. Once there is enough to show, a few
    more are counted, and of the rest the index says how many they are.
    """
    _, inner = _split(name)
    word = re.compile(rf"(?<![\w$]){re.escape(inner)}(?![\w$])")
    defined = _defined(connection, inner)
    lines = {(place.path, place.definition.line) for place in defined}
    using = in_order(ranking(connection), store.users_of(connection, inner))
    paths = list(dict.fromkeys([*using, *(place.path for place in defined)]))
    shown: list[Use] = []
    total = read = counted = 0
    for path in paths[:READ_FILES]:
        if len(shown) == limit:
            if counted == COUNTED_FILES:
                break
            counted += 1
        read += 1
        for line, text in _lines_with(root / path, inner, word):
            total += 1
            if len(shown) < limit:
                shown.append(Use(path, line, text, (path, line) in lines))
    return Uses(shown, total, len(paths) - read)


def outline(root: Path, path: str) -> list[tuple[int, Definition]] | None:
    """What the file defines now, with the depth of each; None where the map does not read such files.

    Raises OSError, and apart.NoAnswerError where the grammar fails. The file itself is parsed, so that the
    answer is true while the index is behind.
    """
    if language_for(path) is None:
        return None
    found = outline_apart(path, (root / path).read_bytes())
    return None if found is None else list(nested(found))


def outline_apart(path: str, source: bytes) -> tuple[Definition, ...] | None:
    """What a file of this name and content defines; None where the map does not read such files. It is parsed
    in a process of its own. Raises apart.NoAnswerError where the grammar fails."""
    if language_for(path) is None or len(source) > 8 * LARGEST:
        return None
    found = apart.ask("kcode.codemap.asking:packed_outline", path, source)
    return None if not isinstance(found, str) else tuple(unpacked_definitions(found))


def packed_outline(path: str, source: bytes) -> str | None:
    """What :func:`outline_apart` asks for, as text."""
    found = outline_of(path, source)
    return None if found is None else entry_of(Tags(found, ()))[0]


def outline_of(path: str, source: bytes) -> tuple[Definition, ...] | None:
    """As :func:`outline_apart`, parsed in this process."""
    language = language_for(path)
    tags = tags_of(source, language) if language is not None and len(source) <= 8 * LARGEST else None
    return None if tags is None else tags.definitions


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
    counts = use_counts(connection)
    chosen: list[str] = []
    used = misses = 0
    for path in _by_rank(connection, focus):
        if hidden(path):
            continue
        for block in _blocks(connection, path, counts):
            if used + (cost := measure(block)) <= budget:
                chosen.append(block)
                used += cost
                break
        else:
            misses += 1
            if misses > MISSES:
                break
    return "".join(sorted(chosen))


def _by_rank(connection: sqlite3.Connection, focus: Sequence[str]) -> Iterator[str]:
    files = near(connection, focus) if focus else ranking(connection).best()
    for file in files:
        row = connection.execute("SELECT path FROM files WHERE id = ?", (file,)).fetchone()
        if row:
            yield row[0]


def _blocks(connection: sqlite3.Connection, path: str, counts: UseCounts) -> Iterator[str]:
    """A file's line and its most telling definitions in their order: many, fewer, one."""
    depths = list(nested(store.definitions_in(connection, path)))
    order = sorted(
        (n for n in range(len(depths)) if depths[n][0] < 3),
        key=lambda n: (_weight(depths[n][1]), depths[n][0], -counts.of(depths[n][1].name), n),
    )
    for many in (PER_FILE, 4, 1) if len(order) > 1 else (1,):
        wanted = sorted(order[:many])
        lines = [f"{path}:"] if wanted else [path]
        lines += [f"{'  ' * (depths[n][0] + 1)}{depths[n][1].line}: {depths[n][1].signature}" for n in wanted]
        left_out = len(depths) - len(wanted)
        if wanted and left_out:
            lines.append(f"  … {left_out} more")
        yield "\n".join(lines) + "\n"


def _weight(definition: Definition) -> int:
    """What a newcomer needs first: types, then functions, then the rest; private names behind each."""
    private = definition.name.startswith("_") or definition.signature.startswith(("private ", "static "))
    if definition.kind in OUTER and definition.kind not in ("impl", "module"):
        return 1 if private else 0
    return (3 if definition.kind in UNRANKED | {"constant"} else 1) + (1 if private else 0)


def _split(name: str) -> tuple[str, str]:
    """``A.b``, ``A::b``, ``A#b`` as ``A`` and ``b``."""
    parts = [part for part in re.split(r"::|[.#]", name.strip().removesuffix("()")) if part]
    if not parts:
        return "", name.strip()
    return (parts[-2] if len(parts) > 1 else ""), parts[-1]


def _stands_in(place: Place, outer: str) -> bool:
    """Whether it is in a class, a module or a file of that name."""
    stem = place.path.rpartition("/")[2].partition(".")[0]
    return outer in place.definition.outer.split(".") or stem == outer


def _lines_with(path: Path, name: str, word: re.Pattern[str]) -> Iterable[tuple[int, str]]:
    try:
        source = path.read_bytes()[: 8 * LARGEST]
    except OSError:
        return
    if source.isascii() and name.encode("utf-8", "replace") not in source:
        return
    text = source.decode("utf-8", "replace")
    line, counted, shown = 1, 0, 0
    for found in word.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if line == shown:
            continue
        shown = line
        start = text.rfind("\n", 0, counted) + 1
        end = text.find("\n", counted)
        yield line, " ".join(text[start : end if end >= 0 else len(text)].split())[:LINE]
