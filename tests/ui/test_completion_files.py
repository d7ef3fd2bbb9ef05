from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.ui.completing.completion import Asked, asked_for, ranked, tail, written_choices
from kcode.ui.completing.fileindex import FileIndex, folders_of
from kcode.ui.completing.symbols import SymbolIndex
from tests.bench.completion import made_up_paths
from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

PATIENCE_S = 60.0


def read(files: FileIndex) -> set[str]:
    """What the index knows when it has read to the end."""
    files.refresh()
    deadline = time.monotonic() + PATIENCE_S
    while files.reading and time.monotonic() < deadline:
        time.sleep(0.01)
    haystack = files.current()
    assert haystack is not None
    return set(haystack.paths)


def git(repo: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["git", *arguments], cwd=repo, check=True, input=stdin, capture_output=True)
    return done.stdout


def test_tracked_and_new_files_and_their_folders_are_known(repo: Path) -> None:
    (repo / "lib" / "deep").mkdir(parents=True)
    (repo / "lib" / "deep" / "new one.py").write_text("x\n")
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "noise.log").write_text("x\n")
    assert read(FileIndex(repo)) == {
        *("shop.py", "test_shop.py", ".gitignore", "lib/deep/new one.py", "lib/", "lib/deep/"),
    }


def test_what_changes_on_disk_is_known_after_a_refresh(repo: Path) -> None:
    files = FileIndex(repo)
    read(files)
    version = files.version
    assert "shop.py" in read(files) and files.version == version, "nothing new is no news"
    (repo / "shop.py").unlink()
    (repo / "test_shop.py").write_text("changed\n")
    (repo / "fresh.py").write_text("x\n")
    assert read(files) == {"test_shop.py", "fresh.py"}
    assert files.version > version
    assert files.changed == {"test_shop.py", "fresh.py"}


def test_changed_files_come_before_their_equals(repo: Path) -> None:
    for folder in ("a", "b"):
        (repo / folder).mkdir()
        (repo / folder / "util.py").write_text("x\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "more")
    (repo / "b" / "util.py").write_text("y\n")
    files = FileIndex(repo)
    read(files)
    haystack = files.current()
    assert haystack is not None and haystack.search("util", 2) == ["b/util.py", "a/util.py"]


def test_files_mentioned_in_messages_come_first(repo: Path) -> None:
    files = FileIndex(repo)
    read(files)
    files.mention(["test_shop.py"])
    haystack = files.current()
    assert haystack is not None and haystack.search("", 1) == ["test_shop.py"]


def test_without_git_the_rules_of_gitignore_hold_too(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "noise.log").write_text("x\n")
    assert read(FileIndex(tmp_path)) == {"src/", "src/a.py", ".gitignore"}


def test_added_folders_are_offered_by_their_whole_path(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.py").write_text("x\n")
    known = read(FileIndex(repo, added=lambda: [other]))
    assert {f"{other.as_posix()}/", f"{other.as_posix()}/c.py", "shop.py"} <= known


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_text_is_known_as_it_is(repo: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (repo / name).write_text("x\n")
    (repo / "two\nlines.txt").write_text("x\n")
    known = read(FileIndex(repo))
    assert name in known
    assert not any("\n" in path for path in known), "a mention is on one line"


def test_folders_of_files() -> None:
    assert folders_of(["a/b/c.py", "a/d.py", "e.py", "/x/y.py"]) == {"a/", "a/b/", "/x/"}


def test_definitions_are_read_again_when_their_file_changes(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("kcode.ui.completing.symbols.FRESH_S", 0.0)
    symbols = SymbolIndex(repo)

    def find(text: str, place: str) -> list[str]:
        deadline = time.monotonic() + PATIENCE_S
        found: list[str] = []
        while time.monotonic() < deadline and place not in found:
            found = [
                f"{each.kind} {each.name} {each.path}:{each.line}-{each.end}"
                for each in symbols.search(text, 5).definitions
            ]
            time.sleep(0.05)
        return found

    first = find("total", "function total shop.py:1-2")
    assert first == ["function total shop.py:1-2", "function test_total test_shop.py:4-5"]
    before = symbols.version
    (repo / "shop.py").write_text("class Shop:\n    @property\n    def owner(self):\n        return 1\n")
    assert find("shop.own", "method Shop.owner shop.py:3-4") == ["method Shop.owner shop.py:3-4"]
    assert symbols.version > before


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("/mo", Asked("command", "mo", 3)),
        ("/mode e", Asked("argument", "e", 1, "mode")),
        ("/usr/bin", None),
        ("fix @src/a", Asked("path", "src/a", 6)),
        ("看@订", Asked("path", "订", 2)),
        ('@"my fi', Asked("path", "my fi", 7)),
        ("@#Prompt.a", Asked("symbol", "Prompt.a", 10)),
        ("@symbol:ask", Asked("symbol", "ask", 11)),
        ("me@example", None),
        ("@done and", None),
        ("!cat sr", Asked("shell", "sr", 2)),
        ("!ma", Asked("shell", "ma", 2, "first")),
    ],
)
def test_what_is_asked_for_is_told_by_the_text_before_the_cursor(typed: str, asked: Asked | None) -> None:
    assert asked_for(typed) == asked


def test_names_of_commands_are_found_by_their_letters_in_the_order_of_the_list() -> None:
    names = ["model", "mode", "compact", "context", "cost"]
    assert ranked("", names) == names
    assert ranked("mode", names) == ["mode", "model"]
    assert ranked("ctx", names) == ["context"]


def test_the_choices_that_a_help_writes_out() -> None:
    assert written_choices("[plan|ask|edits|auto]") == ["plan", "ask", "edits", "auto"]
    assert written_choices("[FILE…|none]") == ["none"]
    assert written_choices("[NAME]") == []


def test_a_long_path_shows_its_end() -> None:
    assert tail("a/very/long/way/to/订单.py", 12) == "…/to/订单.py"
    assert tail("evil\x1b[2Jname\udce9", 40) == "evilname?"


def test_in_a_repository_of_100_000_files_keys_are_taken_while_they_are_read(
    k2sim: Callable[..., Simulator], repo: Path, sit: Callable[..., Sitting]
) -> None:
    paths = made_up_paths(100_000, seed=3)
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=b"x\n").decode().strip()
    git(repo, "update-index", "--index-info", stdin="".join(f"100644 {blob}\t{p}\n" for p in paths).encode())
    git(repo, "update-index", "--assume-unchanged", "-z", "--stdin", stdin="\0".join(paths).encode())
    (repo / "zoo").mkdir()
    (repo / "zoo" / "needle_in_haystack.py").write_text("found = True\n")
    sim = k2sim([say("understood")])
    person = sit(sim, columns=100)
    person.type("look: @needle_in")  # before anything can have been read
    person.see(r"look: @needle_in")
    person.see(r"zoo/needle_in_haystack\.py +13 B")
    person.type("\t\r")
    person.type("\r")
    person.see("understood")
    assert "1\tfound = True" in str(sim.chats[-1].json["messages"][-1]["content"])
