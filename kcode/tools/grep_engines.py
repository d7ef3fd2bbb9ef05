"""Three ways to search, tried in order: ripgrep, git grep, Python's ``re`` in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.safety.process import Finished, run
from kcode.tools.base import ToolRefused
from kcode.tools.listing import braces, matcher
from kcode.workspace.repo import find_root, git
from kcode.workspace.workspace import Workspace

TIMEOUT_S = 20.0
BYTES_READ = 4_000_000  # of an engine's output; it is stopped there
WORKER = Path(__file__).with_name("grep_worker.py")


@dataclass(frozen=True, slots=True)
class Query:
    """``path`` is relative to the workspace, ``.`` for all of it; ``glob`` is relative to ``path``."""

    pattern: str
    path: str
    glob: str
    ignore_case: bool
    fixed: bool
    limit: int


@dataclass(frozen=True, slots=True)
class Match:
    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """Matches by path and line. ``more``: the search was stopped at the limit."""

    matches: tuple[Match, ...]
    more: bool
    timed_out: bool
    engine: str


async def search(workspace: Workspace, query: Query) -> Found:
    """Raises :class:`ToolRefused` for a pattern that the engine does not take."""
    target = workspace.resolve(query.path)
    if target.is_file():
        return await with_python(workspace, query)  # a named file is searched even where it is ignored
    if (top := workspace.top_of(target)) != workspace.root:
        return await _in_added(top, query, target.relative_to(top).as_posix())
    if ripgrep():
        return await with_ripgrep(workspace, query)
    if workspace.is_git and shutil.which("git"):
        found = await with_git(workspace, query)
        if found is not None:
            return found
    return await with_python(workspace, query)


async def _in_added(top: Path, query: Query, path: str) -> Found:
    """The same search in a folder beside the workspace, whose files are named by absolute paths."""
    found = await search(Workspace(top, find_root(top) == top), replace(query, path=path))
    matches = tuple(replace(match, path=f"{top.as_posix()}/{match.path}") for match in found.matches)
    return replace(found, matches=matches)


def ripgrep() -> str:
    """The ripgrep program: on the PATH, or beside this Python where the extra ``rg`` put it; else ``""``."""
    return shutil.which("rg") or shutil.which("rg", path=str(Path(sys.executable).parent)) or ""


async def with_ripgrep(workspace: Workspace, query: Query) -> Found:
    options = [
        "--no-config",
        "--no-messages",
        "--hidden",
        "--no-ignore-dot",
        "--no-require-git",
        "--null",
        "--crlf",
    ]
    options += ["--line-number", "--no-heading", "--with-filename", "--color=never", "--glob=!.git"]
    options += ["--ignore-case"] * query.ignore_case + ["--fixed-strings"] * query.fixed
    folder = "" if query.path == "." else query.path + "/"
    for glob in braces(query.glob) if query.glob else []:
        options.append(f"--glob=/{folder}{glob.lstrip('/')}" if "/" in glob else f"--glob={glob}")
    done = await run(
        [ripgrep(), *options, "-e", query.pattern, "--", query.path if folder else "./"],
        cwd=workspace.root,
        timeout_s=TIMEOUT_S,
        max_output=BYTES_READ,
        enough=_counter(query.limit),
    )
    if done.code == 2 and not done.stdout:
        raise ToolRefused(f"the pattern is not accepted: {_words(done.stderr)}")
    return _found(done, query, "ripgrep", _split_ripgrep)


async def with_git(workspace: Workspace, query: Query) -> Found | None:
    """None where this git cannot: not compiled with PCRE, or the repository is not to be used."""
    options = ["grep", "-n", "-z", "-I", "--untracked", "--no-color", "--full-name"]
    options += ["-i"] * query.ignore_case + ["-F" if query.fixed else "-P"]
    folder = "" if query.path == "." else query.path + "/"
    specs = [
        f":(glob){folder}{glob.lstrip('/') if '/' in glob else '**/' + glob}"
        for glob in (braces(query.glob) if query.glob else [])
    ]
    pattern = query.pattern if query.fixed else "(*ANYCRLF)" + query.pattern  # $ stands before \r\n too
    done = await git(
        workspace.root,
        *options,
        "-e",
        pattern,
        "--",
        *(specs or [query.path]),
        timeout_s=TIMEOUT_S,
        max_output=BYTES_READ,
        enough=_counter(query.limit),
    )
    if done.code > 1 and not done.stdout:
        if "-e option" in done.stderr or "command line" in done.stderr:
            raise ToolRefused(f"the pattern is not accepted: {_words(done.stderr)}")
        return None
    return _found(done, query, "git grep", _split_zeros)


async def with_python(workspace: Workspace, query: Query) -> Found:
    """``re`` holds the interpreter while it matches, so it runs where it can be killed."""
    target = workspace.resolve(query.path)
    if target.is_file():
        files = [query.path]
    else:
        folder = "" if query.path == "." else query.path + "/"
        globs = matcher(query.glob) if query.glob else None
        files = [
            path
            for path in workspace.list_files()
            if path.startswith(folder) and (globs is None or globs.match_file(path[len(folder) :]))
        ]
    task = {
        "pattern": query.pattern,
        "fixed": query.fixed,
        "ignore_case": query.ignore_case,
        "limit": query.limit + 1,
        "files": files,
    }
    done = await run(
        [sys.executable, "-I", "-S", str(WORKER)],
        cwd=workspace.root,
        timeout_s=TIMEOUT_S,
        input=json.dumps(task).encode(),
        max_output=BYTES_READ,
    )
    if done.code == 2:
        raise ToolRefused(f"the pattern is not accepted: {done.stderr.strip()}")
    return _found(done, query, "python", _split_zeros)


def _counter(limit: int) -> Callable[[bytes], bool]:
    """True once more lines than wanted, or too many bytes, went by."""
    seen = [0, 0]

    def enough(chunk: bytes) -> bool:
        seen[0] += chunk.count(b"\n")
        seen[1] += len(chunk)
        return seen[0] > limit + 200 or seen[1] > BYTES_READ // 2

    return enough


def _found(
    done: Finished, query: Query, engine: str, split: Callable[[str], tuple[str, str, str] | None]
) -> Found:
    text = done.stdout.partition("\n[... ")[0] if done.cut_bytes else done.stdout
    matches = []
    for line in text.split("\n"):
        parts = split(line)
        if parts and parts[1].isdigit():
            matches.append(Match(parts[0].removeprefix("./"), int(parts[1]), parts[2].rstrip("\r")))
    matches.sort(key=lambda match: (match.path, match.line))
    stopped = done.signal is not None or done.cut_bytes > 0
    return Found(tuple(matches), stopped or len(matches) > query.limit, done.timed_out, engine)


def _split_ripgrep(line: str) -> tuple[str, str, str] | None:
    path, zero, rest = line.partition("\0")
    number, colon, text = rest.partition(":")
    return (path, number, text) if zero and colon else None


def _split_zeros(line: str) -> tuple[str, str, str] | None:
    parts = line.split("\0", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def _words(stderr: str) -> str:
    return " ".join(stderr.replace("(*ANYCRLF)", "").split())[:300] or "it failed without a message"
