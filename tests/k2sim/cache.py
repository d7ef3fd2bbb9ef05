"""The prefix cache: what of a prompt was seen before, in blocks of 256 tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

BLOCK = 256


class PrefixCache:
    """Every prompt seen, as chained hashes of its full blocks: a block counts only after its prefix."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def cached(self, model: str, tokens: Sequence[str]) -> int:
        """How many leading tokens were seen before: a multiple of 256, and never the whole prompt."""
        hits = 0
        for digest in _chain(model, tokens):
            if digest not in self._seen:
                break
            hits += 1
        return min(hits, max(len(tokens) - 1, 0) // BLOCK) * BLOCK

    def remember(self, model: str, tokens: Sequence[str]) -> None:
        """Keep a prompt. One of 256 tokens or fewer is not kept."""
        if len(tokens) > BLOCK:
            self._seen.update(_chain(model, tokens))

    def forget(self) -> None:
        """Drop everything, as the server does when the cache's time is over."""
        self._seen.clear()


def _chain(model: str, tokens: Sequence[str]) -> Iterator[bytes]:
    digest = model.encode()
    for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
        block = "\x00".join(tokens[start : start + BLOCK])
        digest = hashlib.sha256(digest + block.encode("utf-8", "surrogatepass")).digest()
        yield digest
