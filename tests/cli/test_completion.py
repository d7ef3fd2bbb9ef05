from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kcode.cli import grammar, words
from kcode.cli.complete import candidates, split
from kcode.cli.completion import SCRIPTS
from kcode.errors import ExitCode
from tests.cli.conftest import KCODE, Run
from tests.cli.test_startup import HEAVY, modules_after, tops
from tests.ui.sitting import Sitting

SHELLS = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]


def offered(line: str) -> list[str]:
    return [candidate.value for candidate in candidates(*split(f"kcode {line}"))]


def test_the_completion_knows_exactly_what_the_parser_and_the_settings_know() -> None:
    for name, value in grammar.everything().items():
        assert getattr(words, name) == value, "run: python -m kcode.cli.grammar"


def test_the_choices_of_a_mode_are_those_of_the_settings() -> None:
    assert words.SETTINGS["agent.mode"][1] == tuple(grammar.KINDS["* mode"].split("|"))


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("conf", ["config"]),
        ("config ", ["list", "get", "set", "unset", "edit", "path"]),
        ("config set agent.mo", ["agent.mode"]),
        ("config set agent.mode ", ["plan", "ask", "edits", "auto"]),
        ("config set safety.network ", ["true", "false"]),
        ("config set ui.theme h", ["high-contrast"]),
        ("config set --project ui.them", ["ui.theme"]),
        ("--mode e", ["edits"]),
        ("--mode=e", ["--mode=edits"]),
        ("-p hello --mod", ["--model", "--mode"]),
        ("-p 'two words' --output s", ["stream-json"]),
        ("--model kimi-k2.7-code-h", ["kimi-k2.7-code-highspeed"]),
        ("--mode ask --provider moonshot-", ["moonshot-intl"]),
        ("fix --model kimi-k2.", ["kimi-k2.6", "kimi-k2.7-code", "kimi-k2.7-code-highspeed"]),
        ("login ar", ["ark", "ark-coding", "ark-agent"]),
        ("login --no", ["--no-check"]),
        ("completion f", ["fish"]),
        ("help config u", ["unset"]),
        ("--attach ", [":files"]),
        ("--cwd ", [":folders"]),
        ("-p ", []),
        ("nosuchcommand ", []),
        ("config set ui.theme light ", []),
        ("models rm qwen2.5-coder-0", ["qwen2.5-coder-0.5b"]),
    ],
)
def test_what_is_offered(line: str, values: list[str], own_home: Path) -> None:
    assert offered(line) == values


def test_a_given_option_is_not_offered_again() -> None:
    assert "--model" in offered("--mo")
    assert "--model" not in offered("--model kimi-k2.6 --mo")


def test_themes_of_the_users_are_offered(own_home: Path) -> None:
    folder = own_home / ".config" / "kcode" / "themes"
    folder.mkdir(parents=True)
    (folder / "dusk.toml").write_text("")
    assert offered("config set ui.theme d") == ["dark", "dusk"]


def test_test_files_and_the_tests_in_them_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "def helper(): ...\ndef test_one(): ...\nclass TestB:\n    def test_two(self): ...\n"
        "    async def test_three(self): ...\nclass Other:\n    def test_not(self): ...\n"
    )
    (tmp_path / "tests" / "data.txt").write_text("")
    assert offered("fix te") == ["tests/"]
    assert offered("fix tests/") == ["tests/test_a.py"]
    assert offered("fix tests/test_a.py::") == [
        f"tests/test_a.py::{name}" for name in ("test_one", "TestB::test_two", "TestB::test_three")
    ]
    assert offered("fix --yes tests/test_a.py::TestB::test_t")[0].endswith("TestB::test_two")
    assert offered("fix nosuch/") == []


