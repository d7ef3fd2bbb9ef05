"""JSON that others wrote: whatever Python cannot read of it is one kind of error."""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str | bytes, *, strict: bool = True) -> Any:
    """The value of ``text``. Raises ValueError: for what is no JSON, for bytes in no encoding of it, for a
    number of thousands of digits, and for what is nested deeper than Python follows.

    ``strict=False`` lets raw control characters in strings pass.
    """
    try:
        return json.loads(text) if strict else json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
