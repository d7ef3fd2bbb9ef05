from __future__ import annotations

import os
import pty
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kcode.cli.login import checked, endpoint_with
from kcode.config.settings import Settings
from kcode.errors import ExitCode
from kcode.providers.base import AuthError
from kcode.providers.profiles import PROFILES
from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Simulator, say
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
ROOT = Path(__file__).parents[2]
WRONG = "sk-test-wrong-not-a-real-key"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@pytest.fixture
def with_keyring(tmp_path: Path) -> dict[str, str]:
    return {
        "PYTHON_KEYRING_BACKEND": "tests.config.keyring_in_file.FileKeyring",
        "PYTHONPATH": str(ROOT),
        "KCODE_TEST_KEYRING": str(tmp_path / "keyring.json"),
    }


def at(sim: Simulator, **more: str) -> dict[str, str]:
    return {"KCODE_BASE_URL": sim.base_url, "KCODE_MODEL": "kimi-k2.6", **more}


def credentials(home: Path) -> Path:
    return home / ".config" / "kcode" / "credentials.toml"


def index(home: Path) -> Path:
    return home / ".config" / "kcode" / "keys.toml"


def test_a_piped_key_is_checked_stored_in_the_keyring_and_used(
    kcode: Run, k2sim: Sim, with_keyring: dict[str, str], own_home: Path, tmp_path: Path
) -> None:
    sim = k2sim([say("Hello.")], model_ids=["kimi-k2.6", "kimi-k2.7-code"])
    env = at(sim, **with_keyring)
    ended = kcode("login", "moonshot", stdin=f"{TEST_KEY}\n", env=env)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "takes the key and lists" in ended.stderr
    assert "kimi-k2.6" in ended.stderr
    assert TEST_KEY not in ended.stdout + ended.stderr
    assert [(r.method, r.path) for r in sim.requests] == [("GET", "/v1/models")]
    assert TEST_KEY in (tmp_path / "keyring.json").read_text()
    assert not credentials(own_home).exists()
    assert TEST_KEY not in index(own_home).read_text()
    used = kcode("-p", "hi", env=env | {"KCODE_PROVIDER": "moonshot"})
    assert used.stdout == "Hello.\n"
    assert sim.chats[0].headers["authorization"] == f"Bearer {TEST_KEY}"


def test_without_a_keyring_it_is_said_plainly_where_the_key_is(
    kcode: Run, k2sim: Sim, own_home: Path
) -> None:
    sim = k2sim([say("Hello.")])
    env = at(sim, **NO_KEYRING)
    ended = kcode("login", "moonshot", "--stdin", stdin=TEST_KEY, env=env)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "mode 600" in ended.stderr
    assert "not encrypted" in ended.stderr
    assert stat.S_IMODE(credentials(own_home).stat().st_mode) == 0o600
    assert kcode("-p", "hi", env=env | {"KCODE_PROVIDER": "moonshot"}).stdout == "Hello.\n"


def test_a_refused_key_is_not_stored_and_told_as_such(kcode: Run, k2sim: Sim, own_home: Path) -> None:
    sim = k2sim()
    ended = kcode("login", "moonshot", stdin=WRONG, env=at(sim, **NO_KEYRING))
    assert ended.returncode == ExitCode.AUTH
    assert "refused the key" in ended.stderr
    assert WRONG not in ended.stderr
    assert not index(own_home).exists()
    assert not credentials(own_home).exists()


def test_a_service_that_cannot_be_asked_stores_nothing_unless_told_not_to_ask(
    kcode: Run, own_home: Path
) -> None:
    env = {"KCODE_BASE_URL": "http://127.0.0.1:9/v1", **NO_KEYRING}
    ended = kcode("login", "moonshot", stdin=TEST_KEY, env=env)
    assert ended.returncode == ExitCode.PROVIDER
    assert "--no-check" in ended.stderr
    assert not index(own_home).exists()
    ended = kcode("login", "moonshot", "--no-check", stdin=TEST_KEY, env=env)
    assert ended.returncode == ExitCode.OK
    assert index(own_home).exists()