def test_names_that_no_line_can_carry_are_not_offered(kcode: Run, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"test_new\nline.py", b"test_\xff.py", b"test_\x1b[31m.py", "test_中 it's.py".encode()):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text("")  # noqa: PTH118
    (folder / ":files").mkdir()
    for line in ("kcode fix ", "kcode fix test"):
        ran = kcode("__complete", "bash", line, cwd=folder)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "test_中 it's.py\n", "")


def test_sessions_are_offered_the_latest_first_with_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kcode.config.project import sessions_dir

    monkeypatch.chdir(tmp_path)
    folder = sessions_dir(tmp_path)
    folder.mkdir(parents=True)
    for number, name in enumerate(("old", "new")):
        path = folder / f"{name}.jsonl"
        record = {"t": "User", "text": f"mend {name}\x1b[2J and more", "typed": f"mend {name}\x1b[2J"}
        path.write_text('{"kcode":1}\n' + json.dumps(record, separators=(",", ":")) + "\n")
        os.utime(path, (number, number))
    assert offered("--resume ") == ["new", "old"]
    assert offered("session show o") == ["old"]
    shown = subprocess.run([KCODE, "__complete", "fish", "kcode session rm "], capture_output=True, text=True)
    assert shown.stdout == "new\tmend new [2J\nold\tmend old [2J\n"


@pytest.mark.parametrize("line", ["kcode ", "kcode config set ui.theme ", "kcode --resume ", "kcode fix te"])
def test_a_tab_imports_no_library(line: str, tmp_path: Path) -> None:
    modules = modules_after(["__complete", "bash", line], tmp_path)
    assert not tops(modules) & (
        HEAVY | {"typer", "click", "rich", "pydantic", "asyncio", "tomllib", "inspect"}
    )
    assert "kcode.cli.root" not in modules


@pytest.mark.parametrize(
    "line", ["", "kcode", "kcode 'half", 'kcode "half', "kcode \\", "kcode -- ", "kcode --=", "kcode -p"]
)
def test_a_strange_line_is_no_error(line: str, kcode: Run) -> None:
    done = kcode("__complete", "bash", line)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_gets_what_stands_behind_its_last_word_break(kcode: Run, tmp_path: Path) -> None:
    assert kcode("__complete", "bash", "kcode --mode=e", " \t\n=:").stdout == "edits\n"
    (tmp_path / "test_a.py").write_text("def test_one(): ...\n")
    assert kcode("__complete", "bash", "kcode fix test_a.py::te", " \t\n=:").stdout == "test_one\n"
    assert kcode("__complete", "bash", "kcode fix test_a.py::te", " \t\n").stdout == "test_a.py::test_one\n"


# --- the shells themselves -----------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path: Path, own_home: Path) -> Iterator[Callable[..., Sitting]]:
    """``shell("bash")``: a person at a prompt ``$ `` of that shell, with the completion installed."""
    with ExitStack() as running:

        def start(name: str) -> Sitting:
            path = f"{KCODE.parent}:{os.environ['PATH']}"
            env = {
                **os.environ,
                "PATH": path,
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                "ZDOTDIR": str(own_home),
            }
            subprocess.run([KCODE, "completion", name, "--install"], env=env, check=True, capture_output=True)
            if name == "bash":
                script = own_home / ".local/share/bash-completion/completions/kcode"
                (own_home / "rc").write_text(
                    f"PS1='$ '\nsource '{script}'\nbind 'set enable-bracketed-paste off'\n"
                )
                argv = ["bash", "--noprofile", "--rcfile", str(own_home / "rc"), "-i"]
            elif name == "zsh":
                rc = own_home / ".zshrc"
                rc.write_text(
                    "PS1='$ '\nunsetopt PROMPT_SP\nautoload -Uz compinit\ncompinit -u\n" + rc.read_text()
                )
                argv = ["zsh", "-i"]
            else:
                conf = own_home / ".config" / "fish" / "config.fish"
                conf.write_text(
                    "function fish_prompt; echo '$ '; end\nset -g fish_greeting\n"
                    "set -g fish_autosuggestion_enabled 0\n"
                )
                argv = ["fish", "-i"]
            return running.enter_context(Sitting(argv, cwd=tmp_path, env=env, columns=100))

        yield start


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_in_the_shell_itself(name: str, shell: Callable[..., Sitting], tmp_path: Path) -> None:
    (tmp_path / "notes für alle.txt").write_text("")
    person = shell(name)
    person.see(r"\$")
    person.settle()
    person.type("kcode conf\t")
    person.see(r"\$ kcode config\b")
    person.type("set agent.mod\t")
    person.see(r"kcode config set agent\.mode\b")
    person.type("pl\t")
    person.see(r"agent\.mode plan\b")
    person.type("\x15kcode --mode=ed\t")
    person.see(r"--mode=edits")
    person.type("\x15kcode --attach no\t")
    person.see(r"notes.*für.*alle\.txt")
    person.type("\x15kcode login moonshot\t\t")
    person.see("moonshot-intl")
    person.type("\x15exit\r")


