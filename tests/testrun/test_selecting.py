from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.testrun.affected import affected
from kcode.testrun.importgraph import importers, is_test
from kcode.testrun.last import last_failed, remember
from kcode.testrun.report import TestCase, report_of
from kcode.testrun.run import run_tests
from tests.testrun.conftest import Project

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def committed(root: Path) -> Path:
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "all")
    return root


SHOP = {
    "shop/__init__.py": "",
    "shop/price.py": "RATE = 2\n",
    "shop/cart.py": "from .price import RATE\n\ndef total(n):\n    return n * RATE\n",
    "shop/mail.py": "def send(): pass\n",
    "tests/test_cart.py": "from shop.cart import total\n\ndef test_total():\n    assert total(1) == 2\n",
    "tests/test_mail.py": "import shop.mail\n\ndef test_send():\n    shop.mail.send()\n",
    "conftest.py": "",
}


async def test_last_failed_runs_only_what_failed(project: Project, settings: Settings) -> None:
    root = project({"test_a.py": "def test_ok(): pass\n\ndef test_bad(): assert 1 == 2\n"})
    assert "no test failed" in (await run_tests(root, settings, "last failed")).cannot_run
    await run_tests(root, settings, rerun=False)
    report = await run_tests(root, settings, "last failed", rerun=False)
    assert [case.id for case in report.cases] == ["test_a.py::test_bad"]
    (root / "test_a.py").write_text("def test_ok(): pass\n\ndef test_bad(): assert 2 == 2\n")
    assert (await run_tests(root, settings, "last failed")).ok
    assert last_failed(root) == []


def test_a_run_of_some_tests_leaves_the_state_of_the_others(tmp_path: Path) -> None:
    remember(tmp_path, report_of([TestCase("a", "failed"), TestCase("b", "failed")]), everything=True)
    remember(tmp_path, report_of([TestCase("a", "passed"), TestCase("c", "error")]), everything=False)
    assert last_failed(tmp_path) == ["c", "b"]


async def test_a_change_affects_the_tests_that_import_it_through_others(
    project: Project, settings: Settings
) -> None:
    root = committed(project(SHOP))
    assert "nothing differs" in (await affected(root)).why
    (root / "shop/price.py").write_text("RATE = 3\n")
    assert (await affected(root)).targets == ("tests/test_cart.py",)
    report = await run_tests(root, settings, "affected", rerun=False)
    assert [case.id for case in report.cases] == ["tests/test_cart.py::test_total"]
    assert "affected by the changes" in report.note


async def test_recorded_coverage_names_the_tests_of_the_changed_lines(project: Project) -> None:
    from coverage import CoverageData

    root = committed(project({**SHOP, ".gitignore": ".coverage\n"}))
    data = CoverageData(basename=str(root / ".coverage"))
    data.set_context("tests/test_mail.py::test_send|run")
    data.add_lines({str((root / "shop/price.py").resolve()): [1]})
    data.write()
    (root / "shop/price.py").write_text("RATE = 3\n")
    found = await affected(root)
    assert found.targets == ("tests/test_mail.py::test_send",)
    assert "coverage" in found.why


async def test_more_affected_tests_than_a_command_line_takes_are_all_tests(project: Project) -> None:
    root = project({"shop.py": "", **{f"test_{n}.py": "import shop\n" for n in range(401)}})
    found = await affected(root, ["shop.py"])
    assert (found.targets, found.all) == ((), True)


