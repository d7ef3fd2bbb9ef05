"""The conversion to the Anthropic form: legal whatever happened, and growing only at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.ledger import Assistant, Entry, ToolResult, Tools, User, open_calls
from kcode.conversation.projection import Projection, project
from kcode.providers import catalog
from kcode.providers.base import CallDelta, Chunk, Finish, ReasoningDelta, Request, TextDelta, Usage
from kcode.providers.dialect import DIALECTS
from kcode.providers.messages_answer import MessageReader
from kcode.providers.messages_form import convert, join_seals, spell, spell_tools, split_seals
from tests.conversation.strategies import conversations
from tests.k2sim import extends
from tests.k2sim.messages_rules import check_body, check_messages

DIALECT = DIALECTS["anthropic"]
MODEL = catalog.unknown_model("kimi-k3", "anthropic-compatible")


def body_of(entries: Sequence[Entry]) -> bytes:
    wire = project(entries, DIALECT)
    return spell(_request(wire), MODEL, DIALECT)


def _request(wire: Projection) -> Request:
    return Request("kimi-k3", wire.tools, wire.messages, 1024)


def _ready(entries: Sequence[Entry]) -> bool:
    """Whether the agent may send this: all calls are answered, and the user has said something."""
    return not open_calls(entries) and any(isinstance(entry, User) for entry in entries)


@given(conversations(epochs=False))
def test_every_request_begins_with_the_bytes_of_the_one_before(ledger):
    ends = [n for n in range(1, len(ledger) + 1) if isinstance(ledger[n - 1], (User, ToolResult))]
    bodies = [body_of(ledger[:n]) for n in ends if _ready(ledger[:n])]
    for before, after in pairwise(bodies):
        assert not json.loads(before)["messages"] or extends(before, after)


@given(conversations())
def test_every_history_is_legal_in_the_form(ledger):
    spoken: list[Entry] = [*ledger, User("go on")]
    body = json.loads(body_of(spoken))
    check_messages(body["messages"], sealed=())
    body.pop("tools", None)
    check_body(body)


@given(conversations(), st.text(max_size=20), st.text(max_size=20))
def test_a_seal_and_its_reasoning_come_back_unchanged(ledger, reasoning, signature):
    spoken = [*ledger, User("hi"), Assistant("yes", reasoning, signature=signature), User("go on")]
    block = json.loads(body_of(spoken))["messages"][-2]["content"][0]
    expected = {"type": "thinking", "thinking": reasoning.encode("utf-8", "replace").decode()}
    if signature:
        expected["signature"] = signature.encode("utf-8", "replace").decode()
    assert block == expected


@given(st.lists(st.tuples(st.text(max_size=9), st.text("abc=/+ ", max_size=9)), min_size=1, max_size=4))
def test_several_thinking_blocks_are_told_apart_again(blocks):
    assert split_seals("".join(text for text, _ in blocks), join_seals(blocks)) == blocks


def test_arguments_keep_the_models_own_spelling():
    raw = '{ "n": 1.0,\n "big": 123456789012345678901234567890, "s": "\\u00e9" }'
    said = _convert(_assistant(arguments=raw), _result())
    assert raw in said[0].decode()


@pytest.mark.parametrize("broken", ["{", "[1]", "null"])
def test_arguments_that_are_no_object_are_kept_where_the_model_sees_them(broken):
    said = _convert(_assistant(arguments=broken), _result())
    assert json.loads(said[0])["content"][0]["input"] == {"malformed": broken}


def test_system_messages_at_the_start_are_the_system_text_and_later_ones_are_said_by_the_user():
    system, messages = convert(
        [
            {"role": "system", "content": "You are kcode."},
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "A notice."},
        ],
        DIALECT,
    )
    assert system == "You are kcode.\n\nBe brief."
    assert [json.loads(m) for m in messages] == [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "A notice."},
    ]


def test_pictures_and_texts_become_blocks_and_empty_ones_are_left_out():
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "text", "text": " "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}},
    ]
    assert json.loads(_convert({"role": "user", "content": parts})[0])["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.invalid/a.png"}},
    ]


@pytest.mark.parametrize("content", ["", " \r", [], [{"type": "text", "text": " "}], None])
def test_a_user_message_of_white_space_is_kept_in_words(content):
    assert json.loads(_convert({"role": "user", "content": content})[0])["content"] == "(no text)"


def test_declarations_carry_their_schema_and_the_chat_wires_own_tools_are_left_out():
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    declared = [
        {"type": "function", "function": {"name": "read_file", "parameters": schema, "strict": False}},
        {"type": "builtin_function", "function": {"name": "$web_search"}},
        {"type": "function", "function": {"name": "git_status", "description": "What changed."}},
    ]
    assert json.loads(spell_tools(json.dumps(declared).encode())) == [
        {"name": "read_file", "input_schema": schema},
        {
            "name": "git_status",
            "description": "What changed.",
            "input_schema": {"type": "object", "properties": {}},
        },
    ]


def test_no_tools_are_no_field():
    wire = project([Tools("[]"), User("hi")], DIALECT)
    assert "tools" not in json.loads(spell(_request(wire), MODEL, DIALECT))


def test_a_partial_answer_is_the_last_message():
    wire = project([User("hi")], DIALECT)
    partial = Request("", b"", wire.messages, 1024, partial=b'{"role":"assistant","content":"Once upon"}')
    assert json.loads(spell(partial, MODEL, DIALECT))["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Once upon"}],
    }


# --- answers as odd servers send them -------------------------------------------------------------


def test_input_in_the_start_and_again_in_fragments_is_taken_once():
    chunks = _read(
        _start(0, type="tool_use", id="t1", name="read_file", input={"path": "a.py"}),
        _delta(0, type="input_json_delta", partial_json='{"path": '),
        _delta(0, type="input_json_delta", partial_json='"a.py"}'),
        {"type": "content_block_stop", "index": 0},
        _end("tool_use"),
    )
    assert _arguments(chunks, 0) == '{"path": "a.py"}'


def test_blocks_without_an_index_and_without_an_end_are_read():
    start = _start(0, type="tool_use", id="t1", name="read_file", input={"path": "a.py"})
    second = _start(0, type="tool_use", id="t2", name="list_dir", input={})
    for event in (start, second):
        del event["index"]
    chunks = _read(start, second, _end("tool_use"))
    assert (_arguments(chunks, 0), _arguments(chunks, 1)) == ('{"path": "a.py"}', "{}")


def test_fragments_of_parallel_calls_may_be_interleaved():
    chunks = _read(
        _start(1, type="tool_use", id="t1", name="read_file", input={}),
        _start(2, type="tool_use", id="t2", name="grep", input={}),
        _delta(2, type="input_json_delta", partial_json='{"b":'),
        _delta(1, type="input_json_delta", partial_json='{"a":1}'),
        _delta(2, type="input_json_delta", partial_json="2}"),
        _end("tool_use"),
    )
    assert (_arguments(chunks, 0), _arguments(chunks, 1)) == ('{"a":1}', '{"b":2}')


def test_two_thinking_blocks_leave_one_seal_that_holds_both():
    chunks = _read(
        _start(0, type="thinking", thinking=""),
        _delta(0, type="thinking_delta", thinking="one "),
        _delta(0, type="signature_delta", signature="AA=="),
        _start(1, type="thinking", thinking="two", signature="BB=="),
        _end("end_turn"),
    )
    thoughts = [c for c in chunks if isinstance(c, ReasoningDelta)]
    reasoning = "".join(c.text for c in thoughts)
    seal = [c.signature for c in thoughts if c.signature][-1]
    assert split_seals(reasoning, seal) == [("one ", "AA=="), ("two", "BB==")]


@pytest.mark.parametrize(
    ("start", "last", "expected"),
    [
        ({"input_tokens": 10, "cache_read_input_tokens": 5}, {"output_tokens": 7}, Usage(15, 7, 5)),
        (
            {"input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 9, "output_tokens": 7, "cache_read_input_tokens": 256},
            Usage(265, 7, 256),
        ),
        ({"input_tokens": 3}, {"input_tokens": None, "output_tokens": -1}, Usage(3, 0)),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 20},
            {"output_tokens": 2},
            Usage(21, 2, cache_write=20),
        ),
    ],
)
def test_tokens_are_read_wherever_they_are(start, last, expected):
    end = _end("end_turn")
    end["usage"] = last
    chunks = _read({"type": "message_start", "message": {"usage": start}}, end)
    assert [c for c in chunks if isinstance(c, Usage)] == [expected]


def test_unknown_events_are_passed_over():
    chunks = _read({"type": "ping"}, _start(0, type="server_thing"), _start(1, type="text", text="hi"))
    assert chunks == [TextDelta("hi"), Finish("stop")]


def _read(*events: dict[str, Any]) -> list[Chunk]:
    reader = MessageReader()
    chunks = [chunk for event in events for chunk in reader.read(event)]
    return chunks + reader.ending()


def _arguments(chunks: Sequence[Chunk], index: int) -> str:
    return "".join(c.arguments for c in chunks if isinstance(c, CallDelta) and c.index == index)


def _start(index: int, **block: object) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, **delta: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _end(reason: str) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}}


def _convert(*chat: dict[str, Any]) -> list[bytes]:
    return convert(chat, DIALECT)[1]


def _assistant(arguments: str) -> dict[str, Any]:
    function = {"name": "read_file", "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": "t1", "type": "function", "function": function}]}


def _result() -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "t1", "content": "text"}
