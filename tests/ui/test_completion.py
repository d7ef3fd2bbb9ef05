from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]


@pytest.fixture
def answering(k2sim: Callable[..., Simulator]) -> Simulator:
    return k2sim([say("understood")] * 3)


def add(repo: Path, *paths: str) -> None:
    for path in paths:
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(f"content of {path}\n")


def last_message(sim: Simulator) -> str:
    return str(sim.chats[-1].json["messages"][-1]["content"])


def test_a_mentioned_file_is_completed_and_its_content_sent(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    add(repo, "pricing/discount_rules.py", "other.py")
    person = sit(answering)
    person.see("❯")
    person.type("look at @disc")
    person.see(r"pricing/discount_rules\.py +\d+ B")
    person.type("\t")
    person.see(r"look at @pricing/discount_rules\.py")
    person.type("\r")
    person.see(r"look at @pricing/discount_rules\.py ?\n")
    assert not answering.chats, "Enter took the choice and did not send"
    person.type("\r")
    person.see("understood")
    message = last_message(answering)
    assert '<mentioned path="pricing/discount_rules.py" lines="1-1 of 1">' in message
    assert "1\tcontent of pricing/discount_rules.py" in message
    assert "other.py\tcontent" not in message


def test_a_folder_is_offered_first_and_completing_goes_on_inside(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    add(repo, "pricing/a.py", "pricing/b.py", "zz_pricing.md")
    person = sit(answering)
    person.see("❯")
    person.type("@pricing")
    person.see(r"pricing/ +folder")
    person.type("\t\r")
    person.see(r"pricing/a\.py +\d+ B")
    person.type("b.")
    person.see(r"^(?![\s\S]*pricing/a\.py)[\s\S]*pricing/b\.py +\d+ B")
    person.type("\t\r\r")
    person.see("understood")
    assert '<mentioned path="pricing/b.py"' in last_message(answering)


def test_names_with_blanks_and_chinese_ones_are_inserted_so_that_they_are_found(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    add(repo, "my notes/to do.md", "文档/订单.md")
    person = sit(answering, columns=60)
    person.see("❯")
    person.type("@todo")
    person.see(r"my notes/to do\.md +\d+ B")
    person.type("\t\r")
    person.see(r'@"my notes/to do\.md"')
    person.type("and @订")
    person.see(r"文档/订单\.md +\d+ B")
    person.type("\t\r\r")
    person.see("understood")
    message = last_message(answering)
    assert "content of my notes/to do.md" in message and "content of 文档/订单.md" in message


def test_ignored_and_deleted_files_are_not_offered(answering: Simulator, repo: Path, sit: Sit) -> None:
    add(repo, "report_kept.py", "report_ignored.py", "report_gone.py", ".gitignore")
    (repo / ".gitignore").write_text("report_ignored.py\n")
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    (repo / "report_gone.py").unlink()
    person = sit(answering)
    person.see("❯")
    person.type("@report")
    person.see(r"report_kept\.py")
    person.see(r"report_gone", gone=True)
    assert "report_ignored" not in person.settle()


def test_escape_closes_the_menu_and_keeps_what_was_typed(answering: Simulator, repo: Path, sit: Sit) -> None:
    person = sit(answering)
    person.see("❯")
    person.type("@shop")
    person.see(r"test_shop\.py +\d+ B")
    person.type("\x1b")
    assert "@shop" in person.see(r"test_shop\.py +\d+ B", gone=True)


def test_the_menu_is_no_taller_than_eight_rows(answering: Simulator, repo: Path, sit: Sit) -> None:
    add(repo, *(f"part_{number:02}.py" for number in range(30)))
    person = sit(answering, columns=60, rows=40)
    person.see("❯")
    person.type("@part")
    person.see(r"part_00\.py")
    assert 6 <= len(re.findall(r"part_\d\d\.py", person.settle())) <= 8
    person.type("\t" * 12)
    person.see(r"@part_11\.py")
    rows = re.findall(r"part_\d\d\.py(?= +\d)", person.settle())
    assert 6 <= len(rows) <= 8 and "part_11.py" in rows


def test_symbols_are_offered_with_their_place_and_only_they_are_sent(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    (repo / "cart.py").write_text(
        "class Cart:\n    def add(self):\n        pass\n\n    def empty(self):\n        pass\n"
    )
    person = sit(answering)
    person.see("❯")
    person.type("what is @#cart.emp")
    person.see(r"Cart\.empty +method +cart\.py:5")
    person.type("\t\r\r")
    person.see("understood")
    message = last_message(answering)
    assert "what is @cart.py#Cart.empty" in message
    assert '<mentioned path="cart.py" lines="5-6 of 6">\n5\t    def empty(self):' in message
    assert "def add" not in message


def test_commands_are_found_by_some_of_their_letters_and_so_are_their_choices(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    person = sit(answering)
    person.see("❯")
    person.type("/ctx")
    person.see(r"/context +\w+")
    person.type("\x15/mode ed")
    person.see(r"\bedits\b")
    person.type("\t\r\r")
    person.see(r"\* edits")


def test_an_address_is_no_mention(answering: Simulator, repo: Path, sit: Sit) -> None:
    person = sit(answering)
    person.see("❯")
    person.type("write to me@shop")
    assert "test_shop.py" not in person.settle()
    person.type(" @shop")
    person.see(r"test_shop\.py")


def test_what_was_mentioned_before_is_offered_first_and_shell_lines_again(
    answering: Simulator, repo: Path, sit: Sit
) -> None:
    add(repo, "a/util.py", "b/util.py")
    person = sit(answering)
    person.see("❯")
    person.type("@b/util.py please\r")
    person.see("understood")
    person.type("!echo once more\r")
    person.see(r"once more\n")
    person.type("\x04")
    person.end()
    person = sit(answering)
    person.see("❯")
    person.type("@util")
    person.see(r"b/util\.py[^\n]*\n +a/util\.py")
    person.type("\x15!ec\t")
    person.see(r"! ?!?echo once more|echo once more")


def test_one_shot_runs_understand_mentions_too(
    answering: Simulator, repo: Path, kcode: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert kcode(answering, "-p", "explain @shop.py").returncode == 0
    assert "1\tdef total(prices):" in last_message(answering)
