from __future__ import annotations

from pathlib import Path

from kcode.testrun.failure import compared, frames_of, outcome_of
from kcode.testrun.report import Frame, TestCase, TestReport, report_of
from kcode.testrun.summary import SUMMARY_LIMIT, headline, summarise


def failed(name: str, line: int, message: str = "ValueError: bad") -> TestCase:
    return TestCase(name, "failed", 0.1, message, assertion=message, frames=(Frame("app.py", line, "f"),))


def test_forty_tests_failing_for_one_reason_are_one_reason() -> None:
    report = report_of([failed(f"test_a.py::test_{n}", 7) for n in range(40)])
    text = summarise(report)
    assert text.count("ValueError: bad") == 1
    assert "the same reason (39)" in text


def test_different_places_are_different_reasons() -> None:
    text = summarise(report_of([failed("t.py::a", 7), failed("t.py::b", 9)]))
    assert "FAILED t.py::a" in text
    assert "FAILED t.py::b" in text


def test_two_expectations_of_one_kind_in_a_file_are_two_reasons() -> None:
    said = "Error: expect(received).toBe(expected) // Object.is equality"
    cases = [
        TestCase(f"a.test.js::{n}", "failed", 0.1, said, frames=(Frame("a.test.js", n),)) for n in (3, 9)
    ]
    text = summarise(report_of(cases))
    assert "FAILED a.test.js::3" in text
    assert "FAILED a.test.js::9" in text


def test_the_summary_is_bounded_and_names_what_it_leaves_out() -> None:
    cases = [failed(f"t.py::test_{n}", n, f"ValueError: {'x' * 3000}") for n in range(60)]
    text = summarise(report_of(cases))
    assert len(text) < SUMMARY_LIMIT * 1.5
    assert "not shown for length" in text


def test_a_report_without_results_says_why() -> None:
    report = TestReport(cannot_run="no tests were found", raw_tail="collected 0 items")
    assert headline(report) == "the tests cannot run: no tests were found"
    assert "collected 0 items" in summarise(report)


def test_both_values_of_an_equality_are_told_apart() -> None:
    assert compared("assert [1, 2] == [1, 3]\n  At index 1") == ("[1, 2]", "[1, 3]")
    assert compared("AssertionError: assert not True") == ("True", "a false value")
    assert compared("assert <Node a> == <Node b>") == ("<Node a>", "<Node b>")
    assert compared("ValueError: nothing compared") == ("", "")


def test_pytests_explanation_is_read_out_of_the_traceback() -> None:
    text = ">       assert add(1, 2) == 3\nE       assert -1 == 3\nE        +  where -1 = add(1, 2)\n"
    outcome = outcome_of(text)
    assert outcome.message == "assert -1 == 3"
    assert "where -1 = add(1, 2)" in outcome.assertion


def test_only_frames_of_the_repository_are_kept(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x\n")
    text = (
        "app.py:3: in f\n"
        "/usr/lib/python3/json/decoder.py:355: JSONDecodeError\n"
        '  File "' + str(tmp_path / "app.py") + '", line 9, in g\n'
    )
    assert frames_of(text, tmp_path) == (Frame("app.py", 3, "f"), Frame("app.py", 9, "g"))
