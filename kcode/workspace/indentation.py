"""How the indentation of given lines becomes that of a file's lines, where one rule does it for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

Rule = Callable[[str], str | None]  # an indentation as given -> as the file has it; None: it cannot tell
Pair = tuple[str, str]  # the indentation in the file, the one given


def lead(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def file_step(lines: Iterable[str]) -> str:
    """What one more level is in these lines: the commonest increase; empty where there is none."""
    increases: Counter[str] = Counter()
    above = ""
    for line in lines:
        if not line.strip():
            continue
        here = lead(line)
        if len(here) > len(above) and here.startswith(above):
            increases[here[len(above) :]] += 1
        above = here
    return increases.most_common(1)[0][0] if increases else ""


def given_step(lines: Iterable[str]) -> str:
    """The smallest difference of indentations in these few lines; empty where all are the same."""
    leads = {lead(line) for line in lines if line.strip()}
    if any("\t" in one for one in leads):
        return "\t"
    widths = sorted({len(one) for one in leads})
    return " " * min((b - a for a, b in pairwise(widths)), default=0)


def rule_for(pairs: Sequence[Pair], given: str = "", there: str = "", table: bool = True) -> Rule | None:
    """The rule that turns every given indentation into the file's, or None where there is no such rule.

    ``given`` and ``there`` are what one level is in the given lines and in the file, if known: where they
    differ, a level for a level is tried first. Then: one prefix added or taken away; tabs for blanks, or
    wider steps for narrower ones, and the prefix; with ``table``, each given indentation standing for one of
    the file's.
    """
    distinct = set(pairs)
    if not distinct or all(has == gave for has, gave in distinct):
        return lambda gave: gave
    spellings = _SPELLINGS
    if given and there and given != there and _same_levels(distinct, given, there):
        spellings = (_levels(given, there), *_SPELLINGS)
    for spell in (*spellings, *_widened(there)):
        move = _uniform({(has, spell(gave)) for has, gave in distinct})
        if move is not None:
            return _composed(spell, move)
    return _table(distinct) if table else None


def _same_levels(pairs: set[Pair], given: str, there: str) -> bool:
    """Whether the steps tell anything: there are several levels, or the only one is as deep in both."""
    return len({gave for _, gave in pairs}) > 1 or all(
        has and len(has) * len(given) == len(gave) * len(there) for has, gave in pairs
    )


def _uniform(pairs: set[tuple[str, str | None]]) -> Rule | None:
    """The one prefix that all given indentations lack, or have too much."""
    there, given = next(iter(pairs))
    if given is None:
        return None
    extra = there[: len(there) - len(given)] if there.endswith(given) else None
    if extra is not None and all(gave is not None and has == extra + gave for has, gave in pairs):
        return lambda lead: extra + lead
    surplus = given[: len(given) - len(there)] if given.endswith(there) else None
    if surplus is not None and all(surplus + has == gave for has, gave in pairs):
        return lambda lead: lead[len(surplus) :] if lead.startswith(surplus) else None
    return None


def _composed(first: Rule, second: Rule) -> Rule:
    def both(given: str) -> str | None:
        middle = first(given)
        return None if middle is None else second(middle)

    return both


def _levels(given: str, there: str) -> Rule:
    def convert(lead: str) -> str | None:
        if lead.strip(given[0]) or len(lead) % len(given):
            return None
        return there * (len(lead) // len(given))

    return convert


def _as_blanks(unit: int) -> Rule:
    return lambda given: given.replace("\t", " " * unit)


def _widened(step: str) -> list[Rule]:
    """Narrower or wider levels than the file's, which are of blanks."""
    if not step or step.strip(" "):
        return []
    return [_levels(" " * unit, step) for unit in (2, 4, 8, 3) if unit != len(step)]


def _table(pairs: set[Pair]) -> Rule | None:
    """Each indentation looked up; a deeper one must be deeper in the file too."""
    table: dict[str, str] = {}
    for there, given in pairs:
        if table.setdefault(given, there) != there:
            return None
    widths = sorted((_width(given), _width(there)) for given, there in table.items())
    if len(table) < 2 or any(a[1] >= b[1] for a, b in pairwise(widths)):
        return None
    return table.get


def _width(blanks: str) -> int:
    return len(blanks.expandtabs(8))


_SPELLINGS: tuple[Rule, ...] = (
    lambda given: given,
    *(_levels(" " * unit, "\t") for unit in (4, 2, 8, 3)),
    *(_as_blanks(unit) for unit in (4, 2, 8, 3)),
)
