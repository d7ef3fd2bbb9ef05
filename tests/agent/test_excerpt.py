from __future__ import annotations

from kcode.agent.excerpt import excerpt
from kcode.workspace.unidiff import DiffFile, DiffHunk, DiffLine


def hunk(*lines: str, header: str = "") -> DiffHunk:
    return DiffHunk(header, tuple(DiffLine("+", text, 0, number) for number, text in enumerate(lines, 1)))


def test_a_small_diff_is_whole() -> None:
    seen = excerpt([DiffFile("a.py", hunks=(hunk("x = 1", header="def f():"),))], 1_000)
    assert seen.whole
    assert seen.text == "=== a.py (modified, +1 -0)\n@@ def f():\n+x = 1\n"


def test_every_file_is_named_and_the_room_is_shared() -> None:
    large = DiffFile("large.py", hunks=tuple(hunk(*[f"value_{n} = {n}"] * 30) for n in range(20)))
    small = DiffFile("small.py", hunks=(hunk("y = 2"),))
    seen = excerpt([large, small], 3_000)
    assert len(seen.text) < 3_200
    assert "+y = 2" in seen.text
    assert "hunks left out for length]" in seen.text
    assert (seen.hunks, seen.shown < 21) == (21, True)


def test_what_somebody_wrote_goes_before_imports_and_brackets() -> None:
    dull = hunk(*["import os"] * 40)
    telling = hunk(*[f"refund(order_{n})" for n in range(20)])
    seen = excerpt([DiffFile("a.py", hunks=(dull, telling))], 700)
    assert "refund(order_0)" in seen.text
    assert "import os" not in seen.text


def test_of_one_huge_hunk_the_beginning_is_shown() -> None:
    seen = excerpt([DiffFile("a.py", "", "added", hunks=(hunk(*[f"row {n}" for n in range(2_000)]),))], 2_000)
    assert "+row 0" in seen.text
    assert "more lines]" in seen.text
    assert len(seen.text) < 2_200


def test_thousands_of_files_are_counted_where_they_do_not_fit() -> None:
    files = [DiffFile(f"folder/file_{n}.py", hunks=(hunk("x"),)) for n in range(3_000)]
    seen = excerpt(files, 5_000)
    assert len(seen.text) < 5_500
    assert "more files, not shown for length: +" in seen.text
    assert not seen.whole


def test_long_lines_are_cut_and_secrets_masked() -> None:
    key = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"
    seen = excerpt([DiffFile("a.js", hunks=(hunk("x" * 5_000, f'KEY = "{key}"'),))], 4_000)
    assert "[... 5000 characters]" in seen.text
    assert key not in seen.text
