"""What a repair is aimed at: the argument of ``kcode fix``, resolved against the project."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import UsageError
from kcode.repair.logread import read_log
from kcode.repair.target import as_path, names_nothing


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for, as typed. ``folder`` is where a ``command`` was typed, relative to the root.

    ``good`` is a revision at which the tests passed, for ``bisect``; ``attempts`` is how many are made at
    once.
    """

    words: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""
    log: str = ""
    bisect: bool = False
    good: str = ""
    attempts: int = 1
    allow_test_changes: bool = False

    def described(self) -> str:
        if self.command:
            return shlex.join(self.command)
        return self.words or ("the failures of the log" if self.log else "whatever fails")


@dataclass(frozen=True, slots=True)
class Aim:
    """``targets`` can be given to the runner (none: all tests); ``sentence`` and ``names`` choose among what
    ran; ``command`` runs the tests instead of the project's runner."""

    told: str
    targets: tuple[str, ...] = ()
    sentence: str = ""
    names: tuple[str, ...] = ()
    command: str = ""
    log: str = ""


def aim_at(root: Path, asked: Asked) -> Aim:
    """Raises UsageError where the log or the command says nothing that could be run."""
    told = asked.described()
    if asked.command:
        line = shlex.join(asked.command) if len(asked.command) > 1 else asked.command[0]
        into = f"cd {shlex.quote(asked.folder)} && " if asked.folder not in ("", ".") else ""
        return Aim(told, command=into + line)
    if asked.log.strip() and not asked.words.strip():
        named = read_log(asked.log, root)
        if not named:
            raise UsageError(
                "the log names no test and no file of this project",
                "give the whole output of the test run, or name a test: kcode fix TEST",
            )
        return Aim(told, named.targets, names=named.names, log=asked.log[-4_000:])
    words = asked.words.strip()
    if path := as_path(root, words):
        return Aim(told, (path,))
    if several := _paths(root, words):
        return Aim(told, several)
    return Aim(told, sentence="" if names_nothing(words) else words)


def _paths(root: Path, words: str) -> tuple[str, ...]:
    """Several files or ids, all of them there."""
    try:
        parts = shlex.split(words)
    except ValueError:
        return ()
    found = [as_path(root, part) for part in parts]
    return tuple(path for path in found if path) if len(parts) > 1 and all(found) else ()


def listed(tests: Sequence[str], most: int = 8) -> str:
    """Some names in a line, and how many more there are."""
    more = f" and {len(tests) - most} more" if len(tests) > most else ""
    return ", ".join(tests[:most]) + more
