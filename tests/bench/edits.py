"""How well damaged edits are matched: ``python -m tests.bench.edits [FILE...] [--show CLASS]``.

FILE is what ``tests.bench.make_edits`` writes; by default the corpus in ``tests/data/edits``, made from
kcode's own commits. For each class of damage: calls applied right, refused, applied wrong, and what exact
matching alone would have done. Exit code 0 where nothing was applied wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kcode.workspace.edits import apply_edits
from tests.bench.damage import DAMAGES

CORPUS = Path(__file__).parent.parent / "data" / "edits"
NEAR = "another place as near"
AMBIGUOUS = frozenset({"repeated block", "repeated, shifted"})  # where a refusal is what is right


@dataclass(frozen=True)
class Case:
    """``want`` is the right text after the call, or None where a refusal is right."""

    edit: str
    damage: str
    disk: str
    old: str
    new: str
    want: str | None
    near: bool = False  # the damage leaves it open which place is meant


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument(
        "--show", default="", help="print the calls of this class that were not applied right"
    )
    parser.add_argument("--limit", type=int, default=5, help="how many of them")
    wanted = parser.parse_args()
    ours, plain = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    began = time.monotonic()
    shown = 0
    edits: set[str] = set()
    for case in cases(wanted.files):
        edits.add(case.edit)
        verdict = judged(case, _ours(case))
        label = NEAR if case.near else case.damage
        ours[label, verdict] += 1
        plain[label, judged(case, _exact(case))] += 1
        if verdict == "wrong" or (label == wanted.show and verdict != "right" and shown < wanted.limit):
            shown += label == wanted.show
            _show(case, verdict)
    print(f"{len(edits)} edits, {sum(ours.values())} calls, {time.monotonic() - began:.0f} s\n")
    return _report(ours, plain)


def cases(files: Iterable[Path] = ()) -> Iterator[Case]:
    for path in list(files) or sorted(CORPUS.glob("*.jsonl")):
        before: dict[str, str] = {}
        with path.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                record = json.loads(line)
                if "before" in record:
                    before[record["file"]] = record["before"]
                    continue
                disk = spliced(before[record["file"]], record["disk"])
                want = None if record["want"] is None else spliced(disk, record["want"])
                if record.get("crlf"):
                    disk, want = disk.replace("\n", "\r\n"), want and want.replace("\n", "\r\n")
                yield Case(
                    record["edit"],
                    record["damage"],
                    disk,
                    record["old"],
                    record["new"],
                    want,
                    record.get("near", False),
                )


def spliced(text: str, change: list) -> str:  # type: ignore[type-arg]
    start, end, new = change
    return text[:start] + new + text[end:]


def judged(case: Case, result: str | None) -> str:
    """``right``, ``refused`` or ``wrong``; a refusal that is right counts as right."""
    if result is None:
        return "right" if case.want is None else "refused"
    return "right" if result == case.want else "wrong"


def _ours(case: Case) -> str | None:
    outcome = apply_edits(case.disk, [(case.old, case.new, False)])
    return outcome.text if outcome.ok else None


def _exact(case: Case) -> str | None:
    """What a tool does that takes the text exactly as given, if it is there once."""
    return case.disk.replace(case.old, case.new) if case.disk.count(case.old) == 1 else None


def _report(ours: Counter[tuple[str, str]], plain: Counter[tuple[str, str]]) -> int:
    print(f"{'damage':22}{'calls':>7}{'right':>8}{'refused':>9}{'wrong':>7}   {'exact only':>18}{'wrong':>7}")
    classes = [
        name
        for name in (*DAMAGES, NEAR)
        if any((name, verdict) in ours for verdict in ("right", "refused", "wrong"))
    ]
    for name in classes:
        print(_row(name, [name], ours, plain))
    meant = [name for name in classes if name not in AMBIGUOUS | {NEAR}]
    print(_row("all that can be known", meant, ours, plain))
    return 1 if any(ours[name, "wrong"] for name in classes) else 0


def _row(
    label: str, names: list[str], ours: Counter[tuple[str, str]], plain: Counter[tuple[str, str]]
) -> str:
    def count(where: Counter[tuple[str, str]], verdict: str) -> int:
        return sum(where[name, verdict] for name in names)

    right, refused, wrong = (count(ours, verdict) for verdict in ("right", "refused", "wrong"))
    whole = right + refused + wrong
    return (
        f"{label:22}{whole:7}{100 * right / whole:7.1f}%{refused:9}{wrong:7}   "
        f"{100 * count(plain, 'right') / whole:17.1f}%{count(plain, 'wrong'):7}"
    )


def _show(case: Case, verdict: str) -> None:
    outcome = apply_edits(case.disk, [(case.old, case.new, False)])
    print(
        f"=== {verdict}: {case.damage}, {case.edit}\n--- old\n{case.old}--- new\n{case.new}---",
        *outcome.problems,
    )
    if verdict == "wrong":
        from kcode.workspace.diff import unified

        print(outcome.stages, "\n", unified(case.want or case.disk, outcome.text, "wanted-to-got"))


if __name__ == "__main__":
    raise SystemExit(main())
