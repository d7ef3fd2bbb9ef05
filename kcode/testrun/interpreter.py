"""Which Python runs the project's tests: the project's own, never kcode's by accident."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run
from kcode.safety.sandbox import Confinement
from kcode.testrun.adapter import Suite, text_of, upwards
from kcode.testrun.toolversions import installed, wanted

_PROBE = (
    "import json, sys, importlib.util as u;"
    "print(json.dumps([sys.prefix, list(sys.version_info[:3]),"
    " not sys.argv[1] or u.find_spec(sys.argv[1]) is not None]))"
)
_ASK_S = 30.0  # a manager that is asked where its environment is
_BIN = "Scripts" if sys.platform == "win32" else "bin"
_EXE = "python.exe" if sys.platform == "win32" else "python"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that has what the tests need. ``origin`` says in words how it was found; ``note`` is a warning
    or empty."""

    python: Path
    origin: str
    version: tuple[int, int, int]
    note: str = ""


class NoInterpreter(EnvironmentProblem):
    """No fitting Python was found; the message says what was looked at."""


async def find_interpreter(
    root: Path,
    settings: Settings,
    environ: Mapping[str, str],
    *,
    needs: str = "pytest",
    top: Path | None = None,
    confine: Confinement | None = None,
) -> Interpreter:
    """The interpreter for the tests of ``root``, which lies in the repository ``top``; it can import
    ``needs`` (empty: nothing more than itself). Raises :class:`NoInterpreter` with a remedy."""
    if settings.tests.python:
        return await _configured(root, settings.tests.python, needs, confine)
    without: list[tuple[Path, str, bool]] = []
    seen: set[str] = set()
    async for python, origin, is_project in candidates(root, top or root, environ):
        if str(python) in seen:
            continue
        seen.add(str(python))
        if not is_project and any(its for _, _, its in without):
            break  # the project has an environment: another Python would lack its packages
        probed = await _probe(python, root, needs, confine)
        if probed is None or (_is_own(probed.prefix) and not is_project):
            continue
        if probed.has_needed:
            missing = None if is_project else _not_made(root)
            notes = (
                f"{missing[0]}: {missing[1]}" if missing else "",
                _unlike(root, top or root, probed.version),
            )
            return Interpreter(python, origin, probed.version, "; ".join(filter(None, notes)))
        without.append((python, origin, is_project))
    for python, origin, is_project in without:
        if is_project:  # its packages are what the tests import: another Python would not do
            raise NoInterpreter(f"{origin} ({python}) has no {needs}", _how_to_install(root, python, needs))
    if missing := _not_made(root):
        raise NoInterpreter(*missing)
    if needs and needs != "pytest":
        tried = ", ".join(origin for _, origin, _ in without) or "none"
        raise NoInterpreter(
            f"no Python with {needs} was found (without it: {tried})",
            "make the project's environment, or name its Python: `kcode config set tests.python PATH`",
        )
    return await _own(root, [origin for _, origin, _ in without], needs)


@dataclass(frozen=True, slots=True)
class _Probed:
    prefix: str
    version: tuple[int, int, int]
    has_needed: bool


async def _configured(root: Path, named: str, needs: str, confine: Confinement | None) -> Interpreter:
    found = _program(root, named)
    if not found:
        raise NoInterpreter(
            f"the interpreter {named!r} of the setting tests.python is not there",
            "correct it: `kcode config set tests.python PATH`",
        )
    probed = await _probe(Path(found), root, needs, confine)
    if probed is None:
        raise NoInterpreter(f"{found} (setting tests.python) does not start as a Python interpreter")
    if not probed.has_needed:
        raise NoInterpreter(
            f"{found} (setting tests.python) has no {needs}", f"run `{found} -m pip install {needs}`"
        )
    return Interpreter(Path(found), "the setting tests.python", probed.version)


def _program(root: Path, named: str) -> str | None:
    return shutil.which(str(root / Path(named).expanduser())) or shutil.which(named)


def _how_to_install(root: Path, python: Path, needs: str) -> str:
    """In the words of the tool that manages the project's packages."""
    for lock, command in (
        ("uv.lock", "uv add --dev"),
        ("poetry.lock", "poetry add --group dev"),
        ("pdm.lock", "pdm add -dG test"),
        ("Pipfile.lock", "pipenv install --dev"),
    ):
        if (root / lock).is_file():
            return f"run `{command} {needs}` (or `{python} -m pip install {needs}`), then try again"
    return f"run `{python} -m pip install {needs}`, then try again"


def _not_made(root: Path) -> tuple[str, str] | None:
    """Where a lock file says that there should be an environment and there is none."""
    for lock, command in (
        ("uv.lock", "uv sync"),
        ("poetry.lock", "poetry install"),
        ("pdm.lock", "pdm install"),
        ("Pipfile.lock", "pipenv sync --dev"),
    ):
        if (root / lock).is_file():
            return (
                f"the project has a {lock} but its environment is not there",
                f"run `{command}`, then try again",
            )
    return None


def _unlike(root: Path, top: Path, version: tuple[int, int, int]) -> str:
    asked = wanted(Suite(root, top), "python")
    if asked is None or ".".join(map(str, version)).startswith(asked.version.rstrip("*").rstrip(".")):
        return ""
    return f"{asked.file} asks for Python {asked.version}"


