"""Which version of a tool the project asks for, and where a version manager has installed it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.testrun.adapter import Suite, Tools, path_with, text_of, upwards

_FILES = {
    "python": (".python-version",),
    "node": (".nvmrc", ".node-version"),
    "ruby": (".ruby-version",),
    "go": (".go-version",),
    "java": (".java-version",),
}
_IN_TOOL_VERSIONS = {"node": "nodejs", "go": "golang"}


@dataclass(frozen=True, slots=True)
class Wanted:
    version: str
    file: str


def wanted(suite: Suite, tool: str) -> Wanted | None:
    """What the nearest version file asks for (``22``, ``3.12.1``), or None."""
    for folder in upwards(suite):
        for name in _FILES.get(tool, ()):
            lines = text_of(folder / name, 4_000).split()
            if lines and re.match(r"v?\d", lines[0]):
                return Wanted(lines[0].removeprefix("v"), name)
        for line in text_of(folder / ".tool-versions", 20_000).splitlines():
            words = line.split()
            if len(words) > 1 and words[0] in (tool, _IN_TOOL_VERSIONS.get(tool)) and words[1][0].isdigit():
                return Wanted(words[1], ".tool-versions")
    return None


def installed(tool: str, version: str, environ: Mapping[str, str]) -> Path | None:
    """The ``bin`` folder of ``version`` (or of the newest that begins with it) at pyenv, nvm, asdf, mise…"""
    for folder in _stores(tool, environ):
        if not folder.is_dir():
            continue
        fitting = [
            entry
            for entry in folder.iterdir()
            if entry.name.removeprefix("v") == version
            or entry.name.removeprefix("v").startswith(f"{version}.")
        ]
        for entry in sorted(fitting, key=lambda one: _key(one.name), reverse=True):
            if (entry / "bin").is_dir():
                return entry / "bin"
    return None


def _stores(tool: str, environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or Path.home())
    managers = {
        "python": ("PYENV_ROOT", ".pyenv", "versions"),
        "node": ("NVM_DIR", ".nvm", "versions/node"),
        "ruby": ("RBENV_ROOT", ".rbenv", "versions"),
    }
    if tool in managers:
        variable, folder, below = managers[tool]
        yield Path(environ.get(variable) or home / folder) / below
    yield (
        Path(environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs" / _IN_TOOL_VERSIONS.get(tool, tool)
    )
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    yield Path(environ.get("MISE_DATA_DIR") or data / "mise") / "installs" / tool


def _key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", name))


def find_tool(
    suite: Suite, tool: str, program: str, environ: Mapping[str, str], remedy: str = ""
) -> tuple[str, Tools]:
    """(path of ``program``, how it is shown). The version that the project asks for where it is installed,
    else what is on the PATH. Raises EnvironmentProblem."""
    asked = wanted(suite, tool)
    folder = installed(tool, asked.version, environ) if asked else None
    path = environ.get("PATH")
    if folder is not None:
        path = path_with(str(folder), environ)
    found = shutil.which(program, path=path)
    if not found:
        raise EnvironmentProblem(
            f"{program} was not found, and the tests in {suite.place or 'this project'} need it",
            remedy or f"install {tool}, or put {program} on the PATH",
        )
    origin = f"{program} at {found}"
    note = ""
    if asked and folder is not None and Path(found).parent == folder:
        origin = f"{tool} {asked.version} as {asked.file} asks"
    elif asked:
        note = f"{asked.file} asks for {tool} {asked.version}, which no version manager here has"
    env = {"PATH": path} if folder is not None and path else {}
    return found, Tools((found,), origin, note, env)


def local_program(suite: Suite, *names: str) -> str:
    """The first file of these names in the suite's folder or above it that may be executed, or empty."""
    for folder in upwards(suite):
        for name in names:
            if (folder / name).is_file() and os.access(folder / name, os.X_OK):
                return str(folder / name)
    return ""
