"""Settings that are regular expressions."""

from __future__ import annotations

import re

WORDS = "a regular expression in quotes"


def checked(value: object) -> object:
    """The setting's value where it is a regular expression, ``""`` included. Raises ValueError for others."""
    if not isinstance(value, str):
        raise ValueError(f"this is {WORDS}")  # noqa: TRY004  # pydantic reads ValueError
    try:
        re.compile(value)
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from None
    return value
