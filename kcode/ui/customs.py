"""Commands of the user's and the project's: Markdown files in ``commands/`` of the settings folder and in the
project's ``.kcode/commands/``. The file's name is the command's; a folder is a group: ``git/tidy.md`` is
``/git:tidy``. Where both have one of a name, the project's counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from kcode.config.paths import config_dir
from kcode.config.settings import Mode
from kcode.errors import UsageError
from kcode.i18n import _

Origin = Literal["user", "project"]
FIELDS = ("description", "argument-hint", "mode", "model")
LARGEST = 100_000  # bytes of one file
_DEEPEST = 4  # folders
_MOST = 500  # files of one origin that are looked at
_NAME = re.compile(r"[^\W\d_][\w.-]*")
_MODES: tuple[str, ...] = get_args(Mode)  # from the strictest
_PLACE = re.compile(r"\$(ARGUMENTS\b|[1-9](?!\d))")
_CODE = re.compile(r"(```|~~~).*?(?:\1|\Z)|`[^`\n]*`", re.DOTALL)
_FILE = re.compile(r"(?<![\w@/`.])@(\"[^\"\n]+\"|[^\s\"'`<>|]+)")


@dataclass(frozen=True, slots=True)
class Custom:
    """A command from a file. ``problem`` says why it cannot be used, naming file and line, or is empty;
    ``trusted`` is False for a project's command in a folder that the user has not trusted."""

    name: str
    path: Path
    origin: Origin
    description: str = ""
    hint: str = ""
    mode: str = ""
    model: str = ""
    body: str = ""
    first_line: int = 1  # of the body in the file
    problem: str = ""
    trusted: bool = True

    @property
    def takes_arguments(self) -> bool:
        return bool(self.hint) or _PLACE.search(self.body) is not None


def user_folder() -> Path:
    return config_dir() / "commands"


def project_folder(root: Path) -> Path:
    return root / ".kcode" / "commands"


class Customs:
    """The custom commands of a project, read again where a file has changed."""

    def __init__(self, root: Path, taken: Sequence[str]) -> None:
        self._root = root
        self._taken = frozenset(taken)
        self._read: dict[Path, tuple[tuple[int, int], Custom]] = {}

    def all(self) -> list[Custom]:
        """By name; those that cannot be used too."""
        from kcode.safety.trust import is_trusted

        found: dict[str, Custom] = {}
        for origin, folder in (("user", user_folder()), ("project", project_folder(self._root))):
            trusted = origin == "user" or is_trusted(self._root)
            for path, name in _files(folder):
                known = found.get(name)
                custom = self._of(path, name, "user" if origin == "user" else "project", trusted)
                if known is None or (custom.trusted and not custom.problem):
                    found[name] = custom
        return [found[name] for name in sorted(found)]

    def named(self, name: str) -> Custom | None:
        return next((custom for custom in self.all() if custom.name == name), None)

    def _of(self, path: Path, name: str, origin: Origin, trusted: bool) -> Custom:
        if not trusted:  # what it says is not read: the list is all that a stranger's file gets
            return Custom(name, path, origin, trusted=False)
        try:
            facts = path.stat()
        except OSError as error:
            return Custom(name, path, origin, problem=f"{path}: {error.strerror}")
        stamp = (facts.st_mtime_ns, facts.st_size)
        if (known := self._read.get(path)) is None or known[0] != stamp:
            known = (stamp, self._fresh(path, name, origin))
            self._read[path] = known
        return known[1]

    def _fresh(self, path: Path, name: str, origin: Origin) -> Custom:
        if name in self._taken:
            why = _("{file}: /{name} is a command of kcode's own; give the file another name")
            return Custom(name, path, origin, problem=why.format(file=path, name=name))
        try:
            if path.stat().st_size > LARGEST:
                raise UsageError(_("{file}: larger than {most} bytes").format(file=path, most=LARGEST))
            text = path.read_bytes().decode("utf-8-sig")
            return parse(text, name, path, origin)
        except UsageError as error:
            problem = f"{error.message}: {error.remedy}" if error.remedy else error.message
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            problem = _("{file}:{line}: not UTF-8").format(file=path, line=line)
        except OSError as error:
            problem = f"{path}: {error.strerror}"
        return Custom(name, path, origin, problem=problem)


