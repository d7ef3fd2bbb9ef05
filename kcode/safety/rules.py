"""The user's rules: allow, ask or deny, over tools, paths, commands and hosts, and where they come from.

A rule is written ``KIND: PATTERN`` in the list of its verdict. ``*`` stands for anything, ``?`` for one
character; a pattern that ends in `` *`` also matches what stands before it alone. Of the rules that match,
a ``deny`` of any layer decides; else the latest layer, and in it ``ask`` before ``allow``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from kcode.config import tomlfile
from kcode.config.paths import user_config_file
from kcode.errors import ConfigError
from kcode.safety.invocations import known_program

Verdict = Literal["allow", "ask", "deny"]
Kind = Literal["tool", "path", "command", "host"]
Layer = Literal["built in", "user", "project", "folder", "session", "command line"]
BUILT_IN: Layer = "built in"
LAYERS: tuple[Layer, ...] = get_args(Layer)
KINDS: tuple[Kind, ...] = get_args(Kind)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FILE_NAME = "permissions.toml"
FOLDERS = "folders"  # the table of the user's file with the rules for single folders, by real path


@dataclass(frozen=True, slots=True)
class Rule:
    verdict: Verdict
    kind: Kind
    pattern: str
    layer: Layer

    def __str__(self) -> str:
        return f"{self.verdict} {self.kind}: {self.pattern}"

    @property
    def exact(self) -> bool:
        """Written out, without a sign that stands for something else."""
        return self.kind == "command" and not re.search(r"[*?\[]", self.pattern)


@dataclass(frozen=True, slots=True)
class Subject:
    """What rules are held against. ``paths`` are relative to the workspace or absolute."""

    tool: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    hosts: tuple[str, ...] = ()


def deciding(rules: Sequence[Rule], subject: Subject) -> Rule | None:
    """The rule that decides over ``subject``, or None where none says anything."""
    matching = [rule for rule in rules if _matches(rule, subject)]
    denying = [rule for rule in matching if rule.verdict == "deny"]
    strength = {"allow": 0, "ask": 1, "deny": 2}
    return max(
        denying or matching,
        key=lambda rule: (LAYERS.index(rule.layer), strength[rule.verdict]),
        default=None,
    )


def hosts_in(text: str) -> tuple[str, ...]:
    """The names of other machines in a command: in addresses, and as ``user@host:``."""
    urls = re.findall(r"\w+://(?:[^\s/@]*@)?(\[[^\]]*\]|[^\s/:@?#'\"]+)", text)
    shells = re.findall(r"(?<![\w/])[\w.-]+@([\w.-]+):", text)
    bare = re.findall(r"(?<=\s)((?:[\w-]+\.)+[A-Za-z]{2,})(?=[/:\s]|$)", text) if _fetches(text) else []
    return tuple(dict.fromkeys(host.casefold().rstrip(".") for host in (*urls, *shells, *bare)))


def rules_for(
    root: Path | None, *, session: Iterable[Rule] = (), flags: Iterable[Rule] = ()
) -> tuple[Rule, ...]:
    """The rules of all layers. A project's own file only tightens until the user trusts the folder.

    Raises :class:`ConfigError` naming the file and the line.
    """
    from kcode.safety.trust import is_trusted

    users = user_rules_file()
    found = list(file_rules(users, "user"))
    if root is not None and (own := project_rules_file(root)) != users:
        trusted = is_trusted(root)
        found.extend(rule for rule in file_rules(own, "project") if trusted or rule.verdict != "allow")
    if root is not None:
        found.extend(folder_rules(users, root))
    return (*found, *session, *flags)


def user_rules_file() -> Path:
    """Beside the user's settings."""
    return user_config_file().parent / FILE_NAME


def project_rules_file(root: Path) -> Path:
    return root / ".kcode" / FILE_NAME


def file_rules(path: Path, layer: Layer) -> Iterator[Rule]:
    """The rules of one file; none where there is no file. Raises :class:`ConfigError` as ``file:line: …``."""
    table, text = tomlfile.read(path)
    yield from table_rules(table, text, path, layer)


