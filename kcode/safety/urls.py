"""Addresses that carry data away: asking for ``http://host/?x=<what was read>`` tells it to the host."""

from __future__ import annotations

import re

from kcode.safety.placeholders import PLACEHOLDER
from kcode.safety.randomness import HEX, random_token, random_value
from kcode.safety.secrets import spans

_URL = re.compile(
    r"(?:https?|wss?|ftp)://([^\s'\"<>/?#]*)([^\s'\"<>?#]*)(?:\?([^\s'\"<>#]*))?(?:#(\S*))?", re.I
)
_LONG_QUERY = 160  # characters; questions that people ask of a server are shorter
_LONG_VALUE = 64
_LONG_LABEL = 40  # of a host's name
_UNKNOWN = re.compile(r"\$|`")  # what the shell puts in


def carries(text: str) -> str:
    """Why an address in ``text`` may carry data away, or ``""``."""
    for match in _URL.finditer(text):
        host, path, query, _ = (part or "" for part in match.groups())
        if why := _why(host, path, query):
            return f"{match.group()[:80]}: {why}"
    return ""


def _why(host: str, path: str, query: str) -> str:
    whole = f"{host}{path}?{query}"
    if PLACEHOLDER.search(whole) or spans(f"https://{whole}"):
        return "a secret is in the address"
    if _UNKNOWN.search(whole):
        return "a part of the address is put in by the shell"
    if len(query) > _LONG_QUERY or any(map(_is_data, re.split(r"[&;]", query))):
        return "the address carries data"
    if any(len(label) > _LONG_LABEL or random_token(label) for label in host.split(".")):
        return "the name of the host carries data"
    if any(
        len(part) > 2 * _LONG_VALUE or (not HEX.fullmatch(part) and random_token(part))
        for part in path.split("/")
    ):
        return "the path of the address carries data"
    return ""


def _is_data(field: str) -> bool:
    value = field.partition("=")[2] or field
    return len(value) > _LONG_VALUE or value.count("%") > 12 or (len(value) >= 24 and random_value(value))
