"""Commits are signed as git is configured; where a signature fails it is said, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conftest import Project
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]


@pytest.fixture
def signing(project: Project, tmp_path: Path) -> Project:
    """A repository whose commits are signed with a key that was just made."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("there is no ssh-keygen")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True, timeout=60
    )
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "allowed").write_text(f"maintainers@example.invalid {public}")
    for name, value in (
        ("commit.gpgsign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingkey", str(tmp_path / "key.pub")),
        ("gpg.ssh.allowedSignersFile", str(tmp_path / "allowed")),
        ("log.showSignature", "true"),
    ):
        project.git("config", name, value)
    project.stage("shop.py", "def total(prices):\n    return sum(prices, 0)\n")
    return project


def test_a_commit_is_signed_as_configured(signing: Project, k2sim: Sim) -> None:
    done = signing.kcode(k2sim([say("Start the sum at zero")]), "commit", "--yes")
    assert done.returncode == 0, done.stderr
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in signing.git("cat-file", "commit", "HEAD")
    assert signing.git("-c", "log.showSignature=false", "log", "-1", "--format=%G?") == "G"


@pytest.mark.parametrize("how", ["no key", "passphrase", "gpg"])
def test_a_signature_that_fails_is_told_and_nothing_is_lost(
    signing: Project, k2sim: Sim, tmp_path: Path, how: str
) -> None:
    if how == "no key":
        (tmp_path / "key.pub").unlink()
    elif how == "passphrase":
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-P", "", "-N", "geheim", "-f", str(tmp_path / "key")], check=True
        )
    else:
        signing.git("config", "gpg.format", "openpgp")
        signing.git("config", "gpg.program", "false")
    before = signing.state()
    done = signing.kcode(k2sim([say("Start the sum at zero")]), "commit", "--yes", env={"SSH_AUTH_SOCK": ""})
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "could not be signed" in done.stderr
    assert "git commit --no-gpg-sign -F .git/KCODE_EDITMSG" in done.stderr
    assert signing.state() == before
    assert signing.git("diff", "--cached", "--name-only") == "shop.py"
    signing.git("commit", "-q", "--no-gpg-sign", "-F", ".git/KCODE_EDITMSG")
    assert signing.git("-c", "log.showSignature=false", "log", "-1", "--format=%s") == "Start the sum at zero"
