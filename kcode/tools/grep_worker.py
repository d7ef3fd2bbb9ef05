"""Searches files with Python's ``re``. A script of its own: it is killed where a pattern explodes.

Reads one JSON object from stdin (pattern, fixed, ignore_case, limit, files) and prints
``path NUL line NUL text`` for each match. Exit code 2: the pattern is wrong, stderr says how.
"""

from __future__ import annotations

import json
import re
import sys

_LARGEST = 50_000_000  # bytes of one file


def main() -> int:
    task = json.load(sys.stdin)
    pattern = re.escape(task["pattern"]) if task["fixed"] else task["pattern"]
    try:
        found = re.compile(pattern, re.IGNORECASE if task["ignore_case"] else 0).search
    except re.error as problem:
        sys.stderr.write(str(problem))
        return 2
    out = sys.stdout.buffer
    left = task["limit"]
    for path in task["files"]:
        for number, line in enumerate(_lines(path), 1):
            if found(line):
                out.write(f"{path}\0{number}\0{line}\n".encode("utf-8", "replace"))
                left -= 1
                if left == 0:
                    out.flush()
                    return 0
        out.flush()
    return 0


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - pathlib would double this script's start-up
            data = stream.read(_LARGEST)
    except OSError:
        return []
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data[:8192]:
        return []
    else:
        text = data.decode("utf-8", "replace")
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


if __name__ == "__main__":
    sys.exit(main())
