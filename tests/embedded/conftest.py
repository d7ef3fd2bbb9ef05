from __future__ import annotations

import asyncio
import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcode.config.settings import EmbeddedSettings
from kcode.providers.catalog import Model
from kcode.providers.embedded.models import KnownModel, Parts
from kcode.providers.embedded.provider import EmbeddedProvider

PART_BYTES = 150_000


@pytest.fixture(autouse=True)
def own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine says about indexes and mirrors does not reach a test."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "HF_", "MODELSCOPE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def model_bytes() -> bytes:
    """Looks enough like a GGUF file to be told from something else."""
    body = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(3 * PART_BYTES // 32))
    return b"GGUF" + body


@pytest.fixture
def tiny(model_bytes: bytes) -> KnownModel:
    return KnownModel(
        name="tiny-model",
        title="A tiny model",
        licence="Apache-2.0",
        sha256=hashlib.sha256(model_bytes).hexdigest(),
        size=len(model_bytes),
        hub="someone/tiny-gguf",
        file="tiny-q4.gguf",
        parts=Parts("tiny-model-part{number}", "1.2.0", 3, len(model_bytes)),
    )


@pytest.fixture
def wheels(tmp_path: Path, model_bytes: bytes, tiny: KnownModel) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    step = len(model_bytes) // 3 + 1
    for number in range(1, 4):
        write_wheel(folder, tiny, number, model_bytes[(number - 1) * step : number * step])
    return folder


def write_wheel(folder: Path, model: KnownModel, number: int, data: bytes) -> Path:
    """A real wheel that carries ``data`` as one part of the model."""
    assert model.parts is not None
    project = model.parts.package.format(number=number)
    package, version = project.replace("-", "_"), model.parts.version
    path = folder / f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{package}/__init__.py", "")
        wheel.writestr(f"{package}/data/part{number:02}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def local_index(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip finds the wheels in a folder and asks no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def weights() -> Path | None:
    named = os.environ.get("KCODE_TEST_MODEL", "")
    return Path(named) if named and Path(named).is_file() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if weights() is not None:
        return
    reason = "KCODE_TEST_MODEL names no GGUF file (kcode models pull qwen2.5-coder-0.5b fetches one)"
    for item in items:
        if item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason=reason))


MODEL = Model("test", "embedded", 0, 512, 2048, temperature=0.0)


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    path = weights()
    assert path is not None
    opened = EmbeddedProvider(path, MODEL, EmbeddedSettings(context=4096))
    yield opened
    asyncio.run(opened.close())
