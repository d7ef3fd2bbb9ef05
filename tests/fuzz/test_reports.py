"""What test runners, linters and language servers print: a reader gives results or says that it cannot."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kcode.diagnostics import parsers
from kcode.diagnostics.lsp.wire import Garbage, Reader, encoded
from kcode.diagnostics.problem import Problem
from kcode.repair.logread import read_log
from kcode.safety.process import Finished
from kcode.testrun.adapter import Suite, reading_of
from kcode.testrun.adapters import adapter
from kcode.testrun.failure import frames_of, outcome_of
from kcode.testrun.frames import stack_of
from kcode.testrun.junit import UnreadableReport, read_junit, values_of
from kcode.testrun.report import TestCase
from kcode.testrun.text import read_text
from kcode.testrun.within import read_within
from tests.fuzz.hostile import damaged, fuzz, json_value, junk, nested, text, texts

REAL = Path(__file__).parents[1] / "testrun" / "data" / "real"
RUNNERS = sorted(path.name for path in REAL.iterdir())
LONGEST = 50_000  # characters that a case may hold, whatever was printed


def finished(said: str, code: int = 1) -> Finished:
    return Finished(code, said, "", False, 5.0, 0, None)


def sound(cases: list[TestCase]) -> None:
    for case in cases:
        assert case.status in ("passed", "failed", "error", "skipped")
        assert math.isfinite(case.seconds)
        assert len(case.message) <= LONGEST
        assert len(case.output) + len(case.assertion) + len(case.expected) + len(case.actual) <= LONGEST
        assert all(frame.line >= 0 for frame in case.frames)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.mark.parametrize("name", RUNNERS)
@fuzz(8)
@given(data=st.data())
def test_a_damaged_report_gives_cases_or_none(room: Path, name: str, data: st.DataObject) -> None:
    folder = room / name
    shutil.rmtree(folder, ignore_errors=True)
    printed = ""
    for source in sorted((REAL / name).rglob("*")):
        if source.is_dir() or source.name in ("code", "expected.json"):
            continue
        said = data.draw(damaged([source.read_text("utf-8")[:4_000]], 4), source.name)
        if source.name == "stdout":
            printed = said
            continue
        place = folder / source.relative_to(REAL / name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(said, "utf-8", "replace")
    folder.mkdir(exist_ok=True)
    reading = reading_of(adapter(name), finished(printed), Suite(folder, folder), folder)
    sound(list(reading.cases))
    assert all(count >= 0 for count in (reading.counts or {}).values())


JUNIT = (
    '<testsuites><testsuite name="s" tests="2" time="1,000.5">'
    '<testcase classname="t.test_a" name="test_x" time="0.1">'
    '<failure message="assert 1 == 2">t/test_a.py:3: AssertionError</failure>'
    "<system-out>x</system-out></testcase>"
    '<testcase name="y" time="0.1"><skipped/></testcase></testsuite></testsuites>',
)
XML = texts(
    [
        "<testsuites>",
        "<testsuite>",
        '<testcase name="a" time="',
        '0.1"',
        ">",
        "</testcase>",
        "<failure>",
        "</failure>",
        "<skipped/>",
        "</testsuite>",
        "</testsuites>",
        'time="x"',
        '<?xml version="1.0"?>',
        "<!DOCTYPE x [",
        "]>",
        "<error message=''>",
    ]
)


@fuzz()
@given(st.one_of(damaged(JUNIT), XML))
@example(JUNIT[0].replace("0.1", "soon"))
@example(JUNIT[0].replace("0.1", "1e999"))
@example("<testsuites>" * 20_000)
@example('<testsuite><testcase name="a"><failure/></testcase></testsuite>')
def test_junit_xml_is_read_or_unreadable(room: Path, said: str) -> None:
    file = room / "junit.xml"
    file.write_text(said, "utf-8", "replace")
    with contextlib.suppress(UnreadableReport):
        sound(read_junit(file, room))
    values_of(said)


def test_entities_of_a_report_neither_grow_nor_read_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the merger")
    lols = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    file = tmp_path / "junit.xml"
    for doctype, entity in (
        (f'<!DOCTYPE x [<!ENTITY l0 "lol">{lols}]>', "&l11;"),
        (f'<!DOCTYPE x [<!ENTITY l0 SYSTEM "file://{tmp_path}/secret">]>', "&l0;"),
    ):
        case = f'<testcase name="a"><failure message="x">{entity}</failure></testcase>'
        file.write_text(f"{doctype}<testsuite>{case}</testsuite>")
        try:
            cases = read_junit(file, tmp_path)
        except UnreadableReport:
            continue
        sound(cases)
        assert "merger" not in str(cases)


LOG = texts(
    [
        "FAILED tests/test_a.py::test_x - assert 1\n",
        "ERROR tests/test_a.py\n",
        "_____ test_y _____\n",
        "FAIL: test_z (a.B)\n",
        "--- FAIL: TestGo (0.00s)\n",
        "test a::b ... FAILED\n",
        "  ● suite › does\n",
        "not ok 1 - x\n",
        "[ERROR] ATest.x:3\n",
        "Ran 3 tests in 1s\n",
        "FAILED (skipped=2)\n",
        "3 passed, 2 failed\n",
        "=" * 70 + "\n",
        "-" * 70 + "\n",
        "AssertionError: 1 != 2\n",
        "Traceback (most recent call last):\n",
        '  File "a.py", line 3, in f\n',
        "    at x (a.js:1:2)\n",
        "E   assert 1 == 2\n",
        "test_a (m.C) ... ok\n",
        "a.py:3: in f\n",
        "::",
        "/",
        "rspec ./a_spec.rb:3\n",
        "thread 'x' panicked at a.rs:1:2:\n",
        "\n",
    ]
)


@fuzz(40)
@given(LOG, st.integers(-2, 130))
def test_printed_results_are_read(room: Path, said: str, code: int) -> None:
    sound(list(read_text(finished(said, code), room).cases))
    sound(list(read_within(finished(said, code), room, room / "none").cases))
    named = read_log(said, room)
    assert max(len(named.targets), len(named.names), len(named.files)) <= 200
    outcome_of(said)
    assert all(frame.line >= 0 for frame in (*frames_of(said, room), *stack_of(said, room)))


@pytest.mark.timeout(100)
@pytest.mark.parametrize(
    "line",
    [
        '  File "a.py", line 3, in f\n',
        "test_a (m.C) ... \n",
        "test_a (m.C)\n",
        "FAIL: a (b)\n",
        "  ● x › y\n",
        "a::",
        "    \n",
        "E   x\n",
        "____ a",
        "    at x (",
        "= 3 passed, ",
        "   at a.b(C.java:3)\n",
        "not ok 1 - ",
        "=" * 70 + "\n",
    ],
)
def test_a_long_log_is_read(tmp_path: Path, line: str) -> None:
    said = line * (60_000 // len(line))
    read_text(finished(said), tmp_path)
    read_log(said, tmp_path)


# --- linters --------------------------------------------------------------------------------------

NAMES = (
    "filename",
    "location",
    "row",
    "column",
    "code",
    "message",
    "generalDiagnostics",
    "file",
    "range",
    "start",
    "line",
    "character",
    "filePath",
    "messages",
    "ruleId",
    "reason",
    "spans",
    "file_name",
    "line_start",
    "is_primary",
    "posn",
    "rule",
    "severity",
)
READERS: list[Callable[[str, str], Iterator[Problem]]] = [
    parsers.lines,
    parsers.ruff,
    parsers.pyright,
    parsers.eslint,
    parsers.tsc,
    parsers.go_vet,
    parsers.cargo,
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@fuzz(60)
@given(
    said=st.one_of(
        nested(NAMES).map(json.dumps),
        nested(NAMES).map(lambda value: json.dumps([value])),
        texts(
            [
                "a.py:1:2: E501 too long\n",
                "a.ts(1,2): error TS1: x\n",
                "a:1: ",
                "error: ",
                " [x]",
                '{"a": {"b": [',
                "}\n",
                "# a\n",
            ]
        ),
    )
)
@example(said="[" * 100_000)
@example(said='{"a":' * 30_000)
@example(said="a.py:" + "9" * 5_000 + ":1: x")
@example(said="a.py:1:1: " + " " * 30_000)
@example(said='[{"filename": "a", "location": {"row": 1e999, "column": "9"}}]')
def test_what_a_linter_prints_is_problems(reader: Callable[[str, str], Iterator[Problem]], said: str) -> None:
    for problem in reader(said, "tool"):
        assert problem.line >= 0
        assert problem.column >= 0
        assert isinstance(problem.message, str)


# --- language servers -----------------------------------------------------------------------------


def messages(*chunks: bytes) -> list[dict[str, Any]]:
    reader = Reader()
    found: list[dict[str, Any]] = []
    with contextlib.suppress(Garbage):
        for chunk in chunks:
            found += reader.feed(chunk)
    return found


@fuzz()
@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=9)), max_size=3),
        max_size=4,
    ),
    st.lists(st.integers(0, 4_000), max_size=8),
)
def test_messages_are_read_back_however_they_are_split(sent: list[dict[str, Any]], places: list[int]) -> None:
    data = b"".join(map(encoded, sent))
    cuts = sorted({place % (len(data) + 1) for place in places})
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    wanted = [json.loads(json.dumps({"jsonrpc": "2.0", **message}).encode()) for message in sent]
    assert messages(*parts) == messages(data) == wanted


@fuzz()
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b"Content-Length: ", b"\r\n", b"\r\n\r\n", b"{}", b"5", b"\xff", b"9" * 5_000, b"[" * 3_000]
            ),
            json_value.map(lambda value: encoded({"a": value})),
            st.one_of(junk, text).map(lambda said: said.encode("utf-8", "replace")),
        ),
        max_size=10,
    )
)
def test_any_bytes_are_messages_or_garbage(chunks: list[bytes]) -> None:
    assert all(isinstance(message, dict) for message in messages(*chunks))
