"""Machine output in forms that the runs in test_recorded_runs.py do not have, or of runners (``dotnet``) that
nobody had at hand, written from the formats in their documentation:
Maven Surefire's "surefire-test-report.xsd"; Gradle's "Testing in Java & JVM projects" (the same schema);
Microsoft's "vstest TRX" schema; cargo-nextest's "JUnit support"; ``go doc test2json``; Jest's "--json" and
"testResultsProcessor"; RSpec's "json formatter"; PHPUnit's "JUnit XML logging"."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcode.safety.process import Finished
from kcode.testrun.adapter import Suite
from kcode.testrun.adapters import adapter
from kcode.testrun.report import Frame, TestCase

DATA = Path(__file__).parent / "data"


def read(name: str, folder: Path, report: Path, stdout: str = "", code: int = 1) -> dict[str, TestCase]:
    done = Finished(code, stdout, "", False, 5.0, 0, None)
    reading = adapter(name).read(done, Suite(folder, folder), report)
    assert not reading.cannot_run
    return {case.id: case for case in reading.cases}


def recorded(name: str, folder: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text((DATA / name).read_text().replace("FOLDER", folder.as_posix()))


def sources(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("source\n" * 20)
    return folder


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("maven", "target/surefire-reports/TEST-com.shop.CartTest.xml"),
        ("gradle", "build/test-results/test/TEST-com.shop.CartTest.xml"),
    ],
)
def test_junits_reports_name_the_class_the_values_and_the_places(
    name: str, place: str, tmp_path: Path
) -> None:
    root = sources(tmp_path, "src/main/java/com/shop/Cart.java", "src/test/java/com/shop/CartTest.java")
    recorded("surefire.xml", root, root / place)
    cases = read(name, root, tmp_path)
    assert [case.status for case in cases.values()] == ["passed", "failed", "error"]
    wrong = cases["com.shop.CartTest#adds[1]"]
    assert (wrong.expected, wrong.actual, wrong.output) == ("3", "2", "adding up")
    assert wrong.frames == (Frame("src/test/java/com/shop/CartTest.java", 12, "adds"),)
    boom = cases["com.shop.CartTest#explodes"]
    assert boom.message == "boom"
    assert [frame.path.rpartition("/")[2] for frame in boom.frames] == ["CartTest.java", "Cart.java"]


def test_reports_that_an_earlier_run_left_are_not_read(tmp_path: Path) -> None:
    place = tmp_path / "target/surefire-reports/TEST-old.xml"
    recorded("surefire.xml", tmp_path, place)
    os.utime(place, (1, 1))
    assert read("maven", tmp_path, tmp_path) == {}


def test_a_module_of_a_maven_workspace_is_read_too(tmp_path: Path) -> None:
    recorded("surefire.xml", tmp_path, tmp_path / "core/target/surefire-reports/TEST-com.shop.CartTest.xml")
    assert len(read("maven", tmp_path, tmp_path)) == 3


def test_trx_gives_full_names_values_and_durations(tmp_path: Path) -> None:
    root = sources(tmp_path / "project", "CartTests.cs")
    recorded("results.trx", root, tmp_path / "report/results.trx")
    cases = read("dotnet", root, tmp_path / "report")
    wrong = cases["Shop.CartTests.Adds(a: 1, b: 1)"]
    assert (wrong.status, wrong.expected, wrong.actual, wrong.seconds) == ("failed", "3", "2", 1.5)
    assert wrong.frames[-1].path == "CartTests.cs"
    assert wrong.frames[-1].line == 9
    assert cases["Shop.CartTests.Later"].status == "skipped"


def test_nextests_junit_keeps_the_tests_names(tmp_path: Path) -> None:
    root = sources(tmp_path / "project", "src/lib.rs")
    recorded("nextest.xml", root, tmp_path / "report/junit.xml")
    cases = read("nextest", root, tmp_path / "report")
    wrong = cases["tests::adds"]
    assert (wrong.expected, wrong.actual) == ("2", "1")
    assert wrong.frames == (Frame("src/lib.rs", 5),)
    assert cases["tests::works"].status == "passed"


def test_gos_events_give_subtests_and_packages_that_do_not_build(tmp_path: Path) -> None:
    root = sources(tmp_path, "bad/bad.go", "shop_test.go")
    (root / "go.mod").write_text("module example.com/shop\n")
    cases = read("go", root, tmp_path, (DATA / "go.jsonl").read_text())
    assert set(cases) == {".::TestAdd/one_and_one", ".::TestOk", "bad"}
    wrong = cases[".::TestAdd/one_and_one"]
    assert (wrong.expected, wrong.actual, wrong.frames) == ("2", "1", (Frame("shop_test.go", 7),))
    assert cases["bad"].status == "error"
    assert "cannot use" in cases["bad"].message
    assert cases["bad"].frames == (Frame("bad/bad.go", 2),)


def test_jests_json_gives_values_without_colours_and_files_that_do_not_load(tmp_path: Path) -> None:
    root = sources(tmp_path / "project", "src/cart.test.js", "src/broken.test.js", "node_modules/jest/x.js")
    recorded("jest.json", root, tmp_path / "report/jest.json")
    cases = read("jest", root, tmp_path / "report")
    wrong = cases["src/cart.test.js::cart > adds"]
    assert (wrong.expected, wrong.actual) == ("3", "2")
    assert wrong.frames == (Frame("src/cart.test.js", 4, "Object.toBe"),)
    assert "\x1b" not in wrong.assertion
    assert cases["src/cart.test.js::later"].status == "skipped"
    assert "Cannot find module" in cases["src/broken.test.js"].assertion


def test_rspecs_json_gives_ids_that_rspec_takes_again(tmp_path: Path) -> None:
    root = sources(tmp_path / "project", "spec/cart_spec.rb")
    recorded("rspec.json", root, tmp_path / "report/rspec.json")
    cases = read("rspec", root, tmp_path / "report")
    wrong = cases["spec/cart_spec.rb::1:2"]
    assert (wrong.expected, wrong.actual, wrong.frames[-1].line) == ("3", "2", 4)
    assert wrong.message.startswith("ExpectationNotMetError")
    assert "Cart adds" in wrong.assertion


def test_phpunits_junit_is_read_once_through_all_levels_of_suites(tmp_path: Path) -> None:
    root = sources(tmp_path / "project", "tests/CartTest.php")
    recorded("phpunit.xml", root, tmp_path / "report/junit.xml")
    cases = read("phpunit", root, tmp_path / "report")
    assert set(cases) == {"tests/CartTest.php::testOk", "tests/CartTest.php::testSum"}
    wrong = cases["tests/CartTest.php::testSum"]
    assert wrong.message == "Failed asserting that 2 is identical to 3."
    assert (wrong.expected, wrong.actual, wrong.frames[-1].line) == ("3", "2", 6)


EVALUATED = "vendor/pestphp/pest/src/Factories/TestCaseFactory.php(196) : eval()'d code"


@pytest.mark.parametrize(
    ("file", "name", "classname"),
    [
        ("tests/Unit/CartTest.php::it adds", "it adds", "Tests.Unit.CartTest"),
        (EVALUATED, "__pest_evaluable_it_adds", "P.Tests.Unit.CartTest"),
        ("Cart (Tests\\Unit\\Cart)::it adds", "it adds", "Tests.Unit.CartTest"),
    ],
)
def test_pest_tells_of_files_in_ways_of_its_own(tmp_path: Path, file: str, name: str, classname: str) -> None:
    root = sources(tmp_path / "project", "tests/Unit/CartTest.php")
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite name="a">'
        f'<testcase name="{name}" file="{file}" classname="{classname}" time="0.1">'
        '<failure type="PHPUnit\\Framework\\ExpectationFailedException">'
        "Failed asserting that 2 is identical to 3.\nat tests/Unit/CartTest.php:6"
        "</failure></testcase></testsuite></testsuites>"
    )
    cases = read("phpunit", root, tmp_path)
    assert list(cases) == ["tests/Unit/CartTest.php::it adds"]
    wrong = cases["tests/Unit/CartTest.php::it adds"]
    assert (wrong.message, wrong.frames[-1].line) == ("Failed asserting that 2 is identical to 3.", 6)


def test_the_rows_of_a_test_with_data_are_not_counted_twice(tmp_path: Path) -> None:
    rows = "".join(
        f'<UnitTestResult testId="1" testName="Adds ({row})" outcome="{outcome}" duration="00:00:01.5" '
        'resultType="DataDrivenDataRow"/>'
        for row, outcome in ((1, "Passed"), (2, "Failed"))
    )
    (tmp_path / "results.trx").write_text(
        '<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>'
        '<UnitTestResult testId="1" testName="Adds" outcome="Failed" resultType="DataDrivenTest">'
        f"<InnerResults>{rows}</InnerResults></UnitTestResult></Results></TestRun>"
    )
    cases = read("dotnet", tmp_path, tmp_path)
    assert {name: case.status for name, case in cases.items()} == {"Adds (1)": "passed", "Adds (2)": "failed"}


@pytest.mark.parametrize("name", ["jest", "vitest", "mocha", "node", "rspec", "phpunit", "nextest", "dotnet"])
def test_a_torn_report_is_no_result(name: str, tmp_path: Path) -> None:
    for file in ("jest.json", "json", "junit", "rspec.json", "junit.xml", "results.trx"):
        (tmp_path / file).write_text('{"testResults": [{"na')
    assert read(name, tmp_path, tmp_path) == {}