def parse(text: str, name: str, path: Path, origin: Origin) -> Custom:
    """The command of a file's text. Raises UsageError as ``file:line: …``."""
    lines = text.replace("\r\n", "\n").split("\n")
    fields, start = _front_matter(lines, path)
    body = "\n".join(lines[start:])
    first = start + 1 + next((n for n, line in enumerate(lines[start:]) if line.strip()), 0)
    if not body.strip():
        raise UsageError(_("{file}:{line}: the command says nothing").format(file=path, line=start + 1))
    mode, line = fields.get("mode", ("", 0))
    if mode and mode not in _MODES:
        raise UsageError(
            _("{file}:{line}: there is no mode {mode!r}").format(file=path, line=line, mode=mode),
            _("one of: {modes}").format(modes=", ".join(_MODES)),
        )
    described = next((each.strip(" #") for each in lines[start:] if each.strip(" #")), "")
    return Custom(
        name,
        path,
        origin,
        fields.get("description", (described, 0))[0],
        fields.get("argument-hint", ("", 0))[0],
        mode,
        fields.get("model", ("", 0))[0],
        body.strip("\n"),
        first,
    )


def mode_for(custom: Custom, present: str) -> str:
    """The mode its turn runs in. A project's file only makes it stricter: what runs without asking is not a
    repository's to decide."""
    if not custom.mode:
        return present
    if custom.origin == "user":
        return custom.mode
    return min(custom.mode, present, key=_MODES.index)


@dataclass(frozen=True, slots=True)
class Filled:
    """The message that a command becomes, and the files it names with ``@``: path and line of the file."""

    text: str
    files: tuple[tuple[str, int], ...]


def filled(custom: Custom, argument: str) -> Filled:
    """The command's text with the arguments in place.

    ``$ARGUMENTS`` is all that was typed behind the name, ``$1`` to ``$9`` its words (quotes hold words
    together; one that was not typed is empty). Where the text has no such place, what was typed follows as a
    paragraph of its own. What is typed is never searched for further places. Raises UsageError for an open
    quote where words are asked for.
    """
    words: list[str] = []
    if re.search(r"\$[1-9](?!\d)", custom.body):
        words = _words(argument, custom)

    def put(match: re.Match[str]) -> str:
        which = match.group(1)
        if which == "ARGUMENTS":
            return argument
        return words[int(which) - 1] if int(which) <= len(words) else ""

    text = _PLACE.sub(put, custom.body)
    if argument and not _PLACE.search(custom.body):
        text = f"{text.rstrip()}\n\n{argument}"
    hidden = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), custom.body)
    files = [
        (_PLACE.sub(put, match.group(1)).strip('"').rstrip(".,;:!?)"), hidden.count("\n", 0, match.start()))
        for match in _FILE.finditer(hidden)
    ]
    return Filled(text.strip(), tuple((path, custom.first_line + line) for path, line in files if path))


def is_meant(path: str) -> bool:
    """Whether ``@path`` of a file that is not there was meant as a file, and not as a name in prose."""
    return "/" in path or re.search(r"\.\w{1,5}$", path) is not None


def _words(argument: str, custom: Custom) -> list[str]:
    import shlex

    try:
        return shlex.split(argument)
    except ValueError:
        form = f"/{custom.name} {custom.hint}".rstrip()
        raise UsageError(_("a quote is not closed"), form) from None


def _front_matter(lines: Sequence[str], path: Path) -> tuple[dict[str, tuple[str, int]], int]:
    """The fields with their lines, and the index of the line behind them."""
    fields: dict[str, tuple[str, int]] = {}
    if not lines or lines[0].rstrip() != "---":
        return fields, 0
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() == "---":
            return fields, number
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        at = f"{path}:{number}"
        if not colon:
            raise UsageError(_("{at}: not KEY: VALUE").format(at=at), ", ".join(FIELDS))
        if key.strip() not in FIELDS:
            raise UsageError(
                _("{at}: there is no field {key!r}").format(at=at, key=key.strip()),
                _("the fields are {fields}").format(fields=", ".join(FIELDS)),
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        fields[key.strip()] = (value, number)
    raise UsageError(_("{file}:1: the --- of the front matter is not closed").format(file=path))


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The Markdown files below ``folder`` with the names of their commands, sorted. Links are not followed
    out of it: a repository must not make a command of another file."""
    top = os.path.realpath(folder)
    count = 0
    for where, folders, names in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(names):
            path = Path(where) / name
            if not name.endswith(".md") or name.startswith("."):
                continue
            parts = (*path.relative_to(folder).parts[:-1], name.removesuffix(".md"))
            inside = os.path.realpath(path).startswith(top + os.sep)
            if inside and all(_NAME.fullmatch(part) for part in parts):
                yield path, ":".join(parts)
            count += 1
            if count >= _MOST:
                return
