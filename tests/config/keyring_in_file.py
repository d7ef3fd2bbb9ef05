"""A real keyring backend for tests: its keys lie in the file that KCODE_TEST_KEYRING names."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class FileKeyring(KeyringBackend):
    priority = 1  # type: ignore[assignment]

    @property
    def _file(self) -> Path:
        return Path(os.environ["KCODE_TEST_KEYRING"])

    def _kept(self) -> dict[str, str]:
        if os.environ.get("KCODE_TEST_KEYRING_LOCKED"):
            raise KeyringLocked("the collection is locked")
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file.write_text(json.dumps(self._kept() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        kept = self._kept()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("there is no such key")
        self._file.write_text(json.dumps(kept))
