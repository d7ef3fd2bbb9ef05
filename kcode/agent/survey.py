"""What a repository says about itself, for certain: languages, commands, layout, conventions, with where
each was found. Read from files alone; nothing is run."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.workspace import listing

LARGEST_FILE = 200_000  # characters of one read
_LISTED = 25
_LANGUAGES = {
    ".py": "Python", ".pyi": "Python", ".js": "JavaScript", ".jsx": "JavaScript", ".mjs": "JavaScript",
    ".ts": "TypeScript", ".tsx": "TypeScript", ".go": "Go", ".rs": "Rust", ".java": "Java", ".kt": "Kotlin",
    ".c": "C", ".h": "C", ".cc": "C++", ".cpp": "C++", ".hpp": "C++", ".cs": "C#", ".rb": "Ruby",
    ".php": "PHP", ".swift": "Swift", ".scala": "Scala", ".sh": "Shell", ".vue": "Vue", ".dart": "Dart",
    ".ex": "Elixir", ".exs": "Elixir", ".hs": "Haskell", ".lua": "Lua", ".sql": "SQL", ".zig": "Zig",
}  # fmt: skip
_CI = (
    ".github/workflows",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "azure-pipelines.yml",
    ".ci",
    "Jenkinsfile",
)
_TOOLS = {  # tables of pyproject.toml whose owner is run by a known command
    "pytest": "pytest", "ruff": "ruff check", "mypy": "mypy", "black": "black .", "pyright": "pyright",
    "tox": "tox", "poetry": "poetry install", "pdm": "pdm install", "hatch": "hatch run",
}  # fmt: skip
_RUN_STEP = re.compile(r"^\s*(?:-\s+)?(?:run|script):\s*(?!\|)(?P<one>\S.*)$|^\s*-\s+(?P<item>[\w./-]+ .*)$")
_TARGET = re.compile(r"^([A-Za-z][\w-]*)\s*:(?![=:])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fact:
    """``where`` is the file it was found in, ``""`` for what the list of files itself says."""

    what: str
    where: str = ""

    def line(self) -> str:
        return f"- {self.what} [{self.where}]" if self.where else f"- {self.what}"


def survey(root: Path) -> list[Fact]:
    """The facts of the repository at ``root``, bounded; a file that cannot be read or parsed says nothing."""
    if (root / ".git").exists():
        files = listing.list_files(root)
    else:
        files = sorted(path.relative_to(root).as_posix() for path in _walk(root))
    readers = (_python, _javascript, _makefiles, _others, _ci, _conventions)
    found = [*_languages(files), *_layout(files)]
    for read in readers:
        found += list(read(root, files))[:_LISTED]
    return found


def _walk(root: Path) -> Iterator[Path]:
    skipped = {".git", "node_modules", ".venv", "venv", "__pycache__", "target", "dist", "build"}
    for path in root.rglob("*"):
        if path.is_file() and not skipped.intersection(path.relative_to(root).parts):
            yield path


def _languages(files: Sequence[str]) -> Iterator[Fact]:
    count = Counter(_LANGUAGES[suffix] for name in files if (suffix := Path(name).suffix) in _LANGUAGES)
    if count:
        said = ", ".join(f"{language} ({_files(number)})" for language, number in count.most_common(6))
        yield Fact(f"languages: {said}")


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _layout(files: Sequence[str]) -> Iterator[Fact]:
    folders = Counter(name.split("/")[0] for name in files if "/" in name)
    said = [f"{folder}/ ({_files(number)})" for folder, number in folders.most_common(_LISTED)]
    top = [name for name in files if "/" not in name][:_LISTED]
    if said:
        yield Fact(f"folders: {', '.join(sorted(said))}")
    if top:
        yield Fact(f"files at the top: {', '.join(top)}")
    tests = sorted(
        {name.rpartition("/")[0] for name in files if re.search(r"(^|/)tests?(/|_)|_test\.|\.test\.", name)}
    )
    if tests:
        yield Fact(f"tests are in: {', '.join(path or '.' for path in tests[:8])}")


def _python(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    for where in [name for name in files if name.rpartition("/")[2] == "pyproject.toml"][:3]:
        data = _toml(root / where)
        project = _part(data, "project")
        if wanted := project.get("requires-python"):
            yield Fact(f"Python {wanted}", where)
        if backend := _part(data, "build-system").get("build-backend"):
            yield Fact(f"built with {backend}", where)
        for script, target in list(_part(project, "scripts").items())[:6]:
            yield Fact(f"command `{script}` is {target}", where)
        tools = _part(data, "tool")
        for name, command in _TOOLS.items():
            if name in tools:
                yield Fact(f"configures {name} (`{command}`)", where)
        if length := _part(tools, "ruff" if "ruff" in tools else "black").get("line-length"):
            yield Fact(f"lines of at most {length} characters", where)
        if _part(tools, "mypy").get("strict"):
            yield Fact("mypy is strict", where)
    for name, what in (
        ("tox.ini", "tox"),
        ("noxfile.py", "nox"),
        ("pytest.ini", "pytest"),
        ("setup.py", "setuptools"),
    ):
        if name in files:
            yield Fact(f"uses {what}", name)


def _javascript(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    locks = {"package-lock.json": "npm", "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lockb": "bun"}
    for where in [name for name in files if name.rpartition("/")[2] == "package.json"][:3]:
        folder = where.removesuffix("package.json")
        manager = next((tool for lock, tool in locks.items() if folder + lock in files), "npm")
        for name, command in list(_part(_json(root / where), "scripts").items())[:12]:
            yield Fact(f"`{manager} run {name}` runs `{_short(str(command))}`", where)


def _makefiles(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    for where in ("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile"):
        if where in files:
            tool = "just" if where.lower() == "justfile" else "make"
            targets = list(dict.fromkeys(_TARGET.findall(_text(root / where))))[:15]
            if targets:
                yield Fact(f"{tool} targets: {', '.join(targets)}", where)


def _others(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    known = {
        "Cargo.toml": "Rust: `cargo build`, `cargo test`",
        "go.mod": "Go: `go build ./...`, `go test ./...`",
        "pom.xml": "Maven: `mvn test`",
        "build.gradle": "Gradle: `./gradlew test`",
        "build.gradle.kts": "Gradle: `./gradlew test`",
        "CMakeLists.txt": "CMake: `cmake -B build`, `ctest --test-dir build`",
        "Gemfile": "Ruby with bundler",
        "composer.json": "PHP with composer",
        "Dockerfile": "is built into an image",
        "docker-compose.yml": "services run by docker compose",
    }
    for name, what in known.items():
        if name in files:
            yield Fact(what, name)


def _ci(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    """The commands CI runs: what the project itself takes for the truth."""
    for where in [name for name in files if name.startswith(_CI)][:4]:
        commands = []
        for line in _text(root / where).splitlines():
            match = _RUN_STEP.match(line)
            command = (match["one"] or match["item"] or "").strip() if match else ""
            if command and not re.match(r"(uses|name|with|if|env|echo|cd|set)\b", command):
                commands.append(f"`{_short(command)}`")
        if commands:
            yield Fact(f"CI runs {', '.join(list(dict.fromkeys(commands))[:10])}", where)


def _conventions(root: Path, files: Sequence[str]) -> Iterator[Fact]:
    for name in ("CONTRIBUTING.md", "CODEOWNERS", ".editorconfig", ".pre-commit-config.yaml", "LICENSE"):
        if name in files or f".github/{name}" in files:
            yield Fact(f"has {name}")
    for name in (".nvmrc", ".python-version", ".tool-versions", "rust-toolchain.toml"):
        if name in files:
            yield Fact(f"version pinned: {_short(' '.join(_text(root / name).split()))}", name)
    if ".gitmodules" in files:
        yield Fact("has submodules", ".gitmodules")


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The table of that name; empty where it is something else."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST_FILE)
    except OSError:
        return ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(_text(path))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
