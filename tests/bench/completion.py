"""How long a key's completion takes in a large repository: ``python -m tests.bench.completion``.

Paths are made from a seed. For each query, typed a letter at a time, the milliseconds of its slowest key,
beside a plain subsequence filter of all paths by a regular expression, which ranks nothing.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import tracemalloc
from collections.abc import Callable

from kcode.ui.completing.fuzzy import Haystack

MENU = 50
_WORDS = (  # noqa: SIM905
    "core util api server client model view index parse render file cache session prompt test config provider"
    " stream token user order data build graph node tree edge list http auth login page widget button form"
    " table query store sync async worker queue event loop handler router schema 订单 测试"
).split()
_QUERIES = (
    "session", "sesprom", "cmp", "ess", "ion", "SessionPrompt", "core/test", "corepromptpy", "README", "zzzz",
    "e", "订单", "apisrvtok.py", "indx.ts", "test_user_login.py",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = made_up_paths(options.files, seed=5)
    Haystack(paths[:10]).search("warm", MENU)  # imports are not a key's
    tracemalloc.start()
    took, haystack = timed(lambda: Haystack(paths))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"{len(haystack):,} paths, {size / 1e6:.0f} MB beside them; made ready (traced) in {took:.0f} ms")
    worst = 0.0
    for query in _QUERIES:
        keys = [query[: length + 1] for length in range(len(query))]
        ours = [fastest(lambda k=key: haystack.search(k, MENU), options.rounds) for key in keys]
        plain = [fastest(lambda k=key: plainly(paths, k), options.rounds) for key in keys]
        worst = max(worst, *ours)
        slowest = max(range(len(keys)), key=ours.__getitem__)
        print(
            f"{query:20} slowest {ours[slowest]:5.1f} ms at {keys[slowest]!r:16} all keys {sum(ours):6.1f} ms"
            f"  plain filter {sum(plain):6.1f} ms  ratio {sum(ours) / sum(plain):.2f}"
        )
    print(f"slowest key: {worst:.1f} ms")
    return 0


def made_up_paths(count: int, seed: int) -> list[str]:
    """``count`` different paths as projects have them, the same for the same seed."""
    chance = random.Random(seed)
    paths: dict[str, None] = {"README.md": None}
    while len(paths) < count:
        folders = [chance.choice(_WORDS) + _number(chance, 0.4) for _ in range(chance.randint(1, 6))]
        paths["/".join([*folders, _name(chance)])] = None
    return list(paths)


def _name(chance: random.Random) -> str:
    words = [chance.choice(_WORDS) for _ in range(chance.randint(1, 3))]
    spelled = chance.choice(("_".join(words), "".join(word.title() for word in words), "-".join(words)))
    return spelled + _number(chance, 0.3) + chance.choice((".py", ".ts", ".java", ".go", ".md", ".tsx", ".c"))


def _number(chance: random.Random, how_often: float) -> str:
    return str(chance.randint(0, 99)) if chance.random() < how_often else ""


def plainly(paths: list[str], letters: str) -> int:
    """How many paths have the letters in order: what any fuzzy finder has to find out first."""
    match = re.compile("".join(f"[^{re.escape(c)}]*+{re.escape(c)}" for c in letters), re.IGNORECASE).match
    return sum(match(path) is not None for path in paths)


def fastest(work: Callable[[], object], rounds: int) -> float:
    return min(timed(work)[0] for _ in range(rounds))


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds of the processor's time, and what came of it."""
    started = time.process_time()
    result = work()
    return (time.process_time() - started) * 1000, result


if __name__ == "__main__":
    sys.exit(main())
