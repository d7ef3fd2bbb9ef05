"""``/fix`` in the session: the arguments of ``kcode fix``, the patch, the yes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
TESTS = (
    "const test = require('node:test');\nconst assert = require('node:assert');\n"
    "const { total } = require('./shop.js');\n"
    "test('adds prices', () => { assert.strictEqual(total([11, 26]), 37); });\n"
)


def test_fix_in_the_session_takes_a_command_and_applies_after_a_yes(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo / "package.json").write_text('{"name": "shop", "scripts": {"test": "node --test"}}\n')
    shop = repo / "shop.js"
    shop.write_text("exports.total = (prices) => prices.reduce((sum, price) => sum - price, 0);\n")
    (repo / "shop.test.js").write_text(TESTS)
    edit = {"old_text": "sum - price", "new_text": "sum + price"}
    sim = k2sim(
        [use(call("edit_file", path="shop.js", edits=[edit])), say("The sign was wrong. It is not now.")]
    )
    person = sit(sim, columns=100, rows=40)
    person.see(r"ask mode · kimi")
    person.type("/fix --colour\r")
    person.see("has no option --colour")
    person.type("/fix -- node --test\r")
    person.see(r"Apply this patch\?")
    assert "sum - price" in shop.read_text()
    person.type("y")
    person.see("applied to shop.js")
    assert "sum + price" in shop.read_text()
