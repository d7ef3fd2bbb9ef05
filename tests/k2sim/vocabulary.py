"""Which vocabulary the simulator counts prompts with: its own plain rule, or a real one.

``o200k`` is a published byte-pair vocabulary of 200,000 tokens whose pre-tokenizer is cut like K2's (case
changes, three digits, signs with their line ends); K2's own ranks are in no package, so it stands in for
them. The control tokens of K2's template are one token each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from tests.k2sim import tokens

Tokenize = Callable[[str], list[str]]
_CONTROL = re.compile(r"(<\|[a-z_]+\|>|</?think>)")
_PART = re.compile(r".{1,200000}\n|.{1,200000}", re.DOTALL)  # the encoder takes less than a million


def tokenizer(name: str) -> Tokenize:
    """``rule`` or ``o200k``. Tokens are strings: what they are made of, or their number."""
    return {"rule": tokens.tokenize, "o200k": _o200k}[name]


def _o200k(text: str) -> list[str]:
    found: list[str] = []
    for place, stretch in enumerate(_CONTROL.split(text)):
        if place % 2:
            found.append(stretch)
            continue
        for part in _PART.findall(stretch):
            found.extend(map(str, _encoding().encode_ordinary(part)))
    return found


@cache
def _encoding():  # type: ignore[no-untyped-def]
    import bpe_openai

    return bpe_openai.get_encoding("o200k_base")
