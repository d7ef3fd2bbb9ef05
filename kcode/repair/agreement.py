"""Which of the patches that pass do the same beyond the tests: the judges' majority.

Tests leave freedom; patches that were found independently and behave alike on inputs that no test asks
for are likelier right than one that stands alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kcode.repair.candidates import Candidate
from kcode.repair.judge import Judging, Limits
from kcode.repair.localise import Localisation

_AT_MOST = 12  # patches that are compared
_LIMITS = Limits(per_test_s=5.0, wall_s=10.0)


async def compared_on_inputs(
    judge: Judging, found: Localisation, targets: Sequence[str], passing: Sequence[Candidate]
) -> list[Candidate]:
    """``passing`` with ``agreeing``: the share of the compared patches that answer alike, from 0 to 1; and
    with ``behaviour``, equal for those that do.

    The inputs are the ones that the tests ``targets`` call the changed function with, and variations of
    them. Without such inputs nothing is said of a patch.
    """
    answers: dict[int, tuple[str, ...]] = {}
    functions = {(one.path, found.sources[one.path].scope_at(one.hole.first)) for one in passing}
    for path, scope in functions:
        if not scope.name:
            continue
        observed = await judge.observe(targets, _LIMITS, path, scope.first)
        if not observed.inputs:
            continue
        source = found.sources[path]
        for number, one in enumerate(passing[:_AT_MOST]):
            if one.path == path and source.scope_at(one.hole.first) == scope:
                files = {path: source.file.encode(one.text)}
                answers[number] = await judge.probe(observed, scope.name, _LIMITS, files)
    votes = Counter(given for given in answers.values() if given)
    return [
        replace(
            one,
            agreeing=votes[answers[number]] / votes.total(),
            behaviour=hashlib.sha256("\0".join(answers[number]).encode()).hexdigest(),
        )
        if answers.get(number)
        else one
        for number, one in enumerate(passing)
    ]
