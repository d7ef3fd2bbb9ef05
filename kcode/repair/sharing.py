"""What a copy of a project shares with the original, so that its tests run there at once.

Packages are linked one by one into a folder of the copy's own: what a runner writes beside them (a cache, a
lock) stays in the copy. Compiled dependencies of Rust are copied, the project's own build is made anew, as it
names absolute paths. A CMake build is configured again for the same reason: built where it was, it would
compile the user's files and not the copy's.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run

_CACHES = frozenset({".cache", ".vite", ".vitest", ".vite-temp", ".tmp", ".parcel-cache", ".turbo"})
_BUILT = frozenset({"Cargo.toml", "pom.xml", "build.sbt"})  # beside a folder `target`, they say what it is
_MOST_COMPILED = 600 << 20  # bytes of compiled dependencies copied at most
_CONFIGURE_S = 180.0
_DEEPEST = 4  # folders below the root in which builds are looked for
_ENTRY = re.compile(r"^(?P<name>[\w.+-]+):(?P<type>BOOL|STRING|PATH|FILEPATH|UNINITIALIZED)=(?P<value>.*)$")
_TAKEN = re.compile(
    r"^(?:BUILD_\w+|CMAKE_(?:BUILD_TYPE|C(?:XX)?_COMPILER|PREFIX_PATH|TOOLCHAIN_FILE)|\w+_DIR)$"
)


def share_modules(source: Path, target: Path, root: Path, into: Path) -> None:
    """Make ``target`` a node_modules whose packages are those of ``source``. Links into the project (a
    workspace's own packages) lead into the copy."""
    from kcode.repair.scratch import copy_link

    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            there = target / entry.name
            if entry.name in _CACHES or there.is_symlink() or there.exists():
                continue
            if entry.is_symlink():
                copy_link(Path(entry.path), there, root, into)
            elif entry.is_dir() and (entry.name == ".bin" or entry.name.startswith("@")):
                share_modules(Path(entry.path), there, root, into)
            elif entry.is_dir():
                there.symlink_to(entry.path)
            elif entry.is_file():
                shutil.copy2(entry.path, there)


def is_build_output(folder: Path) -> bool:
    """A virtual environment, or what a compiler made of the project: no part of the copy."""
    if (folder / "pyvenv.cfg").exists() or (folder / "CMakeCache.txt").exists():
        return True
    if folder.name != "target":
        return False
    return (folder / "CACHEDIR.TAG").exists() or any((folder.parent / name).exists() for name in _BUILT)


async def prepare_builds(root: Path, scratch: Path, deadline_s: float = _CONFIGURE_S) -> None:
    """Bring what compilers made of ``root`` to its copy ``scratch``: Rust's dependencies, CMake's set-up."""
    for here in _folders(root):
        place = here.relative_to(root)
        if here.name == "target" and (here.parent / "Cargo.toml").exists():
            _copy_compiled(here, scratch / place)
        elif (here / "CMakeCache.txt").is_file() and here != root:
            await _configure(here, root, scratch, deadline_s)


def _folders(root: Path) -> Iterator[Path]:
    for here, folders, _ in os.walk(root):
        folder = Path(here)
        if is_build_output(folder):
            folders[:] = []
            yield folder
            continue
        depth = len(folder.relative_to(root).parts)
        skipped = depth >= _DEEPEST
        folders[:] = [] if skipped else [f for f in folders if not f.startswith(".") and f != "node_modules"]


def _copy_compiled(source: Path, target: Path) -> None:
    """The libraries that cargo compiled, with what tells it that they are fresh; none of its own."""
    debug = source / "debug"
    wanted = [
        path
        for part in (".fingerprint", "build", "deps")
        for path in (debug / part).rglob("*")
        if path.is_file() and (part != "deps" or path.suffix in (".rlib", ".rmeta", ".so", ".d", ".dylib"))
    ]
    if sum(path.stat().st_size for path in wanted) > _MOST_COMPILED:
        return
    for path in wanted:
        there = target / path.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, there)


async def _configure(build: Path, root: Path, scratch: Path, deadline_s: float) -> None:
    """Configure the copy's build folder as the original one was. Where that fails, the runner says so."""
    entries: dict[str, tuple[str, str]] = {}
    text = (build / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
    found = dict(re.findall(r"^(CMAKE_(?:GENERATOR|HOME_DIRECTORY)):INTERNAL=(.*)$", text, re.M))
    home = Path(found.get("CMAKE_HOME_DIRECTORY", ""))
    if not found.get("CMAKE_GENERATOR") or not home.is_relative_to(root):
        return
    for line in text.splitlines():
        match = _ENTRY.match(line)
        if match and (match["type"] == "BOOL" or _TAKEN.match(match["name"])):
            entries[match["name"]] = (match["type"], match["value"])
    chosen = [
        f"-D{name}:{kind}={value}"
        for name, (kind, value) in entries.items()
        if str(root) not in value and not value.endswith("-NOTFOUND")
    ]
    argv = [
        "cmake",
        "-S",
        str(scratch / home.relative_to(root)),
        "-B",
        str(scratch / build.relative_to(root)),
    ]
    try:
        await run(
            [*argv, "-G", found["CMAKE_GENERATOR"], *chosen],
            cwd=scratch,
            env=child_environment(),
            timeout_s=deadline_s,
        )
    except EnvironmentProblem:  # no cmake: the runner says it
        return
