"""What servers answer: events, error bodies, headers, usage, tool arguments, JSON answers, frames."""

from __future__ import annotations

import contextlib
import io
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kcode.providers.answer import read_usage
from kcode.providers.arguments import NotArguments, read_arguments
from kcode.providers.base import EmbeddedUnavailable
from kcode.providers.embedded.frames import BrokenFrame, encode, read_frame
from kcode.providers.embedded.gguf import read_head
from kcode.providers.error_facts import read_facts, read_payload
from kcode.providers.k2_call import resolve
from kcode.providers.limiter import read_headers, read_limits
from kcode.providers.mfjs import normal
from kcode.providers.sse import Event, EventDecoder
from kcode.providers.structured import read_object
from kcode.tools.base import ToolRefused
from kcode.tools.registry import all_tools, parse_call
from tests.fuzz.hostile import damaged, fuzz, junk, nested, objects, text, texts
from tests.providers.markup import TOOLS, read

# --- server-sent events ---------------------------------------------------------------------------

LINES = texts(
    ["data:", "data: ", "event: x", "\n", "\r\n", "\r", "\n\n", "[DONE]", ":", "id: 1", "retry: 1", '{"a":1}']
)


def events(*chunks: bytes) -> list[Event]:
    decoder = EventDecoder()
    return [*(event for chunk in chunks for event in decoder.feed(chunk)), *decoder.end()]


@fuzz()
@given(LINES, st.lists(st.integers(0, 5_000), max_size=8))
def test_events_are_the_same_however_their_bytes_are_split(said: str, places: list[int]) -> None:
    data = said.encode("utf-8", "replace")
    cuts = sorted({place % (len(data) + 1) for place in places})
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    found = events(data)
    assert events(*parts) == found
    assert sum(len(event.data) for event in found) <= len(data)


@fuzz()
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30), max_size=6))
def test_what_is_written_as_events_is_read_back(values: list[str]) -> None:
    stream = "".join("".join(f"data: {line}\n" for line in value.split("\n")) + "\n" for value in values)
    assert [event.data for event in events(stream.encode())] == values


# --- what a refusal says ----------------------------------------------------------------------------

REFUSAL = ("error", "message", "code", "type", "status", "detail", "error_msg")
HEADERS = (
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "content-type",
    "location",
    *(f"x-ratelimit-{what}{of}" for what in ("limit", "remaining", "reset") for of in ("", "-requests")),
)
WORDS = texts(
    [
        "organization max RPM: 3",
        "TPM rate limit, ",
        "limit: 4",
        "please try again after ",
        " seconds",
        "9.9.9s",
        "retry in ",
        "concurrency: ",
        "will reset at ",
        "<html><title>",
        "</title>",
        "<h1>",
        "502",
        "Bearer ",
        "sk-test-not-a-real-key",
    ]
)


@fuzz()
@given(
    st.one_of(WORDS, nested(REFUSAL).map(json.dumps), text).map(lambda said: said.encode("utf-8", "replace")),
    st.dictionaries(st.sampled_from(HEADERS), st.one_of(junk, WORDS), max_size=4),
)
@example(b"[" * 100_000, {})
@example(b'{"error":' * 100_000, {})
@example(b"", {"retry-after": "Mon, 99 Jan 99999999999 00:00:00 GMT"})
@example(b"<title" * 20_000, {})
@example(b"<h1>" * 20_000, {})
def test_a_refusal_of_any_shape_becomes_a_short_message_without_the_key(
    body: bytes, headers: dict[str, str]
) -> None:
    facts = read_facts(429, headers, body, "sk-test-not-a-real-key")
    assert len(facts.message) <= 400
    assert "sk-test-not-a-real-key" not in f"{facts.message}{facts.request_id}"
    assert "\n" not in facts.message
    assert facts.retry_after_s is None or facts.retry_after_s >= 0
    assert all(limit < 10**13 for _, limit in read_limits(facts.message))


@fuzz()
@given(objects(REFUSAL, nested(REFUSAL)))
def test_an_error_object_in_an_answer_is_told(payload: dict[str, Any]) -> None:
    assert len(read_payload(payload, {}).message) <= 400


@fuzz()
@given(
    st.dictionaries(
        st.sampled_from(HEADERS),
        st.one_of(junk, st.from_regex(r"\d{1,20}(\.\d+)?(ms|s|m|h)?", fullmatch=True)),
    )
)
def test_limits_in_headers_are_numbers_that_can_be(headers: dict[str, str]) -> None:
    for _, limit, left, seconds in read_headers(headers, 1_700_000_000.0):
        assert limit is None or 0 <= limit < 10**13
        assert left is None or 0 <= left < 10**13
        assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "reasoning_tokens",
)


@fuzz()
@given(nested(USAGE).filter(lambda value: isinstance(value, dict)))
@example({"prompt_tokens": float("inf"), "cached_tokens": float("nan")})
@example({"prompt_tokens": True, "completion_tokens": 10**400})
def test_usage_is_whole_numbers_in_bounds(usage: Any) -> None:
    found = read_usage(usage)
    assert 0 <= found.cached <= found.prompt
    assert min(found.completion, found.reasoning) >= 0


# --- what a model says ------------------------------------------------------------------------------

