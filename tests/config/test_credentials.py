from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backends.fail import Keyring as FailKeyring

from kcode.config.credentials import (
    account_of,
    credentials_file,
    find_key,
    forget_key,
    index_file,
    keyring_name,
    store_key,
    stored_accounts,
    stored_key,
)
from kcode.errors import ConfigError, EnvironmentProblem
from tests.config.keyring_in_file import FileKeyring

KEY = "sk-test-not-a-real-key"
OTHER = "sk-test-another-key-not-real"
VARIABLES = ("MOONSHOT_API_KEY", "KIMI_API_KEY")


@pytest.fixture
def real_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KCODE_TEST_KEYRING", str(tmp_path / "keyring.json"))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield tmp_path / "keyring.json"
    keyring.set_keyring(before)


@pytest.fixture
def no_keyring():
    before = keyring.get_keyring()
    keyring.set_keyring(FailKeyring())
    yield
    keyring.set_keyring(before)


def test_the_environment_comes_before_the_keyring_and_that_before_the_settings(real_keyring):
    store_key("moonshot", "sk-test-stored", "keyring")
    environ = {"KIMI_API_KEY": "sk-test-kimi", "MOONSHOT_API_KEY": "sk-test-moonshot"}
    assert find_key("moonshot", VARIABLES, environ, "sk-test-config") == (
        "sk-test-moonshot",
        "MOONSHOT_API_KEY",
    )
    given = environ | {"KCODE_API_KEY": "sk-test-given"}
    assert find_key("moonshot", VARIABLES, given, "sk-test-given") == ("sk-test-given", "KCODE_API_KEY")
    assert find_key("moonshot", VARIABLES, {}, "sk-test-config") == ("sk-test-stored", "the keyring")
    assert find_key("ark", (), {}, "sk-test-config") == ("sk-test-config", "provider.api_key")
    assert find_key("ark", (), {}, "  ") == ("", "")


def test_a_key_in_the_keyring_is_named_on_disk_and_not_there_itself(real_keyring):
    store_key("moonshot", KEY, "keyring")
    assert stored_accounts() == {"moonshot": "keyring"}
    assert KEY not in index_file().read_text()
    assert not credentials_file().exists()
    assert KEY in real_keyring.read_text()


def test_a_key_without_a_keyring_is_in_a_file_that_only_the_user_reads(no_keyring):
    assert keyring_name() == ""
    store_key("moonshot", KEY, "file")
    assert stored_key("moonshot") == (KEY, "~/.config/kcode/credentials.toml")
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(credentials_file().parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(no_keyring):
    store_key("moonshot", KEY, "file")
    credentials_file().chmod(0o644)
    assert stored_key("moonshot") is not None
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600


def test_a_new_key_replaces_the_old_one_wherever_that_was(real_keyring):
    store_key("moonshot", KEY, "file")
    store_key("ark", OTHER, "file")
    store_key("moonshot", OTHER, "keyring")
    assert stored_key("moonshot") == (OTHER, "the keyring")
    assert KEY not in credentials_file().read_text()
    assert stored_accounts() == {"ark": "file", "moonshot": "keyring"}


def test_a_forgotten_key_leaves_nothing_behind(real_keyring):
    store_key("moonshot", KEY, "keyring")
    store_key("ark", OTHER, "file")
    assert forget_key("moonshot") == "keyring"
    assert forget_key("ark") == "file"
    assert forget_key("ark") is None
    assert KEY not in real_keyring.read_text()
    assert not credentials_file().exists()
    assert not index_file().exists()


def test_a_locked_keyring_is_an_error_with_a_remedy_unless_there_is_another_key(real_keyring, monkeypatch):
    store_key("moonshot", KEY, "keyring")
    monkeypatch.setenv("KCODE_TEST_KEYRING_LOCKED", "1")
    with pytest.raises(EnvironmentProblem, match="locked") as caught:
        find_key("moonshot", VARIABLES, {}, "")
    assert "Unlock" in caught.value.remedy
    assert find_key("moonshot", VARIABLES, {}, OTHER) == (OTHER, "provider.api_key")
    assert find_key("moonshot", VARIABLES, {"KIMI_API_KEY": OTHER}, "")[0] == OTHER


def test_a_keyring_that_went_away_is_an_error_with_a_remedy(real_keyring):
    store_key("moonshot", KEY, "keyring")
    keyring.set_keyring(FailKeyring())
    with pytest.raises(EnvironmentProblem, match="keyring"):
        find_key("moonshot", VARIABLES, {}, "")


def test_a_key_somebody_removed_from_the_keyring_is_no_key(real_keyring):
    store_key("moonshot", KEY, "keyring")
    real_keyring.unlink()
    assert find_key("moonshot", VARIABLES, {}, "") == ("", "")
    assert forget_key("moonshot") == "keyring"


def test_a_key_stays_with_the_address_it_was_stored_for():
    own = "https://api.moonshot.cn/v1"
    assert account_of("moonshot", own, own) == "moonshot"
    elsewhere = account_of("moonshot", "https://user:secret@127.0.0.1/v1", own)
    assert elsewhere == "moonshot@https://127.0.0.1/v1"


def test_broken_files_are_named_without_their_content():
    credentials_file().parent.mkdir(parents=True)
    credentials_file().write_text(f'[keys]\nmoonshot = "{KEY}\n')
    index_file().write_text('[stored]\nmoonshot = "file"\n')
    with pytest.raises(ConfigError, match=r"credentials\.toml") as caught:
        stored_key("moonshot")
    assert KEY not in caught.value.message + caught.value.remedy


def test_the_keyring_library_is_imported_only_where_a_key_is_in_it(no_keyring):
    program = (
        "import sys; from kcode.config.settings import Settings;"
        "from kcode.providers.registry import resolve;"
        "resolve(Settings(), {'MOONSHOT_API_KEY': 'sk-test-not-a-real-key'}); resolve(Settings(), {});"
        "print('keyring' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    store_key("moonshot", KEY, "file")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
