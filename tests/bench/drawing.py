"""What it costs to draw an answer that comes at 2,000 tokens a second: ``python -m tests.bench.drawing``.

For each kind of text: CPU milliseconds per 1,000 tokens (four characters each) of the live renderer and of a
bare write, and the share of one core at that speed. ``--limit 0.33`` makes it fail above a third of a core.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable

from kcode.agent.events import AnswerText, RequestStarted, TurnStarted
from kcode.ui.look.terminal import Look
from kcode.ui.output.render import FRAME_S, LiveRenderer

TOKEN = 4  # characters
SPEED = 2_000  # tokens a second
SIZE = (100, 40)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=8_000)
    parser.add_argument("--limit", type=float, default=0.0)
    chosen = parser.parse_args()
    _play("warm `up`\n\n```python\nx = 1\n```\n\n| a |\n|---|\n| 1 |\n")
    worst = 0.0
    print(f"{'kind':16} {'live':>10} {'bare write':>11} {'of a core':>10}   (CPU ms per 1,000 tokens)")
    for name, make in KINDS.items():
        text = make(chosen.tokens * TOKEN)[: chosen.tokens * TOKEN]
        live, bare = _play(text), _write(text)
        share = live * SPEED / 1_000
        worst = max(worst, share)
        print(f"{name:16} {live * 1000:10.1f} {bare * 1000:11.2f} {share:10.0%}")
    return int(bool(chosen.limit) and worst > chosen.limit)


def _play(text: str) -> float:
    """CPU seconds per 1,000 tokens of the renderer, frames and events as they would come."""
    now = 0.0
    renderer = LiveRenderer(_Terminal(), Look(plain=False), size=lambda: SIZE, clock=lambda: now)
    began = time.process_time()
    renderer.handle(TurnStarted("go"))
    renderer.handle(RequestStarted(1, 100))
    frame = 0.0
    for at in range(0, len(text), TOKEN):
        renderer.handle(AnswerText(text[at : at + TOKEN]))
        now += 1 / SPEED
        if now - frame >= FRAME_S:
            frame = now
            renderer.paint()
    renderer.close()
    return (time.process_time() - began) / (len(text) / TOKEN) * 1_000


def _write(text: str) -> float:
    terminal = _Terminal()
    began = time.process_time()
    for at in range(0, len(text), TOKEN):
        terminal.write(text[at : at + TOKEN])
        terminal.flush()
    return (time.process_time() - began) / (len(text) / TOKEN) * 1_000


def _repeat(unit: Callable[[int], str]) -> Callable[[int], str]:
    def make(size: int) -> str:
        parts, length = [], 0
        while length < size:
            parts.append(unit(len(parts)))
            length += len(parts[-1])
        return "".join(parts)

    return make


def _table(size: int) -> str:
    head = "| name | what it does | since | 说明 |\n|---|---|---|---|\n"
    return head + _repeat(lambda n: f"| `row_{n}` | keeps the **count** of rows | {n} | 第{n}行 |\n")(size)


KINDS: dict[str, Callable[[int], str]] = {
    "paragraphs": _repeat(lambda n: f"Paragraph {n} says **something** of `code` and words. " * 8 + "\n\n"),
    "one paragraph": _repeat(lambda n: f"Sentence {n} says **something** of `code` and more words. "),
    "code": lambda size: (
        "```python\n" + _repeat(lambda n: f"    value_{n} = compute({n}, 'text')  # why\n")(size)
    ),
    "code, one line": lambda size: "```json\n" + _repeat(lambda n: f'{{"key_{n}": [{n}, "text"]}}, ')(size),
    "table": _table,
    "list": _repeat(lambda n: f"{n + 1}. item with `code` and **bold** words number {n}\n"),
    "nested list": lambda size: (
        "- all of them\n" + _repeat(lambda n: f"  - item {n} with `code`\n    - and one below it\n")(size)
    ),
    "CJK": _repeat(lambda n: f"第{n}段：终端里的中文需要正确的宽度，**粗体**和`代码`也一样。" * 5 + "\n\n"),
}


if __name__ == "__main__":
    raise SystemExit(main())
