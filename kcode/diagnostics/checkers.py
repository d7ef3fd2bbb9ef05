"""The checkers kcode knows: when a project has set one up, how it is started, how it sees the text before."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kcode.diagnostics import parsers, tsprojects
from kcode.diagnostics.parsers import Parser

Before = Literal["stdin", "shadow", "copy", "last"]
_BIN = "Scripts" if sys.platform == "win32" else "bin"


@dataclass(frozen=True, slots=True)
class Checker:
    """``configs`` are files whose presence says that the project uses it; ``name[section]`` asks for a
    section, too. In ``command``, ``{files}`` stands for the changed files, ``{cache}`` for a folder of ours,
    ``{project}`` for one of several projects.

    ``before``: how problems of the text before an edit are found: on standard input with the words
    ``stdin``, by naming another file in its place (mypy), or as those of the last run, which ``copy`` makes
    in a copy of the project where there was none. ``runs_code``: code of the project's is run by it
    (configuration that is a program, build scripts).
    """

    name: str
    suffixes: tuple[str, ...]
    configs: tuple[str, ...]
    command: tuple[str, ...]
    parse: Parser
    before: Before
    stdin: tuple[str, ...] = ()
    runs_code: bool = False


_PYTHON = (".py", ".pyi")
_SCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
_ESLINT = tuple(f"eslint.config.{end}" for end in ("js", "mjs", "cjs", "ts", "mts", "cts"))
_ESLINTRC = tuple(f".eslintrc{end}" for end in ("", ".js", ".cjs", ".json", ".yaml", ".yml"))

KNOWN: tuple[Checker, ...] = (
    Checker(
        "ruff", _PYTHON, ("ruff.toml", ".ruff.toml", "pyproject.toml[tool.ruff]"),
        ("ruff", "check", "--output-format", "json", "--no-cache", "--force-exclude", "{files}"),
        parsers.ruff, "stdin", ("--stdin-filename", "{file}", "-"),
    ),
    Checker(
        "flake8", _PYTHON, (".flake8", "setup.cfg[flake8]", "tox.ini[flake8]"),
        ("flake8", "--format=default", "--color=never", "{files}"), parsers.lines, "stdin",
        ("--stdin-display-name", "{file}", "-"), True,
    ),
    Checker(
        "mypy", _PYTHON, ("mypy.ini", ".mypy.ini", "pyproject.toml[tool.mypy]", "setup.cfg[mypy]"),
        ("mypy", "--show-column-numbers", "--show-error-codes", "--no-pretty", "--no-error-summary",
         "--hide-error-context", "--no-color-output", "--cache-dir", "{cache}", "{files}"),
        parsers.lines, "shadow", runs_code=True,
    ),
    Checker(
        "pyright", _PYTHON, ("pyrightconfig.json", "pyproject.toml[tool.pyright]"),
        ("pyright", "--outputjson", "{files}"), parsers.pyright, "copy",
    ),
    Checker(
        "eslint", _SCRIPT, (*_ESLINT, *_ESLINTRC),
        ("eslint", "-f", "json", "{files}"), parsers.eslint, "stdin",
        ("--stdin", "--stdin-filename", "{file}"), True,
    ),
    Checker(
        "tsc", (".ts", ".tsx", ".mts", ".cts"), ("tsconfig.json",),
        ("tsc", "--noEmit", "--composite", "false", "--incremental", "false", "--pretty", "false",
         "-p", "{project}"),
        parsers.tsc, "copy",
    ),
    Checker("go", (".go",), ("go.mod",), ("go", "vet", "-json", "{packages}"), parsers.go_vet, "copy"),
    Checker(
        "cargo", (".rs",), ("Cargo.toml",),
        ("cargo", "check", "--quiet", "--offline", "--all-targets", "--message-format", "json"),
        parsers.cargo, "copy", runs_code=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A checker that applies to files below ``folder``, and the program that it is. ``project``: which of
    the projects there that know themselves by a configuration of their own."""

    checker: Checker
    program: str
    folder: Path
    project: str = "."


def chosen(commands: Sequence[str]) -> tuple[Checker, ...]:
    """The checkers to look for: all known ones, or those that the setting names. A command line that is not
    the name of a known one is taken as it is: with ``{files}`` for the changed files, printing
    ``path:line:column: message``."""
    if not commands:
        return KNOWN
    known = {checker.name: checker for checker in KNOWN}
    found = []
    for command in commands:
        if command in known:
            found.append(known[command])
        elif parts := _split(command):
            name = os.path.basename(parts[0])  # noqa: PTH119 - a program's name, not a path of ours
            found.append(Checker(name, (), (), tuple(parts), parsers.lines, "last", (), True))
    return tuple(found)


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def applying(
    checkers: Sequence[Checker], root: Path, path: str, environ: Mapping[str, str]
) -> Iterator[Found]:
    """The checkers that are set up for this file of ``root`` and whose program is there."""
    file = root / path
    for checker in checkers:
        if checker.suffixes and file.suffix not in checker.suffixes:
            continue
        folder = _folder(checker, root, file)
        program = program_of(checker.command[0], root, folder, environ) if folder else ""
        if folder and program:
            several = tsprojects.projects(folder, file) if "{project}" in checker.command else ["."]
            for project in several:
                yield Found(checker, program, folder, project)


def _folder(checker: Checker, root: Path, file: Path) -> Path | None:
    """The nearest folder above the file in which the checker is set up."""
    if not checker.configs:
        return root
    for folder in file.parents:
        if any(_has(folder, config) for config in checker.configs):
            return folder
        if folder == root:
            return None
    return None


def _has(folder: Path, config: str) -> bool:
    name, _, section = config.partition("[")
    path = folder / name
    if not section:
        return path.is_file()
    section = section.rstrip("]")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError):
        return False
    if name.endswith(".toml"):
        try:
            value: object = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return False
        for part in section.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value is not None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return False
    return parser.has_section(section)


def program_of(name: str, root: Path, folder: Path, environ: Mapping[str, str]) -> str:
    """The project's own program of this name: of its environment, of its packages, then of the PATH; never
    the one that kcode itself was installed with. Empty where there is none."""
    if os.sep in name:
        return shutil.which(str(folder / name)) or ""
    places = [environ[key] for key in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(key)]
    above = [each for each in (folder, *folder.parents) if each.is_relative_to(root)]
    places += [str(each / env) for each in above for env in (".venv", "venv", "env")]
    inside = [Path(place) / _BIN for place in places] + [each / "node_modules" / ".bin" for each in above]
    outside = [Path(each) for each in environ.get("PATH", "").split(os.pathsep) if each]
    for place in (*inside, *outside):
        found = shutil.which(name, path=str(place))
        if found and not _is_own(Path(found), root):
            return found
    return ""


def _is_own(program: Path, root: Path) -> bool:
    """Whether it lies in the environment kcode runs in, unless that is the project's."""
    own = Path(sys.prefix)
    if sys.prefix == sys.base_prefix or own.is_relative_to(root):
        return False
    return program.parent == own / _BIN
