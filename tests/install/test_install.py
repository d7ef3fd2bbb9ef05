from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.conftest import CHECKOUT, Install


def program(home: Path) -> Path:
    return home / ".local" / "bin" / "kcode"


def needs_index(answers: bool) -> None:
    if not answers:
        pytest.skip("no package index answers here")


def tools(tmp_path: Path, *names: str) -> Path:
    """A PATH with nothing on it but these programs."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


BASIC = (
    "sh",
    "dirname",
    "grep",
    "uname",
    "id",
    "df",
    "awk",
    "mktemp",
    "rm",
    "mkdir",
    "cat",
    "sed",
    "head",
    "date",
    "readlink",
    "ln",
    "cp",
    "tee",
)


@pytest.mark.timeout(1200)
def test_install_upgrade_and_uninstall(install: Install, home: Path, index_answers: bool) -> None:
    needs_index(index_answers)
    first = install("--no-embedded")
    assert first.returncode == 0, first.stderr
    shown = subprocess.run([program(home), "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("kcode ")
    assert "not on your PATH" in first.stderr
    assert "$HOME/.local/bin" in first.stderr
    assert not (home / ".bashrc").exists()

    model = home / ".local" / "share" / "kcode" / "models" / "mine.gguf"
    model.parent.mkdir(parents=True)
    model.write_text("kept")
    before = (home / ".local/share/kcode/venv").resolve()
    second = install("--no-embedded", env={"PATH": f"{program(home).parent}:{os.environ['PATH']}"})
    assert second.returncode == 0, second.stderr
    assert "not on your PATH" not in second.stderr
    assert (home / ".local/share/kcode/venv").resolve() != before
    assert before.exists(), "a session that runs keeps its environment"

    assert install("--uninstall").returncode == 0
    assert not program(home).is_symlink()
    assert not before.exists()
    assert model.read_text() == "kept"
    assert install("--uninstall", "--purge").returncode == 0
    assert not (home / ".local/share/kcode").exists()


def test_a_failed_upgrade_leaves_the_old_one_in_use(install: Install, home: Path, tmp_path: Path) -> None:
    old = home / ".local/share/kcode/venvs/old/bin/kcode"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\necho kcode old\n")
    old.chmod(0o755)
    (home / ".local/share/kcode/venv").symlink_to(old.parents[1])
    program(home).parent.mkdir(parents=True)
    program(home).symlink_to(home / ".local/share/kcode/venv/bin/kcode")
    empty = tmp_path / "wheels"
    empty.mkdir()
    assert install("--offline", str(empty)).returncode == 1
    shown = subprocess.run([program(home), "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == "kcode old\n"
    assert [p.name for p in (home / ".local/share/kcode/venvs").iterdir()] == ["old"]


def test_an_offline_folder_without_wheels_names_the_remedy(
    install: Install, tmp_path: Path, home: Path
) -> None:
    empty = tmp_path / "wheels"
    empty.mkdir()
    done = install("--offline", str(empty))
    assert done.returncode == 1
    assert f"{empty} lacks packages" in done.stderr
    assert "pip download" in done.stderr
    assert not program(home).is_symlink()


def test_an_index_that_is_not_there_names_the_remedy(install: Install, home: Path) -> None:
    env = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    done = install(env=env)
    assert done.returncode == 1
    assert "the package index could not be reached" in done.stderr
    assert "PIP_INDEX_URL" in done.stderr
    assert "--offline" in done.stderr
    assert (home / ".local/state/kcode/install.log").exists()


def test_a_machine_without_python_is_told_how_to_get_one(install: Install, tmp_path: Path) -> None:
    done = install(env={"PATH": str(tools(tmp_path, *BASIC)), "PYENV_ROOT": str(tmp_path / "none")})
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, and none was found" in done.stderr
    assert "--python PATH" in done.stderr


def test_an_old_python_is_not_taken(install: Install, tmp_path: Path) -> None:
    folder = tools(tmp_path, *BASIC)
    old = folder / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    env = {"PATH": str(folder), "PYENV_ROOT": str(tmp_path / "none")}
    assert "none was found" in install(env=env).stderr
    named = install("--python", str(old), env=env)
    assert named.returncode == 1
    assert "is not a Python 3.11 or newer" in named.stderr


def test_a_python_without_venv_names_the_package(install: Install, tmp_path: Path) -> None:
    folder = tools(tmp_path, *BASIC)
    lacking = folder / "python3"
    lacking.write_text(f"""#!/bin/sh
case "$2" in *ensurepip*) exit 1 ;; *sys.executable*) echo "$0" ; exit 0 ;; esac
exec {sys.executable} "$@"
""")
    lacking.chmod(0o755)
    done = install(env={"PATH": str(folder), "PYENV_ROOT": str(tmp_path / "none")})
    assert done.returncode == 1
    assert "-venv" in done.stderr


def test_a_program_of_the_same_name_is_not_overwritten(install: Install, home: Path) -> None:
    program(home).parent.mkdir(parents=True)
    program(home).write_text("somebody else's")
    done = install()
    assert done.returncode == 1
    assert "was not made by this script" in done.stderr
    assert install("--uninstall").returncode == 0
    assert program(home).read_text() == "somebody else's"


def test_outside_a_checkout_it_says_what_is_needed(install: Install, tmp_path: Path) -> None:
    alone = tmp_path / "install.sh"
    shutil.copy(CHECKOUT / "install.sh", alone)
    done = install(script=alone)
    assert done.returncode == 1
    assert "checkout" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["--offline"], ["--purge"], ["--weights"]], ids=" ".join
)
def test_wrong_options_exit_2(install: Install, arguments: list[str]) -> None:
    done = install(*arguments)
    assert done.returncode == 2
    assert "--help" in done.stderr or "goes with" in done.stderr


def test_help_shows_every_option(install: Install) -> None:
    shown = install("--help").stdout
    text = (CHECKOUT / "install.sh").read_text()
    parsed = text[text.index("parse_options()") : text.index("usage_error()")]
    for option in (
        "--demo",
        "--test",
        "--weights",
        "--uninstall",
        "--purge",
        "--offline",
        "--no-embedded",
        "--model",
        "--python",
    ):
        assert option in shown
        assert option in parsed
