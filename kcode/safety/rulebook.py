"""Keeping and removing the user's rules for one folder.

They stand in the user's own ``permissions.toml`` under ``[folders."/real/path"]``, never in the project's
file: what a user allows on one machine is nothing that a repository should carry to others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kcode.config import tomlfile
from kcode.config.edit import write_atomically
from kcode.config.paths import make_private, state_dir
from kcode.errors import EnvironmentProblem
from kcode.safety.rules import FOLDERS, Rule, file_rules, folder_rules, user_rules_file

_PATIENCE_S = 10.0  # another kcode holds the lock for the time of one write


def keep(root: Path, rule: Rule) -> bool:
    """Add ``rule`` for the folder ``root``; whether it was new. Comments and the other rules stay.

    Raises :class:`kcode.errors.ConfigError` where the file is wrong (nothing is written then), and
    :class:`EnvironmentProblem` where it cannot be written.
    """
    path = user_rules_file()
    with _locked():
        if any(str(known) == str(rule) for known in folder_rules(path, root)):
            return False
        document = _document(path)
        table = _own_table(document, root)
        if rule.verdict not in table:
            table[rule.verdict] = _lines([])
        table[rule.verdict].append(f"{rule.kind}: {rule.pattern}")
        write_atomically(path, document.as_string())
        return True


def forget(root: Path, text: str) -> list[Rule]:
    """Remove the user's rules written as ``text`` (with or without their verdict): those for the folder
    ``root``, else those that hold everywhere. Returns what was removed; raises like :func:`keep`."""
    path = user_rules_file()
    wanted = " ".join(text.split())
    with _locked():
        document = _document(path)
        for layer, rules in (
            ("folder", list(folder_rules(path, root))),
            ("user", list(file_rules(path, "user"))),
        ):
            found = [rule for rule in rules if wanted in (str(rule), f"{rule.kind}: {rule.pattern}")]
            if found:
                table = document[FOLDERS][_key(root)] if layer == "folder" else document
                for rule in found:
                    _remove(table, rule)
                if layer == "folder" and not table:
                    document[FOLDERS].remove(_key(root))
                write_atomically(path, document.as_string())
                return found
    return []


def _remove(table: Any, rule: Rule) -> None:
    rows = table[rule.verdict]
    for number, row in enumerate(rows):
        kind, _, pattern = str(row).partition(":")
        if (kind.strip(), pattern.strip()) == (rule.kind, rule.pattern):
            del rows[number]
            break
    if not len(rows):
        del table[rule.verdict]


def _document(path: Path) -> Any:
    import tomlkit

    for _ in file_rules(path, "user"):
        pass  # a file that is wrong is not written to
    return tomlkit.parse(tomlfile.read(path)[1])


def _own_table(document: Any, root: Path) -> Any:
    import tomlkit

    if FOLDERS not in document:
        document[FOLDERS] = tomlkit.table(is_super_table=True)
    if _key(root) not in document[FOLDERS]:
        document[FOLDERS][_key(root)] = tomlkit.table()
    return document[FOLDERS][_key(root)]


def _lines(values: list[str]) -> Any:
    import tomlkit

    rows = tomlkit.array()
    rows.extend(values)
    return rows.multiline(True)


def _key(root: Path) -> str:
    return os.path.realpath(root)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    from filelock import FileLock, Timeout

    folder = state_dir()
    try:
        make_private(folder)
        with FileLock(folder / "permissions.lock", timeout=_PATIENCE_S, mode=0o600):
            yield
    except Timeout:
        raise EnvironmentProblem(
            f"{user_rules_file()}: another kcode is writing it", "try again in a moment"
        ) from None
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: cannot be written ({error.strerror})",
            "check the folder, its permissions and the disk",
        ) from error
