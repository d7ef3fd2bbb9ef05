"""What belongs to the tests rather than to what they test, in any language."""

from __future__ import annotations

import re

from kcode.repair.localise import is_test_file
from kcode.testrun.importgraph import is_test

_FOLDERS = frozenset(
    {"__tests__", "__snapshots__", "__mocks__", "testdata", "spec", "specs", "e2e", "cypress"}
)
_SET_UP = re.compile(
    r"(?:^|/)(?:pytest\.ini|tox\.ini|noxfile\.py|setup\.cfg|pyproject\.toml|package\.json|"
    r"(?:jest|vitest|vite|karma|playwright|cypress)\.config\.\w+|\.mocharc\.\w+|\.rspec|phpunit\.xml(?:\.dist)?|"
    r"pom\.xml|build\.gradle(?:\.kts)?|Cargo\.toml|CMakeLists\.txt|Makefile|justfile)$"
)
_INLINE = re.compile(r"^[ \t]*#\[cfg\(test\)\]", re.M)


def is_test_part(path: str) -> bool:
    """A test, its fixtures, its snapshots, its set-up."""
    return is_test_file(path) or is_test(path) or not _FOLDERS.isdisjoint(path.split("/")[:-1])


def is_test_setup(path: str) -> bool:
    """A file that says which tests run and how; it may say other things too."""
    return bool(_SET_UP.search(path))


def inline_tests(path: str, text: str) -> tuple[str, str]:
    """``text`` before its own tests, and those tests: Rust keeps them at the end of the file they test."""
    if not path.endswith(".rs"):
        return text, ""
    match = _INLINE.search(text)
    return (text[: match.start()], text[match.start() :]) if match else (text, "")
