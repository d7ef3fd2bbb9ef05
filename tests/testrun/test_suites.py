from __future__ import annotations

import json
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.testrun.adapter import Suite, Tools, parse_target
from kcode.testrun.adapters import NAMES, adapter
from kcode.testrun.run import run_tests
from kcode.testrun.suites import choose, suites
from tests.testrun.conftest import Project

pytestmark = pytest.mark.anyio

PROJECTS: dict[str, dict[str, str]] = {
    "pytest": {"pyproject.toml": "[tool.pytest.ini_options]\n", "test_a.py": ""},
    "django": {"manage.py": "import django\n"},
    "jest": {"package.json": json.dumps({"devDependencies": {"jest": "29"}})},
    "vitest": {"package.json": json.dumps({"devDependencies": {"vitest": "2"}})},
    "mocha": {"package.json": json.dumps({"scripts": {"test": "nyc mocha"}})},
    "node": {"package.json": json.dumps({"scripts": {"test": "node --import tsx --test"}})},
    "npm": {"package.json": json.dumps({"scripts": {"test": "ava"}})},
    "go": {"go.mod": "module x\n"},
    "cargo": {"Cargo.toml": "[package]\nname='x'\n"},
    "nextest": {"Cargo.toml": "[package]\nname='x'\n", ".config/nextest.toml": ""},
    "maven": {"pom.xml": "<project/>"},
    "gradle": {"build.gradle.kts": ""},
    "dotnet": {"Shop.sln": ""},
    "phpunit": {"composer.json": '{"require-dev": {"phpunit/phpunit": "^10"}}'},
    "rspec": {".rspec": "", "Gemfile": "gem 'rspec'"},
    "minitest": {"test/a_test.rb": "require 'minitest/autorun'\n"},
    "ctest": {"CMakeLists.txt": "enable_testing()\n"},
    "tox": {"tox.ini": "[tox]\n"},
    "nox": {"noxfile.py": ""},
    "just": {"justfile": "test filter='':\n  x\n"},
    "make": {"Makefile": "test: build\n\ttrue\n"},
}


def test_the_runner_that_the_script_starts_comes_before_one_that_only_lies_there(project: Project) -> None:
    data = {"scripts": {"test": "mocha test/"}, "devDependencies": {"mocha": "11", "vitest": "3"}}
    found = suites(project({"package.json": json.dumps(data), "test/a.js": ""}))
    assert [one.name for one in found if one.name in ("mocha", "vitest", "jest")] == ["mocha"]


@pytest.mark.parametrize("name", PROJECTS)
def test_a_projects_files_say_which_runner_it_has(name: str, project: Project) -> None:
    found = suites(project(PROJECTS[name]))
    assert found[0].name == name
    assert found[0].why


def test_every_runner_has_a_project_here() -> None:
    assert set(NAMES) - {"unittest"} == set(PROJECTS)


def test_what_npm_init_writes_is_no_test(project: Project) -> None:
    script = 'echo "Error: no test specified" && exit 1'
    assert suites(project({"package.json": json.dumps({"scripts": {"test": script}})})) == []


MONOREPO = {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "tests/test_a.py": "def test_a(): pass\n",
    "web/package.json": PROJECTS["jest"]["package.json"],
    "web/src/a.test.js": "",
    "svc/go.mod": "module svc\n",
    "svc/api/a_test.go": "",
    "libs/py/pyproject.toml": "[tool.pytest.ini_options]\n",
    "libs/py/test_b.py": "def test_b(): pass\n\ndef test_bad():\n    assert 1 == 2\n",
}


@pytest.mark.parametrize(
    ("target", "name", "place"),
    [
        ("", "pytest", ""),
        ("tests/test_a.py", "pytest", ""),
        ("web", "jest", "web"),
        ("web/src/a.test.js::x > y", "jest", "web"),
        ("svc/api/a_test.go", "go", "svc"),
        ("libs/py/test_b.py::test_b", "pytest", "libs/py"),
    ],
)
def test_the_project_file_nearest_to_the_target_chooses(
    target: str, name: str, place: str, project: Project
) -> None:
    found = suites(project(MONOREPO), target)[0]
    assert (found.name, found.suite.place) == (name, place)


async def test_the_choice_is_told_with_what_else_there_is(project: Project, settings: Settings) -> None:
    chosen = await choose(project(MONOREPO), settings)
    assert chosen.why.startswith("pytest in the repository root (pytest's settings in pyproject.toml)")
    assert "go in svc" in chosen.why
    assert "jest in web" in chosen.why


async def test_ids_and_frames_of_an_inner_suite_are_the_repositorys(
    project: Project, settings: Settings
) -> None:
    root = project(MONOREPO)
    report = await run_tests(root, settings, "libs/py")
    assert [case.id for case in report.cases] == ["libs/py/test_b.py::test_b", "libs/py/test_b.py::test_bad"]
    assert report.failing[0].frames[-1].path == "libs/py/test_b.py"
    again = await run_tests(root, settings, report.failing[0].id)
    assert [case.id for case in again.cases] == ["libs/py/test_b.py::test_bad"]


