"""What the model thinks of patches that pass: how much likelier each makes the line that it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from kcode.providers.base import Infiller, ProviderError, Weigher
from kcode.repair.candidates import Candidate
from kcode.repair.fim import Hole, header, prompt
from kcode.repair.localise import Localisation

_AT_MOST = 8  # patches that are weighed


async def weighed(
    infiller: Infiller,
    found: Localisation,
    cases: Sequence[str],
    passing: Sequence[Candidate],
    wait_s: float,
) -> list[Candidate]:
    """``passing`` with ``gain`` where it could be measured within ``wait_s`` seconds: by how much the new
    line's log-probability, seen in its place, exceeds the old one's. Only for one line put for one."""
    if not isinstance(infiller, Weigher):
        return list(passing)
    until = time.monotonic() + wait_s
    old: dict[tuple[str, int], float | None] = {}
    done: list[Candidate] = []
    for number, candidate in enumerate(passing):
        line = candidate.hole.first
        one = number < _AT_MOST and line == candidate.hole.last and len(candidate.new) == 1
        gain = None
        if one:
            place = (candidate.path, line)
            if place not in old:
                text = found.sources[candidate.path].lines[line - 1]
                old[place] = await _logprob(infiller, found, cases, candidate, text, until)
            before = old[place]
            new = await _logprob(infiller, found, cases, candidate, candidate.new[0], until)
            gain = new - before if new is not None and before is not None else None
        done.append(replace(candidate, gain=gain))
    return done


async def _logprob(
    weigher: Weigher,
    found: Localisation,
    cases: Sequence[str],
    candidate: Candidate,
    text: str,
    until: float,
) -> float | None:
    """The log-probability of the whole line ``text`` in the candidate's place."""
    left = until - time.monotonic()
    if left <= 0 or not text.isascii():
        return None
    source = found.sources[candidate.path]
    line = candidate.hole.first
    scope = source.scope_at(line)
    prefix, suffix = prompt(source, scope, Hole(line, line), header(source, scope, cases))
    try:
        tokens = await asyncio.wait_for(weigher.weigh(prefix, suffix, text), left)
    except (TimeoutError, ProviderError):
        return None
    return sum(one.logprob for one in tokens) if tokens else None
