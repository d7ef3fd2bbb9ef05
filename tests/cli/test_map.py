from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.ui.sitting import KCODE

FILES = {
    "core/money.py": "def add_tax(price, rate):\n    return price * rate\n",
    "shop/cart.py": "from core.money import add_tax\n\n\nclass Cart:\n"
    "    def total(self):\n        return add_tax(1, 2)\n",
    "shop/till.py": "from core.money import add_tax\n\n\ndef pay(): return add_tax(3, 4)\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KCODE, "map", *arguments], cwd=root, capture_output=True, text=True, timeout=120)


def test_what_others_lean_on_comes_first_when_room_is_short(shop: Path) -> None:
    for number in range(30):
        (shop / f"leaf{number}.py").write_text(f"def leaf{number}_function_of_its_own(): pass\n")
    done = run(shop, "--tokens", "100")
    assert done.returncode == 0, done.stderr
    assert "core/money.py:\n  1: def add_tax(price, rate)\n" in done.stdout
    assert "leaf29" not in done.stdout
    assert run(shop, "--tokens", "100").stdout == done.stdout


def test_a_focus_brings_its_neighbours(shop: Path) -> None:
    for number in range(60):
        (shop / f"other{number}.py").write_text(f"from x{number} import y\n\n\ndef other{number}(): pass\n")
    near = run(shop, "--focus", "shop/till.py", "--tokens", "100").stdout
    assert "shop/till.py" in near
    assert "core/money.py" in near


def test_a_focus_that_is_nothing_here_is_said_instead_of_another_map(shop: Path) -> None:
    done = run(shop, "--focus", "shop/tilt.py")
    assert done.returncode == 1
    assert "'shop/tilt.py' is no path, folder or symbol" in done.stderr
    assert done.stdout == ""


def test_in_a_terminal_a_signature_takes_one_line_and_a_pipe_gets_it_whole(shop: Path) -> None:
    long = "def of_many(" + ", ".join(f"argument_{number}" for number in range(9)) + ")"
    (shop / "long.py").write_text(f"{long}: pass\n")
    assert long in run(shop).stdout
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.run([KCODE, "map"], cwd=shop, stdout=writer, timeout=120)
    os.close(writer)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(reader, 4096):
            shown += piece
    os.close(reader)
    assert done.returncode == 0
    lines = shown.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  1: def of_many(argument_0") and line.endswith("…") for line in lines)


def test_where_a_symbol_is_defined_and_used(shop: Path) -> None:
    assert run(shop, "--symbol", "Cart.total").stdout == "shop/cart.py:5: method def total(self)\n"
    uses = json.loads(run(shop, "--uses", "add_tax", "--json").stdout)
    assert uses["schema"] == "kcode.map/1"
    assert ("core/money.py", "definition") in {(row["path"], row["kind"]) for row in uses["found"]}
    assert len(uses["found"]) == 5
    missing = run(shop, "--symbol", "nothing_of_this_name")
    assert missing.returncode == 1
    assert "in no file that the map knows" in missing.stderr


def test_two_questions_at_once_are_refused(shop: Path) -> None:
    assert run(shop, "--symbol", "a", "--uses", "b").returncode == 2


def test_a_cache_that_cannot_be_written_is_said(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    done = run(shop)
    assert done.returncode == 9
    assert "the code map cannot be made" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_kept_from_models_is_not_shown(shop: Path) -> None:
    (shop / ".env.py").write_text("from core.money import add_tax\nTOKEN_OF_MINE = add_tax(1, 2)\n")
    (shop / "kept").mkdir()
    (shop / "kept/own.py").write_text("from core.money import add_tax\n\n\ndef own(): add_tax(3, 4)\n")
    (shop / ".kcodeignore").write_text("kept/\n")
    uses = run(shop, "--uses", "add_tax").stdout
    assert "shop/cart.py" in uses
    for shown in (uses, run(shop).stdout, run(shop, "--focus", "kept/own.py", "--focus", ".env.py").stdout):
        assert ".env.py" not in shown
        assert "kept/" not in shown
    assert run(shop, "--symbol", "TOKEN_OF_MINE").returncode == 1
    assert run(shop, "--symbol", "own").returncode == 1


def test_languages_without_a_grammar_are_told_with_a_remedy(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tree_sitter_c_sharp'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run(shop).stderr == ""
    (shop / "a.cs").write_text("class A {}\n")
    done = run(shop)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "left out, as their grammars are not installed: csharp",
        "pip install tree-sitter-c-sharp",
    ]
