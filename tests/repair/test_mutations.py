from __future__ import annotations

import ast
import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kcode.repair.candidates import Candidate, changed_lines
from kcode.repair.combine import combined, crossed, pairs
from kcode.repair.fim import Hole
from kcode.repair.interleave import Sources
from kcode.repair.judge import TracedFailure
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.mutations import Mutations
from kcode.repair.present import others_left, warning_of
from kcode.repair.rank import best_first, special_case, takes_away
from kcode.repair.source import Source

FUNCTION = """\
LIMIT = 3

def pick(items, first, second):
    '''Items in a window.'''
    found = []
    for item in items:
        if item.left > first and second:
            continue
        found.append(items[first:second])
    while True:
        first = max(first, second - 1)
        break
    return fold(found, first)
"""


def changes(tmp_path: Path, text: str, line: int) -> list[str]:
    """What the search would put in the place of ``line``, or around it, the likeliest first."""
    (tmp_path / "a.py").write_text(text, newline="")
    source = Source.read(tmp_path, "a.py")
    found = Localisation((Suspect("a.py", line, 1.0),), {"a.py": source})
    return ["\n".join(one.new).strip() for one in Mutations(found, set())]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (7, "if item.left >= first and second:"),
        (7, "if item.left > first or second:"),
        (7, "if item.left > first:"),
        (7, "if item.left > second and second:"),
        (7, "if not (item.left > first and second):"),
        (7, "if item.left > first and not second:"),
        (8, "break"),
        (9, "found.extend(items[first:second])"),
        (9, "found.append(items[first + 1:second])"),
        (9, "found.append(items[second:first])"),
        (9, "found.append(items[first:])"),
        (10, "while items:"),
        (11, "first = max(first, second)"),
        (11, "first = min(first, second - 1)"),
        (11, "first = max(first, second + 1)"),
        (11, "second = max(first, second - 1)"),
        (13, "return fold(first, found)"),
        (13, "return found"),
        (13, "return list(fold(found, first))"),
        (13, "return not fold(found, first)"),
    ],
)
def test_the_usual_slips_are_undone(tmp_path: Path, line: int, wanted: str) -> None:
    assert wanted in changes(tmp_path, FUNCTION, line)


