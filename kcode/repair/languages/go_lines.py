"""Which lines each Go test runs: the package's test binary, built once with coverage, run for each test."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kcode.safety.process import child_environment, run

_BUILD_S, _RUN_S, _ALL_S = 90.0, 6.0, 25.0
_PACKAGES = 2
_BLOCK = re.compile(r"^(?P<file>.+):(?P<first>\d+)\.\d+,(?P<last>\d+)\.(?P<column>\d+) \d+ (?P<count>\d+)$")

Lines = dict[str, dict[str, list[int]]]  # test -> path -> lines


async def go_lines(folder: Path, program: Sequence[str], tests: Sequence[str]) -> Lines:
    """``tests`` are ids (``place::Name``) of the module in ``folder``, the important ones first; paths are
    relative to it. Tests for which there was no time are left out."""
    found: Lines = {}
    until = time.monotonic() + _ALL_S
    places = list(dict.fromkeys(test.partition("::")[0] for test in tests if "::" in test))[:_PACKAGES]
    base = await _module(folder, program)
    with tempfile.TemporaryDirectory(prefix="kcode-tests-") as temp:
        for number, place in enumerate(places):
            binary = Path(temp) / f"tests-{number}"
            package = f"./{place}" if place != "." else "."
            build = [
                *program,
                "test",
                "-c",
                "-vet=off",
                "-covermode=set",
                "-coverpkg=./...",
                "-o",
                str(binary),
            ]
            done = await run([*build, package], cwd=folder, env=child_environment(), timeout_s=_BUILD_S)
            if done.code or not binary.exists():
                continue
            for test in tests:
                left = until - time.monotonic()
                if test.partition("::")[0] == place and left > 0:
                    profile = Path(temp) / f"profile-{len(found)}"
                    await _one(binary, folder / place, test.partition("::")[2], profile, min(_RUN_S, left))
                    found[test] = await asyncio.to_thread(_read, profile, base)
    return {test: files for test, files in found.items() if files}


async def _one(binary: Path, folder: Path, name: str, profile: Path, wall_s: float) -> None:
    pattern = "/".join(f"^{re.escape(part)}$" for part in name.split("/"))
    argv = [str(binary), "-test.run", pattern, f"-test.coverprofile={profile}", "-test.timeout=5s"]
    await run(argv, cwd=folder, env=child_environment(), timeout_s=wall_s)


async def _module(folder: Path, program: Sequence[str]) -> str:
    done = await run([*program, "list", "-m"], cwd=folder, env=child_environment(), timeout_s=_BUILD_S)
    return done.stdout.split("\n")[0].strip()


def _read(profile: Path, base: str) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for path, lines in _blocks(profile, base):
        found.setdefault(path, set()).update(lines)
    return {path: sorted(lines) for path, lines in found.items()}


def _blocks(profile: Path, base: str) -> Iterator[tuple[str, range]]:
    """The blocks that ran; one that ends in a line's first column ends on the line before."""
    if not profile.exists():
        return
    for line in profile.read_text(encoding="utf-8", errors="replace").splitlines():
        match = _BLOCK.match(line)
        if match and int(match["count"]) and match["file"].startswith(f"{base}/"):
            last = int(match["last"]) - (int(match["column"]) <= 1)
            yield match["file"][len(base) + 1 :], range(int(match["first"]), last + 1)


def of_repository(lines: Mapping[str, Mapping[str, Sequence[int]]], place: str) -> Lines:
    """``lines`` of a suite in the folder ``place``, as the repository calls tests and files."""
    if not place:
        return {test: {path: list(its) for path, its in files.items()} for test, files in lines.items()}
    before = f"{place}/"
    return {
        before + test: {before + path: list(its) for path, its in files.items()}
        for test, files in lines.items()
    }
