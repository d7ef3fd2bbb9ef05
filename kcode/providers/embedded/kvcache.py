"""Saved prompt prefixes: the keys and values of a system prompt, kept between sessions.

A prompt of 2,000 tokens takes 11 to 24 s to read on two cores and a tenth of a second from such a file.
A file fits one model, one runtime version and one prefix; its name says all three. Files hold what the
conversation's beginning says, so they are readable by the user only.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from kcode.config.paths import cache_dir, make_private
from kcode.providers.base import EmbeddedUnavailable

SUFFIX = ".kv"


class KvCache:
    """The folder of saved prefixes, at most ``limit`` bytes of it (0: nothing is saved)."""

    def __init__(self, model_path: Path, limit: int) -> None:
        self._model_path = model_path
        self._limit = limit
        self.folder = cache_dir() / "kv"

    def prepare(self) -> Path:
        """Make the folder and bring it under its limit."""
        try:
            make_private(self.folder)
        except OSError as error:
            raise EmbeddedUnavailable(
                f"the folder {self.folder} cannot be made: {error.strerror}",
                "check its permissions and the disk",
            ) from error
        self.evict()
        return self.folder

    @property
    def enabled(self) -> bool:
        return self._limit > 0

    def name(self, prefix: str, runtime: str) -> str:
        """The file name for this prefix with this model and runtime."""
        return (
            f"{self._model_identity()}-{runtime}-{hashlib.sha256(prefix.encode()).hexdigest()[:24]}{SUFFIX}"
        )

    def has(self, name: str) -> bool:
        path = self.folder / name
        if not path.is_file():
            return False
        with suppress(OSError):
            os.utime(path)  # used just now: evicted last
        return True

    def forget(self, name: str) -> None:
        with suppress(OSError):
            (self.folder / name).unlink()

    def evict(self, keep: str = "") -> None:
        """Delete the files not used for longest until the rest fits; ``keep`` is the last to go."""
        files: list[tuple[bool, float, int, Path]] = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                facts = path.stat()
                files.append((path.name == keep, facts.st_mtime, facts.st_size, path))
                path.chmod(0o600)
        total = sum(size for _, _, size, _ in files)
        for _, _, size, path in sorted(files):
            if total <= self._limit:
                break
            with suppress(OSError):
                path.unlink()
                total -= size

    def _model_identity(self) -> str:
        """The recorded hash of a pulled model; of another file its path, size and time."""
        from kcode.providers.embedded.store import recorded_sha256

        sha256 = recorded_sha256(self._model_path)
        if not sha256:
            facts = self._model_path.stat()
            key = f"{self._model_path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}"
            sha256 = hashlib.sha256(key.encode()).hexdigest()
        return sha256[:16]
