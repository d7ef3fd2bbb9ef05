"""Hooks that a repository keeps among its files: husky's scripts and lefthook's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kcode.githooks.place import Place
from kcode.githooks.script import MARK, has_stanza, with_stanza, without_stanza

_LEFTHOOK_FILES = ("lefthook.yml", ".lefthook.yml", "lefthook.yaml", ".lefthook.yaml", ".config/lefthook.yml")
_LEFTHOOK = """\
{mark}begin {hook}
{hook}:
  commands:
    kcode:
      run: command -v kcode >/dev/null 2>&1 || exit 0; kcode hook run {hook}{arguments} || [ $? -ne 1 ]
{more}{mark}end {hook}
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """Who runs this repository's hooks, and the file that its hook is written in."""

    by: Literal["husky", "lefthook"]
    file: Path


def shared_hook(place: Place, hook: str) -> Shared | None:
    """None where git's own hooks folder is the place for ``hook``."""
    husky = place.top / ".husky"
    if place.redirected and _same(place.hooks, (husky, husky / "_")):
        return Shared("husky", husky / hook)
    for name in _LEFTHOOK_FILES:
        if (place.top / name).is_file():
            return Shared("lefthook", place.top / name)
    return None


def present(shared: Shared, hook: str) -> bool:
    """Whether our lines for ``hook`` are in the file."""
    content = _read(shared.file) or b""
    return has_stanza(content) if shared.by == "husky" else bool(_ours(hook).search(content))


def called(shared: Shared, place: Place, hook: str) -> bool:
    """Whether git calls who runs the hooks: lefthook writes git's hooks only when it is installed anew."""
    return shared.by == "husky" or b"lefthook" in (_read(place.hooks / hook) or b"")


def taken(shared: Shared, hook: str) -> bool:
    """Whether lefthook's file has a section for ``hook`` already: our lines cannot be added beside it."""
    content = _read(shared.file) or b""
    found = re.search(rf"^[\"']?{re.escape(hook)}[\"']?\s*:".encode(), content, re.MULTILINE)
    return shared.by == "lefthook" and found is not None


def lines(shared: Shared, hook: str) -> str:
    """What somebody adds by hand."""
    return _block(hook) if shared.by == "lefthook" else with_stanza(hook, b"").decode()


def add(shared: Shared, hook: str) -> None:
    """Write our lines into the file; raises OSError."""
    content = _read(shared.file)
    if shared.by == "husky":
        text = with_stanza(hook, content)
    else:
        before = content or b""
        text = before + (b"" if before.endswith(b"\n") or not before else b"\n") + _block(hook).encode()
    new = content is None
    shared.file.parent.mkdir(parents=True, exist_ok=True)
    _write(shared.file, text)
    if new:
        shared.file.chmod(0o755)


def remove(shared: Shared, hook: str) -> None:
    """Take our lines out of the file; raises OSError."""
    content = _read(shared.file) or b""
    left = without_stanza(content) if shared.by == "husky" else _ours(hook).sub(b"", content)
    if left is None:
        shared.file.unlink()
    else:
        _write(shared.file, left)


def _ours(hook: str) -> re.Pattern[bytes]:
    begin, end = (re.escape(f"{MARK}{word} {hook}".encode()) for word in ("begin", "end"))
    return re.compile(rb"^" + begin + rb"\n.*?^" + end + rb"\n?", re.MULTILINE | re.DOTALL)


def _block(hook: str) -> str:
    arguments = " {0}" if hook != "pre-commit" else ""
    more = "      use_stdin: true\n" if hook == "pre-push" else ""
    return _LEFTHOOK.format(mark=MARK, hook=hook, arguments=arguments, more=more)


def _same(path: Path, others: tuple[Path, ...]) -> bool:
    return path.resolve() in [other.resolve() for other in others]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.kcode-new")
    fresh.write_bytes(content)
    if path.exists():
        fresh.chmod(path.stat().st_mode & 0o7777)
    fresh.replace(path)