LOST = """\
def size(items, key, limit):
    if items == 1:
        pass
    key = items(items)
    other = hash(items) ^ limit
    if items:
        return update(items)
    key
    return other

def update(items):
    return items
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (2, "if len(items) == 1:"),
        (3, "return update(items)"),
        (3, "key = items(items)"),
        (4, "key = limit(items)"),
        (5, "other = hash(items) ^ hash(limit)"),
        (6, "if items and items == 1:"),
        (8, "update(key)"),
    ],
)
def test_what_was_lost_is_looked_for_in_the_function_itself(tmp_path: Path, line: int, wanted: str) -> None:
    assert wanted in changes(tmp_path, LOST, line)


def test_a_name_that_nothing_reads_comes_before_the_others(tmp_path: Path) -> None:
    text = "def put(items, key, first, factory):\n    return build(items, key, key, first)\n"
    found = changes(tmp_path, text, 2)
    unread = found.index("return build(items, key, factory, first)")
    assert unread < found.index("return build(items, key, first, first)")


def test_any_two_likely_changes_of_one_function_are_tried_together(tmp_path: Path) -> None:
    text = "def f(a, b):\n    if a < b:\n        return a\n    return b\n\n\ndef g(a):\n    return a\n"
    (tmp_path / "a.py").write_text(text)
    source = Source.read(tmp_path, "a.py")
    found = Localisation(tuple(Suspect("a.py", line, 1.0) for line in (2, 3, 4, 8)), {"a.py": source})
    seen: set[str] = set()
    singles = list(Mutations(found, seen))
    both = list(crossed(singles, found, seen))
    wanted = text.replace("a < b", "a <= b").replace("        return a\n", "        return b\n")
    assert wanted in {one.text for one in both}
    assert len(both) == len({one.text for one in both})
    assert all(not (one.hole.first <= 4 and one.hole.last >= 8) for one in both), "within one function"
    costs = [one.cost for one in both]
    assert sum(costs[:20]) < sum(costs[-20:]), "likely pairs come first"


def test_statements_are_left_out_moved_and_repeated(tmp_path: Path) -> None:
    text = "def f(xs):\n    n = 0\n    for x in xs:\n        n += x\n    n -= 1\n    return n\n"
    around = changes(tmp_path, text, 4)
    assert "n = x" in around
    assert "n += x\n    n -= 1" not in around
    inside = changes(tmp_path, text, 5)
    assert "" in inside, "the statement may be one too many"
    assert "n -= 1" in inside, "it may belong into the loop"
    assert "n += x" in changes(tmp_path, text, 5)


def test_no_change_is_proposed_twice_and_each_one_parses(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(FUNCTION)
    source = Source.read(tmp_path, "a.py")
    suspects = tuple(Suspect("a.py", line, 1 - line / 100) for line in range(5, 14))
    texts = [one.text for one in Mutations(Localisation(suspects, {"a.py": source}), set())]
    meanings = {ast.dump(ast.parse(text)) for text in texts}
    assert len(meanings) == len(texts) > 300
    assert ast.dump(source.tree) in meanings or FUNCTION not in texts


def test_only_the_changed_characters_differ(tmp_path: Path) -> None:
    text = 'def f(a, b):\r\n\tname = "größe"; x = a <  b  # why\r\n\treturn x\r\n'
    (tmp_path / "a.py").write_bytes(text.encode())
    source = Source.read(tmp_path, "a.py")
    found = Localisation((Suspect("a.py", 2, 1.0),), {"a.py": source})
    assert text.replace("a <  b", "a <=  b") in {one.text for one in Mutations(found, set())}


def test_likely_and_suspicious_changes_come_first(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(FUNCTION)
    source = Source.read(tmp_path, "a.py")
    suspects = (Suspect("a.py", 11, 1.0), Suspect("a.py", 7, 0.2))
    order = list(Mutations(Localisation(suspects, {"a.py": source}), set()))
    assert order[0].hole == Hole(11, 11)
    assert [one.cost for one in order] == sorted(one.cost for one in order)


def test_what_the_model_would_write_comes_before_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(FUNCTION)
    source = Source.read(tmp_path, "a.py")
    found = Localisation((Suspect("a.py", 11, 1.0),), {"a.py": source})
    mutations = Mutations(found, set())
    next(mutations)
    line = FUNCTION.splitlines()[10]
    weighed = {token.start(): {token.group(): -0.1} for token in re.finditer(r" *(\w+|[^\w ])", line)}
    weighed[line.index(" - 1")] = {" %": -0.2, " -": -3.0, " +": -8.0}
    mutations.prefer("a.py", 11, weighed)
    assert next(mutations).new == ("        first = max(first, second % 1)",)


def test_changes_of_different_lines_are_combined_and_of_the_same_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(a):\n    b = a + 1\n    c = b * 2\n    return c\n")
    source = Source.read(tmp_path, "a.py")

    def change(line: int, new: str) -> Candidate:
        text = source.replaced(line, line, [new])
        hole, lines = changed_lines(source, text)
        return Candidate("a.py", text, hole, lines, 0, "", -0.5)

    one, other, again = change(2, "    b = a - 1"), change(4, "    return -c"), change(2, "    b = a")
    both = combined(other, one, source)
    assert both is not None
    assert both.text == "def f(a):\n    b = a - 1\n    c = b * 2\n    return -c\n"
    assert both.hole == Hole(2, 4)
    assert combined(one, again, source) is None
    found = Localisation((Suspect("a.py", 2, 1.0),), {"a.py": source})
    assert len(list(pairs([one, again], [other], found, set()))) == 2


@pytest.mark.anyio
async def test_the_judge_never_waits_for_a_model_that_is_slow(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(FUNCTION)
    source = Source.read(tmp_path, "a.py")
    queue: asyncio.Queue[Candidate | None] = asyncio.Queue()
    sources = Sources(Localisation((Suspect("a.py", 11, 1.0),), {"a.py": source}), queue)
    first = await sources.take(60)
    assert first is not None
    own = Candidate("a.py", FUNCTION + "\n", Hole(14, 13), ("",), 0, "", -0.1)
    queue.put_nowait(own)
    assert own in [await sources.take(60), await sources.take(60)]
    queue.put_nowait(None)
    left = 0
    while await sources.take(60):
        left += 1
    assert left > 20
    assert sources.over


def test_a_constant_in_the_place_of_a_constant_is_no_special_case() -> None:
    failure = TracedFailure("AssertionError", "", (), "grade(91)", "'good'")
    old = "def grade(n):\n    return 'god' if n > 90 else 'bad'\n"
    assert special_case(old, old.replace("'god'", "'good'"), [failure]) == ""
    assert special_case(old, old.replace("n > 90", "n == 91"), [failure]) in ("", "91")
    cheat = "def grade(n):\n    if n == 91:\n        return 'good'\n    return 'bad'\n"
    assert special_case(old, cheat, [failure])


def test_the_patch_that_the_model_finds_likely_wins_over_a_smaller_odd_one() -> None:
    old = {"a.py": "def f(a):\n    return a\n"}
    odd = Candidate("a.py", "", Hole(2, 2), ("    return a + 0",), 1, "", None, 1.0, gain=-9.0)
    likely = Candidate("a.py", "", Hole(2, 2), ("    return sorted(a)[::-1]",), 0, "", -0.1, gain=4.0)
    assert best_first([odd, likely], old, []) == [likely, odd]


def test_a_change_that_only_takes_away_is_behind_what_the_model_proposes() -> None:
    """A shorter line is nearly always the likelier one, and what does less passes many a test."""
    old = {"a.py": "def f(a):\n    return any(g(b) for b in a)\n"}
    less = Candidate("a.py", "", Hole(2, 2), ("    return any(b for b in a)",), 1, "", None, 2.0, gain=9.0)
    more = Candidate("a.py", "", Hole(2, 1), ("    seen.add(a)",), 0, "", -0.1)
    assert takes_away(old["a.py"], less)
    assert not takes_away(old["a.py"], more)
    assert best_first([less, more], old, []) == [more, less]


def test_a_patch_that_the_model_finds_unlikely_is_told_as_doubtful(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(a):\n    return a\n")
    found = Localisation((), {"a.py": Source.read(tmp_path, "a.py")})
    odd = Candidate("a.py", "def f(a):\n    return -a\n", Hole(2, 2), ("    return -a",), 1, "", gain=-6.0)
    assert "may still be wrong" in warning_of(odd, found, ())
    assert not warning_of(replace(odd, gain=1.5), found, ())
    assert not warning_of(replace(odd, gain=None), found, ())


def test_two_patches_between_which_the_tests_do_not_decide_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(x):\n    return x + 1\n")
    source = Source.read(tmp_path, "a.py")
    found = Localisation((Suspect("a.py", 2, 1.0),), {"a.py": source})

    def patch(line: str, behaviour: str, gain: float) -> Candidate:
        text = source.replaced(2, 2, [f"    {line}"])
        hole, new = changed_lines(source, text)
        return Candidate("a.py", text, hole, new, 0, "", gain=gain, behaviour=behaviour)

    chosen, alike = patch("return x - 1", "one", 4.0), patch("return -1 + x", "one", 4.0)
    other, unlikely = patch("return x * 1", "two", 3.0), patch("return x / 1", "two", -9.0)
    assert warning_of(chosen, found, (), [chosen, alike, unlikely]) == ""
    assert "`return x * 1`" in warning_of(chosen, found, (), [chosen, alike, other, unlikely])


def test_tests_that_still_fail_are_told_of() -> None:
    assert others_left(["test_a.py::test_b"]).startswith("test_a.py::test_b still fails")
    assert "2 other tests, such as one, still fail" in others_left(["one", "two"])


@pytest.mark.anyio
async def test_while_the_judge_rests_the_models_proposal_comes_first(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(FUNCTION)
    source = Source.read(tmp_path, "a.py")
    queue: asyncio.Queue[Candidate | None] = asyncio.Queue()
    sources = Sources(Localisation((Suspect("a.py", 11, 1.0),), {"a.py": source}), queue)
    own = Candidate("a.py", FUNCTION + "\n", Hole(14, 13), ("",), 0, "", -0.1)
    waiting = asyncio.create_task(sources.take(60, rest_s=60))
    await asyncio.sleep(0)
    queue.put_nowait(own)
    assert await waiting is own
    other = await sources.take(60, rest_s=0.01)
    assert other is not None, "a rest ends"
    assert other.logprob is None
