"""The test runners that kcode knows, in the order in which they are looked for in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module

from kcode.testrun.adapter import Adapter

# Specific before general: a project with jest has an npm test script too.
_MODULES = (
    *("django", "unittest", "vitest", "jest", "mocha", "node", "go", "nextest", "cargo"),
    *("maven", "gradle", "dotnet", "phpunit", "rspec", "minitest", "ctest"),
    *("tox", "nox", "npm", "just", "make"),
)
NAMES = ("pytest", *_MODULES)


@cache
def adapters() -> Sequence[Adapter]:
    """All but pytest, which has a runner of its own."""
    return tuple(adapter(name) for name in _MODULES)


def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"kcode.testrun.adapters.{_FILES.get(name, name)}_tests").ADAPTERS[name]
    return found


_FILES = {"nextest": "cargo", "nox": "tox", "just": "script", "make": "script", "npm": "script"}
