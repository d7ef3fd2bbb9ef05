"""Small projects run by the real runners; one that is not installed is skipped."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.testrun.report import TestProgress, TestReport
from kcode.testrun.run import run_tests
from tests.testrun.conftest import Project

pytestmark = pytest.mark.anyio

SETTINGS = Settings(tests=RunnerSettings(timeout_s=200, rerun_failed=False))


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def rust(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # tests have a home of their own, toolchains do not
    for variable, folder in (("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")):
        if variable not in os.environ and (home / folder).is_dir():
            monkeypatch.setenv(variable, str(home / folder))


async def again(root: Path, report: TestReport, index: int = 0) -> None:
    """A failing test's id is a target that runs just it."""
    case = report.failing[index]
    second = await run_tests(root, SETTINGS, case.id)
    assert [one.id for one in second.cases if one.status != "skipped"] == [case.id]
    assert second.failing


@needs("node")
async def test_nodes_own_runner(project: Project) -> None:
    root = project(
        {
            "package.json": '{"scripts": {"test": "node --test"}}',
            "my tests/cart.test.js": "const {test, describe, it} = require('node:test');\n"
            "const assert = require('assert');\n"
            "test('adds', () => { assert.strictEqual(1 + 1, 3); });\n"
            "describe('cart', () => { it('is ok', () => {});\n"
            "  it('explodes ünï', () => { throw new TypeError('boom'); }); it.skip('later', () => {}); });\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed, report.skipped) == (1, 2, 1)
    adds, boom = report.failing
    assert adds.id == "my tests/cart.test.js::adds"
    assert (adds.expected, adds.actual) == ("3", "2")
    assert (boom.message, boom.frames[-1].line) == ("TypeError: boom", 5)
    assert "node" in report.environment
    await again(root, report, 1)


@needs("cargo")
async def test_cargo(project: Project, rust: None) -> None:
    root = project(
        {
            "Cargo.toml": '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 { a + b - 1 }\n#[cfg(test)]\nmod tests {\n"
            "    use super::*;\n    #[test] fn works() { assert_eq!(add(0, 1), 0); }\n"
            '    #[test] fn adds() { println!("hello"); assert_eq!(add(1, 1), 2); }\n'
            "    #[test] #[ignore] fn later() {}\n}\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed, report.skipped) == (1, 1, 1)
    (case,) = report.failing
    assert (case.id, case.expected, case.actual, case.output) == ("tests::adds", "2", "1", "hello")
    assert (case.frames[-1].path, case.frames[-1].line) == ("src/lib.rs", 6)
    await again(root, report)
    (root / "src/lib.rs").write_text("pub fn add() -> i32 { nothing }\n")
    assert "cannot find value `nothing`" in (await run_tests(root, SETTINGS)).cannot_run


@needs("go")
async def test_go(project: Project) -> None:
    root = project(
        {
            "go.mod": "module example.com/shop\n\ngo 1.18\n",
            "calc/calc.go": "package calc\n\nfunc Add(a, b int) int { return a + b - 1 }\n",
            "calc/calc_test.go": 'package calc\n\nimport "testing"\n\nfunc TestOk(t *testing.T) {}\n\n'
            'func TestAdd(t *testing.T) {\n\tt.Run("one", func(t *testing.T) {\n'
            '\t\tif got := Add(1, 1); got != 2 { t.Errorf("got %d, want %d", got, 2) }\n\t})\n}\n',
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed) == (1, 1)
    (case,) = report.failing
    assert (case.id, case.expected, case.actual) == ("calc::TestAdd/one", "2", "1")
    assert (case.frames[-1].path, case.frames[-1].line) == ("calc/calc_test.go", 9)
    await again(root, report)


@needs("cmake", "ctest", "cc")
async def test_ctest(project: Project) -> None:
    root = project(
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(shop C)\nenable_testing()\n"
            "add_executable(t t.c)\nadd_test(NAME adds COMMAND t 1)\nadd_test(NAME crashes COMMAND t 2)\n"
            "add_test(NAME fine COMMAND t 0)\n",
            "t.c": "#undef NDEBUG\n#include <assert.h>\n#include <stdlib.h>\nint main(int c, char **v) {\n"
            "  int k = atoi(v[1]);\n  if (k == 2) { volatile int *p = 0; *p = 1; }\n"
            "  assert(1 + 1 == 2 + k);\n  return 0;\n}\n",
        }
    )
    assert "cmake -B build" in (await run_tests(root, SETTINGS)).cannot_run
    subprocess.run(["cmake", "-B", "build"], cwd=root, check=True, capture_output=True)  # noqa: ASYNC221
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed + report.errors) == (1, 2)
    adds = next(case for case in report.failing if case.id == "adds")
    assert "Assertion" in adds.message
    assert (adds.frames[-1].path, adds.frames[-1].line) == ("t.c", 7)
    await again(root, report)


@needs("rspec")
async def test_rspec(project: Project) -> None:
    root = project(
        {
            ".rspec": "",
            "spec/cart_spec.rb": "RSpec.describe 'Cart' do\n  it('is ok') { expect(1).to eq(1) }\n"
            "  it('totals') { puts 'adding'; expect(2).to eq(3) }\n  xit('later') { }\nend\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed, report.skipped) == (1, 1, 1)
    assert (report.failing[0].expected, report.failing[0].actual) == ("3", "2")
    assert report.failing[0].output == "adding"
    await again(root, report)
    (root / "spec/broken_spec.rb").write_text("require 'nothing_here'\n")
    broken = await run_tests(root, SETTINGS)
    assert [case.id for case in broken.failing] == ["spec/broken_spec.rb"]
    assert "cannot load such file -- nothing_here" in broken.failing[0].message


@needs("ruby")
async def test_minitest(project: Project) -> None:
    if subprocess.run(["ruby", "-e", "require 'minitest'"], capture_output=True).returncode:  # noqa: ASYNC221
        pytest.skip("the gem minitest is not installed")
    root = project(
        {
            "test/cart_test.rb": "require 'minitest/autorun'\nclass CartTest < Minitest::Test\n"
            "  def test_ok; puts 'chatter'; end\n"
            "  def test_sum\n    puts 'adding'; assert_equal 3, 2\n  end\n"
            "  def test_boom; nil.x; end\n  def test_later; skip 'x'; end\nend\n"
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed, report.errors, report.skipped) == (1, 1, 1, 1)
    wrong = next(case for case in report.failing if case.status == "failed")
    assert (wrong.id, wrong.frames[-1].line) == ("test/cart_test.rb::CartTest#test_sum", 5)
    assert (wrong.expected, wrong.actual, wrong.output) == ("3", "2", "adding")
    await again(root, report)


@needs("phpunit")
async def test_phpunit(project: Project) -> None:
    root = project(
        {
            "phpunit.xml": '<phpunit><testsuites><testsuite name="a"><directory>tests</directory>'
            "</testsuite></testsuites></phpunit>",
            "tests/CartTest.php": "<?php\nuse PHPUnit\\Framework\\TestCase;\n"
            "final class CartTest extends TestCase {\n"
            "  public function testOk(): void { $this->assertTrue(true); }\n"
            "  public function testSum(): void { $this->assertSame(3, 2); }\n}\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed) == (1, 1)
    assert (report.failing[0].expected, report.failing[0].actual) == ("3", "2")
    await again(root, report)


@needs("node")
@pytest.mark.parametrize("name", ["jest", "vitest", "mocha"])
async def test_runners_of_npm(name: str, project: Project) -> None:
    modules = shutil.which(name)
    if modules is None:
        pytest.skip(f"not installed: {name} on the PATH")
    compare = (
        "require('assert').deepEqual({a: 1}, {a: 2})" if name == "mocha" else "expect({a: 1}).toEqual({a: 2})"
    )
    root = project(
        {
            "package.json": f'{{"devDependencies": {{"{name}": "*"}}}}',
            "src/cart.js": "module.exports.boom = () => {\n  null.x;\n};\n",
            "test/cart.test.js": "const {boom} = require('../src/cart.js');\n"
            "describe('cart', () => { it('is ok', () => { console.log('chatter'); });\n"
            "  it('boom (x)', () => { console.log('said it'); boom(); });\n"
            f"  it('compares', () => {{ {compare}; }}); it.skip('later', () => {{}}); }});\n",
            "test/broken.test.js": "const = 3;\n",
            "vitest.config.js" if name == "vitest" else "README": "export default {test: {globals: true}};\n",
        }
    )
    if name == "mocha":  # loads all files before the first test
        (root / "test/broken.test.js").unlink()
    (root / "node_modules").symlink_to(Path(modules).parent.parent)
    told: list[TestProgress] = []
    report = await run_tests(root, SETTINGS, on_progress=told.append)
    assert (report.passed, report.failed, report.skipped) == (1, 2, 1)
    assert report.errors == (name != "mocha")
    assert max(one.failed for one in told) >= 2
    cases = {case.id.rpartition(" > ")[2]: case for case in report.failing}
    boom, compared = cases["boom (x)"], cases["compares"]
    assert "Cannot read properties of null" in boom.message
    assert [frame.path for frame in boom.frames] == ["test/cart.test.js", "src/cart.js"]
    assert boom.output == "said it"
    assert ("2" in compared.expected, "1" in compared.actual) == (True, True)
    await again(root, report, report.failing.index(boom))


@needs("node")
async def test_what_ended_before_the_time_limit_is_known(project: Project) -> None:
    root = project(
        {
            "package.json": '{"scripts": {"test": "node --test"}}',
            "a.test.js": "const {test} = require('node:test');\ntest('quick', () => {});\n"
            "test('bad', () => { throw new Error('x'); });\n"
            "test('endless', async () => { await new Promise((r) => setTimeout(r, 200_000)); });\n",
        }
    )
    report = await run_tests(root, SETTINGS, timeout_s=20)
    assert report.timed_out
    assert {case.id: case.status for case in report.cases} == {
        "a.test.js::quick": "passed",
        "a.test.js::bad": "failed",
    }


@pytest.mark.parametrize("name", ["jest"])
async def test_what_a_runner_told_until_the_time_limit_is_said(name: str, project: Project) -> None:
    modules = shutil.which(name)
    if modules is None:
        pytest.skip(f"not installed: {name} on the PATH")
    root = project(
        {
            "package.json": f'{{"devDependencies": {{"{name}": "*"}}}}',
            "test/a.test.js": f"test('quick', () => {{}});  // {'jest begins with the largest ' * 50}\n",
            "test/b.test.js": "test('endless', async () => {\n"
            "  await new Promise((r) => setTimeout(r, 200000)); }, 200000);\n",
        }
    )
    (root / "node_modules").symlink_to(Path(modules).parent.parent)
    report = await run_tests(root, SETTINGS, timeout_s=30)
    assert "until then 1 had passed and 0 failed" in report.cannot_run


@needs("cargo", "cargo-nextest")
async def test_nextest(project: Project, rust: None) -> None:
    root = project(
        {
            "Cargo.toml": '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n',
            ".config/nextest.toml": "",
            "src/lib.rs": "#[test] fn works() {}\n#[test] fn aborts() { std::process::abort(); }\n"
            '#[test] fn adds() { println!("adding"); assert_eq!(1 + 1, 3, "sum"); }\n',
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed) == (1, 2)
    aborts, adds = sorted(report.failing, key=lambda case: "adds" in case.id)
    assert (adds.expected, adds.actual, adds.output, adds.frames[-1].line) == ("3", "2", "adding", 3)
    assert adds.message == "assertion `left == right` failed: sum"
    assert "SIGABRT" in aborts.message
    await again(root, report)


@needs("cargo")
async def test_a_rust_test_that_ends_its_process_is_told(project: Project, rust: None) -> None:
    root = project(
        {
            "Cargo.toml": '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/lib.rs": "#[test] fn aborts() { std::process::abort(); }\n",
            "tests/api.rs": "#[test] fn works() {}\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert (report.passed, [case.id for case in report.failing]) == (1, ["src/lib.rs"])
    assert "SIGABRT" in report.failing[0].message
    await again(root, report)
