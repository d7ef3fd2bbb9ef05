from __future__ import annotations

import json

import pytest

from kcode.conversation.export import as_html, as_json, as_markdown
from kcode.conversation.ledger import (
    Assistant,
    Call,
    Entry,
    Epoch,
    System,
    ToolResult,
    Tools,
    UsageEntry,
    User,
)
from kcode.conversation.records import Header, Record
from kcode.safety.secrets import redact

SECRET = "AKIAQ7TR4ZN2WB7LC5XP"
BEGIN = "-----BEGIN RSA PRIVATE KEY-----"
HEADER = Header("20260102-030405-abcdef", "/r", 1.0)
ENTRIES: list[Entry] = [
    Epoch("start"),
    System("system text"),
    Tools("[]"),
    User("hello\n<context>", "hello <b>"),
    Assistant("", "thinking", (Call("c", "run_command", json.dumps({"command": f'key="{SECRET}"'})),)),
    UsageEntry("kimi-k2.6", 10, 0, 5, cost="0.10", currency="CNY"),
    ToolResult("c", "run_command", f"```\n{SECRET}\n```", True, "exit 0"),
    Assistant("It is *done*."),
    Epoch("rewind", restore_upto=3),
]
RECORDS = [Record(100.0 + number, entry) for number, entry in enumerate(ENTRIES)]


@pytest.mark.parametrize("write", [as_json, as_markdown, as_html])
def test_keys_are_masked_in_every_format(write: object) -> None:
    text = write(HEADER, RECORDS, redact)  # type: ignore[operator]
    assert SECRET not in text
    assert "AKIA..." in text
    assert "It is *done*." in text


def test_json_says_what_counts_today() -> None:
    whole = json.loads(as_json(HEADER, RECORDS, redact))
    assert whole["schema"] == "kcode.session/1"
    assert whole["cost"] == [{"amount": "0.10", "currency": "CNY"}]
    live = [entry["type"] for entry in whole["entries"] if entry["live"]]
    assert live == ["system", "tools"]
    assert [entry["at"] for entry in whole["entries"]] == [100.0 + n for n in range(len(ENTRIES))]


def test_a_listing_cannot_end_its_own_fence() -> None:
    text = as_markdown(HEADER, RECORDS, redact)
    assert "````\n```\nAKIA" in text


def test_html_shows_text_as_text() -> None:
    text = as_html(HEADER, RECORDS, redact)
    assert "hello &lt;b&gt;" in text
    assert "http" not in text


def test_a_session_without_a_message_can_be_exported() -> None:
    assert as_markdown(HEADER, [], redact).startswith("# an empty session")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"a {SECRET} b", "a AKIA...XP (20 characters) b"),
        (f"{BEGIN}\nMIIE\n-----END RSA PRIVATE KEY-----", f"{BEGIN}...-----END"),
        ("x" * 30_000 + f" {SECRET}", "x" * 30_000 + " AKIA...XP (20 characters)"),
        ("sk-test-not-a-real-key", "sk-test-not-a-real-key"),
        ("nothing here", "nothing here"),
    ],
)  # fmt: skip
def test_what_looks_like_a_key_is_masked_and_nothing_else(text: str, kept: str) -> None:
    assert redact(text).startswith(kept)
