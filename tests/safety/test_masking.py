from __future__ import annotations

import json
import random
import re
import string
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.safety.placeholders import PLACEHOLDER, Vault, count, secrets_of, user_key
from kcode.safety.secrets import spans
from tests.safety.planted import PLANTED, key_block, planted

KEY = b"k" * 32


def vault(**given: object) -> Vault:
    return Vault(KEY, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLANTED)
def test_a_secret_of_every_kind_is_masked_and_comes_back(name: str) -> None:
    text, secret = planted(name)
    for around in (
        text,
        f"  12  {text}\n  13  more",
        json.dumps({"content": f"first\n{text}\nlast"}),
        f"是{text}。",
    ):
        one = vault()
        masked = one.mask(around)
        assert secret not in masked, masked
        assert one.restore(masked) == (around, [])
        assert one.mask(masked) == masked
        assert masked.count("\n") == around.count("\n")


def test_the_same_value_has_the_same_placeholder_in_every_session_of_a_user_only() -> None:
    text, _ = planted("AWS access key")
    assert vault().mask(text) == vault().mask(text)
    assert vault().mask(text) != Vault(b"j" * 32).mask(text)


def test_a_placeholder_is_one_plain_word() -> None:
    text, _ = planted("password in a URL")
    (word,) = count([vault().mask(text)])
    assert re.fullmatch(r"KCODE_SECRET_PASSWORD_IN_A_URL_[0-9A-F]{8}", word)


def test_a_private_key_keeps_its_lines() -> None:
    block = key_block()
    masked = vault().mask(f"before\n{block}after\n")
    assert masked.startswith("before\n-----BEGIN RSA PRIVATE KEY-----\nKCODE_SECRET_")
    assert masked.count("\n") == block.count("\n") + 2
    assert not any(line in masked for line in block.split("\n")[1:-2])


def test_lines_of_a_private_key_are_known_where_its_beginning_is_not_shown() -> None:
    block, one = key_block(), vault()
    one.learn(block)
    middle = block.split("\n")[2]
    assert middle not in one.mask(f"   3  {middle}")


def test_a_value_that_was_found_is_masked_where_nothing_gives_it_away() -> None:
    one = vault()
    one.mask('DB_PASSWORD="correct-horse-7-battery"')
    assert "horse" not in one.mask("login failed for app with correct-horse-7-battery")
    assert one.mask("xcorrect-horse-7-batteryx") == "xcorrect-horse-7-batteryx"


def test_keys_of_kcodes_own_are_masked_whatever_they_look_like() -> None:
    one = vault(own_keys=["sk-test-not-a-real-key"])
    masked = one.mask("Bearer sk-test-not-a-real-key")
    assert "not-a-real" not in masked
    assert one.mask_own("sk-test-not-a-real-key and ghp_x") == masked.removeprefix("Bearer ") + " and ghp_x"
    assert one.restore(masked, lambda secret: not secret.own) == (masked, [masked.split()[-1]])


def test_secrets_of_the_environment_are_known_by_the_names_of_their_variables() -> None:
    environ = {
        "MY_API_KEY": "plum-7-cherry-9",
        "SSH_AUTH_SOCK": "/run/user/1000/x",
        "TOKEN_TTL": "864000000000",
        "KEYBOARD_LAYOUT": "international",
        "EDITOR": "plum-8-cherry-9",
    }
    assert secrets_of(environ) == ["plum-7-cherry-9"]
    assert "plum-7" not in vault(environ=environ).mask("it printed plum-7-cherry-9")


def test_names_of_the_environment_that_tell_where_or_whose_are_no_secrets() -> None:
    environ = {
        "KEYCLOAK_CLIENT": "my-service-client-1",
        "KEYBOARD_LAYOUT": "us-intl-altgr",
        "KEY_VAULT_NAME": "my-vault-prod-01",
        "DB_SECRET_NAME": "prod/db/main",
        "TOKEN_ISSUER": "auth.example.com",
    }
    assert secrets_of(environ) == []
    assert secrets_of({"KEYCLOAK_CLIENT_SECRET": "plum-7-cherry-9", "TOKEN_NAME_KEY": "plum-8-cherry-9"}) == [
        "plum-7-cherry-9",
        "plum-8-cherry-9",
    ]


def test_a_users_pattern_finds_more_and_another_finds_less() -> None:
    one = vault(pattern=r"staff-id (\d{6})")
    assert re.fullmatch(r"staff-id KCODE_SECRET_CUSTOM_PATTERN_[0-9A-F]{8}", one.mask("staff-id 204671"))
    text, secret = planted("AWS access key")
    assert vault(never="^AKIA").mask(text) == text
    assert secret in text


