"""What the reporters in ``kcode/testrun/reporters`` say: lines of JSON between what tests print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.testrun.adapter import Signs

REPORTERS = Path(__file__).parent / "reporters"
_LINE = re.compile(r"\n?^@@kcode (?P<event>\{.*\})\r?$\n?", re.M)
SIGNS = Signs(
    passed=re.compile(r'^@@kcode .*"status":"passed"(?!.*"suite":true)'),
    failed=re.compile(r'^@@kcode .*"status":"failed"(?!.*"suite":true)'),
    total=re.compile(r'^@@kcode \{"total":(\d{1,9})'),
    hidden=re.compile(r'^@@kcode (?:.*?"(?:begin|name|id)":"([^"\\]*)")?'),
)


def events(text: str) -> Iterator[tuple[dict[str, Any], str]]:
    """(event, what was printed since the event before it), in order; torn lines are left out."""
    at = 0
    for match in _LINE.finditer(text):
        printed, at = text[at : match.start()], match.end()
        try:
            event = read_json(match["event"])
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event, printed.strip("\n")


def unmarked(text: str) -> str:
    """What is left for people to read."""
    return _LINE.sub("", text) if "@@kcode " in text else text
