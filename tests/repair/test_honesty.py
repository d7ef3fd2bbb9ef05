from __future__ import annotations

from pathlib import Path

import pytest

from kcode.repair.aim import Asked, aim_at
from kcode.repair.honesty import imitation, set_up_changed, size_of, weakened
from kcode.repair.logread import fits, read_log
from kcode.repair.testfiles import inline_tests, is_test_part
from kcode.testrun.report import TestCase
from kcode.tools.base import FileEdit
from kcode.ui.fixing import wanted_of

ONE = "def test_a():\n    assert f() == 1\n"
FAILED = TestCase("t::x", "failed", message="expected 37 but was -15", expected="37", actual="-15")


@pytest.mark.parametrize(
    ("path", "before", "after", "named"),
    [
        ("a.js", "  return a - b;", "  if (b === 37) return b;\n  return a - b;", "37"),
        ("a.go", "\treturn a - b", "\tswitch a {\n\tcase -15:\n\t\treturn b\n\t}\n\treturn a - b", "-15"),
        ("a.rb", "  a - b", "  return 37", "37"),
        ("a.rs", "    a - b", "    match a { 37 => 1, _ => a - b }", "37"),
        ("a.py", "    return a - b", "    return {37: 1}.get(a, a - b)", "37"),
        ("a.js", "  return a - b;", "  return a + b;", ""),
        ("a.js", "  return a - b;", "  // 37 is what the test wants\n  return a + b;", ""),
        ("a.js", "  if (a > 37) return b;", "  if (a >= 37) return b;", ""),
        ("test/a.test.js", "x", "if (y === 37) x", ""),
    ],
)
def test_a_decision_by_a_value_of_the_test_is_recognised(
    path: str, before: str, after: str, named: str
) -> None:
    assert imitation([FileEdit(path, before, after)], [FAILED], Path("/nowhere")) == named


def test_values_are_read_from_the_source_of_the_test_too(tmp_path: Path) -> None:
    from kcode.testrun.report import Frame

    (tmp_path / "test_a.py").write_text("def test_a():\n    assert price('apple') == 3\n")
    case = TestCase("test_a.py::test_a", "failed", frames=(Frame("test_a.py", 2),))
    edit = FileEdit("a.py", "    return 0\n", "    if fruit == 'apple':\n        return 3\n    return 0\n")
    assert imitation([edit], [case], tmp_path) == "'apple'"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (ONE, None, "is deleted"),
        (ONE + "def test_b():\n    assert f()\n", ONE, "loses test_b"),
        (ONE, f"@pytest.mark.skip\n{ONE}", "skips more"),
        (ONE, "def test_a():\n    f()\n", "asserts less"),
        (ONE, "def test_a():\n    assert f() == 2\n", ""),
    ],
)
def test_weaker_tests_are_named(before: str, after: str | None, said: str) -> None:
    found = "; ".join(weakened([FileEdit("tests/test_a.py", before, after)]))
    assert (said in found) if said else not found


def test_the_size_of_a_patch_is_its_changed_lines() -> None:
    assert size_of([FileEdit("a", "1\n2\n3\n", "1\ntwo\n3\n"), FileEdit("b", None, "x\n")]) == 3
    assert size_of([FileEdit("a", "== title\n--- x\n", "== title\n--- y\n")]) == 2


def test_what_says_how_tests_run_is_named() -> None:
    edits = [FileEdit("web/package.json", "{}", "{ }"), FileEdit("src/a.py", "1", "2")]
    assert set_up_changed(edits) == ["web/package.json"]


@pytest.mark.parametrize(
    ("path", "is_part"),
    [
        ("src/__tests__/a.ts", True),
        ("pkg/calc_test.go", True),
        ("pkg/testdata/golden.txt", True),
        ("src/test/java/CartTest.java", True),
        ("spec/cart_spec.rb", True),
        ("conftest.py", True),
        ("src/main/java/Cart.java", False),
        ("src/contest.py", False),
        ("lib/latest.rb", False),
    ],
)
def test_tests_and_their_fixtures_are_told_from_what_they_test(path: str, is_part: bool) -> None:
    assert is_test_part(path) is is_part


def test_rust_keeps_its_tests_in_the_file() -> None:
    code, tests = inline_tests("src/lib.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {}\n")
    assert (code, tests) == ("fn a() {}\n\n", "#[cfg(test)]\nmod tests {}\n")
    assert inline_tests("a.py", "#[cfg(test)]") == ("#[cfg(test)]", "")


# --- logs ---------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "tests/test_shop.py",
        "src/shop.py",
        "web/cart.test.ts",
        "pkg/calc_test.go",
        "spec/a_spec.rb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" * 20)
    return tmp_path


