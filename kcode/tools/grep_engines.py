"""Three ways to search, tried in order: ripgrep, git grep, Python's ``re`` in a process of its own.

They find the same: the files are those of :mod:`kcode.workspace.listing`, links are not followed, a file
with a NUL byte is binary unless it is UTF-16 with its mark, lines are matched one by one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.safety.process import run
from kcode.tools.base import ToolRefused
from kcode.tools.grep_output import Collector, Found, Kind, Match, merged, split_ripgrep, split_zeros
from kcode.tools.grep_scope import Scope
from kcode.workspace import encoding
from kcode.workspace.listing import other_trees
from kcode.workspace.repo import find_root, git
from kcode.workspace.workspace import Workspace

TIMEOUT_S = 20.0
BYTES_READ = 16_000_000  # of an engine's output; it is stopped there
COUNTED = 2_000  # matching lines that are looked at to tell how many there are
_WIDEST = 20_000  # bytes of a line that ripgrep prints; the rest is read from the file where it is needed
WORKER = Path(__file__).with_name("grep_worker.py")
ENCODING = Path(encoding.__file__)
_WORDS = 8_000  # bytes kept of an engine's messages
_WORKERS = 4
_FILES_EACH = 4_000  # files worth a process of their own
_OPTIONS = (
    "--no-config", "--no-messages", "--hidden", "--no-require-git", "--no-ignore-parent", "--crlf",
    "--color=never",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """``path`` is relative to the workspace, ``.`` for all of it; ``glob`` is relative to ``path``: several
    are parted by commas, with ``!`` they leave out. ``types`` is such a list too. ``show``: ``lines``,
    ``files`` or ``counts``. ``near``: paths whose matches come first where not all are wanted.
    """

    pattern: str
    path: str
    glob: str
    ignore_case: bool
    fixed: bool
    limit: int
    types: str = ""
    word: bool = False
    multiline: bool = False
    show: Kind = "lines"
    near: tuple[str, ...] = ()


__all__ = ["Found", "Match", "Query", "ripgrep", "search", "with_git", "with_python", "with_ripgrep"]


async def search(workspace: Workspace, query: Query) -> Found:
    """Raises :class:`ToolRefused` for a pattern that the engine does not take."""
    target = workspace.resolve(query.path)
    if target.is_file():
        return await with_python(workspace, query)  # a named file is searched even where it is ignored
    if (top := workspace.top_of(target)) != workspace.root:
        return await _in_added(top, query, target.relative_to(top).as_posix())
    for tree in await asyncio.to_thread(other_trees, workspace.root):
        if target.is_relative_to(workspace.root / tree):
            inside = Workspace(workspace.root / tree, True)
            path = target.relative_to(inside.root).as_posix()
            return _renamed(await search(inside, replace(query, path=path)), f"{tree}/")
    if ripgrep():
        found = await with_ripgrep(workspace, query)
        if found is not None:
            return found
    elif workspace.is_git and shutil.which("git"):
        found = await with_git(workspace, query)
        if found is not None:
            return found
    return await with_python(workspace, query)


async def _in_added(top: Path, query: Query, path: str) -> Found:
    """The same search in a folder beside the workspace, whose files are named by absolute paths."""
    inside = Workspace(top, find_root(top) == top)
    return _renamed(await search(inside, replace(query, path=path)), f"{top.as_posix()}/")


def _renamed(found: Found, prefix: str) -> Found:
    matches = tuple(replace(match, path=prefix + match.path) for match in found.matches)
    return replace(found, matches=matches, counts={prefix + name: n for name, n in found.counts.items()})


def ripgrep() -> str:
    """The ripgrep program: on the PATH, or beside this Python where the extra ``rg`` put it; else ``""``."""
    return shutil.which("rg") or shutil.which("rg", path=str(Path(sys.executable).parent)) or ""


# --- ripgrep ------------------------------------------------------------------------------------------


async def with_ripgrep(workspace: Workspace, query: Query) -> Found | None:
    """None where this ripgrep cannot: look-around without PCRE2."""
    scope = await asyncio.to_thread(Scope.of, workspace, query.path, query.glob, query.types)
    tracked = asyncio.ensure_future(asyncio.to_thread(scope.tracked_though_ignored))
    odd = asyncio.ensure_future(_odd_encodings(workspace, query, scope))
    try:
        found = await _by_ripgrep(workspace, query, scope, [])
        if found is not None and found.more and query.show == "lines":  # which ones came first was chance
            first = await _by_ripgrep(workspace, query, scope, ["--sort=path"], query.limit + 1)
            near = await _by_python(workspace, query, scope, [p for p in query.near if scope.has(p)])
            found = replace(merged(first or found, near, more=True), least=found.least)
        if found is None:
            return None
        others = [*await tracked, *await odd]
    finally:
        tracked.cancel()
        odd.cancel()
    if others:
        found = merged(found, await _by_python(workspace, query, scope, others))
    return found


async def _by_ripgrep(
    workspace: Workspace, query: Query, scope: Scope, more: Sequence[str], cap: int = COUNTED
) -> Found | None:
    mode = {"lines": ["--line-number"], "files": ["--files-with-matches"], "counts": ["--count"]}[query.show]
    options = [*_OPTIONS, *scope.for_ripgrep(), *mode, *more, "--null", "--no-heading", "--with-filename"]
    options += [f"--max-columns={_WIDEST}", "--max-columns-preview"] * (query.show == "lines")
    options += ["--ignore-case"] * query.ignore_case + ["--fixed-strings"] * query.fixed
    options += ["--word-regexp"] * query.word + ["--multiline"] * query.multiline
    end = ["-e", query.pattern, "--", query.path if query.path != "." else "./"]
    for engine in ([], ["--pcre2"]):
        collector = Collector(scope.has, split_ripgrep(query.show), cap, BYTES_READ)
        done = await run(
            [ripgrep(), *options, *engine, *end],
            cwd=workspace.root,
            timeout_s=TIMEOUT_S,
            max_output=_WORDS,
            enough=collector.take,
        )
        failed = done.code == 2 and not collector.lines and bool(done.stderr)
        if not failed:
            costly = done.timed_out or (done.code == 2 and bool(engine))
            return await asyncio.to_thread(collector.found, workspace.root, "ripgrep", costly, query)
        if "PCRE2 is not available" in done.stderr:
            return None
        if engine or not ("look-around" in done.stderr or "backreferences" in done.stderr):
            break
    raise ToolRefused(f"the pattern is not accepted: {_words(done.stderr)}")


async def _odd_encodings(workspace: Workspace, query: Query, scope: Scope) -> list[str]:
    """Files that are not UTF-8, where the pattern has letters that such a file spells in its own way."""
    if query.pattern.isascii():
        return []
    collector = Collector(scope.has, split_ripgrep("files"), COUNTED, BYTES_READ)
    options = [*_OPTIONS, *scope.for_ripgrep(), "--files-with-matches", "--null", "--invert-match"]
    place = query.path if query.path != "." else "./"
    await run(
        [ripgrep(), *options, "--line-regexp", "-e", "(?s).*", "--", place],
        cwd=workspace.root,
        timeout_s=TIMEOUT_S,
        max_output=_WORDS,
        enough=collector.take,
    )
    return sorted({path for path, _, _ in collector.lines})


# --- git grep -----------------------------------------------------------------------------------------


async def with_git(workspace: Workspace, query: Query) -> Found | None:
    """None where git grep would not do the same: rule files that it does not know, other repositories in the
    tree, several lines at once, counts, no PCRE."""
    if query.multiline or query.show != "lines":
        return None
    scope = await asyncio.to_thread(Scope.of, workspace, query.path, query.glob, query.types)
    if not await asyncio.to_thread(scope.only_git_decides):
        return None
    collector = Collector(scope.has, split_zeros, COUNTED, BYTES_READ)
    options = ["-n", "-z", "-I", "--untracked", "--no-color", "--full-name"]
    options += ["-i"] * query.ignore_case + ["-w"] * query.word + ["-F" if query.fixed else "-P"]
    pattern = query.pattern if query.fixed else "(*UCP)(*ANYCRLF)" + query.pattern  # $ stands before \r\n too
    asked = [*options, "-e", pattern, "--", query.path]
    done, odd, tracked = await asyncio.gather(
        git(workspace.root, "grep", *asked, timeout_s=TIMEOUT_S, max_output=_WORDS, enough=collector.take),
        _git_odd_encodings(workspace, query),
        asyncio.to_thread(scope.tracked_though_ignored),  # with new files asked for, its index does not count
    )
    if done.code > 1 and not collector.lines:
        if "-e option" in done.stderr or "command line" in done.stderr:
            raise ToolRefused(f"the pattern is not accepted: {_words(done.stderr)}")
        if "limit" not in done.stderr:
            return None
    costly = done.timed_out or "limit" in done.stderr
    found = await asyncio.to_thread(collector.found, workspace.root, "git grep", costly, query)
    if others := [*(path for path in odd if scope.has(path)), *tracked]:
        found = merged(found, await _by_python(workspace, query, scope, others))
    if found.more and query.show == "lines":
        near = await _by_python(workspace, query, scope, [path for path in query.near if scope.has(path)])
        found = merged(found, near, more=True)  # git grep goes by path
    return found


async def _git_odd_encodings(workspace: Workspace, query: Query) -> list[str]:
    """Files in UTF-16, which git takes for binary; for a pattern beyond ASCII those that are not UTF-8."""
    asked = [("^(\\xff\\xfe|\\xfe\\xff)", "-a", {"LC_ALL": "C"})]
    if not query.pattern.isascii():
        asked.append(("(*ANYCRLF)^.*$", "-vI", {}))
    options = ("-l", "-z", "--untracked", "--full-name", "-P")
    done = await asyncio.gather(
        *(
            git(
                workspace.root, "grep", *options, how, "-e", pattern, "--", query.path,
                timeout_s=TIMEOUT_S, max_output=BYTES_READ, more=more,
            )
            for pattern, how, more in asked
        )
    )  # fmt: skip
    return sorted({path for each in done for path in each.stdout.split("\0") if path})


# --- Python -------------------------------------------------------------------------------------------


async def with_python(workspace: Workspace, query: Query) -> Found:
    """``re`` holds the interpreter while it matches, so it runs where it can be killed."""
    if workspace.resolve(query.path).is_file():
        return await _by_python(workspace, query, None, [query.path])
    scope = await asyncio.to_thread(Scope.of, workspace, query.path, query.glob, query.types)
    files = await asyncio.to_thread(scope.files)
    first = [path for path in query.near if path in set(files)]
    return await _by_python(workspace, query, scope, [*first, *files])


async def _by_python(workspace: Workspace, query: Query, scope: Scope | None, files: Sequence[str]) -> Found:
    files = list(dict.fromkeys(files))
    many = min(_WORKERS, len(files) // _FILES_EACH + 1)
    size = -(-len(files) // many) if files else 1
    parts = [files[start : start + size] for start in range(0, len(files), size)]
    found = Found(engine="python")
    for part in await asyncio.gather(*(_worker(workspace, query, scope, part) for part in parts)):
        found = merged(found, part)
    return found


async def _worker(workspace: Workspace, query: Query, scope: Scope | None, files: Sequence[str]) -> Found:
    task = {
        "pattern": query.pattern,
        "fixed": query.fixed,
        "ignore_case": query.ignore_case,
        "word": query.word,
        "multiline": query.multiline,
        "show": query.show,
        "limit": COUNTED + 1,
        "named": scope is None,  # such a file may be a link, and is refused where it is binary
        "encoding": str(ENCODING),
        "files": files,
    }
    collector = Collector(lambda path: True, split_zeros, COUNTED, BYTES_READ)
    done = await run(
        [sys.executable, "-I", "-S", str(WORKER)],
        cwd=workspace.root,
        timeout_s=TIMEOUT_S,
        input=json.dumps(task).encode(),
        max_output=_WORDS,
        enough=collector.take,
    )
    if done.code == 2:
        raise ToolRefused(f"the pattern is not accepted: {done.stderr.strip()}")
    if done.code == 3:
        raise ToolRefused(f"{query.path} is a binary file")
    return await asyncio.to_thread(collector.found, workspace.root, "python", done.timed_out, query)


def _words(stderr: str) -> str:
    text = stderr.replace("(*UCP)", "").replace("(*ANYCRLF)", "")
    return " ".join(text.split())[:300] or "it failed without a message"
