"""What a search reaches that needs a yes: `grep -r`, `rg -uu`, `find | xargs cat`, `cat *` name no file, and
read those that hold secrets all the same.

What is in `.git`, in dependencies and in the fixtures of tests does not count: every search would be asked
about. What it may show is masked on its way to the provider.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kcode.safety import programs, sensitive
from kcode.safety.options import has, options_of, positionals
from kcode.safety.shell_words import Word, names

_MOST = 20_000  # files and folders looked at
_PASSED_OVER = names(
    ".git .hg .svn node_modules .venv venv site-packages __pycache__ .tox .nox target dist build vendor "
    "test tests testdata fixtures __tests__ spec examples example .kcode"
)
_GREPS = names("grep egrep fgrep")
_VALUED = ("-e", "--regexp", "-m", "--max-count", "-A", "-B", "-C", "-f", "--file", "--include", "--exclude")


@dataclass(frozen=True, slots=True)
class Reach:
    """A folder searched to its depths for files named like one of ``patterns``, or the files that ``top``
    stands for where it is a pattern itself."""

    top: str
    patterns: tuple[str, ...] = ("*",)
    left_out: tuple[str, ...] = ()


def reach_of(name: str, words: tuple[Word, ...]) -> tuple[Reach, ...]:
    """What the program ``name`` reads beyond the files that are written out."""
    if name not in programs.SHOWS and name not in _GREPS and name not in ("rg", "ag"):
        return ()
    patterns = [word.text for word in words if word.known and word.globs and not word.text.startswith("-")]
    found = [_deep(text) if text.startswith("./") else Reach(text) for text in patterns]
    if any(not word.known for word in words):
        found.append(Reach("."))
    if name in _GREPS and (
        has(words, names("-r -R --recursive --dereference-recursive")) or _recurses(words)
    ):
        return (
            *found,
            *_searched(words, options_of(words, ("--include",)), options_of(words, ("--exclude",))),
        )
    if name in ("rg", "ag") and has(words, names("-u --unrestricted --hidden -. --no-ignore")):
        globs = options_of(words, ("-g", "--glob", "--iglob"))
        wanted = [glob for glob in globs if not glob.startswith("!")]
        return (*found, *_searched(words, wanted, [glob[1:] for glob in globs if glob.startswith("!")]))
    return tuple(found)


def reached(searches: Iterable[Reach], start: Path) -> str:
    """Why one of ``searches``, made from the folder ``start``, needs a yes: the first sensitive file there
    is. Empty where there is none, or where there is too much to look through."""
    for each in dict.fromkeys(searches):
        for path in _files(start, each):
            name = path.rpartition("/")[2]
            if any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in each.left_out):
                continue
            if any(fnmatchcase(name, pattern.rpartition("/")[2]) for pattern in each.patterns) and (
                why := sensitive.reason(path)
            ):
                return why
    return ""


def _deep(pattern: str) -> Reach:
    """What `find` and its like name: files of that name in any depth."""
    folder, _, name = pattern.rpartition("/")
    return Reach("." if re.search(r"[*?\[]", folder) else folder, (name,))


def _recurses(words: tuple[Word, ...]) -> bool:
    return "recurse" in options_of(words, ("-d", "--directories"))


def _searched(words: tuple[Word, ...], wanted: list[str], unwanted: list[str]) -> Iterator[Reach]:
    given = positionals(words, (*_VALUED, "-g", "--glob", "--iglob", "-t", "--type"))
    tops = given if options_of(words, ("-e", "--regexp")) else given[1:]
    for top in tops or ["."]:
        yield Reach(top, tuple(wanted) or ("*",), tuple(unwanted))


def _files(start: Path, search: Reach) -> Iterator[str]:
    top = str(Path(search.top).expanduser()) if search.top.startswith("~") else search.top
    if any(sign in top for sign in "*?["):
        found: Iterable[Path] = start.glob(top) if not top.startswith("/") else ()
        for count, path in enumerate(found):
            if count > _MOST:
                return
            yield path.relative_to(start).as_posix()
        return
    seen = 0
    for folder, inside, files in os.walk(start / top):
        seen += len(inside) + len(files)
        if seen > _MOST:
            return
        inside[:] = [name for name in inside if name not in _PASSED_OVER]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), start).replace(os.sep, "/")  # noqa: PTH118