CALLS = texts(
    [
        '{"path": "a.py"}',
        '{"a": 1,}',
        "{",
        "}",
        '"',
        "```json\n",
        "```",
        "<|im_end|>",
        " <|tool_call_end|>",
        ",",
        "True",
        "None",
        "'a': 1",
        '\\"',
        "\\",
        '{"edits": [',
        "]",
        '"path": ',
        '"x"',
        "\n",
        "null",
    ]
)


@fuzz(200)
@given(
    st.one_of(CALLS, damaged(['{"path": "a.py", "edits": [{"old_text": "x", "new_text": "y\\n"}], "n": 12}']))
)
@example("[" * 100_000)
@example('{"a":' * 50_000)
@example('{"a": ' + "9" * 5_000 + "}")
@example("{'a': " + "-" * 50_000 + "1}")
@example('"' * 3 + '{\\"a\\": 1}')
def test_arguments_are_an_object_or_refused(said: str) -> None:
    with contextlib.suppress(NotArguments):
        found = read_arguments(said)
        assert isinstance(found.value, dict)
        assert json.loads(found.text) == found.value
        assert read_arguments(found.text).value == found.value
        assert len(found.text) <= 12 * len(said) + 2


@fuzz()
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=6,
        ),
        max_size=5,
    )
)
def test_right_arguments_are_what_they_are(value: dict[str, Any]) -> None:
    spelled = json.dumps(value)
    assert read_arguments(spelled) == (value, spelled, ())


NAMES = [tool.name for tool in all_tools()]


@fuzz(200)
@given(
    st.one_of(st.sampled_from(NAMES), junk),
    st.one_of(
        CALLS,
        objects([field for tool in all_tools() for field in tool.arguments.model_fields]).map(json.dumps),
    ),
)
def test_a_call_can_run_or_is_refused_in_words(name: str, arguments: str) -> None:
    try:
        call = parse_call(name, arguments)
    except ToolRefused as refused:
        assert str(refused)
    else:
        assert call.tool.name in NAMES


@fuzz()
@given(texts([*TOOLS, "functions.", ":", "0", " ", "."]))
def test_an_id_names_a_tool_whatever_it_is(said: str) -> None:
    name, regular = resolve(said, TOOLS)
    assert resolve(regular, TOOLS)[0] == name.strip() or ":" in name


@pytest.mark.parametrize(
    "marker", ["<|tool_calls_section_begin|>", "<|tool_call_begin|>", "<think>", "<", "functions.", "`"]
)
@pytest.mark.parametrize("size", [2_000, 20_000])
def test_markup_said_again_and_again_is_read(marker: str, size: int) -> None:
    said, thought, calls = read(marker * size)
    assert len(said) + len(thought) + sum(len(arguments) for _, arguments in calls) <= len(
        marker
    ) * size + 100 * len(calls)


SHAPE = normal(
    {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "n": {"type": "integer"},
            "l": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
)


@fuzz()
@given(
    st.one_of(
        texts(['{"a": "x"}', "{", "}", '"a": ', '"x"', "```json\n", ", "]),
        nested(["a", "n", "l"]).map(json.dumps),
    )
)
@example('{"a":' * 50_000)
@example('{"a": "x", "n": ' + "9" * 5_000 + "}")
@example('{"a": "x"}' + "{ " * 50_000)
def test_an_answer_is_the_object_asked_for_or_the_fault_is_told(said: str) -> None:
    value, fault = read_object(said, SHAPE)
    assert (value is None) == bool(fault)
    assert value is None or isinstance(value["a"], str)


# --- the embedded engine's pipe and its files ---------------------------------------------------------


@fuzz()
@given(st.binary(max_size=60), st.lists(objects(["op", "text"]), max_size=3))
def test_frames_are_messages_or_broken(noise: bytes, messages: list[dict[str, Any]]) -> None:
    stream = io.BytesIO(b"".join(encode(message) for message in messages) + noise)
    for message in messages:
        assert repr(read_frame(stream)) == repr(json.loads(json.dumps(message)))
    with contextlib.suppress(BrokenFrame):
        while (frame := read_frame(stream)) is not None:
            assert isinstance(frame, dict)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5_000 + b"}", b"\xff"]
)
def test_a_frame_that_python_cannot_read_is_broken(body: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read_frame(io.BytesIO(struct.pack(">I", len(body)) + body))


def pair(key: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


HEAD = b"GGUF" + struct.pack("<IQQ", 3, 1, 4)
FIELDS = [
    pair("general.architecture", 8, struct.pack("<Q", 5) + b"qwen2"),
    pair("qwen2.context_length", 4, struct.pack("<I", 32768)),
    pair("qwen2.attention.head_count", 4, struct.pack("<I", 0)),
    pair("qwen2.embedding_length", 9, struct.pack("<IQ", 4, 2) + b"\0" * 8),
]


@fuzz()
@given(st.lists(st.one_of(st.sampled_from(FIELDS), st.binary(max_size=20)), max_size=6), st.integers(0, 400))
def test_the_head_of_a_model_file_is_read_or_refused(tmp_path: Path, parts: list[bytes], cut: int) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes((HEAD + b"".join(parts))[: cut or None])
    with contextlib.suppress(EmbeddedUnavailable):
        head = read_head(file)
        assert head.context
        assert head.kv_bytes >= 0


def test_lists_in_lists_in_a_model_file_have_an_end(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    deep = struct.pack("<IQ", 9, 1) * 20_000
    file.write_bytes(HEAD + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 9) + deep)
    with pytest.raises(EmbeddedUnavailable):
        read_head(file)