async def test_a_setting_chooses_the_runner(project: Project) -> None:
    root = project({**PROJECTS["cargo"], **PROJECTS["make"]})
    assert suites(root)[0].name == "cargo"
    assert suites(root, only="make")[0].name == "make"
    settings = Settings(tests=RunnerSettings(runner="phpunit"))
    assert "tests.runner" in (await run_tests(root, settings)).cannot_run


async def test_a_runner_that_is_not_installed_is_named_with_what_to_do(project: Project) -> None:
    report = await run_tests(project(PROJECTS["jest"]), Settings())
    assert "npm install" in report.cannot_run or "Node.js" in report.cannot_run


def shown(name: str, root: Path, *targets: str) -> list[str]:
    launch = adapter(name).launch(
        Suite(root, root), Tools(("RUN",), ""), [parse_target(root, one) for one in targets], root
    )
    return list(launch.shown or launch.argv)


FILES = {
    "src/a.test.js": "",
    "pkg/a_test.go": "func TestA(t *testing.T) {}\nfunc TestB(t *testing.T) {}\n",
    "src/test/java/com/shop/CartTest.java": "",
    "src/cart.rs": "",
    "tests/api.rs": "",
    "crates/core/Cargo.toml": '[package]\nname = "shop-core"\n',
    "crates/core/src/lib.rs": "",
    "spec/a_spec.rb": "",
    "tests/CartTest.php": "",
    "tests/test_u.py": "",
    "CartTests.cs": "",
    "Makefile": "test:\n",
}


@pytest.mark.parametrize(
    ("name", "targets", "words"),
    [
        ("jest", ["src/a.test.js::a > b (c)"], ["-t", r"a b \(c\)$", "--runTestsByPath", "src/a.test.js"]),
        ("vitest", ["src/a.test.js"], ["run", "src/a.test.js"]),
        ("mocha", ["adds"], ["--grep", "adds$"]),
        ("node", ["src/a.test.js::x > y"], ["--test", "--test-name-pattern=y$", "src/a.test.js"]),
        ("go", ["pkg/a_test.go"], ["test", "-run", "^(TestA|TestB)$", "./pkg"]),
        ("go", ["pkg::TestA/1+1"], ["test", "-run", r"^TestA$/^1\+1$", "./pkg"]),
        ("go", ["pkg"], ["test", "./pkg/..."]),
        ("go", ["TestA"], ["test", "-run", "^TestA$", "./..."]),
        ("cargo", ["cart::tests::adds"], ["test", "--no-fail-fast", "--", "cart::tests::adds", "--exact"]),
        ("cargo", ["src/cart.rs"], ["test", "--no-fail-fast", "--", "cart::"]),
        ("cargo", ["tests/api.rs::get"], ["test", "--no-fail-fast", "--test", "api", "--", "get"]),
        ("cargo", ["crates/core"], ["test", "--no-fail-fast", "-p", "shop-core"]),
        ("nextest", ["adds"], ["nextest", "run", "--no-fail-fast", "--", "adds"]),
        ("maven", ["src/test/java/com/shop/CartTest.java"], ["test", "-Dtest=com.shop.CartTest"]),
        ("maven", ["com.shop.CartTest#adds"], ["test", "-Dtest=com.shop.CartTest#adds"]),
        (
            "gradle",
            ["src/test/java/com/shop/CartTest.java::adds"],
            ["test", "--tests", "com.shop.CartTest.adds"],
        ),
        ("ctest", ["adds"], ["--test-dir", ".", "-R", "^(adds)$"]),
        ("rspec", ["spec/a_spec.rb::1:2"], ["spec/a_spec.rb[1:2]"]),
        ("rspec", ["spec/a_spec.rb:12"], ["spec/a_spec.rb:12"]),
        ("phpunit", ["tests/CartTest.php"], ["tests/CartTest.php"]),
        ("dotnet", ["Shop.CartTests.Adds"], ["test", "--filter", "FullyQualifiedName=Shop.CartTests.Adds"]),
        ("dotnet", ["CartTests.cs"], ["test", "--filter", "FullyQualifiedName~CartTests"]),
        ("unittest", ["tests/test_u.py::T::test_x"], ["-m", "unittest", "tests.test_u.T.test_x"]),
        ("django", ["tests/test_u.py"], ["manage.py", "test", "tests.test_u"]),
        ("tox", ["tests/test_u.py"], ["--", "tests/test_u.py"]),
        ("npm", ["src/a.test.js"], ["--", "src/a.test.js"]),
        ("make", ["tests/test_u.py"], ["TESTS=tests/test_u.py"]),
    ],
)
def test_a_target_is_told_to_the_runner_in_its_own_words(
    name: str, targets: list[str], words: list[str], project: Project
) -> None:
    root = project(FILES)
    said = [word.replace(str(root), ".") for word in shown(name, root, *targets)]
    assert said == ["RUN", *words]
