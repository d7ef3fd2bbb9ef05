"""How well damaged edits are matched: ``python -m tests.bench.edits [FILE...] [--show CLASS]``.

FILE is what ``tests.bench.make_edits`` writes; by default the corpus in ``tests/data/edits``, made from
kcode's own commits. For each class of damage: calls applied right, refused, applied wrong, and what exact
matching alone would have done. Exit code 0 where nothing was applied wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from kcode.workspace.edits import EditOutcome, Replacement, apply_edits
from tests.bench.damage import DAMAGES, Edit
from tests.bench.make_edits import OPEN, near, use
from tests.bench.wrapping import WRAPPED

CORPUS = Path(__file__).parent.parent / "data" / "edits"
NEAR = "another place as near"
CHANCE = ("stale word", "stale insertion", "stale deletion", "misremembered")
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
    read: str  # what the model saw before it sent the call
    near: bool = False  # the damage leaves it open which place is meant


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument(
        "--show", default="", help="print the calls of this class that were not applied right"
    )
    parser.add_argument("--limit", type=int, default=5, help="how many of them")
    parser.add_argument(
        "--each",
        type=int,
        default=1,
        metavar="N",
        help="make N more calls of each edit for classes of chance",
    )
    wanted = parser.parse_args()
    counts = Counter[tuple[str, str]]()
    began = time.monotonic()
    shown = 0
    edits: set[str] = set()
    for case in chain(cases(wanted.files), further(wanted.files, wanted.each)):
        edits.add(case.edit)
        outcome = made(case)
        verdict = judged(case, outcome.text if outcome.ok else None)
        label = NEAR if case.near else case.damage
        counts.update((label, what) for what in _measured(case, outcome, verdict))
        if verdict == "wrong" or (label == wanted.show and verdict != "right" and shown < wanted.limit):
            shown += label == wanted.show
            _show(case, verdict, outcome)
    print(f"{len(edits)} edits, {time.monotonic() - began:.0f} s\n")
    return _report(counts)


def _measured(case: Case, outcome: EditOutcome, verdict: str) -> Iterator[str]:
    """What is counted of a call: its verdict, of the next try, without what was read, by exact matching."""
    yield "calls"
    yield verdict
    if verdict == "right":
        yield "right at last"
    elif verdict == "refused" and case.want is not None:
        yield "right at last" if judged(case, second_try(case, outcome.problems[0])) == "right" else "never"
    blind = outcome if case.read == case.disk else apply_edits(case.disk, [(case.old, case.new, False)])
    yield f"unread {judged(case, blind.text if blind.ok else None)}"
    yield f"exact {judged(case, _exact(case))}"


def made(case: Case) -> EditOutcome:
    """As the tool makes it, which knows what the model has seen of the file."""
    return apply_edits(case.disk, [(case.old, case.new, False)], case.read)


def second_try(case: Case, refusal: str) -> str | None:
    """The call again with the lines that the refusal shows in the place of those it had, if they tell enough.

    What is to change is known to the model; so the lines shown must hold all of it.
    """
    parts: list[list[tuple[int, str]]] = [[]]
    for line in refusal.split("\n"):
        match = re.fullmatch(r"(\d+)\t(.*)", line)
        if match:
            parts[-1].append((int(match[1]), match[2]))
        elif parts[-1]:
            parts.append([])
    if case.want is None:
        return None
    disk, want = case.disk.split("\n"), case.want.split("\n")
    start = next((at for at, (a, b) in enumerate(zip(disk, want, strict=False)) if a != b), 0)
    tail = 0
    while tail < min(len(disk), len(want)) - start and disk[-1 - tail] == want[-1 - tail]:
        tail += 1
    for part in filter(None, parts):
        first, last = part[0][0] - 1, part[-1][0]
        if first <= start and len(disk) - tail <= last and [line for _, line in part] == disk[first:last]:
            old = "\n".join(disk[first:last])
            new = "\n".join(want[first : last + len(want) - len(disk)])
            again = apply_edits(case.disk, [(old, new, False)], case.read)
            return again.text if again.ok else None
    numbers = re.search(r"\(lines ([\d, ]+)", refusal)
    if not parts[0] and numbers:  # found several times: the line tells which
        at = min(map(int, re.findall(r"\d+", numbers[1])), key=lambda line: abs(line - 1 - start))
        outcome = apply_edits(case.disk, [Replacement(case.old, case.new, line=at)])
        return outcome.text if outcome.ok else None
    return None


def cases(files: Iterable[Path] = ()) -> Iterator[Case]:
    for path in list(files) or sorted(CORPUS.glob("*.jsonl")):
        before: dict[str, str] = {}
        with path.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                record = json.loads(line)
                if "before" in record:
                    before[record["file"]] = record["before"]
                    continue
                read = before[record["file"]]
                disk = spliced(read, record["disk"])
                want = None if record["want"] is None else spliced(disk, record["want"])
                if record.get("crlf"):
                    read, disk, want = (text and text.replace("\n", "\r\n") for text in (read, disk, want))
                yield Case(
                    record["edit"],
                    record["damage"],
                    disk,
                    record["old"],
                    _new(record),
                    want,
                    read,
                    record.get("near", False),
                )


def further(files: Iterable[Path] = (), each: int = 1) -> Iterator[Case]:
    """Calls made here of the undamaged ones: each way to wrap and escape them, and ``each`` times those
    classes whose damage is another each time."""
    for whole in cases(files):
        if whole.damage != "none" or whole.want is None or (edit := undamaged(whole)) is None:
            continue
        made_now = [(name, damage, 0) for name, damage in WRAPPED.items()]
        made_now += [(name, DAMAGES[name], turn) for name in CHANCE for turn in range(1, each + 1)]
        seen = set()
        for name, damage, turn in made_now:
            call = damage(edit, random.Random(f"{whole.edit}/{name}/{turn}"))
            if call is None or call.want is None or use(name, edit, call) or call in seen:
                continue
            seen.add(call)
            disk = call.disk if call.disk is not None else edit.before
            open_ = name in OPEN and near(edit, call, disk)
            yield Case(whole.edit, name, disk, call.old, call.new, call.want, whole.read, open_)


def undamaged(case: Case) -> Edit | None:
    """The edit that an undamaged call makes, in lines."""
    lines = case.disk.splitlines(True)
    old, new = case.old.splitlines(True), case.new.splitlines(True)
    at = case.disk.find(case.old)
    first = case.disk.count("\n", 0, at)
    if at < 0 or lines[first : first + len(old)] != old or "\r" in case.disk:
        return None
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    last = first + len(old)
    return Edit(tuple(lines), first, last, first + head, last - tail, tuple(new[head : len(new) - tail]))


def _new(record: dict[str, Any]) -> str:
    new = record["new"]
    return new if isinstance(new, str) else spliced(record["old"], new)


def spliced(text: str, change: list) -> str:  # type: ignore[type-arg]
    start, end, new = change
    return text[:start] + new + text[end:]


def judged(case: Case, result: str | None) -> str:
    """``right``, ``refused`` or ``wrong``; a refusal that is right counts as right."""
    if result is None:
        return "right" if case.want is None else "refused"
    return "right" if result == case.want else "wrong"


def _exact(case: Case) -> str | None:
    """What a tool does that takes the text exactly as given, if it is there once."""
    return case.disk.replace(case.old, case.new) if case.disk.count(case.old) == 1 else None


def _report(counts: Counter[tuple[str, str]]) -> int:
    print(f"{'':22}{'calls':>7}{'right':>8}{'refused':>9}{'wrong':>7}{'then right':>12}{'unread':>9}"
          f"{'exact only':>12}{'wrong':>7}")  # fmt: skip
    classes = [name for name in (*DAMAGES, *WRAPPED, NEAR) if counts[name, "calls"]]
    for name in classes:
        print(_row(name, [name], counts))
    meant = [name for name in classes if name not in AMBIGUOUS | {NEAR}]
    print(_row("all that can be known", meant, counts))
    print(
        "\nthen right: after a second try with the lines that the refusal shows."
        "\nunread: right where kcode does not know which text of the file the call was written for."
    )
    return 1 if any(counts[name, what] for name in classes for what in ("wrong", "unread wrong")) else 0


def _row(label: str, names: list[str], counts: Counter[tuple[str, str]]) -> str:
    def count(what: str) -> int:
        return sum(counts[name, what] for name in names)

    whole = count("calls")
    part = {
        what: 100 * count(what) / whole for what in ("right", "right at last", "unread right", "exact right")
    }
    return (
        f"{label:22}{whole:7}{part['right']:7.1f}%{count('refused'):9}{count('wrong'):7}"
        f"{part['right at last']:11.1f}%{part['unread right']:8.1f}%"
        f"{part['exact right']:11.1f}%{count('exact wrong'):7}"
    )


def _show(case: Case, verdict: str, outcome: EditOutcome) -> None:
    print(
        f"=== {verdict}: {case.damage}, {case.edit}\n--- old\n{case.old}--- new\n{case.new}---",
        *outcome.problems,
    )
    if verdict == "wrong":
        from kcode.workspace.diff import unified

        print(outcome.stages, "\n", unified(case.want or case.disk, outcome.text, "wanted-to-got"))


if __name__ == "__main__":
    raise SystemExit(main())
