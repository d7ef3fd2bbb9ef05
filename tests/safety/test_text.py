from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.safety import sensitive
from kcode.safety.sanitize import clean, reveal
from kcode.safety.secrets import find, redact


@given(
    st.text(
        st.characters(codec="utf-8") | st.sampled_from("\x1b[]0;m\x07\x9b\u202e\u200b\u200d\r\n"), max_size=60
    )
)
def test_clean_text_has_no_controls_and_stays_clean(text: str) -> None:
    shown = clean(text)
    assert all(char in "\n\t" or unicodedata.category(char) != "Cc" for char in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff")
    assert clean(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x2FFF), max_size=60))
def test_ordinary_text_is_left_alone(text: str) -> None:
    if not set(text) & set("\u00ad\u061c"):
        assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", "abc"),
        ("\x9b2Jx", "x"),
        ("a\rb", "a\u240db"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("user\u202etxt.exe", "user<U+202E>txt.exe"),
        ("a\u200bb\ufeff", "ab"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\ud800", "\ufffd"),
        ("bell\x07", "bell\u2407"),
    ],
)
def test_what_could_lie_is_removed_or_shown(text: str, shown: str) -> None:
    assert clean(text) == shown


_HOSTILE = st.text(
    st.characters(codec="utf-8")
    | st.sampled_from("\x1b[]0;m\x07\x9b\u202e\u200b\u200d\u2066\ufeff\u00ad\u3164\U000e0041\r\n\x85\u2028"),
    max_size=60,
)


@given(_HOSTILE)
def test_what_a_person_judges_hides_nothing(text: str) -> None:
    shown = reveal(text)
    assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Zl", "Zp") for char in shown)
    assert shown.count("\n") == text.replace("\r\n", "\n").count("\n")
    assert reveal(shown) == shown
    hidden = set(text) & set("\u202e\u2066\u200b\ufeff\u00ad\u3164\U000e0041\x1b\x9b")
    assert not hidden & set(shown)
    assert all(f"U+{ord(char):04X}" in shown for char in hidden - {"\x1b"})


def test_a_trojan_source_is_seen() -> None:
    assert reveal("if admin\u202e \u2066// user\u2069:") == "if admin<U+202E> <U+2066>// user<U+2069>:"
    assert reveal("let a\u3164 = '\u200b'") == "let a<U+3164> = '<U+200B>'"
    assert reveal("\x1b[8mhidden\x1b[0m\r") == "\u241b[8mhidden\u241b[0m\u240d"
    assert (
        reveal("\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e\u0648")
        == "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e\u0648"
    )


def _fake(prefix: str, size: int) -> str:
    return prefix + "".join("aB3dE5gH7jK9mN1pQ2sT4vX6zY8"[i % 27] for i in range(size))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("key = " + "AKIA" + "Q7RZTB4XW2LMN6PD", "AWS access key"),
        (_fake("ghp" + "_", 36), "GitHub token"),
        (_fake("glpat" + "-", 20), "GitLab token"),
        (_fake("xoxb" + "-", 24), "Slack token"),
        (_fake("AIza", 35), "Google API key"),
        (_fake("sk" + "-", 48), "API key"),
        (_fake("hf" + "_", 34), "Hugging Face token"),
        ("-----BEGIN RSA PRIVATE " + "KEY-----", "private key"),
        ("-----BEGIN PRIVATE " + "KEY-----", "private key"),
        ("postgres://admin:" + "tr0ub4dor" + "@db/x", "password in a URL"),
        ("api_key: '" + _fake("", 32) + "'", "secret in an assignment"),
        ('"client_secret" => "' + _fake("", 32) + '"', "secret in an assignment"),
    ],
)
def test_a_key_is_found_and_masked(text: str, kind: str) -> None:
    hits = find(f"first line\n  {text}\nlast")
    assert [(hit.line, hit.kind) for hit in hits] == [(2, kind)]
    if "PRIVATE" not in text:
        assert hits[0].masked not in text


@pytest.mark.parametrize(
    "text",
    [
        "api_key = 'sk-test-not-a-real-key'",
        "password = os.environ['DB_PASSWORD']",
        "token: str = ''",
        "https://user:${PASSWORD}@host/x",
        "secret_name = 'my-application-secret-name'",
        "the task-list of the risk-register",
        "sha256:" + "a" * 64,
        "key = 'abcdefghijklmnopqrstuvwxyz'",
        "AKIAIOSFODNN7EXAMPLE",
        "tokenizer = Tokenizer('gpt2')",
    ],
)
def test_placeholders_and_prose_are_not_keys(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "a/.env.local",
        ".ENV",
        ".git/config",
        ".git/hooks/pre-commit",
        "x/.ssh/known_hosts",
        "server.pem",
        "id_ed25519",
        ".kcode/config.toml",
        ".npmrc",
        "home/.bashrc",
        "prod.env",
    ],
)
def test_sensitive_files_are_known(path: str) -> None:
    assert sensitive.reason(path)


@pytest.mark.parametrize(
    "path", ["a.py", ".env.example", "environment.py", "keys.py", ".gitignore", "id_rsa.pub", "x/key.txt"]
)
def test_ordinary_files_are_not_sensitive(path: str) -> None:
    assert not sensitive.reason(path)


@pytest.mark.parametrize("key", [_fake("sk-", 40), _fake("ghp_", 36)])
def test_a_key_in_the_middle_of_chinese_text_is_found(key: str) -> None:
    text = f"密钥是{key}，请保密"
    assert find(text)
    assert key not in redact(text)
