"""A pasted log of a test run: which tests and files of this project it speaks of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kcode.repair.testfiles import is_test_part
from kcode.safety.sanitize import clean
from kcode.testrun.failure import frames_of
from kcode.testrun.frames import stack_of

LARGEST = 2_000_000  # characters; a longer log keeps its end, where runners sum up
_MOST = 200  # tests and files that are taken

# `path::name` as pytest's summary and kcode's own ids have it
_IDS = (
    re.compile(r"^(?:FAILED|ERROR) (?P<id>\S+?::.*?)(?: - .*)?$", re.M),
    re.compile(r"^(?P<id>\S+\.py::\S.*?) (?:FAILED|ERROR)\b", re.M),
    re.compile(r"^ERROR (?:collecting )?(?P<id>\S+\.py)\b", re.M),
    re.compile(r"^rspec (?P<id>\./\S+\.rb(?::\d+|\[[\d:]+\]))", re.M),
)
# names, without the file that they are in
_NAMES = (
    re.compile(r"^_{3,} (?:ERROR at (?:setup|teardown) of )?(?P<name>[\w.\[\]-]+) _{3,}$", re.M),  # pytest
    re.compile(r"^(?:FAIL|ERROR): (?P<name>\w+) \(", re.M),  # unittest
    re.compile(r"^[ \t]*--- FAIL: (?P<name>\S+) \(", re.M),  # go
    re.compile(r"^test (?P<name>\S+) \.\.\. FAILED", re.M),  # cargo
    re.compile(r"^[ \t]*● (?P<name>.+ › .+|.+)$", re.M),  # jest
    re.compile(r"^[ \t]*(?:×|✗|✖) (?P<name>.+?)(?: \(?\d[\d.]* ?m?s\)?)?$", re.M),  # vitest, node, mocha
    re.compile(r"^[ \t]*not ok \d+ -? ?(?P<name>.+?)(?: # .*)?$", re.M),  # TAP
    re.compile(r"^\[ERROR\]\s+(?P<name>\w+(?:Test|Tests|IT)\.\w+)\b", re.M),  # surefire
    re.compile(r"^\d+\) (?P<name>[\w\\]+::\w+)", re.M),  # phpunit
    re.compile(r"^[ \t]*\d+/\d+ Test +#\d+: (?P<name>\S+) \.*\s*\*\*\*", re.M),  # ctest
)
_FILES = (
    re.compile(r"^[ \t]*(?:FAIL|❯|×)\s+(?P<path>[\w@./+-]+\.\w+)", re.M),  # jest, vitest
    re.compile(r"^FAIL[ \t]+(?P<path>\S+)[ \t]+[\d.]+s$", re.M),  # a go package
)


@dataclass(frozen=True, slots=True)
class Named:
    """What a log names. ``targets`` exist in the project and can be run; ``names`` are tests of unknown
    place; ``files`` are all files of the project in the log's frames, innermost last."""

    targets: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.targets or self.names or self.files)


def read_log(text: str, root: Path) -> Named:
    """The tests that ``text`` says have failed, as the project in ``root`` has them."""
    text = clean(text[-LARGEST:])
    targets: dict[str, None] = {}
    names: dict[str, None] = {}
    for pattern in _IDS:
        for match in pattern.finditer(text):
            found = _existing(match["id"], root)
            if found:
                targets[found] = None
            elif "::" in match["id"]:
                names[match["id"].rpartition("::")[2]] = None
    for pattern in _NAMES:
        for match in pattern.finditer(text):
            names[_bare(match["name"])] = None
    for pattern in _FILES:
        for match in pattern.finditer(text):
            if found := _existing(match["path"], root):
                targets.setdefault(found)
    frames = (*frames_of(text, root), *stack_of(text, root))
    files = dict.fromkeys(frame.path for frame in frames)
    if not targets:
        targets = dict.fromkeys(path for path in files if is_test_part(path))
    return Named(tuple(targets)[:_MOST], tuple(name for name in names if name)[:_MOST], tuple(files)[:_MOST])


def fits(test: str, names: tuple[str, ...]) -> bool:
    """Whether a test's id is one that a log's ``names`` mean."""
    last = _bare(test.rpartition("::")[2])
    return any(
        name in (test, last) or test.endswith((f"::{name}", f".{name}", f" > {name}")) for name in names
    )


def _bare(name: str) -> str:
    """``Suite › does it`` and ``mod.Class.test_x`` with one spelling of what joins them."""
    return re.sub(r"\s*[›>]\s*", " > ", name.strip()).rpartition(" > ")[2].rpartition("\\")[2]


def _existing(named: str, root: Path) -> str:
    """``named`` as a target of the project, or empty where its file is not there."""
    path, joint, rest = named.strip().partition("::")
    line = re.search(r"(?::\d+|\[[\d:]+\])$", path)
    bare = path[: line.start()] if line and not joint else path
    place = Path(bare)
    try:
        full = place if place.is_absolute() else root / place
        if not full.exists():
            return _shortened(place, root, joint + rest)
        relative = full.resolve().relative_to(root.resolve()).as_posix()
    except (OSError, ValueError):
        return ""
    suffix = line[0] if line and not joint and line[0].startswith(":") else ""
    return f"{relative}{suffix}{joint}{rest}"


def _shortened(place: Path, root: Path, rest: str) -> str:
    """A path of another machine (``/home/runner/work/x/tests/test_a.py``): its end may be one of ours."""
    parts = place.parts
    for start in range(1, len(parts)):
        if (root / Path(*parts[start:])).is_file():
            return Path(*parts[start:]).as_posix() + rest
    return ""