@pytest.mark.parametrize(
    ("log", "targets", "names"),
    [
        ("FAILED tests/test_shop.py::test_a[x y] - assert 1 == 2", ("tests/test_shop.py::test_a[x y]",), ()),
        ("\x1b[31mFAILED\x1b[0m tests/test_shop.py::test_a - x", ("tests/test_shop.py::test_a",), ()),
        ("tests/test_shop.py::test_a FAILED  [ 50%]", ("tests/test_shop.py::test_a",), ()),
        ("FAILED /home/ci/work/tests/test_shop.py::test_a - x", ("tests/test_shop.py::test_a",), ()),
        ('  File "/builds/x/tests/test_shop.py", line 4, in test_a', (), ()),
        (" FAIL  web/cart.test.ts\n  ● cart › adds\n", ("web/cart.test.ts",), ("adds",)),
        ("--- FAIL: TestAdd (0.00s)\n    calc_test.go:6: got 3\nFAIL\n", (), ("TestAdd",)),
        ("test tests::adds ... FAILED\n", (), ("tests::adds",)),
        ("rspec ./spec/a_spec.rb:4 # adds\n", ("spec/a_spec.rb:4",), ()),
        ("FAIL: test_a (tests.test_shop.Shop)\n", (), ("test_a",)),
        ("1) Tests\\CartTest::testAdds\n", (), ("CartTest::testAdds",)),
        ("[ERROR]   CartTest.adds:12 expected: <3>\n", (), ("CartTest.adds",)),
        ("everything is fine\n", (), ()),
    ],
)  # fmt: skip
def test_a_log_of_any_runner_names_its_tests(
    root: Path, log: str, targets: tuple[str, ...], names: tuple[str, ...]
) -> None:
    named = read_log(log, root)
    assert named.targets == targets
    assert named.names == names


def test_a_stack_trace_names_the_test_file_it_goes_through(root: Path) -> None:
    lines = [f'  File "{root}/tests/test_shop.py", line 3, in test_a', f'  File "{root}/src/shop.py", line 2']
    log = "\n".join(["Traceback:", *lines])
    named = read_log(log, root)
    assert named.targets == ("tests/test_shop.py",)
    assert set(named.files) == {"tests/test_shop.py", "src/shop.py"}


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("pkg::TestAdd", "TestAdd"),
        ("web/cart.test.ts::cart > adds", "adds"),
        ("tests/test_shop.py::Shop::test_a", "test_a"),
        ("src/test/java/CartTest.java::CartTest.adds", "CartTest.adds"),
    ],
)
def test_names_of_a_log_find_the_tests_of_a_run(test: str, name: str) -> None:
    assert fits(test, (name,))
    assert not fits(test, ("another",))


# --- what is asked for --------------------------------------------------------------------------------


def test_the_argument_is_an_id_files_words_or_a_command(root: Path) -> None:
    assert aim_at(root, Asked("tests/test_shop.py::test_a")).targets == ("tests/test_shop.py::test_a",)
    several = aim_at(root, Asked("tests/test_shop.py web/cart.test.ts"))
    assert several.targets == ("tests/test_shop.py", "web/cart.test.ts")
    assert aim_at(root, Asked("the login test")).sentence == "the login test"
    assert aim_at(root, Asked("the failing test")) == aim_at(root, Asked("the failing test"))
    assert not aim_at(root, Asked("the failing test")).sentence
    assert (
        aim_at(root, Asked(command=("npm", "test"), folder="web dir")).command == "cd 'web dir' && npm test"
    )
    assert aim_at(root, Asked(command=("make check && true",), folder=".")).command == "make check && true"


def test_the_session_reads_the_options_of_the_command_line() -> None:
    wanted = wanted_of("the login test --attempts 3 --bisect --commit --branch=fix/login")
    assert wanted.asked == Asked("the login test", attempts=3, bisect=True)
    assert (wanted.commit, wanted.branch, wanted.yes) == (True, "fix/login", False)
    assert wanted_of("-- npm run 'my test'").asked.command == ("npm", "run", "my test")
    assert wanted_of("why doesn't it work").asked.words == "why doesn't it work"
    assert wanted_of("x --good v1.2").asked == Asked("x", bisect=True, good="v1.2")


@pytest.mark.parametrize(
    "argument", ["--colour", "--attempts", "--attempts x", "--attempts 99", "--branch", "a -- b"]
)
def test_the_session_refuses_what_it_does_not_know(argument: str) -> None:
    from kcode.errors import UsageError

    with pytest.raises(UsageError):
        wanted_of(argument)
