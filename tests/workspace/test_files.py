from __future__ import annotations

import codecs
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.errors import EnvironmentProblem
from kcode.workspace import errors
from kcode.workspace.change import FileEdit
from kcode.workspace.encoding import decode
from kcode.workspace.files import read_lines
from kcode.workspace.workspace import Workspace

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk", "latin-1", "cp1252", "utf-32"]
ENDINGS = st.sampled_from(["\n", "\r\n", ""])
CHINESE = "中文的文件里面有很多常用字我们写在这里"


@given(st.binary(max_size=400))
def test_any_bytes_are_decoded_reversibly_or_called_binary(data: bytes) -> None:
    decoded = decode(data)
    if decoded is not None:
        assert decoded.bom + decoded.text.encode(decoded.encoding) == data


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain\n", "utf-8"),
        ("grün".encode(), "utf-8"),
        (codecs.BOM_UTF8 + b"x", "utf-8"),
        ("x中\n".encode("utf-16"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + "x".encode("utf-16-be"), "utf-16-be"),
        ("plain ascii\r\n".encode("utf-16-le"), "utf-16-le"),
        (f"# {CHINESE}\n".encode("gbk"), "gb18030"),
        ("caféine naïve déjà\n".encode("latin-1"), "latin-1"),
        ("it’s – fine\n".encode("cp1252"), "cp1252"),
        ("# -*- coding: latin-1 -*-\nx = 'éa'\n".encode("latin-1"), "iso8859-1"),
        (b"", "utf-8"),
    ],
)
def test_the_encoding_is_recognised(data: bytes, encoding: str) -> None:
    decoded = decode(data)
    assert decoded is not None
    assert decoded.encoding == encoding


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x02\x01\x01\0\0", b"\x89PNG\r\n\x1a\n\0\0\0", bytes(range(32)) * 20]
)
def test_binary_files_are_recognised(data: bytes) -> None:
    assert decode(data) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.sampled_from(ENCODINGS),
    st.lists(
        st.tuples(st.text("abc xyz", min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"])), max_size=8
    ),
    st.lists(
        st.tuples(st.text("abc xyz", min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"])), max_size=8
    ),
    ENDINGS,
)
def test_bytes_that_were_not_edited_come_back_identical(
    plain: Workspace,
    encoding: str,
    before: list[tuple[str, str]],
    after: list[tuple[str, str]],
    last: str,
) -> None:
    special = CHINESE if encoding.startswith(("gb", "utf")) else "naïve café"
    head = special + "\n" + "".join(line + end for line, end in before)
    tail = "".join(line + end for line, end in after) + special + last
    path = plain.root / "file.txt"
    path.write_bytes((head + "MARK" + "\r\n" + tail).encode(encoding))
    file = plain.read("file.txt")
    changed = file.text.replace("MARK", "CHANGED")
    plain.apply([FileEdit("file.txt", file.text, changed)], label="edit")
    assert path.read_bytes() == (head + "CHANGED" + "\r\n" + tail).encode(encoding)


def test_a_character_the_encoding_lacks_is_refused_and_nothing_changes(plain: Workspace) -> None:
    path = plain.root / "latin.txt"
    path.write_bytes("café\n".encode("latin-1"))
    with pytest.raises(errors.Unencodable, match="latin-1"):
        plain.apply([FileEdit("latin.txt", "café\n", "café 中\n")], label="edit")
    assert path.read_bytes() == "café\n".encode("latin-1")


def test_mode_bits_and_symlinks_are_kept(plain: Workspace) -> None:
    script = plain.root / "run.sh"
    script.write_text("echo 1\n")
    script.chmod(0o755)
    (plain.root / "link.sh").symlink_to("run.sh")
    plain.apply([FileEdit("link.sh", "echo 1\n", "echo 2\n")], label="edit")
    assert (plain.root / "link.sh").is_symlink()
    assert script.read_text() == "echo 2\n"
    assert stat.S_IMODE(script.stat().st_mode) == 0o755


def test_no_temporary_file_is_left(plain: Workspace) -> None:
    plain.apply([FileEdit("a/b.txt", None, "x\n")], label="new")
    assert [path.name for path in (plain.root / "a").iterdir()] == ["b.txt"]


def test_a_read_only_file_is_not_replaced(plain: Workspace) -> None:
    path = plain.root / "locked.txt"
    path.write_text("a\n")
    path.chmod(0o444)
    with pytest.raises(EnvironmentProblem, match="read-only") as caught:
        plain.apply([FileEdit("locked.txt", "a\n", "b\n")], label="edit")
    assert "chmod" in caught.value.remedy
    assert path.read_text() == "a\n"


def test_a_fifo_a_folder_a_binary_and_a_huge_file_are_refused(plain: Workspace) -> None:
    os.mkfifo(plain.root / "fifo")
    (plain.root / "folder").mkdir()
    (plain.root / "binary").write_bytes(b"\0\1\2\3")
    with (plain.root / "huge").open("wb") as stream:
        stream.truncate(200_000_000)
    for name, error in (
        ("fifo", errors.NotAFile),
        ("folder", errors.NotAFile),
        ("binary", errors.BinaryFile),
        ("huge", errors.TooLarge),
        ("gone", errors.NotThere),
    ):
        with pytest.raises(error):
            plain.read(name)


def test_lines_of_a_large_file_are_read_without_the_rest(plain: Workspace) -> None:
    path = plain.root / "large.txt"
    with path.open("w") as stream:
        stream.writelines(f"line {number}\n" for number in range(1, 900_001))
    part = read_lines(path, "large.txt", 500_000, 2)
    assert part.lines == ("line 500000\n", "line 500001\n")
    assert part.more
    assert not read_lines(path, "large.txt", 900_000, 5).more


def test_one_endless_line_stays_bounded(plain: Workspace) -> None:
    path = plain.root / "line.txt"
    with path.open("wb") as stream:
        for _ in range(50):
            stream.write(b"x" * 1_000_000)
    part = read_lines(path, "line.txt", 1, 3, 1000)
    assert len(part.lines[0]) == 1000


DISK_FULL = """
import resource, signal, sys
from pathlib import Path
from kcode.workspace.workspace import Workspace
from kcode.workspace.change import FileEdit
from kcode.errors import KcodeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
space = Workspace.open(Path(sys.argv[1]))
try:
    edits = [FileEdit("a.txt", "a\\n", "changed\\n"), FileEdit("new/b.txt", None, "b" * 50_000)]
    space.apply(edits, label="edit")
except KcodeError as problem:
    print(type(problem).__name__, problem.remedy)
"""


def test_a_write_that_does_not_fit_changes_none_of_the_files(plain: Workspace) -> None:
    (plain.root / "a.txt").write_text("a\n")
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(plain.root)], capture_output=True, text=True, check=False
    )
    assert "EnvironmentProblem" in done.stdout, done.stderr
    assert "nothing was changed" in done.stdout
    assert (plain.root / "a.txt").read_text() == "a\n"
    assert [path.name for path in plain.root.iterdir()] == ["a.txt"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_a_failure_in_the_middle_puts_the_first_files_back(plain: Workspace) -> None:
    (plain.root / "a.txt").write_text("a\n")
    (plain.root / "z").mkdir()
    (plain.root / "z" / "busy").mkdir()

    def announce(identity: str, paths: object) -> None:  # someone puts a folder where a file is to go
        (plain.root / "y.txt").mkdir()

    plain.on_checkpoint = announce
    with pytest.raises(EnvironmentProblem):
        plain.apply([FileEdit("a.txt", "a\n", "A\n"), FileEdit("y.txt", None, "y\n")], label="edit")
    assert (plain.root / "a.txt").read_text() == "a\n"
    assert sorted(path.name for path in plain.root.iterdir()) == ["a.txt", "y.txt", "z"]
    assert plain.checkpoints.ids() == []


def test_no_permission_to_write_the_folder_is_an_environment_problem(plain: Workspace) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = plain.root / "closed"
    folder.mkdir()
    (folder / "a.txt").write_text("a\n")
    folder.chmod(0o555)
    try:
        with pytest.raises(EnvironmentProblem, match="no permission"):
            plain.apply([FileEdit("closed/a.txt", "a\n", "b\n")], label="edit")
    finally:
        folder.chmod(0o755)
    assert (folder / "a.txt").read_text() == "a\n"


def test_an_unwritable_place_for_checkpoints_stops_the_change(plain: Workspace) -> None:
    (plain.root / "a.txt").write_text("a\n")
    state = Path(os.environ["XDG_STATE_HOME"])
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text("a file, not a folder")
    with pytest.raises(EnvironmentProblem, match="checkpoint"):
        plain.apply([FileEdit("a.txt", "a\n", "b\n")], label="edit")
    assert (plain.root / "a.txt").read_text() == "a\n"
