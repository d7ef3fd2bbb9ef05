"""Which tests a change can break: by the imports, by neighbourhood, and by coverage where it was recorded."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run
from kcode.testrun.importgraph import SUFFIXES, importers, is_test

_GIT_S = 60.0
_MOST = 400  # targets: a command line has an end
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(?P<start>\d{1,9})(?:,(?P<count>\d{1,9}))? @@")


@dataclass(frozen=True, slots=True)
class Affected:
    """``targets`` can be given to :func:`kcode.testrun.run.run_tests`; ``why`` says how they were found;
    with ``all`` there are too many to name: run all tests."""

    targets: tuple[str, ...]
    why: str
    all: bool = False


async def affected(root: Path, changed: Sequence[str] | None = None) -> Affected:
    """The tests that ``changed`` files (relative to ``root``; None: what git says differs from HEAD) can
    break."""
    lines: dict[str, set[int]] = {}
    if changed is None:
        try:
            changed, lines = await _changed(root)
        except EnvironmentProblem:
            changed = None
        if changed is None:
            return Affected((), "git does not say what has changed here")
    if not changed:
        return Affected((), "nothing differs from the last commit")
    files = await asyncio.to_thread(_files, root)
    return await asyncio.to_thread(_affected, root, list(changed), files, lines)


def _affected(root: Path, changed: list[str], files: list[str], lines: Mapping[str, set[int]]) -> Affected:
    covered = _by_coverage(root, lines)
    rest = [path for path in changed if path not in covered]
    reached = importers(root, files, rest)
    found = dict.fromkeys(_target(root, path) for path in reached if is_test(path) or path.endswith(".rs"))
    known = set(files)
    for path in rest:
        found.update(dict.fromkeys(_neighbours(path, known)))
    by_context = {test for tests in covered.values() for test in tests}
    targets = [*found, *sorted(test for test in by_context if test.partition("::")[0] not in found)]
    how = [f"{len(changed)} changed {'file' if len(changed) == 1 else 'files'}"]
    if found:
        how.append(f"{len(found)} test {'file' if len(found) == 1 else 'files'} by imports and neighbourhood")
    if by_context:
        how.append(f"{len(by_context)} tests by recorded coverage")
    if len(targets) > _MOST:
        return Affected((), f"{len(targets)} of them, so all tests", all=True)
    return Affected(tuple(targets), ", ".join(how) + ("" if targets else "; no test imports them"))


async def _changed(root: Path) -> tuple[list[str] | None, dict[str, set[int]]]:
    """(files below ``root`` that differ from HEAD or are new, their changed lines); None without git."""
    env = child_environment({"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"})
    status = ["git", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", "."]
    diff = [
        "git",
        "-c",
        "core.quotepath=off",
        "diff",
        "--relative",
        "--no-ext-diff",
        "--no-color",
        "-U0",
        "HEAD",
    ]
    prefix = ["git", "rev-parse", "--show-prefix"]
    done = await run(status, cwd=root, env=env, timeout_s=_GIT_S, max_output=20_000_000)
    if done.code:
        return None, {}
    below = (await run(prefix, cwd=root, env=env, timeout_s=_GIT_S)).stdout.strip()
    paths = [entry[3:].removeprefix(below) for entry in done.stdout.split("\0") if len(entry) > 3]
    said = await run(diff, cwd=root, env=env, timeout_s=_GIT_S, max_output=20_000_000)
    return paths, _changed_lines(said.stdout)


def _changed_lines(diff: str) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line[4:].removeprefix("b/").rstrip("\t")
        elif match := _HUNK.match(line):
            start, count = int(match["start"]), int(match["count"] or 1)
            found.setdefault(path, set()).update(range(start, start + max(count, 1)))
    return found


def _files(root: Path) -> list[str]:
    """Source files below ``root``, without dependencies and hidden folders."""
    skipped = {"node_modules", "venv", "env", "__pycache__", "target", "build", "dist"}
    found: list[str] = []
    for here, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in skipped and not f.startswith("."))
        place = Path(here).relative_to(root)
        found += [(place / name).as_posix() for name in names if name.endswith(SUFFIXES)]
        if len(found) > 50_000:
            break
    return found


def _target(root: Path, path: str) -> str:
    """What runs the test at ``path``: in Go and Rust more than a file."""
    if path.endswith(".go"):
        return PurePosixPath(path).parent.as_posix()
    if path.endswith(".rs"):
        crate = next(
            (one for one in PurePosixPath(path).parents if (root / one / "Cargo.toml").is_file()), None
        )
        return path if crate is None else crate.as_posix()
    return path


def _neighbours(path: str, known: set[str]) -> Iterable[str]:
    """Tests that lie where their language's custom puts those of ``path``; a Go test is its folder."""
    if is_test(path) and path in known and not path.endswith(".go"):
        yield path
        return
    pure = PurePosixPath(path)
    folder, stem, suffix = pure.parent, pure.stem, pure.suffix
    if suffix == ".go":
        if any(one.endswith("_test.go") and PurePosixPath(one).parent == folder for one in known):
            yield folder.as_posix()
        return
    names = {
        *(f"{stem}{mark}{suffix}" for mark in (".test", ".spec", "_test", "_spec", "-test", "Test", "Tests")),
        *(f"test_{stem}{suffix}", f"Test{stem}{suffix}", f"{stem}IT{suffix}"),
    }
    for one in sorted(known):
        other = PurePosixPath(one)
        if other.name in names and is_test(one):
            yield one


def _by_coverage(root: Path, lines: Mapping[str, set[int]]) -> dict[str, set[str]]:
    """Tests that ran a changed line, for files that ``.coverage`` knows, where it was recorded with contexts
    (``--cov-context=test``). Unknown files are left to the imports."""
    data_file = root / ".coverage"
    if not lines or not data_file.is_file():
        return {}
    from coverage import CoverageData
    from coverage.exceptions import CoverageException

    found: dict[str, set[str]] = {}
    try:
        data = CoverageData(basename=str(data_file))
        data.read()
        if not any("::" in context for context in data.measured_contexts()):
            return {}
        for path, changed in lines.items():
            full = str((root / path).resolve())
            if full not in data.measured_files():
                continue
            contexts = data.contexts_by_lineno(full)
            tests = {
                each.partition("|")[0] for line in changed for each in contexts.get(line, ()) if "::" in each
            }
            tests = {each for each in tests if (root / each.partition("::")[0]).is_file()}
            if tests and not is_test(path):
                found[path] = tests
    except CoverageException:
        return {}
    return found
