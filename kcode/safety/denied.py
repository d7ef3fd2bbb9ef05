"""What rules over paths deny, as places on the disk: hidden from confined commands that look around."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from kcode.safety.rules import Rule

_LOOKED_AT = 20_000  # files and folders, for patterns with signs in them
_MOST = 200  # places; what a pattern stands for beyond them stays visible
_PASSED_OVER = frozenset((".git", "node_modules", "__pycache__"))


def patterns(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Those of the rules that deny paths."""
    return tuple(rule.pattern for rule in rules if rule.verdict == "deny" and rule.kind == "path")


def places(root: Path, denied: Sequence[str]) -> tuple[Path, ...]:
    """The files and folders of the workspace ``root``, a real path, that ``denied`` stand for; no links."""
    found: dict[Path, None] = {}
    for pattern in denied:
        text = re.sub(r"^(\./)+", "", pattern.replace("\\", "/")).removesuffix("/*").removesuffix("/")
        if not text or ".." in text.split("/"):
            continue
        matching = _matching(root, text) if re.search(r"[*?\[]", text) else [root / text]
        found |= dict.fromkeys(path for path in matching if path.exists() and not path.is_symlink())
    return tuple(path for path in found if not any(above in found for above in path.parents))[:_MOST]


def _matching(root: Path, pattern: str) -> Iterator[Path]:
    seen = 0
    for folder, inside, files in os.walk(root):
        seen += len(inside) + len(files)
        if seen > _LOOKED_AT:
            return
        inside[:] = [name for name in inside if name not in _PASSED_OVER]
        for name in (*inside, *files):
            path = Path(folder, name)
            if fnmatchcase(path.relative_to(root).as_posix(), pattern):
                yield path
