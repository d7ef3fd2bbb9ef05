"""Compare a repaired QuixBugs program with the correct one: ``CLONE NAME REPAIRED_FILE``.

Every case of the benchmark and random inputs that meet each program's stated precondition are run
through both. A case that the correct program itself does not finish in time is left out. Exit code 0
where they agree; else the difference is printed.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

RANDOM_CASES = 60
CASE_S = 10
Inputs = tuple[Any, ...]


class TookTooLong(BaseException):
    pass


def main() -> int:
    clone, name, repaired = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    right = _function(clone / "correct_python_programs" / f"{name}.py", name)
    ours = _function(repaired, name)
    signal.signal(signal.SIGALRM, _too_long)
    sys.setrecursionlimit(3000)
    compared = 0
    for inputs in [*_given(clone, name), *_random(clone, name)]:
        expected = _run(right, name, copy.deepcopy(inputs))
        if expected[0] == "too long":
            continue
        found = _run(ours, name, copy.deepcopy(inputs))
        compared += 1
        if not _agree(name, inputs, expected, found):
            print(f"differs on {str(inputs)[:50]}: {str(found[1])[:30]} for {str(expected[1])[:30]}")
            return 1
    if not compared:
        print("nothing to compare")
    return 0 if compared else 1


def _function(path: Path, name: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TookTooLong


def _run(function: Callable[..., Any], name: str, inputs: Inputs) -> tuple[str, Any]:
    signal.alarm(CASE_S)
    try:
        return "value", _plain(name, function(*inputs))
    except TookTooLong:
        return "too long", None
    except Exception as error:
        return "error", type(error).__name__
    finally:
        signal.alarm(0)


def _plain(name: str, value: Any) -> Any:
    """A value that can be compared: generators run out, lists of nodes become their values."""
    if name == "reverse_linked_list":
        found = []
        while value is not None and len(found) < 1000:
            found.append(value.value)
            value = value.successor
        return found
    if name == "topological_ordering":
        return [node.value for node in value]
    if name == "minimum_spanning_tree":
        return sorted(value)
    if name in ("shortest_path_lengths", "shortest_paths"):
        return dict(value)
    if isinstance(value, Iterator):
        value = list(value)
    return (
        [list(one) if isinstance(one, tuple) else one for one in value] if isinstance(value, list) else value
    )


def _agree(name: str, inputs: Inputs, expected: tuple[str, Any], found: tuple[str, Any]) -> bool:
    if expected[0] == "error":
        return True  # outside of what the program is for
    if found[0] != "value":
        return False
    if name == "sqrt":
        return bool(abs(expected[1] - found[1]) <= 2 * inputs[1])
    if name == "topological_ordering":
        return _is_topological(inputs[0], found[1])
    if name == "longest_common_subsequence":  # any of several of the same length is right
        text = found[1]
        return len(text) == len(expected[1]) and all(_is_subsequence(text, one) for one in inputs)
    if name in ("powerset", "get_factors"):
        return sorted(map(str, expected[1])) == sorted(map(str, found[1]))
    return bool(expected[1] == found[1])


def _is_subsequence(text: str, of: str) -> bool:
    rest = iter(of)
    return all(letter in rest for letter in text)


def _is_topological(nodes: list[Any], order: list[Any]) -> bool:
    place = {value: index for index, value in enumerate(order)}
    return sorted(place) == sorted(node.value for node in nodes) and all(
        place[node.value] < place[after.value] for node in nodes for after in node.outgoing_nodes
    )


# --- inputs ---------------------------------------------------------------------------------


def _given(clone: Path, name: str) -> list[Inputs]:
    path = clone / "json_testcases" / f"{name}.json"
    if not path.exists():
        return []
    return [tuple(json.loads(line)[0]) for line in path.read_text().splitlines()]


def _random(clone: Path, name: str) -> list[Inputs]:
    chance = random.Random(f"confirm {name}")
    if name in _GRAPHS:
        node = _function(clone / "python_testcases" / "node.py", "Node")
        return [_GRAPHS[name](chance, node) for _ in range(RANDOM_CASES)]
    make = _INPUTS[name]
    return [make(chance) for _ in range(RANDOM_CASES)]


def _numbers(chance: random.Random, least: int = 0, most: int = 8, top: int = 20) -> list[int]:
    return [chance.randint(0, top) for _ in range(chance.randint(least, most))]


def _distinct(chance: random.Random, least: int, most: int) -> list[int]:
    return chance.sample(range(1, 30), chance.randint(least, most))


def _word(chance: random.Random, most: int = 7, letters: str = "abcd") -> str:
    return "".join(chance.choice(letters) for _ in range(chance.randint(0, most)))


def _nested(chance: random.Random, depth: int = 3) -> list[Any]:
    return [
        _nested(chance, depth - 1) if depth and chance.random() < 0.4 else chance.randint(0, 9)
        for _ in range(chance.randint(0, 4))
    ]


def _ascending_but_last(chance: random.Random) -> list[int]:
    numbers = _distinct(chance, 2, 6)
    return numbers if numbers != sorted(numbers, reverse=True) else sorted(numbers)


def _nearly_sorted(chance: random.Random) -> Inputs:
    k = chance.randint(1, 4)
    numbers = sorted(_distinct(chance, k, 8))
    blocks = [numbers[i : i + k + 1] for i in range(0, len(numbers), k + 1)]
    return [n for block in blocks for n in chance.sample(block, len(block))], k


def _expression(chance: random.Random) -> list[Any]:
    tokens: list[Any] = [chance.randint(1, 9)]
    for _ in range(chance.randint(0, 5)):
        tokens += [chance.choice("+-*/"), chance.randint(1, 9)]
    return tokens


def _postfix(chance: random.Random, depth: int = 3) -> list[Any]:
    if not depth or chance.random() < 0.3:
        return [float(chance.randint(1, 9))]
    return [*_postfix(chance, depth - 1), *_postfix(chance, depth - 1), chance.choice("+-*/")]


def _digits(chance: random.Random) -> list[int]:
    if chance.random() < 0.2:
        return [9] * chance.randint(1, 5)
    digits = [chance.randint(1, 9), *(chance.choice([0, 5, 9]) for _ in range(chance.randint(0, 4)))]
    half = digits[: (len(digits) + 1) // 2]
    return half + half[::-1][len(digits) % 2 :]


def _bounded(chance: random.Random) -> Inputs:
    k = chance.randint(1, 9)
    return [chance.randrange(k) for _ in range(chance.randint(0, 9))], k


def _text(chance: random.Random) -> Inputs:
    words = [_word(chance, 8) or "a" for _ in range(chance.randint(1, 12))]
    return " ".join(words), chance.randint(10, 24)  # narrower than a word, the correct one never ends


_INPUTS: dict[str, Callable[[random.Random], Inputs]] = {
    "bitcount": lambda c: (c.randint(0, 5000),),
    "bucketsort": _bounded,
    "find_first_in_sorted": lambda c: (sorted(_numbers(c, top=9)), c.randint(0, 10)),
    "find_in_sorted": lambda c: (sorted(_distinct(c, 0, 9)), c.randint(0, 31)),
    "flatten": lambda c: (_nested(c),),
    "gcd": lambda c: (c.randint(0, 300), c.randint(0, 300)),
    "get_factors": lambda c: (c.randint(1, 600),),
    "hanoi": lambda c: (c.randint(0, 6), *c.sample([1, 2, 3], 2)),
    "is_valid_parenthesization": lambda c: (_word(c, 9, "()"),),
    "kheapsort": _nearly_sorted,
    "knapsack": lambda c: (
        c.randint(1, 40),
        [[c.randint(1, 15), c.randint(1, 30)] for _ in range(c.randint(1, 6))],
    ),
    "kth": lambda c: (lambda a: (a, c.randrange(len(a))))(_numbers(c, 1, 9)),
    "lcs_length": lambda c: (_word(c), _word(c)),
    "levenshtein": lambda c: (_word(c, 5), _word(c, 5)),
    "lis": lambda c: (_distinct(c, 0, 9),),
    "longest_common_subsequence": lambda c: (_word(c), _word(c)),
    "max_sublist_sum": lambda c: ([c.randint(-9, 9) for _ in range(c.randint(0, 9))],),
    "mergesort": lambda c: (_numbers(c),),
    "next_palindrome": lambda c: (_digits(c),),
    "next_permutation": lambda c: (_ascending_but_last(c),),
    "pascal": lambda c: (c.randint(1, 9),),
    "possible_change": lambda c: (sorted(_distinct(c, 1, 4)), c.randint(0, 40)),
    "powerset": lambda c: (_distinct(c, 0, 6),),
    "quicksort": lambda c: (_numbers(c),),
    "rpn_eval": lambda c: (_postfix(c),),
    "shunting_yard": lambda c: (_expression(c),),
    "sieve": lambda c: (c.randint(0, 120),),
    "sqrt": lambda c: (c.randint(1, 200), c.choice([0.5, 0.1, 0.01])),
    "subsequences": lambda c: (lambda a, n: (a, a + n, c.randint(0, n)))(c.randint(0, 5), c.randint(0, 5)),
    "to_base": lambda c: (c.randint(1, 5000), c.randint(2, 36)),
    "wrap": _text,
}


def _graph(chance: random.Random, node: Any) -> list[Any]:
    nodes = [node(str(n), None, [], [], [], []) for n in range(chance.randint(2, 7))]
    for one in nodes:
        one.successors = [other for other in nodes if other is not one and chance.random() < 0.3]
    return nodes


def _search(chance: random.Random, node: Any) -> Inputs:
    nodes = _graph(chance, node)
    return chance.choice(nodes), chance.choice(nodes)


def _chain(chance: random.Random, node: Any) -> list[Any]:
    nodes = [node(n) for n in range(chance.randint(1, 8))]
    for one, after in pairwise(nodes):
        one.successor = after
    return nodes


def _maybe_cyclic(chance: random.Random, node: Any) -> Inputs:
    nodes = _chain(chance, node)
    if chance.random() < 0.5:
        nodes[-1].successor = chance.choice(nodes)
    return (nodes[0],)


def _weights(chance: random.Random, pairs: list[Any]) -> dict[Any, int]:
    return dict(zip(pairs, chance.sample(range(1, 200), len(pairs)), strict=True))


def _undirected(chance: random.Random, node: Any) -> Inputs:
    n = chance.randint(2, 6)
    tree = [(chance.randrange(i), i) for i in range(1, n)]
    more = [(i, j) for i in range(n) for j in range(i + 1, n) if chance.random() < 0.4]
    return (_weights(chance, sorted({*tree, *more})),)


def _one_way(chance: random.Random, node: Any) -> Inputs:
    nodes = _graph(chance, node)
    pairs = [(one, other) for one in nodes for other in one.successors]
    return _weights(chance, pairs), nodes[0], chance.choice(nodes[1:])


def _all_pairs(chance: random.Random, node: Any) -> Inputs:
    n = chance.randint(1, 5)
    return n, _weights(
        chance, [(i, j) for i in range(n) for j in range(n) if i != j and chance.random() < 0.5]
    )


def _from_source(chance: random.Random, node: Any) -> Inputs:
    n = chance.randint(2, 6)
    pairs = [(str(i), str(j)) for i in range(n) for j in range(n) if i != j and chance.random() < 0.5]
    return "0", _weights(chance, [*pairs, ("0", "1")] if ("0", "1") not in pairs else pairs)


def _acyclic(chance: random.Random, node: Any) -> Inputs:
    nodes = [node(n, None, [], [], [], []) for n in range(chance.randint(1, 7))]
    for i, one in enumerate(nodes):
        for after in nodes[i + 1 :]:
            if chance.random() < 0.4:
                one.outgoing_nodes.append(after)
                after.incoming_nodes.append(one)
    return (chance.sample(nodes, len(nodes)),)


_GRAPHS: dict[str, Callable[[random.Random, Any], Inputs]] = {
    "breadth_first_search": _search,
    "depth_first_search": _search,
    "detect_cycle": _maybe_cyclic,
    "minimum_spanning_tree": _undirected,
    "reverse_linked_list": lambda c, node: (_chain(c, node)[0],),
    "shortest_path_length": _one_way,
    "shortest_path_lengths": _all_pairs,
    "shortest_paths": _from_source,
    "topological_ordering": _acyclic,
}


if __name__ == "__main__":
    sys.exit(main())
