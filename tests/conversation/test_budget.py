from __future__ import annotations

import json

import pytest

from kcode.conversation.budget import Budget
from kcode.conversation.projection import Projection


def spelled(text: str) -> bytes:
    return json.dumps({"role": "user", "content": text}, ensure_ascii=False).encode()


def test_after_a_report_only_the_new_tail_is_estimated() -> None:
    budget = Budget(window=10_000)
    first = Projection(b"", (spelled("hello " * 200),))
    budget.calibrate(first, 260)
    assert budget.estimate(first) == 260
    grown = Projection(b"", (*first.messages, spelled("hello " * 200)))
    assert budget.estimate(grown) == pytest.approx(520, rel=0.02)


def test_room_for_output_shrinks_with_the_prompt_and_keeps_a_margin() -> None:
    budget = Budget(window=2_000)
    small = Projection(b"", (spelled("hi"),))
    assert budget.room_for_output(small, 500) == 500
    budget.calibrate(small, 1_700)
    assert budget.room_for_output(small, 500) == 2_000 - 1_700 - 256


def test_chinese_counts_more_tokens_a_character_than_english() -> None:
    chinese = Budget(1).estimate(Projection(b"", (spelled("修复测试" * 100),)))
    english = Budget(1).estimate(Projection(b"", (spelled("test" * 100),)))
    assert chinese > english * 1.5