_rng = random.Random(20)
_HEX = "".join(_rng.choices("0123456789abcdef", k=64))
_LONG = "".join(_rng.choices(string.ascii_letters + string.digits + "+/", k=4_000))
HONEST = [
    f"commit {_HEX[:40]}",
    f"index {_HEX[:12]}..{_HEX[12:24]} 100644",
    f"FROM python@sha256:{_HEX}",
    f'"integrity": "sha512-{_LONG[:86]}==",',
    f"github.com/gin-gonic/gin v1.9.1 h1:{_LONG[:43]}=",
    f'    {{url = "https://files.example.org/packages/a1/b2/x-1.0.tar.gz", hash = "sha256:{_HEX}"}},',
    f"  resolved https://registry.yarnpkg.com/lodash/-/lodash-4.17.21.tgz#{_HEX[:40]}",
    f'checksum = "{_HEX}"',
    str(uuid.UUID(_HEX[:32])),
    f'id = "{uuid.UUID(_HEX[:32])}"',
    f"<img src='data:image/png;base64,{_LONG}'>",
    "\n".join(_LONG[at : at + 76] for at in range(0, 760, 76)) + "\n" + _LONG[:30],
    f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{_LONG[:300]} me@host",
    "-----BEGIN CERTIFICATE-----\n" + _LONG[:64] + "\n" + _LONG[64:100] + "\n-----END CERTIFICATE-----",
    "!function(e,t){var n=t.getElementById('a1B2');n.innerHTML=e}(window,document);" * 40,
    "password = os.environ['DB_PASSWORD']",
    "self.password = get_password_from_config(user_id)",
    'password = forms.CharField(label="Password", widget=forms.PasswordInput)',
    "token = request.headers.get('Authorization', '').removeprefix('Bearer ')",
    'api_key="sk-test-not-a-real-key"',
    "api_key: str | None = None",
    "export GITHUB_TOKEN=${{ secrets.GITHUB_TOKEN }}",
    "DATABASE_URL=postgres://postgres:postgres@localhost:5432/app",
    "DATABASE_URL=postgres://user:password@localhost/db",
    "--password $DB_PASSWORD --token-file /run/secrets/token",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    "max_tokens=4096, token_count=128000, next_token_id=151643",
    "PBESv1SHA1And3KeyTripleDESCBC = 'PBESv1SHA1And3KeyTripleDESCBC'",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "primary_key=True, foreign_key='users.id', sort_key=lambda x: x[1]",
    "public static final String PASSWORD_PARAMETER_NAME = \"j_password\";",
    f'"narHash": "sha256-{_LONG[:43]}=",',
    f'  hash = "sha256-{_LONG[43:86]}=";',
    f"         got:    sha256-{_LONG[86:129]}=",
    f'"lodash": ["lodash@4.17.21", "", {{}}, "sha512-{_LONG[:86]}=="],',
    f"Content-Security-Policy: script-src 'sha256-{_LONG[129:172]}='",
]  # fmt: skip


@pytest.mark.parametrize("text", HONEST)
def test_hashes_pictures_code_and_fixtures_are_left_alone(text: str) -> None:
    assert vault().mask(text) == text


def test_hardly_anything_of_this_repository_is_taken_for_a_secret() -> None:
    root = Path(__file__).parents[2]
    files = [
        path
        for folder in ("kcode", "prompts", "docs")
        for path in (root / folder).rglob("*")
        if path.is_file()
    ]
    texts = [
        path.read_text("utf-8", "replace")
        for path in files
        if path.suffix in (".py", ".md", ".toml", ".json")
    ]
    texts += [path.read_text("utf-8") for path in root.glob("*.lock")]
    assert len(texts) > 300
    found = [text[one.start : one.end] for text in texts for one in spans(text)]
    assert found == []


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.sampled_from(PLANTED), st.text(max_size=50))
def test_masking_can_always_be_taken_back(before: str, name: str, after: str) -> None:
    text = f"{before}\n{planted(name)[0]}\n{after}"
    one = vault()
    masked = one.mask(text)
    if not PLACEHOLDER.search(text):
        assert one.restore(masked) == (text, [])
    assert one.mask(masked) == masked


_UNITS = [
    *(
        "eyJ",
        "eyJaaaaaaaaaa.",
        "sk-",
        "a://",
        "://a:",
        "token=",
        "password:",
        "A",
        "AKIA",
        ":AA",
        "1a",
        "\\n",
    ),
    *("KCODE_SECRET_", "key key", "Bearer ", "--token ", 'secret" : "', "-----BEGIN RSA PRIVATE KEY-----\n"),
]


@pytest.mark.parametrize("unit", _UNITS)
def test_a_text_made_to_be_slow_ends(unit: str) -> None:
    # work that grows with the square of the text would take hours here
    text = unit * (600_000 // len(unit))
    one = vault()
    assert one.restore(one.mask(text))[0] == text


def test_the_users_key_is_made_once_and_is_for_the_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "placeholders.key"
    first = user_key(file)
    assert len(first) == 32
    assert user_key(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.write_text("broken")
    assert len(user_key(file)) == 32
    assert user_key(file) == user_key(file)
