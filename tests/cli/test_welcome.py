from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.k2sim import TEST_KEY, Simulator, say
from tests.ui.sitting import KCODE, Sitting

Sim = Callable[..., Simulator]
Start = Callable[..., Sitting]
WRONG = "sk-test-wrong-not-a-real-key"
ARK_KEY = "00000000-1111-2222-3333-444444444444"
DOWN = "\x1b[B"

# The program itself, its services at other addresses.
_ELSEWHERE = """
import sys
from dataclasses import replace
from kcode.providers.profiles import PROFILES
for pair in sys.argv.pop(1).split():
    name, _, address = pair.partition("=")
    PROFILES[name] = replace(PROFILES[name], base_url=address)
from kcode.cli.entry import main
sys.exit(main())
"""


@pytest.fixture
def start(tmp_path: Path, own_home: Path) -> Iterator[Start]:
    with ExitStack() as running:

        def begin(
            *arguments: str, env: dict[str, str] | None = None, columns: int = 100, **services: Simulator
        ) -> Sitting:
            kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORFGBG")}
            environment = {
                **kept,
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
                **(env or {}),
            }
            argv = [KCODE, *arguments]
            if services:
                pairs = " ".join(f"{name.replace('_', '-')}={sim.base_url}" for name, sim in services.items())
                argv = [sys.executable, "-c", _ELSEWHERE, pairs, *arguments]
            return running.enter_context(Sitting(argv, cwd=tmp_path, env=environment, columns=columns))

        yield begin


def settings_of(home: Path) -> str:
    file = home / ".config" / "kcode" / "config.toml"
    return file.read_text() if file.exists() else ""


def written(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and "kcode" in path.parts[-2]]


def test_a_pasted_key_is_tried_kept_and_used_at_once(start: Start, k2sim: Sim, own_home: Path) -> None:
    sim = k2sim([say("Hello there.")], model_ids=["kimi-k2.6", "kimi-k2.7-code"])
    person = start(moonshot=sim)
    text = person.see("Who shall answer")
    for words in ("Welcome to kcode", "Paste a key", "server of mine", "embedded model", "fetched once"):
        assert words in text
    person.type("\r")
    person.see("Your key, not shown")
    person.type(f"{TEST_KEY}\r")
    person.see("takes the key and lists 2 models")
    person.see("Keep it there")
    person.type("y\r")
    person.see(r"Remembered in ~/\.config/kcode/config\.toml")
    person.see("ask mode")
    person.type("hi\r")
    person.see(r"Hello there\.")
    assert TEST_KEY not in person.terminal.text()
    assert 'name = "moonshot"' in settings_of(own_home)
    assert sim.chats[-1].headers["authorization"] == f"Bearer {TEST_KEY}"
    person.type("\x04")
    assert person.end() == 0


def test_a_key_of_the_other_platform_is_found_out(start: Start, k2sim: Sim, own_home: Path) -> None:
    here, there = k2sim(api_key=WRONG), k2sim()
    person = start(moonshot=here, moonshot_intl=there)
    person.see("Who shall answer")
    person.type("1")
    person.see("not shown")
    person.type(f"{TEST_KEY}\r")
    person.see("Moonshot international takes the key")
    person.type("y\r")
    person.see("Remembered")
    assert 'name = "moonshot-intl"' in settings_of(own_home)
    assert [r.path for r in here.requests] == ["/v1/models"]


def test_a_key_is_shown_to_nobody_but_the_company_of_its_form(
    start: Start, k2sim: Sim, own_home: Path
) -> None:
    moonshot, international, ark = k2sim(), k2sim(), k2sim(api_key=ARK_KEY)
    person = start(moonshot=moonshot, moonshot_intl=international, ark=ark)
    person.see("Who shall answer")
    person.type("1")
    person.see("not shown")
    person.type(f"{ARK_KEY}\r")
    person.see("Volcengine Ark takes the key")
    assert not moonshot.requests
    assert not international.requests
    person.type("y\r")
    person.see("Remembered")
    assert 'name = "ark"' in settings_of(own_home)


def test_a_wrong_key_is_told_at_once_and_asked_for_again(start: Start, k2sim: Sim, own_home: Path) -> None:
    sim = k2sim()
    person = start(moonshot=sim, moonshot_intl=sim)
    person.see("Who shall answer")
    person.type("1")
    person.see("not shown")
    person.type("two words\r")
    # What is typed before a hidden question is thrown away, so each question itself is waited for.
    person.see(r"(?s)that is no key.*not shown")
    person.type(f"{WRONG}\r")
    person.see(r"(?s)the key was refused: Moonshot and Moonshot international.*not shown")
    assert not written(own_home)
    person.type(f"{TEST_KEY}\r")
    person.see("takes the key")
    person.type("y\r")
    person.see("ask mode")
    assert "Traceback" not in person.terminal.text()


