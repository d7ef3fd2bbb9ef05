"""A TOML settings file as it lies on the disk: reading it, and the line where a key stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from kcode.errors import ConfigError

_LARGEST = 1_000_000  # bytes; a settings file beyond that is another file by mistake


def read(path: Path) -> tuple[dict[str, Any], str]:
    """The table and the text of ``path``; both empty where there is no such file.

    Raises :class:`ConfigError` with the line for TOML that cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path}: too large for a settings file", "point KCODE_CONFIG at a TOML file")
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}, ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror})", "check the file and its permissions"
        ) from None
    return parse(text, path), text


def parse(text: str, path: Path) -> dict[str, Any]:
    """Raises :class:`ConfigError` as ``file:line: reason``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        found = re.search(r"\(at line (\d+), column \d+\)", reason)
        line = int(found.group(1)) if found else text.count("\n") + 1
        reason = re.sub(r"\s*\(at [^)]*\)$", "", reason)
        reason = reason[:1].lower() + reason[1:]
        raise ConfigError(
            f"{path}:{line}: not valid TOML: {reason}", "mend that line, or move the file away"
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists without end
        raise ConfigError(
            f"{path}: a value in it is too large, or nested too deeply", "mend the file, or move it away"
        ) from None


_HEADER = re.compile(r"^\s*\[\[?([^\]]+)\]")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def line_of(text: str, key: str) -> int:
    """The 1-based line where the dotted ``key`` is set, else that of its section, else 1."""
    wanted = key.split(".")
    prefix: list[str] = []
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            prefix = _parts(header.group(1).strip())
            if prefix == wanted:
                return number
        assignment = _KEY.match(line)
        path = prefix + _parts(assignment.group(1)) if assignment else prefix if header else []
        if path == wanted:
            return number
        if path and path == wanted[: len(path)]:
            best = number
    return best


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
