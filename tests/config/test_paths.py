"""Folders that only their owner may look into."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.config.paths import make_private
from tests.k2sim import Simulator, call, say, use
from tests.ui.conftest import environment
from tests.ui.sitting import KCODE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_folder_is_private_with_all_that_was_missing_above_it(tmp_path: Path) -> None:
    before = mode(tmp_path)
    make_private(tmp_path / "a" / "b" / "c")
    make_private(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(tmp_path) == before


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    make_private(tmp_path / "shared")
    make_private(tmp_path / "shared" / "own")
    assert (mode(tmp_path / "shared"), mode(tmp_path / "shared" / "own")) == (0o755, 0o700)


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        make_private(tmp_path / "file")
    with pytest.raises(OSError):
        make_private(tmp_path / "file" / "below")


def test_a_first_session_in_a_fresh_home_lets_nobody_else_look_in(tmp_path: Path) -> None:
    home, repo = tmp_path / "home", tmp_path / "shop"
    home.mkdir()
    repo.mkdir()
    (repo / "shop.py").write_text("def total(prices):\n    return sum(prices) - 1\n")
    subprocess.run(["git", "init", "-q"], cwd=repo, check=True)
    edit = [{"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}]
    answers = [
        use(call("edit_file", path="shop.py", edits=edit)),
        use(call("run_command", command="echo done > note.txt")),
        say("Done."),
    ]
    with Simulator(answers) as sim:
        kept = {k: v for k, v in environment(sim).items() if not k.startswith("XDG_")}
        for arguments in (["-p", "mend it", "--mode", "auto"], ["config", "set", "ui.theme", "dark"]):
            subprocess.run(
                [KCODE, *arguments],
                cwd=repo,
                env={**kept, "HOME": str(home)},
                check=True,
                umask=0o022,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=120,
            )
    assert (repo / "shop.py").read_text().endswith("sum(prices)\n")
    made = [Path(folder) for folder, _, _ in os.walk(home) if Path(folder).name == "kcode"]
    assert {path.parent.name for path in made} >= {"state", ".config"}
    assert {str(p.relative_to(home)) for p in home.rglob("sessions")} >= {".local/state/kcode/sessions"}
    # what git keeps below its own folder is behind a door that is shut
    top = [path for place in made for path in (place, *place.iterdir()) if path.is_dir()]
    assert {str(path.relative_to(home)): oct(mode(path)) for path in top if mode(path) != 0o700} == {}
