from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in CHECKOUT.glob("requirements*.lock"))


def locked(name: str) -> set[str]:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (CHECKOUT / name).read_text(), re.MULTILINE)
    return {plain(each) for each in names}


def plain(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_there_are_four_locks() -> None:
    assert LOCKS == [
        "requirements-build.lock",
        "requirements-dev.lock",
        "requirements-embedded.lock",
        "requirements.lock",
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash_and_no_address(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    assert not re.search(r"://|file:|find-links|index-url|@ ", text)
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert re.match(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+(?: ;[^\n]*)? \\\n", block), block
        assert re.findall(r"--hash=sha256:([0-9a-f]{64})(?: \\)?$", block, re.MULTILINE), block
        rest = re.sub(r"^ +(?:--hash=sha256:[0-9a-f]{64}(?: \\)?|#.*)$", "", block, flags=re.MULTILINE)
        assert [line for line in rest.splitlines()[1:] if line.strip()] == []


@pytest.mark.parametrize("name", LOCKS)
def test_the_installer_takes_a_lock_by_its_hashes_only(name: str) -> None:
    script = (CHECKOUT / "install.sh").read_text()
    assert f" {name} " in script
    (by_lock,) = re.findall(r"^ *add .*-r \"\$checkout/\$lock\".*$", script, re.MULTILINE)
    assert "--require-hashes" in by_lock


def test_the_locks_cover_what_the_project_asks_for() -> None:
    table = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    needed = {plain(each) for each in table["project"]["dependencies"]}
    embedded = {plain(each) for each in table["project"]["optional-dependencies"]["embedded"]}
    dev = {plain(each) for each in table["dependency-groups"]["dev"]}
    build = {plain(each) for each in table["build-system"]["requires"]}
    assert needed <= locked("requirements.lock")
    assert embedded <= locked("requirements-embedded.lock")
    assert build <= locked("requirements-build.lock")
    assert needed | embedded | dev | build <= locked("requirements-dev.lock")
