"""The embedded model's search in other languages than Python: what it sees, changes and proves."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.repair.languages.claims import failures_of, notes_of
from kcode.repair.languages.tree import Notes, TreeSource
from kcode.repair.pipeline import repair
from kcode.repair.result import RepairResult
from kcode.testrun.report import Frame, TestCase
from tests.repair.conftest import Project
from tests.repair.given import GivenLines

node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
go = pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")

CART_JS = """\
'use strict'
const TAX = 20

/**
 * The sum of all prices.
 */
function total (items, limit = 3) {
  let sum = 0
  for (const item of items) {
    if (item.price < 0 && limit) {
      throw new Error('negative')
    }
    sum += item.price - item.count // as it was
  }
  return sum
}

class Cart {
  size () {
    return this.items.length
  }
}

exports.first = function (items) {
  return items[0]
}
"""
CART_GO = """\
package cart

import "strings"

type Item struct{ Price, Count int }

// Total is the sum of all prices.
func Total(items []Item) int {
\tsum := 0
\tfor i := 0; i < len(items); i++ {
\t\tsum += items[i].Price - items[i].Count
\t}
\treturn sum
}

func (c *Item) Name(s string) (string, bool) {
\treturn strings.ToUpper(s[1:]), c != nil
}
"""


def source(tmp_path: Path, name: str, text: str) -> TreeSource:
    (tmp_path / name).write_text(text)
    loaded = TreeSource.load(tmp_path, name)
    assert loaded is not None
    return loaded


def lines_after(text: TreeSource, line: int) -> set[str]:
    """What ``line`` may become by a small change, spaces aside."""
    found = set()
    for one in text.small_changes(line):
        changed = text.text[: one.start] + one.text + text.text[one.end :]
        rows = changed.splitlines()
        found.add(" ".join(rows[line - 1].split()) if line <= len(rows) else "")
    return found


def test_functions_are_told_with_their_bodies_and_comments(tmp_path: Path) -> None:
    cart = source(tmp_path, "cart.js", CART_JS)
    total, size, first, whole = cart.scopes
    assert (total.name, total.first, total.body, total.last) == ("total", 7, 8, 16)
    assert "The sum of all prices." in total.docstring
    assert (size.name, size.owner) == ("Cart.size", "Cart")
    assert (first.name, first.first, first.last) == ("exports.first", 24, 26)
    assert whole.name == ""
    assert cart.inner_last(total) == 15  # the bracket stays


def test_go_methods_belong_to_their_receiver(tmp_path: Path) -> None:
    cart = source(tmp_path, "cart.go", CART_GO)
    assert [one.name for one in cart.scopes] == ["Total", "Item.Name", ""]
    assert cart.scopes[0].docstring == "// Total is the sum of all prices."


def test_comments_and_brackets_are_no_lines_to_change(tmp_path: Path) -> None:
    cart = source(tmp_path, "cart.js", CART_JS)
    assert [line for line in range(4, 17) if cart.changeable(line)] == [7, 8, 9, 10, 11, 13, 15]


@pytest.mark.parametrize(
    ("name", "text", "line", "wanted"),
    [
        ("a.js", CART_JS, 13, "sum += item.price + item.count // as it was"),
        ("a.js", CART_JS, 13, "sum += item.price * item.count // as it was"),
        ("a.js", CART_JS, 13, "sum -= item.price - item.count // as it was"),
        ("a.js", CART_JS, 13, "sum += item.count - item.price // as it was"),
        ("a.js", CART_JS, 10, "if (item.price <= 0 && limit) {"),
        ("a.js", CART_JS, 10, "if (item.price < 0 || limit) {"),
        ("a.js", CART_JS, 10, "if (!(item.price < 0 && limit)) {"),
        ("a.js", CART_JS, 10, "if (item.price < 0 && !limit) {"),
        ("a.js", CART_JS, 10, "if (item.price < 1 && limit) {"),
        ("a.js", CART_JS, 10, "if (item.count < 0 && limit) {"),
        ("a.js", CART_JS, 8, "let sum = 1"),
        ("a.js", CART_JS, 15, "return items"),
        ("a.js", CART_JS, 15, "return sum + 1"),
        ("a.js", CART_JS, 25, "return items[1]"),
        ("a.go", CART_GO, 10, "for i := 0; i <= len(items); i++ {"),
        ("a.go", CART_GO, 10, "for i := 1; i < len(items); i++ {"),
        ("a.go", CART_GO, 11, "sum += items[i].Price * items[i].Count"),
        ("a.go", CART_GO, 17, "return strings.ToLower(s[1:]), c != nil"),
        ("a.go", CART_GO, 17, "return strings.ToUpper(s[:]), c != nil"),
        ("a.go", CART_GO, 17, "return strings.ToUpper(s[1:]), c == nil"),
    ],
)
def test_small_changes_undo_usual_mistakes(
    tmp_path: Path, name: str, text: str, line: int, wanted: str
) -> None:
    assert wanted in lines_after(source(tmp_path, name, text), line)


def test_texts_that_mean_the_same_have_one_meaning(tmp_path: Path) -> None:
    cart = source(tmp_path, "cart.js", CART_JS)
    same = CART_JS.replace("- item.count // as it was", "-  item.count; // other words")
    other = CART_JS.replace("- item.count", "+ item.count")
    assert cart.meaning(CART_JS, 13) == cart.meaning(same, 13)
    assert cart.meaning(other, 13) not in (None, cart.meaning(CART_JS, 13))


@pytest.mark.parametrize("broken", ["item.price -", "(item.price"])
def test_what_does_not_parse_means_nothing(tmp_path: Path, broken: str) -> None:
    cart = source(tmp_path, "cart.js", CART_JS)
    assert cart.meaning(CART_JS.replace("item.price - item.count", broken), 13) is None
    assert cart.with_text(CART_JS.replace("item.price - item.count", broken)) is None


def test_offsets_count_characters_where_bytes_are_more(tmp_path: Path) -> None:
    greeting = source(tmp_path, "a.js", "function hi (名前) {\n  const é = 'größe'; return 名前 - 1\n}\n")
    assert "const é = 'größe'; return 名前 + 1" in lines_after(greeting, 2)


def test_the_prompt_shows_what_the_function_uses_and_what_the_test_claims(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "cart.test.js").write_text(
        "const { total } = require('../cart')\n"
        "test('adds', () => {\n  assert.strictEqual(total([{ price: 2, count: 3 }]), 6)\n})\n"
    )
    (tmp_path / "cart.js").write_text(CART_JS.replace("limit = 3", "limit = TAX"))
    case = TestCase(
        "test/cart.test.js::adds", "failed", message="-1 !== 6", frames=(Frame("test/cart.test.js", 3),)
    )
    failures = failures_of([case], tmp_path)
    assert (failures[0].call, failures[0].expected) == ("total([{ price: 2, count: 3 }])", "6")
    cart = TreeSource.load(tmp_path, "cart.js", notes_of([case], failures, tmp_path))
    assert cart is not None
    above = cart.above(cart.scopes[0], ())
    assert "const TAX = 20" in above
    assert "// test: total([{ price: 2, count: 3 }]) == 6" in above
    assert "The sum of all prices." in above


@pytest.mark.parametrize(
    ("line", "claim"),
    [
        ("  expect(total([1])).toEqual(7);", ("total([1])", "7")),
        ("  t.deepEqual(total([1]), 7);", ("total([1])", "7")),
        ("  assert.notStrictEqual(total([1]), 7);", ("", "")),
    ],
)
def test_claims_are_read_as_their_library_orders_them(
    tmp_path: Path, line: str, claim: tuple[str, str]
) -> None:
    (tmp_path / "a.test.js").write_text(f"test('x', () => {{\n{line}\n}})\n")
    case = TestCase("a.test.js::x", "failed", message="m", frames=(Frame("a.test.js", 2),))
    failure = failures_of([case], tmp_path)[0]
    assert (failure.call, failure.expected) == claim


def test_go_claims_name_the_wanted_value_first(tmp_path: Path) -> None:
    (tmp_path / "a_test.go").write_text(
        "package a\n\nfunc TestX(t *testing.T) {\n\tgot := Total(1)\n\tassert.Equal(t, 7, got)\n}\n"
    )
    case = TestCase(".::TestX", "failed", message="m", frames=(Frame("a_test.go", 5),))
    failure = failures_of([case], tmp_path)[0]
    assert (failure.call, failure.expected) == ("Total(1)", "7")


def test_a_new_decision_by_a_value_of_the_test_is_an_imitation(tmp_path: Path) -> None:
    case = TestCase("a.test.js::x", "failed", message="Expected 4711", expected="4711", actual="3")
    notes: Notes = notes_of([case], failures_of([case], tmp_path), tmp_path)
    before = "function f (a) {\n  return a.n - 5\n}\n"
    assert (
        notes.imitates("a.js", before, "function f (a) {\n  if (a) return 4711\n  return a.n - 5\n}\n")
        == "4711"
    )
    assert notes.imitates("a.js", before, "function f (a) {\n  return a.n - 4711\n}\n") == ""


# --- whole repairs, by the real runners ---------------------------------------------------------------

PACKAGE = '{"name": "shop", "scripts": {"test": "node --test"}}\n'
NODE_SHOP = {
    "package.json": PACKAGE,
    "lib/cart.js": CART_JS.replace("class Cart", "exports.total = total\n\nclass Cart"),
    "test/cart.test.js": (
        "const test = require('node:test');\nconst assert = require('node:assert');\n"
        "const { total } = require('../lib/cart.js');\n"
        "const items = [{ price: 2, count: 3 }, { price: 5, count: 4 }];\n"
        "test('adds', () => { assert.strictEqual(total(items), 26); });\n"
        "test('an empty cart is free', () => { assert.strictEqual(total([]), 0); });\n"
    ),
}
GO_SHOP = {
    "go.mod": "module example.org/cart\n\ngo 1.18\n",
    "cart.go": CART_GO,
    "cart_test.go": (
        'package cart\n\nimport "testing"\n\n'
        "func TestTotal(t *testing.T) {\n"
        "\tif got := Total([]Item{{2, 3}, {5, 4}}); got != 26 {\n"
        '\t\tt.Errorf("Total() = %d, want 26", got)\n\t}\n}\n'
        "func TestEmpty(t *testing.T) {\n\tif got := Total(nil); got != 0 {\n\t\tt.Fatal(got)\n\t}\n}\n"
    ),
}


LINES = {
    "Error('negative')\n    }\n": ["    sum += item.price * item.count // as it was"],
    "len(items); i++ {\n": ["\t\tsum += items[i].Price * items[i].Count"],
}


async def fix(root: Path, settings: Settings, target: str = "") -> RepairResult:
    model = GivenLines(dict(LINES))
    return await repair(root, target, model, settings, budget_s=90)  # type: ignore[arg-type]


def program(folder: Path, name: str) -> Path:
    """A folder with a program of this name that does nothing."""
    (folder / "bin").mkdir()
    (folder / "bin" / name).write_text("#!/bin/sh\n")
    (folder / "bin" / name).chmod(0o755)
    return folder / "bin"


@node
@pytest.mark.anyio
async def test_a_node_test_is_repaired_and_proved(project: Project, settings: Settings) -> None:
    root = project(NODE_SHOP)
    result = await fix(root, settings)
    assert result.status == "fixed", result
    assert [edit.path for edit in result.edits] == ["lib/cart.js"]
    assert "+    sum += item.price * item.count // as it was" in result.diff
    assert result.targets == ("test/cart.test.js::adds",)
    assert any("3 times in a row" in line for line in result.proof)
    assert any(line.startswith("the whole suite") for line in result.proof)
    assert (root / "lib/cart.js").read_text() == NODE_SHOP["lib/cart.js"]  # nothing is applied before a yes
    assert "only the tests speak for it" in result.warning or "leave open" in result.warning


@node
@pytest.mark.anyio
async def test_a_package_of_a_monorepo_is_repaired_by_its_own_runner(
    project: Project, settings: Settings
) -> None:
    inner = {f"packages/shop/{name}": text for name, text in NODE_SHOP.items()}
    root = project({"package.json": '{"name": "all", "private": true}\n', **inner})
    result = await fix(root, settings, "packages/shop/test/cart.test.js")
    assert result.status == "fixed", result
    assert [edit.path for edit in result.edits] == ["packages/shop/lib/cart.js"]


@node
@pytest.mark.anyio
async def test_lines_that_passing_tests_run_too_are_less_suspicious(
    project: Project, settings: Settings
) -> None:
    other = "\nexports.off = function (price) {\n  return price * 2\n}\n"
    root = project({**NODE_SHOP, "lib/cart.js": NODE_SHOP["lib/cart.js"] + other})
    result = await fix(root, settings)
    assert result.suspicious[0] in ("lib/cart.js:10", "lib/cart.js:13")  # the empty cart runs the rest
    assert not any(place.endswith((":33", ":34")) for place in result.suspicious)


@node
@pytest.mark.anyio
async def test_what_passes_is_said_to_pass(project: Project, settings: Settings) -> None:
    right = NODE_SHOP["lib/cart.js"].replace("- item.count", "* item.count")
    result = await fix(project({**NODE_SHOP, "lib/cart.js": right}), settings)
    assert result.status == "nothing_fails"


@go
@pytest.mark.anyio
async def test_a_go_test_is_repaired_and_proved(
    project: Project, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # the tests' own home has no compiled standard library
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE", str(home / ".cache" / "go-build")))
    result = await fix(project(GO_SHOP), settings)
    assert result.status == "fixed", result
    assert "+\t\tsum += items[i].Price * items[i].Count" in result.diff
    assert result.targets == (".::TestTotal",)


@pytest.mark.anyio
async def test_a_language_that_cannot_be_searched_is_refused_with_its_remedy(
    project: Project, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path, 'mvn')}:{os.environ['PATH']}")
    result = await fix(project({"pom.xml": "<project/>\n", "src/A.java": ""}), settings)
    assert result.status == "cannot_run"
    assert "maven" in result.message
    assert "--provider moonshot" in result.message
