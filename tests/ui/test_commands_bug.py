from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.config.settings import Settings
from kcode.ui import bugreport, redaction
from kcode.ui.redaction import Redactor
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORD = st.text(LETTERS, min_size=36, max_size=60)
KEYS = st.one_of(
    WORD.map(lambda w: f"sk-{w}"),
    WORD.map(lambda w: f"sk-kimi-{w}"),
    WORD.map(lambda w: f"ghp_{w}"),
    WORD.map(lambda w: f"github_pat_{w}"),
    WORD.map(lambda w: f"glpat-{w[:20]}"),
    WORD.map(lambda w: f"xoxb-{w}"),
    WORD.map(lambda w: f"AIza{w[:35]}"),
    WORD.map(lambda w: f"hf_{w}"),
    WORD.map(lambda w: f"npm_{w[:36]}"),
    WORD.map(lambda w: f"AKIA{w[:16].upper()}"),
    WORD.map(lambda w: f"eyJ{w[:12]}.eyJ{w[12:24]}.{w[24:]}"),
    st.uuids().map(str),
)
AROUND = st.sampled_from([
    "{}", "key {} end", '"{}"', "KEY={}", "api_key: {}", "Authorization: Bearer {}", "https://me:{}@host.example/x",
    "/path/{}/more", "'token': '{}',", "{}\n", "你好{}。",
])  # fmt: skip
HOME, NAME = "/home/zhangwei", "zhangwei"
FILLER = st.text(max_size=60)


@given(KEYS, AROUND, FILLER, FILLER)
def test_no_shape_of_a_key_survives_wherever_it_stands(key: str, around: str, left: str, right: str) -> None:
    redact = Redactor([], {HOME: "~"}, {NAME: "<user>"})
    text = f"{left} {around.format(key)} {right}"
    assert key not in redact(text)


@given(st.text(min_size=6, max_size=40).filter(lambda value: value not in "<secret>"), AROUND, FILLER)
def test_a_known_secret_goes_whatever_it_looks_like(value: str, around: str, left: str) -> None:
    redact = Redactor([value], {HOME: "~"}, {})
    assert value not in redact(left + around.format(value)).replace("<secret>", "")


@given(
    st.sampled_from(
        ["{}", "{}/x.py", 'File "{}/a/b.py", line 3', "file://{}/x", "cd {} && ls", "{}rest", "'{}'"]
    ),
    FILLER,
    FILLER,
)
def test_the_home_folder_and_the_name_are_nowhere(around: str, left: str, right: str) -> None:
    redact = Redactor([], {HOME: "~", f"{HOME}/shop": "<workspace>"}, {NAME: "<user>"})
    done = redact(f"{left} {around.format(HOME)} {right} {NAME} Zhangwei {HOME}/shop/a.py")
    assert HOME not in done
    assert not re.search(rf"\b{NAME}\b", done, re.IGNORECASE)


@given(st.from_regex(r"[a-z ]{0,60}", fullmatch=True))
def test_plain_words_are_left_alone(text: str) -> None:
    assert Redactor([], {HOME: "~"}, {NAME: "<user>"})(text) == text


def test_the_environments_secrets_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "plain words as a token")
    monkeypatch.setenv("USER", "lihua")
    redact = redaction.of_this_machine(["own key given"], tmp_path)
    done = redact(f"plain words as a token, own key given, by lihua in {Path.home()}/x and {tmp_path}/y")
    assert done == "<secret>, <secret>, by <user> in ~/x and <workspace>/y"


def planted(repo: Path, own_home: Path) -> list[str]:
    return [TEST_KEY, str(own_home), str(repo), "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "我的秘密"]


@pytest.fixture
def talked(sit: Sit, k2sim: Sim, repo: Path, own_home: Path) -> Sitting:
    """A session in which keys, paths and private words were said."""
    _, home, root, token, private = planted(repo, own_home)
    crash = own_home / ".local/state/kcode/crash"
    crash.mkdir(parents=True)
    (crash / "20260101-000000-1.txt").write_text(f'kcode\nFile "{home}/x.py", line 1\nKeyError: {token}\n')
    answers = [use(call("read_file", path="shop.py"), text=f"{private} {token}"), say(f"Done in {root}.")]
    person = sit(k2sim(answers), rows=40, columns=200, env={"MY_TOKEN": token, "USER": "lihua"})
    person.see(READY)
    person.type(f"hello {private} {token}\r")
    person.see(r"Done in")
    person.settle()
    return person


def report_of(person: Sitting) -> Path:
    found = re.findall(r"the report is in (\S+)", person.see("nothing was sent"))
    return Path(found[-1])


def test_bug_writes_facts_without_keys_names_paths_and_words(
    talked: Sitting, repo: Path, own_home: Path
) -> None:
    talked.type("/bug\r")
    path = report_of(talked)
    text = path.read_text("utf-8")
    for secret in planted(repo, own_home):
        assert secret not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.search(r"- size: 200 x 40\n", text)
    assert "- provider.api_key: set\n" in text
    assert re.search(r"result of read_file, ok, \d+ characters", text)
    assert "KeyError: <secret>" in text
    assert "hello" not in text


def test_bug_full_asks_and_adds_the_conversation_without_keys(
    talked: Sitting, repo: Path, own_home: Path
) -> None:
    talked.type("/bug full\r")
    talked.see(r"What goes into the report\?")
    talked.settle()
    talked.type("\x1b[B\r")
    text = report_of(talked).read_text("utf-8")
    assert "我的秘密" in text
    for secret in planted(repo, own_home)[:4]:
        assert secret not in text


def test_bug_full_can_be_left_without_a_report(talked: Sitting, own_home: Path) -> None:
    talked.type("/bug full\r")
    talked.see(r"What goes into the report\?")
    talked.settle()
    talked.type("\x1b")
    talked.see("no report was written")
    assert not (own_home / ".local/state/kcode/reports").exists()


def test_bug_knows_nothing_else(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("/bug everything\r")
    person.see(r"/bug does not know 'everything'\n +try: /bug \[full\]")


def test_settings_are_told_without_keys_and_addresses() -> None:
    class Bare:
        settings = Settings.model_validate(
            {
                "provider": {
                    "api_key": TEST_KEY,
                    "base_url": "http://me:pass@box.example/v1",
                    "model": "kimi-k3",
                }
            }
        )

    rows = dict(bugreport._settings(Bare()))  # type: ignore[arg-type]
    assert rows == {"provider.model": "'kimi-k3'", "provider.base_url": "set", "provider.api_key": "set"}
