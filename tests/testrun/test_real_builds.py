"""Real builds and Python projects: Maven, Gradle, unittest, Django, and pytest inside of other things."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.testrun.run import run_tests
from tests.testrun.conftest import Project
from tests.testrun.test_real_runners import SETTINGS, again, needs

pytestmark = pytest.mark.anyio

JAVA = {
    "src/main/java/com/shop/Cart.java": "package com.shop;\npublic class Cart {\n"
    '    public static int boom() { throw new IllegalStateException("no db"); }\n}\n',
    "src/test/java/com/shop/CartTest.java": "package com.shop;\nimport static org.junit.Assert.*;\n"
    "import org.junit.*;\npublic class CartTest {\n    @Test public void ok() {}\n"
    '    @Test public void adds() { System.out.println("adding"); assertEquals(3, 1 + 1); }\n'
    "    @Test public void explodes() { Cart.boom(); }\n    @Test @Ignore public void later() {}\n}\n",
}
JUNIT = Path("/usr/share/java/junit4.jar")
DEBIAN = Path("/usr/share/maven-repo")  # where Debian keeps what Maven and Gradle need without network


async def java(root: Path) -> None:
    report = await run_tests(root, SETTINGS)
    assert report.passed == 1, report
    assert (report.failed + report.errors, report.skipped) == (2, 1)
    cases = {case.id: case for case in report.failing}
    adds, explodes = cases["com.shop.CartTest#adds"], cases["com.shop.CartTest#explodes"]
    assert (adds.expected, adds.actual, adds.output) == ("3", "2", "adding")
    assert [frame.path for frame in explodes.frames] == list(reversed(JAVA))
    await again(root, report)


@needs("mvn")
async def test_maven(project: Project) -> None:
    wanted = ["junit/junit/4.x", "org/apache/maven/surefire/surefire-junit4"]
    plugins = sorted((DEBIAN / "org/apache/maven/plugins/maven-surefire-plugin").glob("[0-9]*"))
    if not plugins or not all((DEBIAN / one).is_dir() for one in wanted):
        pytest.skip("not installed: Debian's libsurefire-java and junit4")
    options = f"-o -s /etc/maven/settings-debian.xml -Dmaven.repo.local={DEBIAN}"
    root = project(
        {
            **JAVA,
            "mvnw": f'#!/bin/sh\nexec mvn {options} "$@"\n',
            "pom.xml": "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId>"
            "<artifactId>shop</artifactId><version>1</version><properties>"
            "<maven.compiler.source>11</maven.compiler.source>"
            "<maven.compiler.target>11</maven.compiler.target></properties><dependencies><dependency>"
            "<groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version>"
            "<scope>test</scope></dependency></dependencies><build><plugins><plugin>"
            f"<artifactId>maven-surefire-plugin</artifactId><version>{plugins[-1].name}</version>"
            "</plugin></plugins></build></project>",
        }
    )
    await java(root)


@needs("gradle")
@pytest.mark.skipif(not JUNIT.exists(), reason="not installed: Debian's junit4")
async def test_gradle(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADLE_USER_HOME", str(tmp_path / "gradle"))
    monkeypatch.setenv("GRADLE_OPTS", "-Dorg.gradle.daemon=false")
    jars = "testCompile name: 'junit4'; testCompile name: 'hamcrest-core'"
    root = project(
        {
            **JAVA,
            "gradlew": '#!/bin/sh\nexec gradle --offline --no-daemon "$@"\n',
            "build.gradle": "apply plugin: 'java'\nrepositories { flatDir { dirs '/usr/share/java' } }\n"
            f"dependencies {{ {jars} }}\n",
        }
    )
    await java(root)


PYTHON_TEST = """import sys, unittest
class T(unittest.TestCase):
    def test_ok(self):
        print("chatter")
    def test_adds(self):
        print("adding")
        self.assertEqual(2, 3)
    @unittest.expectedFailure
    def test_better(self):
        pass
    def test_rows(self):
        for n in (1, 0):
            with self.subTest(n=n):
                self.assertEqual(n, 0)
