from __future__ import annotations

from collections import Counter
from itertools import islice

from kcode.workspace.edits import apply_edits
from tests.bench.damage import DAMAGES
from tests.bench.edits import AMBIGUOUS, Case, cases, judged


def sample(every: int) -> list[Case]:
    return list(islice(cases(), 0, None, every))


def verdict(case: Case) -> str:
    outcome = apply_edits(case.disk, [(case.old, case.new, False)])
    return judged(case, outcome.text if outcome.ok else None)


def test_no_damaged_edit_of_the_corpus_is_applied_wrong_and_hardly_one_is_refused() -> None:
    chosen = sample(3)
    verdicts = Counter((case.damage, case.near, verdict(case)) for case in chosen)
    assert not [key for key in verdicts if key[2] == "wrong"]
    meant = {key: count for key, count in verdicts.items() if key[0] not in AMBIGUOUS and not key[1]}
    refused = sum(count for key, count in meant.items() if key[2] == "refused")
    assert refused <= sum(meant.values()) / 100


def test_the_corpus_has_every_kind_of_damage_and_at_least_500_edits() -> None:
    every = sample(1)
    assert len({case.edit for case in every}) >= 500
    assert len({case.damage for case in every}) >= len(DAMAGES) - 1  # no tabs in kcode's own code
