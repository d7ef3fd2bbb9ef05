"""Which Python runs the project's tests: the project's own, never kcode's by accident."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run

_PROBE = (
    "import json, sys, importlib.util as u;"
    "print(json.dumps([sys.prefix, list(sys.version_info[:3]), u.find_spec('pytest') is not None]))"
)
_BIN = "Scripts" if sys.platform == "win32" else "bin"
_EXE = "python.exe" if sys.platform == "win32" else "python"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that has pytest. ``origin`` says in words how it was found; ``note`` is a warning or empty."""

    python: Path
    origin: str
    version: tuple[int, int, int]
    note: str = ""


class NoInterpreter(EnvironmentProblem):
    """No Python with pytest was found; the message says what was looked at."""


async def find_interpreter(root: Path, settings: Settings, environ: Mapping[str, str]) -> Interpreter:
    """The interpreter for the tests of ``root``. Raises :class:`NoInterpreter` with a remedy."""
    if settings.tests.python:
        return await _configured(root, settings.tests.python)
    without: list[tuple[Path, str, bool]] = []
    for python, origin, is_project in _candidates(root, environ):
        probed = await _probe(python, root)
        if probed is None or _is_own(probed.prefix):
            continue
        if probed.has_pytest:
            return Interpreter(python, origin, probed.version)
        without.append((python, origin, is_project))
    for python, origin, is_project in without:
        if is_project:  # its packages are what the tests import: another Python would not do
            raise NoInterpreter(
                f"{origin} ({python}) has no pytest", f"run `{python} -m pip install pytest`, then try again"
            )
    return await _own(root, [origin for _, origin, _ in without])


@dataclass(frozen=True, slots=True)
class _Probed:
    prefix: str
    version: tuple[int, int, int]
    has_pytest: bool


async def _configured(root: Path, named: str) -> Interpreter:
    found = _program(root, named)
    if not found:
        raise NoInterpreter(
            f"the interpreter {named!r} of the setting tests.python is not there",
            "correct it: `kcode config set tests.python PATH`",
        )
    probed = await _probe(Path(found), root)
    if probed is None:
        raise NoInterpreter(f"{found} (setting tests.python) does not start as a Python interpreter")
    if not probed.has_pytest:
        raise NoInterpreter(
            f"{found} (setting tests.python) has no pytest", f"run `{found} -m pip install pytest`"
        )
    return Interpreter(Path(found), "the setting tests.python", probed.version)


def _program(root: Path, named: str) -> str | None:
    return shutil.which(str(root / Path(named).expanduser())) or shutil.which(named)


def _candidates(root: Path, environ: Mapping[str, str]) -> Iterator[tuple[Path, str, bool]]:
    """(interpreter, origin, holds the project's packages), nearest to the project first."""
    for variable, origin in (
        ("VIRTUAL_ENV", "the active virtual environment"),
        ("CONDA_PREFIX", "the active conda environment"),
    ):
        folder = environ.get(variable, "")
        if folder and (python := _python_of(Path(folder))):
            yield python, origin, Path(folder).resolve().is_relative_to(root.resolve())
    for name in (".venv", "venv", "env"):
        if (root / name / "pyvenv.cfg").is_file() and (python := _python_of(root / name)):
            yield python, f"{name} in the project", True
    seen: set[str] = set()
    for name in ("python3", "python"):
        found = shutil.which(name, path=environ.get("PATH"))
        if found and found not in seen:
            seen.add(found)
            yield Path(found), f"{name} on the PATH", False


def _python_of(folder: Path) -> Path | None:
    for name in (_EXE, "python3"):
        python = folder / _BIN / name
        if python.exists():
            return python
    python = folder / _EXE  # conda on Windows
    return python if python.exists() else None


async def _probe(python: Path, cwd: Path) -> _Probed | None:
    try:
        done = await run([str(python), "-c", _PROBE], cwd=cwd, env=child_environment(), timeout_s=20)
        prefix, version, has_pytest = json.loads(done.stdout)
    except (EnvironmentProblem, ValueError):
        return None
    return _Probed(prefix, (version[0], version[1], version[2]), has_pytest)


def _is_own(prefix: str) -> bool:
    return sys.prefix != sys.base_prefix and os.path.realpath(prefix) == os.path.realpath(sys.prefix)


async def _own(root: Path, looked_at: list[str]) -> Interpreter:
    """kcode's interpreter as the last resort: enough for a project that needs nothing but pytest."""
    own = Path(sys.executable)
    probed = await asyncio.wait_for(_probe(own, root), 30)
    if probed is None or not probed.has_pytest:
        tried = ", ".join(looked_at) or "none"
        raise NoInterpreter(
            f"no Python with pytest was found (without pytest: {tried})",
            "install pytest in the project's environment, or name one: `kcode config set tests.python PATH`",
        )
    note = "no Python of the project's has pytest, so the tests run in kcode's own environment"
    return Interpreter(own, "kcode's own environment", probed.version, note)