def test_a_server_is_tried_and_remembered(start: Start, k2sim: Sim, own_home: Path) -> None:
    sim = k2sim([say("From your server.")], model_ids=["my-model"])
    person = start()
    person.see("Who shall answer")
    person.type(f"{DOWN}\r")
    person.see("server's address")
    person.type("ftp://nowhere\r")
    person.see("is not a web address")
    person.type("127.0.0.1:9\r")
    person.see(r"(?s)error:.*error:.*address, such as")
    assert not written(own_home)
    person.type(f"{sim.base_url}\r")
    person.see("wants a key")
    # What is typed before a hidden question is thrown away, so the question itself is waited for.
    person.see("Its key, not shown")
    person.type(f"{TEST_KEY}\r")
    person.see("serves my-model")
    person.type("y\r")
    person.see("ask mode")
    person.type("hi\r")
    person.see(r"From your server\.")
    assert f'base_url = "{sim.base_url}"' in settings_of(own_home)
    assert 'name = "openai-compatible"' in settings_of(own_home)


def test_enter_alone_goes_back_to_the_choice(start: Start) -> None:
    person = start()
    person.see("Who shall answer")
    person.type("2")
    person.see("server's address")
    person.type("\r")
    person.see("Who shall answer")
    person.type("1")
    person.see("not shown")
    person.type("\r")
    person.see("Who shall answer")


def test_no_word_is_broken_in_a_narrow_terminal(start: Start) -> None:
    person = start(columns=60)
    assert re.search(r"could answer\s+you\.", person.see("Who shall answer"))
    person.type("\x03")
    person.end()
    assert re.search(r"`kcode login`\s+stores\s+a key\.", person.terminal.text())


@pytest.mark.parametrize("before", ["", "1", "2"])
def test_ctrl_c_leaves_cleanly_and_changes_nothing(start: Start, own_home: Path, before: str) -> None:
    person = start()
    person.see("Who shall answer")
    if before:
        person.type(before)
        person.see("goes back")
    person.type("\x03")
    assert person.end() == ExitCode.INTERRUPTED
    assert "Nothing was changed" in person.terminal.text()
    assert "Traceback" not in person.terminal.text()
    assert not written(own_home)


def test_a_no_to_keeping_the_key_changes_nothing(start: Start, k2sim: Sim, own_home: Path) -> None:
    person = start(moonshot=k2sim())
    person.see("Who shall answer")
    person.type("1")
    person.see("not shown")
    person.type(f"{TEST_KEY}\r")
    person.see("Keep it there")
    person.type("n\r")
    assert person.end() == ExitCode.INTERRUPTED
    assert not written(own_home)


def test_a_dumb_terminal_gets_numbers(start: Start, k2sim: Sim) -> None:
    person = start(env={"TERM": "dumb"}, moonshot=k2sim())
    person.see(r"1-3:")
    person.type("7\r")
    person.see(r"1-3:[\s\S]*1-3:")
    person.type("1\r")
    person.see("not shown")
    person.type(f"{TEST_KEY}\r")
    person.see("takes the key")


@pytest.mark.parametrize("env", [{"MOONSHOT_API_KEY": TEST_KEY}, {"KCODE_BASE_URL": "http://127.0.0.1:9/v1"}])
def test_who_has_a_key_or_a_server_is_not_asked(start: Start, env: dict[str, str]) -> None:
    person = start(env=env)
    person.see("ask mode")
    assert "Who shall answer" not in person.terminal.text()


def test_a_model_named_without_a_key_asks_too_instead_of_failing(start: Start) -> None:
    person = start("--model", "kimi-k2.6")
    person.see("Who shall answer")


def test_the_embedded_model_is_named_and_fetched(start: Start, own_home: Path, tmp_path: Path) -> None:
    person = start(env={"KCODE_MODEL_SOURCES": "folder", "KCODE_MODEL_DIR": str(tmp_path)})
    person.see("Who shall answer")
    person.type("3")
    assert person.end() == ExitCode.ENVIRONMENT
    assert "Traceback" not in person.terminal.text()
    assert "try:" in person.terminal.text()
    assert not settings_of(own_home)