class Never(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no db")
    def test_never(self):
        pass
"""


async def unittests(root: Path, settings: Settings, module: str) -> None:
    report = await run_tests(root, settings)
    cases = {case.id: case for case in report.failing}
    assert set(cases) == {
        f"{module}.{name}" for name in ("T.test_adds", "T.test_better", "T.test_rows(n=1)", "Never")
    }
    assert report.passed == 1
    adds = cases[f"{module}.T.test_adds"]
    assert (adds.expected, adds.actual, adds.output) == ("3", "2", "adding")
    assert cases[f"{module}.Never"].message == "RuntimeError: no db"
    for name in ("T.test_adds", "Never"):
        second = await run_tests(root, settings, f"{module}.{name}")
        assert [one.id for one in second.failing] == [f"{module}.{name}"]


async def test_unittest_with_tests_that_print(project: Project) -> None:
    settings = Settings(
        tests=RunnerSettings(timeout_s=200, rerun_failed=False, runner="unittest", python=sys.executable)
    )
    await unittests(
        project({"tests/__init__.py": "", "tests/test_shop.py": PYTHON_TEST}), settings, "tests.test_shop"
    )


@needs("django-admin")
async def test_django(project: Project) -> None:
    python = str(Path(shutil.which("django-admin") or "").with_name("python"))
    root = project(
        {
            "manage.py": "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
            "from django.core.management import execute_from_command_line\n"
            "execute_from_command_line(sys.argv)\n",
            "settings.py": "SECRET_KEY = 'x'\nUSE_TZ = True\nDATABASES = {'default': "
            "{'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n",
            "shop/__init__.py": "",
            "shop/tests.py": PYTHON_TEST,
        }
    )
    await unittests(
        root, Settings(tests=RunnerSettings(timeout_s=200, rerun_failed=False, python=python)), "shop.tests"
    )


WITHIN = {
    "tox": {
        "tox.ini": f"[tox]\nenvlist = a,b\nskipsdist = true\n[testenv]\nallowlist_externals = *\n"
        f"commands = {sys.executable} -m pytest checks.py {{posargs}}\n"
    },
    "nox": {
        "noxfile.py": "import nox\n@nox.session(venv_backend='none')\ndef check(session):\n"
        f"    session.run({sys.executable!r}, '-m', 'pytest', 'checks.py', *session.posargs)\n"
    },
    "make": {"Makefile": f"test:\n\t@echo begin\n\t{sys.executable} -m pytest checks.py\n"},
    "just": {"justfile": f"test:\n    {sys.executable} -m pytest checks.py\n"},
    "npm": {"package.json": f'{{"scripts": {{"test": "{sys.executable} -m pytest checks.py"}}}}'},
}


@pytest.mark.parametrize("name", WITHIN)
async def test_pytest_inside_of_others_is_read_as_if_it_were_alone(name: str, project: Project) -> None:
    if not shutil.which(name):
        pytest.skip(f"not installed: {name}")
    checks = "def test_ok(): pass\n\ndef test_adds():\n    print('adding')\n    assert 1 + 1 == 3\n"
    root = project({**WITHIN[name], "checks.py": checks})
    report = await run_tests(root, SETTINGS)
    assert (report.passed, report.failed, report.errors) == (1, 1, 0), report
    (case,) = report.failing
    assert (case.id, case.frames[-1].line) == ("checks.py::test_adds", 5)
    assert "adding" in case.output


async def test_two_runs_of_pytest_that_leave_one_report_are_read_as_text(project: Project) -> None:
    root = project(
        {
            "Makefile": f"test:\n\t-{sys.executable} -m pytest one.py\n\t{sys.executable} -m pytest two.py\n",
            "one.py": "def test_bad(): assert 0\n",
            "two.py": "def test_worse(): assert 0\n",
        }
    )
    report = await run_tests(root, SETTINGS)
    assert {case.id for case in report.failing} == {"one.py::test_bad", "two.py::test_worse"}