async def candidates(
    root: Path, top: Path, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Path, str, bool]]:
    """(interpreter, origin, holds the project's packages), nearest to the project first."""
    for python, origin, is_project in _standing(root, top, environ):
        yield python, origin, is_project
    async for python, origin in _managed(root, environ):
        yield python, origin, True
    for python, origin in _made_by_tests(root):
        yield python, origin, True
    asked = wanted(Suite(root, top), "python")
    folder = installed("python", asked.version, environ) if asked else None
    if asked and folder and (named := _python_of(folder.parent)):
        yield named, f"Python {asked.version} as {asked.file} asks", False
    seen: set[str] = set()
    for path in (environ.get("PATH"), _without_own(environ.get("PATH", ""))):
        for name in ("python3", "python"):
            on_path = shutil.which(name, path=path)
            if on_path and on_path not in seen:
                seen.add(on_path)
                yield Path(on_path), f"{name} on the PATH", False


def _without_own(path: str) -> str:
    """PATH without the folder of kcode's own Python: what starts kcode as a hook may have put it in front."""
    own = Path(sys.executable).parent
    return os.pathsep.join(one for one in path.split(os.pathsep) if one and Path(one) != own)


def _made_by_tests(root: Path) -> Iterator[tuple[Path, str]]:
    """What tox and nox have made: those named after a Python before the others (docs, lint)."""
    for pattern, origin in ((".tox/py*", "tox"), (".tox/*", "tox"), (".nox/*", "nox")):
        for folder in sorted(root.glob(pattern)):
            if (folder / "pyvenv.cfg").is_file() and (found := _python_of(folder)):
                yield found, f"{origin}'s environment {folder.name}"


def _standing(root: Path, top: Path, environ: Mapping[str, str]) -> Iterator[tuple[Path, str, bool]]:
    """The environment that is active, and those that lie in the project."""
    for variable, origin in (
        ("VIRTUAL_ENV", "the active virtual environment"),
        ("CONDA_PREFIX", "the active conda environment"),
    ):
        folder = environ.get(variable, "")
        if folder and (python := _python_of(Path(folder))):
            yield python, origin, Path(folder).resolve().is_relative_to(top.resolve())
    for above in upwards(Suite(root, top)):
        for name in (".venv", "venv", "env", ".conda"):
            made = (above / name / "pyvenv.cfg").is_file() or (above / name / "conda-meta").is_dir()
            if made and (python := _python_of(above / name)):
                yield python, f"{name} in {'the project' if above == root else above.name}", True
    pdm = text_of(root / ".pdm-python", 4_000).strip()
    if pdm and Path(pdm).is_file():
        yield Path(pdm), "pdm's interpreter (.pdm-python)", True


async def _managed(root: Path, environ: Mapping[str, str]) -> AsyncIterator[tuple[Path, str]]:
    """Environments that a manager keeps elsewhere: poetry, pipenv, hatch's and conda's by name."""
    for file, argv in (
        ("poetry.lock", ("poetry", "env", "info", "--path")),
        ("Pipfile", ("pipenv", "--venv")),
    ):
        program = shutil.which(argv[0], path=environ.get("PATH"))
        if not program or not (root / file).is_file():
            continue
        try:
            done = await run([program, *argv[1:]], cwd=root, env=child_environment(), timeout_s=_ASK_S)
        except EnvironmentProblem:
            continue
        said = done.stdout.strip().splitlines()
        if done.code == 0 and said and (python := _python_of(Path(said[-1]))):
            yield python, f"{argv[0]}'s environment"
    named = re.search(r"(?m)^name:\s*['\"]?([\w.-]+)", text_of(root / "environment.yml", 20_000))
    home = Path(environ.get("HOME") or Path.home())
    if named is None:
        return
    stores = [Path(environ.get("CONDA_EXE", "/none/bin/conda")).parent.parent]
    stores += [Path(environ.get("MAMBA_ROOT_PREFIX") or home / "micromamba")]
    stores += [home / name for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda")]
    known = text_of(home / ".conda" / "environments.txt", 100_000).splitlines()  # what conda itself looks at
    folders = [store / "envs" / named[1] for store in stores]
    folders += [Path(line) for line in known if Path(line).name == named[1]]
    for folder in folders:
        if python := _python_of(folder):
            yield python, f"the conda environment {named[1]} (environment.yml)"
            return


def _python_of(folder: Path) -> Path | None:
    for name in (_EXE, "python3"):
        python = folder / _BIN / name
        if python.exists():
            return python
    python = folder / _EXE  # conda on Windows
    return python if python.exists() else None


async def _probe(python: Path, cwd: Path, needs: str, confine: Confinement | None = None) -> _Probed | None:
    try:
        done = await run(
            [str(python), "-c", _PROBE, needs],
            cwd=cwd,
            env=child_environment(),
            timeout_s=20,
            confine=confine,
        )
        prefix, version, has_needed = json.loads(done.stdout)
    except (EnvironmentProblem, ValueError):
        return None
    return _Probed(prefix, (version[0], version[1], version[2]), has_needed)


def _is_own(prefix: str) -> bool:
    return sys.prefix != sys.base_prefix and os.path.realpath(prefix) == os.path.realpath(sys.prefix)


async def _own(root: Path, looked_at: list[str], needs: str) -> Interpreter:
    """kcode's interpreter as the last resort: enough for a project that needs nothing but pytest."""
    own = Path(sys.executable)
    probed = await asyncio.wait_for(_probe(own, root, needs), 30)
    if probed is None or not probed.has_needed:
        tried = ", ".join(looked_at) or "none"
        raise NoInterpreter(
            f"no Python with pytest was found (without pytest: {tried})",
            "install pytest in the project's environment, or name one: `kcode config set tests.python PATH`",
        )
    note = "no Python of the project's has pytest, so the tests run in kcode's own environment"
    if not needs:
        note = "no Python of the project's was found, so the tests run in kcode's own environment"
    return Interpreter(own, "kcode's own environment", probed.version, note)
