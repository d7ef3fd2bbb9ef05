"""Bytes that are not edited come back identical, whatever the file is written in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.workspace.change import FileEdit
from kcode.workspace.edits import apply_edits
from kcode.workspace.workspace import Workspace

ENCODINGS = [
    ("utf-8", b"", "naïve ✓ 中文"),
    ("utf-8", b"\xef\xbb\xbf", "naïve ✓ 中文"),
    ("utf-16-le", b"\xff\xfe", "wide ✓ 中文"),
    ("utf-16-be", b"\xfe\xff", "wide ✓ 中文"),
    ("gb18030", b"", "中文写在这里的文件"),
    ("latin-1", b"", "déjà vu"),
]
NAMES = ["plain.txt", "with blank.txt", "中文 名.txt", "deep/er/é.txt"]


@pytest.mark.parametrize(("encoding", "bom", "words"), ENCODINGS, ids=lambda value: str(value)[:10])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_only_the_named_line_changes_on_disk(
    tmp_path: Path, encoding: str, bom: bytes, words: str, data: st.DataObject
) -> None:
    ends = data.draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=3, max_size=8))
    lines = [f"{words} {number} {'  ' * (number % 3)}" for number in range(len(ends))]
    if data.draw(st.booleans()):
        ends[-1] = ""
    at = data.draw(st.integers(0, len(lines) - 1))
    text = "".join(map("".join, zip(lines, ends, strict=True)))
    path = tmp_path / data.draw(st.sampled_from(NAMES))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bom + text.encode(encoding))
    path.chmod(0o640)
    workspace = Workspace(tmp_path, False)
    name = workspace.relative(path)
    file = workspace.read(name)
    outcome = apply_edits(file.text, [(f"{words} {at} ", f"changed {at} ", False)])
    assert outcome.ok
    workspace.apply([FileEdit(name, file.text, outcome.text)], label="test")
    lines[at] = lines[at].replace(words, "changed")
    wanted = "".join(map("".join, zip(lines, ends, strict=True)))
    assert path.read_bytes() == bom + wanted.encode(encoding)
    assert path.stat().st_mode & 0o777 == 0o640


LINE = st.tuples(
    st.sampled_from(["a", "b  ", "\tc", "    d", "", "e\u2019s"]), st.sampled_from(["\n", "\r\n"])
)


@settings(max_examples=60)
@given(st.lists(LINE, min_size=4, max_size=12), st.data())
def test_whatever_stage_matches_lines_outside_of_the_old_text_keep_their_bytes(
    lines: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = "".join(map("".join, lines))
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first + 1, len(lines)))
    old = "".join(line.strip().replace("\u2019", "'") + "\n" for line, _ in lines[first:last])
    outcome = apply_edits(text, [(old, old + "NEW\n", False)])
    if outcome.ok:
        assert re.sub(r"[ \t]*NEW\r?\n", "", outcome.text) == text
    else:
        assert outcome.text == text
