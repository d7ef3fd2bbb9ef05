"""Searches files with Python's ``re``. A script of its own: it is killed where a pattern explodes.

Reads one JSON object from stdin (pattern, fixed, word, ignore_case, multiline, show, limit, named, encoding,
files) and prints ``path NUL line NUL text`` for each matching line, or ``path NUL count NUL``. Exit code 2:
the pattern is wrong, stderr says how. 3: the one file that was named is binary.
"""

from __future__ import annotations

import functools
import json
import re
import stat
import sys
from collections.abc import Iterator
from os import fstat, lstat

_LARGEST = 50_000_000  # bytes of one file


def main() -> int:
    task = json.load(sys.stdin)
    pattern = re.escape(task["pattern"]) if task["fixed"] else task["pattern"]
    if task["word"]:
        pattern = rf"(?<!\w)(?:{pattern})(?!\w)"
    flags = re.IGNORECASE if task["ignore_case"] else 0
    try:
        compiled = re.compile(pattern, flags | (re.MULTILINE if task["multiline"] else 0))
    except (re.error, OverflowError, RecursionError) as problem:
        sys.stderr.write(str(problem))
        return 2
    out = sys.stdout.buffer
    left = task["limit"]
    for path in task["files"]:
        raw = path.encode("utf-8", "surrogateescape")
        text = _text(raw, task["named"], task["encoding"])
        if text is None:
            if task["named"]:
                return 3
            continue
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        matching = _several(compiled, text, len(lines)) if task["multiline"] else _single(compiled, lines)
        count = 0
        for number in matching:
            count += 1
            if task["show"] == "files":
                break
            if task["show"] == "lines":
                out.write(b"%s\0%d\0%s\n" % (raw, number, lines[number - 1].encode("utf-8", "replace")))
                left -= 1
                if left == 0:
                    out.flush()
                    return 0
        if count and task["show"] != "lines":
            out.write(b"%s\0%d\0\n" % (raw, count))
        out.flush()
    return 0


def _single(compiled: re.Pattern[str], lines: list[str]) -> Iterator[int]:
    found = compiled.search
    for number, line in enumerate(lines, 1):
        if found(line):
            yield number


def _several(compiled: re.Pattern[str], text: str, many: int) -> Iterator[int]:
    """The lines that any match reaches into."""
    number, at, told = 1, 0, 0
    for match in compiled.finditer(text):
        number += text.count("\n", at, match.start())
        at = match.start()
        last = number + text.count("\n", at, max(match.end() - 1, at))
        yield from range(max(number, told + 1), min(last, many) + 1)
        told = max(told, last)


def _text(path: bytes, named: bool, encoding: str) -> str | None:
    """None for a binary file; empty for what cannot be read, and for a link that was not named."""
    try:
        if not named and not stat.S_ISREG(lstat(path).st_mode):
            return ""
        with open(path, "rb") as stream:  # noqa: PTH123 - pathlib would double this script's start-up
            if not stat.S_ISREG(fstat(stream.fileno()).st_mode):
                return ""
            data = stream.read(_LARGEST)
    except OSError:
        return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data:
        return None
    else:
        try:
            text = data.decode("utf-8")
            text = text.removeprefix("\ufeff")
        except UnicodeDecodeError:
            text = _decode(data, encoding)
    return text.replace("\r\n", "\n")


def _decode(data: bytes, where: str) -> str:
    decoded = _encodings(where).decode(data)
    return decoded.text if decoded else data.decode("utf-8", "replace")


@functools.cache
def _encodings(where: str):  # type: ignore[no-untyped-def] # a module by its file: kcode cannot be imported here
    """kcode's rules for encodings, loaded only where a file is not UTF-8."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("encoding", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["encoding"] = module  # where its dataclass looks for its module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
