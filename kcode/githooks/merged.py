"""``post-merge``: what a merge or pull brought that asks for something to be done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from kcode.githooks.place import find_place
from kcode.githooks.run import say
from kcode.i18n import _
from kcode.workspace import repo

_DEPENDENCIES = re.compile(
    r"(^|/)(pyproject\.toml|setup\.(py|cfg)|requirements[^/]*\.(txt|in)|Pipfile(\.lock)?|(poetry|uv|pdm)\.lock"
    r"|environment\.ya?ml|package\.json|package-lock\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?"
    r"|go\.(mod|sum)|Cargo\.(toml|lock)|Gemfile(\.lock)?|composer\.(json|lock)|pom\.xml|build\.gradle(\.kts)?"
    r"|[^/]+\.csproj|mix\.(exs|lock))$"
)
_MIGRATIONS = re.compile(r"(^|/)(migrations?|db/migrate)/[^/]+\.(py|rb|sql|js|ts|php)$")
_SHOWN = 5


def report() -> int:
    """A line for each kind of change that the merge brought. Always 0: there is nothing to stop."""
    place = find_place(Path.cwd())
    names = repo.git_sync(place.top, "diff", "--name-only", "-z", "ORIG_HEAD", "HEAD", max_output=16_000_000)
    if names.code:
        return 0
    for line in lines([name for name in names.stdout.split("\0") if name]):
        say(line)
    return 0


def lines(files: Sequence[str]) -> list[str]:
    """What ``files`` ask for: dependencies to install, migrations to run, submodules to update."""
    said = []
    if found := [path for path in files if _DEPENDENCIES.search(path)]:
        said.append(_("kcode hook: dependencies changed: {files}").format(files=_listed(found)))
    if found := [
        path for path in files if _MIGRATIONS.search(path) and PurePosixPath(path).stem != "__init__"
    ]:
        said.append(_("kcode hook: migrations came: {files}").format(files=_listed(found)))
    if ".gitmodules" in files:
        said.append(_("kcode hook: submodules changed: git submodule update --init"))
    return said


def _listed(paths: Sequence[str]) -> str:
    from kcode.safety.sanitize import clean

    return ", ".join(clean(path) for path in paths[:_SHOWN]) + (" …" if len(paths) > _SHOWN else "")
