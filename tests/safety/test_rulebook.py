from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.errors import ConfigError
from kcode.safety.rulebook import forget, keep
from kcode.safety.rules import Rule, rules_for, user_rules_file

MAKE = Rule("allow", "command", "make deploy", "folder")
SRC = Rule("allow", "path", "src/*", "folder")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.delenv("KCODE_CONFIG", raising=False)
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def write(text: str) -> Path:
    path = user_rules_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_rule_is_kept_for_its_folder_alone(root: Path) -> None:
    assert keep(root, MAKE)
    assert keep(root, SRC)
    assert not keep(root, MAKE)
    assert rules_for(root) == (MAKE, SRC)
    assert rules_for(root.parent) == ()
    assert rules_for(None) == ()
    assert not (root / ".kcode").exists()


def test_a_folder_is_known_by_its_real_path(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    keep(link, MAKE)
    assert rules_for(root) == (MAKE,)


def test_the_file_is_private_and_comments_stay(root: Path) -> None:
    path = write(
        '# mine\nallow = ["command: ls *"]  # everywhere\n\n[folders."/elsewhere"]\ndeny = ["path: x"]\n'
    )
    keep(root, MAKE)
    text = path.read_text()
    assert "# mine\n" in text
    assert "# everywhere" in text
    assert 'deny = ["path: x"]' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [str(rule) for rule in rules_for(root)] == ["allow command: ls *", "allow command: make deploy"]


def test_a_rule_is_forgotten_and_the_file_reads_as_before(root: Path) -> None:
    path = write('allow = ["command: ls *"]\n')
    keep(root, MAKE)
    keep(root, SRC)
    assert forget(root, "allow command: make deploy") == [MAKE]
    assert forget(root, "path: src/*") == [SRC]
    assert forget(root, "path: src/*") == []
    assert 'allow = ["command: ls *"]\n' in path.read_text()
    assert str(root) not in path.read_text()
    assert [str(rule) for rule in rules_for(root)] == ["allow command: ls *"]


def test_the_folders_rule_is_forgotten_before_the_one_that_holds_everywhere(root: Path) -> None:
    write('allow = ["command: make deploy"]\n')
    keep(root, MAKE)
    assert [rule.layer for rule in forget(root, "command: make deploy")] == ["folder"]
    assert [rule.layer for rule in forget(root, "command: make deploy")] == ["user"]
    assert rules_for(root) == ()


def test_a_wrong_file_is_not_written_to(root: Path) -> None:
    path = write("allow = [\n")
    with pytest.raises(ConfigError):
        keep(root, MAKE)
    assert path.read_text() == "allow = [\n"


@pytest.mark.parametrize("text", ["folders = 1\n", '[folders]\n"{root}" = 1\n'])
def test_what_is_no_table_of_folders_is_said(root: Path, text: str) -> None:
    write(text.replace("{root}", str(root)))
    with pytest.raises(ConfigError, match="is a table of folders"):
        rules_for(root)


def test_two_kcodes_at_once_lose_no_rule(root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from kcode.safety.rules import Rule\n"
        "from kcode.safety.rulebook import keep\n"
        "for n in range(8): keep(Path(sys.argv[1]), Rule('allow', 'command', f'{sys.argv[2]} {n}', 'folder'))"
    )
    both = [subprocess.Popen([sys.executable, "-c", script, str(root), name]) for name in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(rules_for(root)) == 16


def test_a_folders_rule_decides_over_the_projects_own_ask(root: Path) -> None:
    from kcode.safety.policy import judge_command

    (root / ".kcode").mkdir()
    (root / ".kcode/permissions.toml").write_text('ask = ["command: make *"]\n')
    keep(root, MAKE)
    judged = judge_command("make deploy", "ask", frozenset(), rules=rules_for(root))
    assert (judged.verdict, judged.layer) == ("allow", "folder")


def test_an_allowed_path_does_not_allow_the_programs_that_name_it() -> None:
    from kcode.safety.policy import judge_command

    rules = [Rule("allow", "path", "src/*", "user")]
    for command in ("python src/a.py", "rm src/a.py", "./run src/a"):
        assert judge_command(command, "ask", frozenset(), rules=rules).verdict == "ask"
    assert judge_command("echo a > src/a", "ask", frozenset(), rules=rules).verdict == "allow"
