"""The shapes in which models send the arguments of an edit, brought to the one that the tools take.

Only what has one meaning is changed: another name of the same argument, a list sent as text, words about
the edit that nobody asked for.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from kcode.config.jsontext import read_json

_OTHER_NAMES = {
    "old_text": ("old_string", "old_str", "old", "search", "old_content", "old_code"),
    "new_text": ("new_string", "new_str", "new", "replace", "insert_text", "new_content", "new_code"),
    "path": ("file_path", "file", "filename", "file_name"),
}
_TALK = frozenset(
    ("explanation", "description", "reason", "reasoning", "comment", "instruction", "instructions", "thought")
)
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FENCED = re.compile(r"\s*(```|~~~)[\w+.-]*[ \t]*\n(.*?)\n?\1\s*", re.DOTALL)


def own_names(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What other tools call the same argument, which models were trained on; talk about it goes."""
    named: dict[str, Any] = {}
    for key, content in value.items():
        plain = _INNER_CAPITAL.sub("_", key).lower() if key not in known else key
        if plain not in _TALK or plain in known:
            named.setdefault(plain, content)
    for name, others in _OTHER_NAMES.items():
        for other in others:
            if other in named and name not in named:
                named[name] = named.pop(other)
    for name in ("old_text", "new_text"):
        if name in named:
            named[name] = joined(named[name])
    return named


def joined(value: Any) -> Any:
    """Lines that were sent as a list, as one text."""
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return value
    if value and not value[-1]:  # what splitting at line ends leaves behind the last
        value = value[:-1]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in value)


def as_list(value: Any) -> Any:
    """The list of edits, of whatever it was sent as: text of JSON or Python, one edit, pairs, a list in
    itself."""
    if isinstance(value, str):
        value = _read(value)
    if isinstance(value, dict) and set(value) == {"edits"}:
        return as_list(value["edits"])
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return value
    return [_one(item) for item in value]


def unfenced(text: str) -> str:
    """A whole text without the Markdown fence around it."""
    found = _FENCED.fullmatch(text)
    return found[2] + "\n" if found and "\n" + found[1] not in found[2] else text


def _one(item: Any) -> Any:
    if isinstance(item, str):
        item = _read(item)
    if isinstance(item, list) and len(item) == 2 and all(isinstance(text, str) for text in item):
        return {"old_text": item[0], "new_text": item[1]}
    return item


def _read(text: str) -> Any:
    try:
        return read_json(text, strict=False)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
