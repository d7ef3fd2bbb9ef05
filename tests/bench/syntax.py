"""How often the warning of newly broken syntax is wrong: on real commits it should be silent.

    python -m tests.bench.syntax CLONE... [--each 60] [--show]

Takes the changes of files in the latest commits of these clones, ``--each`` of every kind of file, and asks
for each what an edit that makes it would be told. What somebody committed is taken to be right, so every
warning is a false alarm; ``--show`` prints them. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

from kcode.workspace import grammars
from kcode.workspace.change import FileEdit
from kcode.workspace.syntax import newly_broken

LARGEST = 200_000  # characters


def git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True).stdout


def changes(clone: Path) -> Iterator[tuple[str, str, str, str]]:
    """Commit, path, blob before and blob after, the latest first; files that were modified only."""
    log = git(clone, "log", "--no-merges", "--diff-filter=M", "--raw", "--no-abbrev", "-z", "--format=%x01%H")
    for part in log.decode("utf-8", "replace").split("\x01")[1:]:
        commit, *fields = part.replace("\n", "\0").split("\0")
        fields = [field for field in fields if field]
        for head, path in zip(fields[::2], fields[1::2], strict=False):
            if head.startswith(":"):
                _, _, before, after, _ = head.split()
                yield commit, path, before, after


def text_of(clone: Path, blob: str) -> str | None:
    try:
        text = git(clone, "cat-file", "blob", blob).decode()
    except (UnicodeDecodeError, subprocess.CalledProcessError):
        return None
    return text if len(text) <= LARGEST else None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("clones", type=Path, nargs="+")
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    asked, alarms = Counter[str](), Counter[str]()
    for clone in given.clones:
        here = Counter[str]()  # so that one clone does not fill a kind alone
        for commit, path, before, after in changes(clone):
            kind = PurePath(path).suffix
            if (
                grammars.source_of(path) is None
                or max(asked[kind], here[kind] * len(given.clones)) >= given.each
            ):
                continue
            old, new = text_of(clone, before), text_of(clone, after)
            if old is None or new is None:
                continue
            asked[kind] += 1
            here[kind] += 1
            told = newly_broken(FileEdit(path, old, new))
            if told:
                alarms[kind] += 1
                if given.show:
                    print(f"{clone.name} {commit[:10]} {path}: {told}")
    for kind, count in sorted(asked.items()):
        print(f"{kind:12} {count:5} changes {alarms[kind]:4} alarms")
    return 1 if alarms else 0


if __name__ == "__main__":
    raise SystemExit(main())