def folder_rules(path: Path, root: Path) -> Iterator[Rule]:
    """The rules for the folder ``root`` in the user's file. Raises :class:`ConfigError`."""
    table, text = tomlfile.read(path)
    folders = table.get(FOLDERS, {})
    own = folders.get(os.path.realpath(root), {}) if isinstance(folders, dict) else {}
    if not isinstance(own, dict) or not isinstance(folders, dict):
        at = f"{path}:{tomlfile.line_of(text, FOLDERS)}"
        raise ConfigError(f"{at}: {FOLDERS} is a table of folders", f'[{FOLDERS}."/path/of/the/folder"]')
    yield from table_rules(own, text, path, "folder")


def table_rules(table: Mapping[str, Any], text: str, path: Path, layer: Layer) -> Iterator[Rule]:
    for key, value in table.items():
        if key == FOLDERS and layer == "user":
            continue
        at = f"{path}:{tomlfile.line_of(text, key)}"
        verdict = next((known for known in VERDICTS if known == key), None)
        if verdict is None:
            raise ConfigError(f"{at}: there is no list {key!r}", f"the lists are: {', '.join(VERDICTS)}")
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"{at}: {key} is a list of texts", f'{key} = ["command: make deploy *"]')
        for one in value:
            yield rule_from(one, verdict, layer, at)


def rule_from(text: str, verdict: Verdict, layer: Layer, at: str) -> Rule:
    """The rule written as ``KIND: PATTERN``. Raises :class:`ConfigError`; ``at`` says where it stands."""
    name, colon, pattern = text.partition(":")
    kind = next((known for known in KINDS if known == name.strip()), None)
    if not colon or kind is None or not pattern.strip():
        raise ConfigError(f"{at}: {text!r} is no rule", f"write KIND: PATTERN; kinds are {', '.join(KINDS)}")
    return Rule(verdict, kind, pattern.strip(), layer)


def _fetches(text: str) -> bool:
    return known_program(text.split(" ", 1)[0]) in (
        "curl",
        "wget",
        "http",
        "https",
        "ssh",
        "nc",
        "ping",
        "scp",
    )


def _matches(rule: Rule, subject: Subject) -> bool:
    if rule.kind == "tool":
        return bool(subject.tool) and fnmatchcase(subject.tool, rule.pattern)
    if rule.kind == "command":
        return any(_command_matches(form, rule.pattern) for form in _forms(subject.command, rule.verdict))
    if rule.kind == "path" and rule.verdict == "allow" and subject.command:
        return False  # that a program may change a file does not say which program may run
    values = subject.hosts if rule.kind == "host" else subject.paths
    matches = _host_matches if rule.kind == "host" else _path_matches
    if rule.verdict == "allow":  # allowed is only what is allowed as a whole
        return bool(values) and all(matches(value, rule.pattern) for value in values)
    return any(matches(value, rule.pattern) for value in values)


def _forms(command: str, verdict: Verdict) -> Iterator[str]:
    """The spellings under which a command is looked up: a program may be named by its path."""
    if not command:
        return
    yield command
    program, space, rest = command.partition(" ")
    short = known_program(program) if verdict == "allow" else program.rpartition("/")[2]
    if short != program:
        yield short + space + rest


def _command_matches(command: str, pattern: str) -> bool:
    return fnmatchcase(command, pattern) or (pattern.endswith(" *") and command == pattern[:-2])


def _path_matches(path: str, pattern: str) -> bool:
    path, pattern = (re.sub(r"^(\./)+", "", text.replace("\\", "/")) for text in (path, pattern))
    if ".." in path.split("/"):
        return False
    return fnmatchcase(path, pattern) or fnmatchcase(path, pattern.removesuffix("/") + "/*")


def _host_matches(host: str, pattern: str) -> bool:
    pattern = pattern.casefold()
    return fnmatchcase(host, pattern) or (pattern.startswith("*.") and host == pattern[2:])
