"""The head of a GGUF file: enough of it to size the window and to recognise a file that is not one.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (little endian, versions 2 and 3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kcode.providers.base import EmbeddedUnavailable

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_DEEPEST = 4  # lists in lists
_LONGEST = 1 << 20  # bytes of one metadata string; more means a corrupt file
DEFAULT_CONTEXT = 8192  # tokens, where the file does not say what the model was trained for


@dataclass(frozen=True, slots=True)
class GgufHead:
    """``kv_bytes`` is the size of one token's keys and values at 16 bits, ``context`` the trained window."""

    architecture: str
    name: str
    context: int
    kv_bytes: int
    file_bytes: int


def read_head(path: Path) -> GgufHead:
    """Read the metadata before the tokenizer's. Raises :class:`EmbeddedUnavailable` for anything else."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            values = _metadata(file)
    except FileNotFoundError as error:
        raise EmbeddedUnavailable(f"the model file {path} is not there", "kcode models list") from error
    except OSError as error:
        raise EmbeddedUnavailable(f"the model file {path} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise EmbeddedUnavailable(
            f"{path} is not a usable GGUF model file: {error}",
            "for a model of `kcode models list`, run `kcode models verify NAME` or pull it again",
        ) from error
    architecture = str(values.get("general.architecture", ""))

    def number(key: str, default: int) -> int:
        value = values.get(f"{architecture}.{key}", default)
        return int(value) if isinstance(value, int) else default

    heads = max(1, number("attention.head_count", 1))
    width = number("embedding_length", 1024) // heads
    head_bytes = number("attention.key_length", width) + number("attention.value_length", width)
    return GgufHead(
        architecture=architecture,
        name=str(values.get("general.name", path.stem)),
        context=number("context_length", DEFAULT_CONTEXT),
        kv_bytes=2 * number("block_count", 32) * number("attention.head_count_kv", heads) * head_bytes,
        file_bytes=size,
    )


def _metadata(file: BinaryIO) -> dict[str, Any]:
    if _exactly(file, 4) != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    version, _tensors, count = struct.unpack("<IQQ", _exactly(file, 20))
    if version not in (2, 3):
        raise ValueError(f"version {version} of the format is not known")
    values: dict[str, Any] = {}
    for _ in range(min(count, 10_000)):
        key = _text(file)
        if key.startswith("tokenizer."):
            break  # long arrays, and everything of interest comes before them
        (kind,) = struct.unpack("<I", _exactly(file, 4))
        values[key] = _value(file, kind)
    return values


def _value(file: BinaryIO, kind: int, depth: int = 0) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        if depth > _DEEPEST:
            raise ValueError("lists in lists in its metadata")
        inner, length = struct.unpack("<IQ", _exactly(file, 12))
        if length > _LONGEST:
            raise ValueError("an array that is too long")
        return [_value(file, inner, depth + 1) for _ in range(length)]
    if kind not in _SCALARS:
        raise ValueError(f"an unknown type {kind} in its metadata")
    shape = _SCALARS[kind]
    return struct.unpack(shape, _exactly(file, struct.calcsize(shape)))[0]


def _text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", _exactly(file, 8))
    if length > _LONGEST:
        raise ValueError("a text that is too long")
    return _exactly(file, length).decode("utf-8")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends inside its head")
    return data
