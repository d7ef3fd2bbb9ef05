from __future__ import annotations

from collections import Counter
from itertools import islice

from kcode.workspace.edits import apply_edits
from tests.bench.damage import DAMAGES
from tests.bench.edits import AMBIGUOUS, CORPUS, Case, cases, further, judged, made, second_try
from tests.bench.wrapping import WRAPPED


def sample(every: int) -> list[Case]:
    return list(islice(cases(), 0, None, every))


def test_no_damaged_edit_of_the_corpus_is_applied_wrong_and_hardly_one_is_refused() -> None:
    verdicts = Counter[tuple[str, bool, str]]()
    for case in sample(3):
        outcome = made(case)
        verdicts[case.damage, case.near, judged(case, outcome.text if outcome.ok else None)] += 1
    assert not [key for key in verdicts if key[2] == "wrong"]
    meant = {key: count for key, count in verdicts.items() if key[0] not in AMBIGUOUS and not key[1]}
    refused = sum(count for key, count in meant.items() if key[2] == "refused")
    assert refused <= sum(meant.values()) / 200


def test_not_knowing_what_the_model_has_read_makes_no_edit_go_wrong() -> None:
    stale = [case for case in sample(1) if case.read != case.disk][::2]
    assert len(stale) > 100
    for case in stale:
        outcome = apply_edits(case.disk, [(case.old, case.new, False)])
        assert judged(case, outcome.text if outcome.ok else None) != "wrong"


def test_what_a_refusal_shows_is_enough_for_the_next_call() -> None:
    refused = [case for case in sample(1) if case.damage in ("misremembered", "stale word", "stale deletion")]
    outcomes = [(case, made(case)) for case in refused if case.want is not None]
    again = [(case, second_try(case, outcome.problems[0])) for case, outcome in outcomes if not outcome.ok]
    assert again
    assert all(text == case.want for case, text in again)


def test_the_corpus_has_every_kind_of_damage_and_500_edits_of_others_in_ten_languages() -> None:
    every = sample(1)
    assert {case.damage for case in every} == set(DAMAGES)
    others = list(cases([CORPUS / "others.jsonl"]))
    assert len({case.edit for case in others}) >= 500
    assert len({case.edit.partition("#")[0].rpartition(".")[2] for case in others}) >= 10


def test_what_models_put_around_and_into_both_texts_is_taken_off() -> None:
    verdicts = Counter[tuple[str, str]]()
    for case in islice(further(each=0), 0, None, 9):
        outcome = made(case)
        verdicts[case.damage, judged(case, outcome.text if outcome.ok else None)] += 1
    assert {name for name, _ in verdicts} == set(WRAPPED)
    assert {verdict for _, verdict in verdicts} == {"right"}