async def test_without_git_nothing_can_be_said_of_changes(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    assert "git" in (await run_tests(root, settings, "affected")).cannot_run


async def test_tests_beside_the_changed_file_are_found_in_other_languages(project: Project) -> None:
    root = project(
        {
            "src/cart.ts": "export const a = 1;\n",
            "src/shop.ts": "import { a } from './cart.js';\n",
            "test/shop.spec.ts": "import '../src/shop';\n",
            "src/cart.test.ts": "",
            "pkg/a.go": "package pkg\n",
            "pkg/a_test.go": "package pkg\n",
            "src/main/java/s/Cart.java": "",
            "src/test/java/s/CartTest.java": "",
        }
    )
    changed = ["src/cart.ts", "pkg/a.go", "src/main/java/s/Cart.java"]
    found = await affected(root, changed)
    assert set(found.targets) == {
        *("test/shop.spec.ts", "src/cart.test.ts", "pkg", "src/test/java/s/CartTest.java")
    }


def written(root: Path, changed: list[str]) -> set[str]:
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return {path for path in importers(root, files, changed) if is_test(path)}


def test_go_packages_are_followed_through_the_module(project: Project) -> None:
    root = project(
        {
            "go.mod": "module example.com/shop\n",
            "price/price.go": "package price\n",
            "cart/cart.go": 'package cart\n\nimport (\n\t"fmt"\n\tp "example.com/shop/price"\n)\n',
            "cart/cart_test.go": "package cart\n",
            "web/web_test.go": 'package web\n\nimport "example.com/shop/cart"\n',
            "mail/mail_test.go": 'package mail\n\nimport "example.com/shop/pricelist"\n',
        }
    )
    assert written(root, ["price/price.go"]) == {"cart/cart_test.go", "web/web_test.go"}


async def test_in_go_and_rust_what_is_affected_is_a_package(project: Project) -> None:
    root = project(
        {
            "go.mod": "module m\n",
            "a/a.go": "package a\n",
            "b/b_test.go": 'package b\n\nimport "m/a"\n',
            "core/Cargo.toml": '[package]\nname = "core"\n',
            "core/src/lib.rs": "",
            "core/tests/api.rs": "",
        }
    )
    assert (await affected(root, ["a/a.go"])).targets == ("b",)
    assert (await affected(root, ["core/src/lib.rs"])).targets == ("core",)


def test_classes_are_followed_by_package_and_import(project: Project) -> None:
    java = "src/main/java/com/shop"
    root = project(
        {
            f"{java}/Cart.java": "package com.shop; class Cart { Price p; }",
            f"{java}/Price.java": "package com.shop; class Price {}",
            f"{java}/mail/Price.java": "package com.shop.mail; class Price {}",
            "src/test/java/com/shop/CartTest.java": "package com.shop; class CartTest { Cart c; }",
            "src/test/java/web/WebTest.java": "package web; import com.shop.Cart; class WebTest { Cart c; }",
            "src/test/java/web/MailTest.java": "import com.shop.mail.Price; class MailTest { Price p; }",
        }
    )
    assert written(root, [f"{java}/Price.java"]) == {
        "src/test/java/com/shop/CartTest.java",
        "src/test/java/web/WebTest.java",
    }


def test_ruby_and_php_are_followed_by_what_they_require(project: Project) -> None:
    root = project(
        {
            "lib/shop/price.rb": "",
            "lib/cart.rb": "require 'shop/price'\n",
            "spec/cart_spec.rb": "require_relative '../lib/cart'\n",
            "spec/mail_spec.rb": "require 'mail'\n",
            "src/Cart.php": "<?php\nnamespace App;\n",
            "tests/PayTest.php": "<?php\nuse App\\Cart;\n",
            "tests/MailTest.php": "<?php\nrequire_once __DIR__ . '/../src/Mail.php';\n",
        }
    )
    assert written(root, ["lib/shop/price.rb"]) == {"spec/cart_spec.rb"}
    assert written(root, ["src/Cart.php"]) == {"tests/PayTest.php"}


def test_a_changed_conftest_affects_all_tests_below_it(project: Project) -> None:
    root = project({**SHOP, "tests/conftest.py": "", "other/test_o.py": ""})
    files = [path.relative_to(root).as_posix() for path in root.rglob("*.py")]
    found = importers(root, files, ["tests/conftest.py"])
    assert set(found) == {"tests/conftest.py", "tests/test_cart.py", "tests/test_mail.py"}
