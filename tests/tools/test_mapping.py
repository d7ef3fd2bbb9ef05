from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from kcode.codemap import asking, store
from kcode.codemap.service import CodeMap
from kcode.tools import mapping
from kcode.tools.base import ToolOutcome, ToolRefused
from kcode.workspace.errors import KeptOut
from tests.tools.conftest import Bench

Ask = Callable[..., ToolOutcome]
FILES = {
    "shop/cart.py": "class Cart:\n    def total(self, tax):\n        return add_tax(1, tax)\n\n\nRATE = 2\n",
    "shop/tax.py": "def add_tax(price, rate):\n    return price * rate\n",
    "web/view.ts": "import {Cart} from './cart';\nexport function show(c: Cart): void { c.total(1); }\n",
    "notes.txt": "Cart is nothing here\n",
}


@pytest.fixture
def ask(bench: Bench) -> Ask:
    for name, text in FILES.items():
        bench.write(name, text)

    def call(name: str, /, **arguments: Any) -> ToolOutcome:
        bench.context.map = CodeMap(bench.root)
        return asyncio.run(bench.call(name, **arguments))

    return call


def test_a_definition_is_found_with_its_signature(ask: Ask) -> None:
    assert ask("find_symbol", name="add_tax").text == "shop/tax.py:1: def add_tax(price, rate)"
    assert "shop/cart.py:2: def total(self, tax)" in ask("find_symbol", name="Cart.total").text
    near = ask("find_symbol", name="addtax")
    assert "no definition of 'addtax'" in near.text
    assert ask("find_symbol", name="ADD_TAX").brief == "only similar names"


def test_uses_are_lines_with_the_definition_marked(ask: Ask) -> None:
    found = ask("references", name="Cart")
    assert "shop/cart.py:1: [definition] class Cart:" in found.text
    assert "web/view.ts:2:" in found.text
    assert "notes.txt" not in found.text
    assert ask("references", name="Cart", max_results=1).text.endswith("[the first 1 of 3]")


def test_of_many_files_that_use_a_name_not_all_are_read(
    ask: Ask, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "COUNTED_FILES", 2)
    for number in range(9):
        (bench.root / f"shop/use{number}.py").write_text("from shop.tax import add_tax\nadd_tax(1, 2)\n")
    found = ask("references", name="add_tax", max_results=2)
    assert len(found.payload) == 2
    assert re.search(r"\[the first 2 of more than \d: [5-9] more files may use it\]$", found.text)
    assert found.brief.startswith("more than ")
    every = ask("references", name="add_tax", max_results=500)
    assert sum(use.path.startswith("shop/use") for use in every.payload) == 18
    assert "first" not in every.text


def test_an_outline_is_of_the_file_as_it_is_now(ask: Ask, bench: Bench) -> None:
    assert ask("outline", path="shop/cart.py").text.splitlines() == [
        "1-3: class Cart",
        "  2-3: def total(self, tax)",
        "6: RATE = 2",
    ]
    (bench.root / "shop/cart.py").write_text("def new(): pass\n")
    assert ask("outline", path="shop/cart.py").text == "1: def new()"
    with pytest.raises(ToolRefused, match="no outline for files like"):
        ask("outline", path="notes.txt")


def test_the_map_shows_what_is_used_and_stays_within_its_budget(ask: Ask) -> None:
    text = ask("map").text
    assert "shop/tax.py:\n  1: def add_tax(price, rate)\n" in text
    near = ask("map", focus="shop/tax.py", budget=100).text
    assert near.startswith("shop/")
    assert len(near) <= 400


def test_what_changes_on_disk_is_known_at_the_next_question(ask: Ask, bench: Bench) -> None:
    assert "class Cart" in ask("find_symbol", name="Cart").text
    (bench.root / "shop/cart.py").unlink()
    (bench.root / "shop/basket.py").write_text("\n\nclass Cart: pass\n")
    assert ask("find_symbol", name="Cart").text == "shop/basket.py:3: class Cart"


def test_what_is_kept_from_models_is_in_no_answer(ask: Ask, bench: Bench) -> None:
    (bench.root / ".env.py").write_text("from shop.tax import add_tax\nTOKEN_OF_MINE = add_tax(1, 2)\n")
    (bench.root / "kept").mkdir()
    (bench.root / "kept/own.py").write_text("from shop.tax import add_tax\n\n\ndef own(): add_tax(3, 4)\n")
    (bench.root / ".kcodeignore").write_text("kept/\n")
    said = [
        ask("find_symbol", name="TOKEN_OF_MINE"),
        ask("find_symbol", name="own"),
        ask("references", name="add_tax"),
        ask("map"),
        ask("map", focus="kept/own.py .env.py own TOKEN_OF_MINE"),
    ]
    assert "shop/cart.py" in said[2].text
    for each in said:
        assert not any(word in each.text for word in (".env.py", "TOKEN_OF_MINE =", "kept/", "def own"))
        assert not any(word in str(each.payload) for word in (".env.py", "kept/"))
    with pytest.raises(KeptOut, match=r"kept out by \.kcodeignore:1"):
        ask("outline", path="kept/own.py")


def test_a_question_is_answered_while_the_index_is_made_and_says_how_far_it_is(
    ask: Ask, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "class Cart" in ask("find_symbol", name="Cart").text
    monkeypatch.setattr(mapping, "WAIT_S", 0.0)
    known = ask("find_symbol", name="Cart").text
    assert known.startswith("shop/cart.py:1: class Cart")
    assert "what changed a moment ago may be missing" in known
    store.forget(store.index_path(bench.root))
    nothing = ask("map").text
    assert "there is no map yet" in nothing
    assert "the index is being" in nothing
    index = store.open_for_writing(store.index_path(bench.root))
    with store.transaction(index):
        store.put_fact(index, "present", "1234")
    index.close()
    assert "0 of 1,234 files are in it: ask again for the rest" in ask("find_symbol", name="Cart").text