@pytest.mark.parametrize("name", [*SHELLS, *(["pwsh"] if shutil.which("pwsh") else [])])
def test_the_script_has_no_syntax_error(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPTS["powershell" if name == "pwsh" else name])
    check = [name, "-NoProfile", "-File"] if name == "pwsh" else [name, "-n"]
    done = subprocess.run([*check, str(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell_name", list(SCRIPTS))
def test_installing_twice_changes_nothing_and_uninstalling_puts_everything_back(
    shell_name: str, kcode: Run, own_home: Path
) -> None:
    rc = {
        "zsh": own_home / ".zshrc",
        "powershell": own_home / ".config/powershell/Microsoft.PowerShell_profile.ps1",
    }.get(shell_name)
    if rc is not None:
        rc.parent.mkdir(parents=True, exist_ok=True)
        rc.write_bytes(b"alias ll='ls -l'  # \xff\n")
        rc.chmod(0o640)
    env = {"ZDOTDIR": ""}
    first = kcode("completion", shell_name, "--install", env=env)
    assert first.returncode == ExitCode.OK, first.stderr
    assert "written: ~/" in first.stderr
    before = {path: path.read_bytes() for path in own_home.rglob("*") if path.is_file()}
    assert any(SCRIPTS[shell_name].encode() == text for text in before.values())
    again = kcode("completion", shell_name, "--install", env=env)
    assert "up to date" in again.stderr
    assert {path: path.read_bytes() for path in own_home.rglob("*") if path.is_file()} == before
    if rc is not None:
        assert rc.read_bytes().startswith(b"alias ll='ls -l'  # \xff\n")
        assert rc.stat().st_mode & 0o777 == 0o640
    gone = kcode("completion", shell_name, "--uninstall", env=env)
    assert "removed: ~/" in gone.stderr
    left = {path: path.read_bytes() for path in own_home.rglob("*") if path.is_file()}
    assert not any(b"kcode" in text for text in left.values())
    if rc is not None:
        assert rc.read_bytes() == b"alias ll='ls -l'  # \xff\n"
    assert kcode("completion", shell_name, "--uninstall", env=env).returncode == ExitCode.OK


def test_the_shell_in_use_is_taken_and_an_unknown_one_refused(kcode: Run) -> None:
    assert kcode("completion", env={"SHELL": "/usr/bin/fish"}).stdout == SCRIPTS["fish"]
    assert kcode("completion", "PowerShell").stdout == SCRIPTS["powershell"]
    done = kcode("completion", "tcsh")
    assert done.returncode == ExitCode.USAGE
    assert "bash, zsh, fish" in done.stderr


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told(kcode: Run, own_home: Path) -> None:
    own_home.chmod(0o500)
    try:
        done = kcode("completion", "fish", "--install")
    finally:
        own_home.chmod(0o700)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "print it without --install" in done.stderr
