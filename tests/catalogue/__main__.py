"""``python -m tests.catalogue``: bring the catalogue up to date with the source, and compile it.

New messages are added without a translation and listed; what the source says no longer is removed;
translations are kept. With ``--check`` nothing is written, and the exit code says whether it would be.
"""

from __future__ import annotations

import sys

from tests.catalogue.renewal import MO, PO, renewed


def main(arguments: list[str]) -> int:
    text, compiled, missing = renewed()
    for entry in missing:
        print(f"not translated: {entry.places[0]}: {entry.text!r}")
    changed = PO.read_text(encoding="utf-8") != text or not MO.exists() or MO.read_bytes() != compiled
    if "--check" in arguments:
        return 1 if changed or missing else 0
    PO.write_text(text, encoding="utf-8")
    MO.write_bytes(compiled)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
