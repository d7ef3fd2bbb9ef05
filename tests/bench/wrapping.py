"""What models put around or into both texts of the edits they mean, made as it is measured."""

from __future__ import annotations

import html
import json
import random
import re
from dataclasses import replace

from tests.bench.damage import Call, Damage, Edit, none


def fenced(edit: Edit, rng: random.Random) -> Call | None:
    """A Markdown fence around both texts."""
    call = none(edit, rng)
    if call is None or "```" in call.old + call.new:
        return None
    mark = rng.choice(["```", "```python", "```ts"])
    return replace(call, old=f"{mark}\n{call.old}```\n", new=f"{mark}\n{call.new}```\n")


def fenced_old(edit: Edit, rng: random.Random) -> Call | None:
    """A fence around the old text alone."""
    call = fenced(edit, rng)
    whole = none(edit, rng)
    return call and whole and replace(call, new=whole.new)


def escaped_ends(edit: Edit, rng: random.Random) -> Call | None:
    """Escaped once too often, as JSON in JSON: no line end is left."""
    call = none(edit, rng)
    return call and replace(call, old=json.dumps(call.old)[1:-1], new=json.dumps(call.new)[1:-1])


def escaped_quotes(edit: Edit, rng: random.Random) -> Call | None:
    """Quotation marks with a backslash, line ends as they should be."""
    call = none(edit, rng)
    if call is None or '"' not in call.old or '\\"' in edit.before + call.new:
        return None
    return replace(call, old=call.old.replace('"', '\\"'), new=call.new.replace('"', '\\"'))


def entities(edit: Edit, rng: random.Random) -> Call | None:
    """Written as for HTML."""
    call = none(edit, rng)
    if call is None or re.search(r"&#?\w+;", edit.before + call.new):
        return None
    old, new = (html.escape(text, quote=False) for text in (call.old, call.new))
    return None if old == call.old else replace(call, old=old, new=new)


def numbers_in_both(edit: Edit, rng: random.Random) -> Call | None:
    """The numbers of a listing in both texts."""
    whole = none(edit, rng)
    if whole is None or not whole.new:
        return None
    sign = rng.choice(["\t", "| ", ": "])
    texts = []
    for text in (whole.old, whole.new):
        lines = text.splitlines(True)
        texts.append("".join(f"{edit.first + n + 1:>5}{sign}{line}" for n, line in enumerate(lines)))
    return replace(whole, old=texts[0], new=texts[1])


# Made as they are measured, of every edit: what is right does not depend on what they did to it.
WRAPPED: dict[str, Damage] = {
    "fenced": fenced,
    "fenced old text": fenced_old,
    "escaped line ends": escaped_ends,
    "escaped quotes": escaped_quotes,
    "HTML entities": entities,
    "numbers in both": numbers_in_both,
}
