"""Build a corpus of edits from commits: ``python -m tests.bench.make_edits NAME=LICENCE=CLONE... -o FILE``.

Every hunk of a commit that fits becomes an edit: the file before, the file after this hunk alone, and the
call that makes it, as old and new text with as much context as makes the old text unique. The call is then
damaged as models damage theirs (:mod:`tests.bench.damage`). The same clones give the same bytes.

With ``--excerpt`` no file is kept whole: the edit's surroundings are, from line ``first``, and ``blob`` is
git's digest of the file that they are from.

FILE holds one JSON object a line: ``{"file", "repo", "licence", "commit", "path", "blob", "first",
"before"}`` and, for each call on it, ``{"file", "edit", "damage", "old", "new", "disk", "want"}``. ``new``
changes ``old`` into the new text, ``disk`` changes ``before`` into what is on disk when the call arrives,
``want`` that into what is right (null: a refusal is right); all are ``[start, end, text]``, positions in
characters. ``"crlf": true`` means that the file has these endings, ``"near": true`` that another place of the
file is as near to the damaged old text as the right one.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.damage import DAMAGES, Call, Edit

_SUFFIXES = (
    *(".py", ".js", ".ts", ".tsx", ".go", ".rs", ".java", ".kt", ".c", ".h", ".cpp", ".cs", ".rb", ".php"),
    *(".sh", ".md", ".rst", ".toml", ".yml", ".yaml", ".json", ".html", ".css"),
)
OPEN = ("stale word", "stale insertion", "stale deletion", "misremembered", "elided")
_RARE = ("repeated block", "repeated, shifted", "typographic file", "misremembered")  # always taken
_LARGEST = 40_000
_LONGEST = 40  # lines of one side of a hunk
_EACH_FILE = 4  # edits from one version of a file
_EACH_PATH = 3  # versions of one file


@dataclass(frozen=True)
class Version:
    """A file before and after a commit."""

    repo: str
    licence: str
    commit: str
    path: str
    blob: str
    before: str
    after: str
    first: int = 1  # the line of the file that ``before`` begins with


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "clones",
        nargs="+",
        metavar="NAME=LICENCE=PATH[=SUFFIX,...]",
        help="a clone, its name and licence, and which files",
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--edits", type=int, default=600, help="edits of each clone")
    parser.add_argument(
        "--calls", type=int, default=0, help="damaged calls of each edit; default: all that fit"
    )
    parser.add_argument("--newest", default="HEAD", help="the commit to begin at; default: the newest")
    parser.add_argument("--largest", type=int, default=_LARGEST, help="characters of a file")
    parser.add_argument("--excerpt", type=int, default=0, help="characters kept of a file; default: all")
    wanted = parser.parse_args()
    lines: list[dict[str, Any]] = []
    dropped: Counter[str] = Counter()
    for clone in wanted.clones:
        name, licence, path, *suffixes = clone.split("=", 3)
        only = tuple(suffixes[0].split(",")) if suffixes else _SUFFIXES
        lines += _records(Path(path), name, licence, only, wanted, dropped)
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    wanted.output.write_text(text, encoding="utf-8", newline="\n")
    calls = [line for line in lines if "edit" in line]
    print(f"{len({line['edit'] for line in calls})} edits, {len(calls)} calls, {len(text.encode()):,} bytes")
    print("left out, since the damaged old text names another place exactly:", dict(dropped))
    return 0


def _records(
    clone: Path,
    name: str,
    licence: str,
    suffixes: tuple[str, ...],
    wanted: argparse.Namespace,
    dropped: Counter[str],
) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    edits = 0
    for version in versions(clone, name, licence, wanted.newest, suffixes):
        if wanted.excerpt:
            version = excerpt(version, wanted.excerpt)
        found = list(_edits(version))
        if not found or len(version.before) > wanted.largest:
            continue
        identity = f"{version.commit[:10]}:{version.path}"
        head = {"file": identity, "repo": name, "licence": licence, "commit": version.commit}
        head |= {"path": version.path, "blob": version.blob, "first": version.first}
        records.append(head | {"before": version.before})
        for number, edit in enumerate(found):
            label = f"{identity}#{number}"
            for damage, call in _damaged(edit, label, wanted.calls, edits, dropped):
                shown = {"file": identity, "edit": label, "damage": damage, "old": call.old}
                disk = call.disk if call.disk is not None else edit.before
                want = None if call.want is None else splice(disk, call.want)
                shown |= {"new": splice(call.old, call.new), "disk": splice(edit.before, disk), "want": want}
                marks = {"crlf": call.crlf, "near": damage in OPEN and near(edit, call, disk)}
                records.append(shown | {name: True for name, holds in marks.items() if holds})
            edits += 1
        if edits >= wanted.edits:
            break
    return records


def _damaged(
    edit: Edit, label: str, most: int, turn: int, dropped: Counter[str]
) -> Iterator[tuple[str, Call]]:
    """The undamaged call and some ``most`` damaged ones, the classes taking turns; all where it is 0."""
    names = list(DAMAGES)
    order = names[1:][turn * 3 % len(names[1:]) :] + names[1:][: turn * 3 % len(names[1:])]
    taken = 0
    for name in [names[0], *order]:
        if most and taken > most and name not in _RARE:
            continue
        call = DAMAGES[name](edit, random.Random(f"{label}/{name}"))
        if call is None:
            continue
        verdict = use(name, edit, call)
        if verdict == "same":
            continue
        if verdict == "elsewhere":
            dropped[name] += 1
            continue
        taken += 1
        yield name, call


def use(name: str, edit: Edit, call: Call) -> str:
    """``same``: the slip is in the new text alone, which is taken as it is. ``elsewhere``: it is the right
    call for another place, which no engine can know. Else "": it can be measured."""
    if name == "none" or call.want is None:
        return ""
    if call.old in (edit.old, edit.bare.old) and call.disk is None and not call.crlf:
        return "same"
    disk = call.disk if call.disk is not None else edit.before
    elsewhere = call.old not in edit.old if call.disk is None else True
    return "elsewhere" if elsewhere and not call.crlf and call.old in disk else ""


def near(edit: Edit, call: Call, disk: str) -> bool:
    """Whether the damage leaves it open which place is meant.

    So it is where another place has a line just as the call gives it and the right place has not, or all
    lines but one that the right place has, and half of the lines in any case; and where a part between
    elisions is there several times.
    """
    lines = [line.strip() for line in disk.splitlines() if line.strip()]
    given = [line.strip() for line in call.old.splitlines() if line.strip()]
    gaps = [at for at, line in enumerate(given) if re.fullmatch(r"\W*\.\.\.[\w .]*", line)]
    if gaps:
        parts = [given[: gaps[0]], given[gaps[0] + 1 :]]
        return any(_count(lines, part) > 1 for part in parts)
    right = [line.strip() for line in edit.lines[: edit.first] if line.strip()]
    first, size = len(right), len(given)
    here = Counter(lines[max(0, first - 2) : first + size + 2])
    wanted = Counter(given)
    held = wanted & here
    for start in range(len(lines) - size + 1):
        if first - size < start < first + size:
            continue
        there = wanted & Counter(lines[start : start + size])
        if 2 * there.total() >= size and (there - held or there.total() >= held.total() - 1):
            return True
    return False


def _count(lines: list[str], part: list[str]) -> int:
    return sum(lines[at : at + len(part)] == part for at in range(len(lines) - len(part) + 1))


def versions(
    clone: Path, name: str, licence: str, newest: str = "HEAD", suffixes: tuple[str, ...] = _SUFFIXES
) -> Iterator[Version]:
    """Changed files, commit by commit back from ``newest``."""
    log = _git(clone, "log", "--no-merges", "--diff-filter=M", "--raw", "--no-abbrev", "--format=%H", newest)
    commit, seen = "", Counter[str]()
    for line in log.splitlines():
        if not line.startswith(":"):
            commit = line or commit
            continue
        info, _, path = line.partition("\t")
        _, _, old, new, _ = info.split(" ")
        if not path.endswith(suffixes) or seen[path] >= _EACH_PATH or "tests/data" in path:
            continue
        before, after = _blob(clone, old), _blob(clone, new)
        if before is None or after is None:
            continue
        seen[path] += 1
        yield Version(name, licence, commit, path, old, before, after)


def excerpt(version: Version, size: int) -> Version:
    """Some ``size`` characters around the first hunk that fits, with the hunks wholly within them."""
    before, after = version.before.splitlines(True), version.after.splitlines(True)
    codes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    fits = (
        code for code in codes if code[0] != "equal" and max(code[2] - code[1], code[4] - code[3]) <= _LONGEST
    )
    first, last = next(((a, b) for _, a, b, _, _ in fits), (0, 0))
    kept = sum(map(len, before[first:last]))
    while kept < size and (first > 0 or last < len(before)):
        if first > 0:
            first -= 1
            kept += len(before[first])
        if last < len(before):
            kept += len(before[last])
            last += 1
    changed: list[str] = []
    for tag, a, b, c, d in codes:
        inside = first <= a and b <= last
        changed += after[c:d] if inside and tag != "equal" else before[max(a, first) : min(b, last)]
    return replace(version, before="".join(before[first:last]), after="".join(changed), first=first + 1)


def _git(clone: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def _blob(clone: Path, identity: str) -> str | None:
    data = subprocess.run(["git", "cat-file", "blob", identity], cwd=clone, capture_output=True).stdout
    if not data or len(data) > _LARGEST or b"\r" in data or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _edits(version: Version) -> Iterator[Edit]:
    """One edit for each of the first hunks that fit."""
    before, after = version.before.splitlines(True), version.after.splitlines(True)
    if "".join(before) != version.before or any(line.strip("\r\n") != line.rstrip("\n") for line in before):
        return
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    count = 0
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal" or max(b - a, d - c) > _LONGEST or count >= _EACH_FILE:
            continue
        edit = _edit(before, a, b, after[c:d])
        if edit is not None:
            count += 1
            yield edit


def _edit(before: list[str], a: int, b: int, new: list[str]) -> Edit | None:
    text = "".join(before)
    if not text.endswith("\n") or (new and not new[-1].endswith("\n")):
        return None
    for context in (2, 3, 4, 6, 9, 12):
        first, last = max(0, a - context), min(len(before), b + context)
        old = "".join(before[first:last])
        if old.strip() and text.count(old) == 1 and any(line.strip() for line in before[first:last]):
            return Edit(tuple(before), first, last, a, b, tuple(new))
    return None


def splice(old: str, new: str) -> list[Any]:
    """The change from ``old`` to ``new`` as ``[start, end, text]``."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < min(len(old), len(new)) - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return [start, len(old) - tail, new[start : len(new) - tail]]


if __name__ == "__main__":
    raise SystemExit(main())