@pytest.mark.parametrize("arguments", [["sk-test-not-a-real-key"], ["moonshot", "sk-test-not-a-real-key"]])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    kcode: Run, own_home: Path, arguments: list[str]
) -> None:
    ended = kcode("login", *arguments, stdin="")
    assert ended.returncode == ExitCode.USAGE
    assert "command line" in ended.stderr
    assert TEST_KEY not in ended.stderr + ended.stdout
    assert not index(own_home).exists()


@pytest.mark.parametrize(
    ("service", "key", "says"),
    [
        ("moonshot", "sk-kimi-not-a-real-key", "kcode login kimi-code"),
        ("moonshot", "", "no key was given"),
        ("moonshot", "two words", "that is no key"),
        ("moonshot", "密钥", "that is no key"),
        ("moonshot", "x" * 5000, "that is no key"),
        ("moonshoot", TEST_KEY, "did you mean 'moonshot'"),
        ("embedded", TEST_KEY, "needs no key"),
        ("openai-compatible", TEST_KEY, "needs an address"),
        ("", TEST_KEY, "which service"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    kcode: Run, own_home: Path, service: str, key: str, says: str
) -> None:
    ended = kcode("login", *([service] if service else []), stdin=key, env=NO_KEYRING)
    assert ended.returncode == ExitCode.USAGE
    assert says in ended.stderr
    assert not index(own_home).exists()


def test_the_named_service_of_the_settings_is_taken(kcode: Run, own_home: Path) -> None:
    env = {"KCODE_PROVIDER": "ark", **NO_KEYRING}
    assert kcode("login", "--no-check", stdin=TEST_KEY, env=env).returncode == ExitCode.OK
    assert "ark" in index(own_home).read_text()


def test_auto_finds_a_stored_key_after_the_environments(kcode: Run, own_home: Path) -> None:
    kcode("login", "ark", "--no-check", stdin=TEST_KEY, env=NO_KEYRING)
    told = kcode("doctor", env=NO_KEYRING).stdout
    assert "ark at ark.cn-beijing.volces.com" in told
    assert "key from ~/.config/kcode/credentials.toml" in told
    told = kcode("doctor", env=NO_KEYRING | {"MOONSHOT_API_KEY": WRONG}).stdout
    assert "moonshot at api.moonshot.cn" in told
    assert "key from MOONSHOT_API_KEY" in told
    assert TEST_KEY not in told
    assert WRONG not in told


def test_what_comes_before_the_stored_key_is_said(kcode: Run) -> None:
    env = {"MOONSHOT_API_KEY": WRONG, **NO_KEYRING}
    ended = kcode("login", "moonshot", "--no-check", stdin=TEST_KEY, env=env)
    assert "MOONSHOT_API_KEY is set in the environment and comes before it" in ended.stderr
    assert "stays" not in ended.stderr
    ended = kcode("login", "ark", "--no-check", stdin=TEST_KEY, env=NO_KEYRING)
    assert "moonshot stays the provider that is used" in ended.stderr
    assert "kcode config set provider.name ark" in ended.stderr


def test_logout_removes_the_key(
    kcode: Run, with_keyring: dict[str, str], own_home: Path, tmp_path: Path
) -> None:
    assert kcode("logout").returncode == ExitCode.OK
    kcode("login", "moonshot", "--no-check", stdin=TEST_KEY, env=with_keyring)
    kcode("login", "ark", "--no-check", stdin=TEST_KEY, env=with_keyring)
    assert kcode("logout", env=with_keyring).returncode == ExitCode.USAGE
    assert kcode("logout", "vllm", env=with_keyring).returncode == ExitCode.USAGE
    assert kcode("logout", "moonshot", env=with_keyring).returncode == ExitCode.OK
    ended = kcode("logout", env=with_keyring)
    assert "The key for ark was removed from the keyring" in ended.stderr
    assert TEST_KEY not in (tmp_path / "keyring.json").read_text()
    assert not index(own_home).exists()


def test_a_keyring_that_is_locked_later_is_told_with_a_remedy(
    kcode: Run, with_keyring: dict[str, str]
) -> None:
    kcode("login", "moonshot", "--no-check", stdin=TEST_KEY, env=with_keyring)
    ended = kcode("-p", "hi", env=with_keyring | {"KCODE_TEST_KEYRING_LOCKED": "1"})
    assert ended.returncode == ExitCode.ENVIRONMENT
    assert "locked" in ended.stderr
    assert "kcode login" in ended.stderr


# --- a person at a terminal ----------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "LANG": "C.UTF-8", **more}


def sitting(tmp_path: Path, env: dict[str, str], *arguments: str) -> Sitting:
    return Sitting([str(KCODE), "login", *arguments], cwd=tmp_path, env=env)


def test_a_typed_key_is_never_on_the_screen(k2sim: Sim, tmp_path: Path, own_home: Path) -> None:
    sim = k2sim()
    with sitting(tmp_path, environment(**at(sim, **NO_KEYRING)), "moonshot") as person:
        person.see("Key for Moonshot .*not shown:")
        person.type(TEST_KEY[:10])
        person.settle()
        assert TEST_KEY[:10] not in person.terminal.text()
        assert TEST_KEY not in command_lines(person.process.pid)
        person.type(TEST_KEY[10:] + "\r")
        person.see("takes the key")
        person.see(r"mode 600[\s\S]*Keep it there\? \[Y/n\]")
        person.type("\r")
        person.see("is stored in")
        assert person.end() == ExitCode.OK
        assert TEST_KEY not in person.terminal.text()
        assert TEST_KEY[:10] not in person.terminal.text()
    assert TEST_KEY in credentials(own_home).read_text()


def test_a_no_keeps_nothing(k2sim: Sim, tmp_path: Path, own_home: Path) -> None:
    with sitting(tmp_path, environment(**NO_KEYRING), "moonshot", "--no-check") as person:
        person.see("not shown:")
        person.type(TEST_KEY + "\r")
        person.see("Keep it there")
        person.type("n\r")
        person.see("was not stored")
        assert person.end() == ExitCode.INTERRUPTED
    assert not credentials(own_home).exists()


def test_the_service_is_chosen_from_a_list(tmp_path: Path, own_home: Path) -> None:
    with sitting(tmp_path, environment(**NO_KEYRING), "--no-check") as person:
        text = person.see(r"1-\d:")
        assert "platform.kimi.com" in text
        person.type("nonsense\r")
        person.see(r"nonsense\s+1-\d:")
        person.type("ark\r")
        person.see("Key for Volcengine Ark")
        person.type(TEST_KEY + "\r")
        person.see("Keep it there")
        person.type("y\r")
        assert person.end() == ExitCode.OK
    assert "ark" in index(own_home).read_text()


def test_ctrl_c_at_the_key_leaves_the_terminal_as_it_was(tmp_path: Path, own_home: Path) -> None:
    with sitting(tmp_path, environment(**NO_KEYRING), "moonshot") as person:
        person.see("not shown:")
        person.type("\x03")
        assert person.end() == ExitCode.INTERRUPTED
    assert not index(own_home).exists()


@pytest.mark.parametrize(("answer", "stored"), [("y", "moonshot-intl"), ("n", "")])
def test_the_other_platform_is_tried_only_after_a_yes(
    k2sim: Sim, monkeypatch: pytest.MonkeyPatch, answer: str, stored: str
) -> None:
    here, there = k2sim(api_key=WRONG), k2sim()
    for name, sim in (("moonshot", here), ("moonshot-intl", there)):
        monkeypatch.setitem(PROFILES, name, replace(PROFILES[name], base_url=sim.base_url))
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as terminal, os.fdopen(master, "w") as person:
        monkeypatch.setattr("sys.stdin", terminal)
        person.write(f"{answer}\n")
        person.flush()
        asked = endpoint_with(PROFILES["moonshot"], Settings(), TEST_KEY)
        if stored:
            assert checked(asked, Settings()).profile.name == stored
        else:
            with pytest.raises(AuthError) as caught:
                checked(asked, Settings())
            assert "moonshot-intl" in caught.value.remedy
    assert len(here.requests) == 1
    assert len(there.requests) == (1 if stored else 0)


def command_lines(pid: int) -> str:
    """What any process of the machine can read of this one: its arguments and, for its owner, environment."""
    shown: list[Any] = []
    for name in ("cmdline", "environ"):
        file = Path(f"/proc/{pid}/{name}")
        shown.append(file.read_bytes().decode(errors="replace") if file.exists() else "")
    return "\0".join(shown)
