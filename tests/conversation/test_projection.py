from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.ledger import (
    Assistant,
    Call,
    Entry,
    Epoch,
    System,
    ToolResult,
    Tools,
    User,
    live_positions,
)
from kcode.conversation.projection import Projector, project
from kcode.providers.dialect import DIALECTS, Dialect
from tests.conversation.strategies import HEAD, conversations

dialects = st.sampled_from(sorted(DIALECTS.values(), key=lambda d: d.name))


def decoded(messages: tuple[bytes, ...]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def sendable(ledger: list[Entry]) -> bool:
    """Requests leave only after a message of the user's or when every call has its result."""
    return not ledger or not isinstance(ledger[-1], Assistant)


@given(conversations(epochs=False), dialects)
def test_a_longer_ledger_extends_the_bytes_of_a_shorter_one(ledger: list[Entry], dialect: Any) -> None:
    whole = project(ledger, dialect)
    for length in range(len(ledger) + 1):
        part = project(ledger[:length], dialect)
        assert whole.messages[: len(part.messages)] == part.messages
        assert part.tools in (b"", whole.tools)


@given(conversations(), dialects, st.data())
def test_the_kept_projector_gives_the_same_bytes_as_the_pure_function(
    ledger: list[Entry], dialect: Any, data: st.DataObject
) -> None:
    projector = Projector(dialect)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ledger)), max_size=6)))
    for cut in [*cuts, len(ledger)]:
        assert projector.update(ledger[:cut]) == project(ledger[:cut], dialect)


@given(conversations(), dialects)
def test_every_history_is_legal_on_the_wire(ledger: list[Entry], dialect: Any) -> None:
    messages = decoded(project([*ledger, User("go on")], dialect).messages)
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting
            waiting.remove(message["tool_call_id"])
            assert message["content"]
            continue
        assert not waiting, "a call without its result"
        if message["role"] == "assistant":
            assert message.get("content") or message.get("tool_calls")
            for call in message.get("tool_calls", []):
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
                assert call["id"] not in seen
                seen.add(call["id"])
                waiting.append(call["id"])


@given(conversations(epochs=False), st.data())
def test_a_rewind_returns_to_the_bytes_of_that_moment(ledger: list[Entry], data: st.DataObject) -> None:
    moment = data.draw(st.integers(0, len(ledger)))
    rewound = [*ledger, Epoch("rewind", keep_upto=moment)]
    dialect = DIALECTS["moonshot"]
    assert project(rewound, dialect) == project(ledger[:moment], dialect)


@given(conversations(), dialects, st.data())
def test_a_rewind_reaches_behind_every_epoch(
    ledger: list[Entry], dialect: Dialect, data: st.DataObject
) -> None:
    moment = data.draw(st.integers(0, len(ledger)))
    rewound = [*ledger, Epoch("rewind", restore_upto=moment)]
    assert project(rewound, dialect) == project(ledger[:moment], dialect)
    undone = [*rewound, Epoch("rewind", restore_upto=len(ledger))]
    assert project(undone, dialect) == project(ledger, dialect)


@given(conversations(), dialects, st.data())
def test_what_follows_a_rewind_extends_the_bytes_of_that_moment(
    ledger: list[Entry], dialect: Dialect, data: st.DataObject
) -> None:
    moment = data.draw(st.integers(0, len(ledger)))
    then = project(ledger[:moment], dialect).messages
    later = project([*ledger, Epoch("rewind", restore_upto=moment), User("on")], dialect).messages
    assert later[: len(then)] == then


@given(conversations(), st.data())
def test_live_entries_do_not_change_by_what_comes_after(ledger: list[Entry], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(ledger)))
    before = live_positions(ledger[:cut])
    after = live_positions([*ledger[:cut], User("more")])
    assert after == [*before, (cut, User("more"))]


@given(conversations(), dialects)
def test_a_model_epoch_keeps_the_conversation(ledger: list[Entry], dialect: Any) -> None:
    assert project([*ledger, Epoch("model", keep_upto=len(ledger))], dialect) == project(ledger, dialect)


def test_raw_engines_get_ids_with_one_counter_over_the_conversation() -> None:
    ledger: list[Entry] = [
        *HEAD,
        User("hi"),
        Assistant("", calls=(Call("a", "grep", "{}"), Call("b", "read_file", "{}"))),
        ToolResult("a", "grep", "1"),
        ToolResult("b", "read_file", "2"),
        Assistant("", calls=(Call("c", "grep", "{}"),)),
        ToolResult("c", "grep", "3"),
    ]
    messages = decoded(project(ledger, DIALECTS["k2-raw"]).messages)
    ids = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    assert ids == ["functions.grep:0", "functions.read_file:1", "functions.grep:2"]
    assert [m["tool_call_id"] for m in messages if m["role"] == "tool"] == ids


@pytest.mark.parametrize("reasoning", [None, "", "so it is"])
def test_reasoning_goes_back_as_it_came_and_empty_is_not_absent(reasoning: str | None) -> None:
    ledger: list[Entry] = [*HEAD, User("hi"), Assistant("yes", reasoning)]
    last = decoded(project(ledger, DIALECTS["moonshot"]).messages)[-1]
    assert last.get("reasoning_content") == reasoning
    assert ("reasoning_content" in last) == (reasoning is not None)


def test_malformed_arguments_are_shown_to_the_model_as_legal_json() -> None:
    ledger: list[Entry] = [*HEAD, User("hi"), Assistant("", calls=(Call("a", "grep", '{"pattern": "x'),))]
    call = decoded(project(ledger, DIALECTS["moonshot"]).messages)[-1]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"malformed": '{"pattern": "x'}


def test_hash_seed_and_locale_do_not_change_the_bytes() -> None:
    code = (
        "import json;from kcode.conversation.projection import project;"
        "from kcode.conversation.ledger import *;from kcode.providers.dialect import DIALECTS;"
        "e=[System('系统'),Tools(json.dumps([{'type':'function','function':{'name':'grep','parameters':{}}}])),"
        "User('你好'),Assistant('x','y',(Call('i','grep','{}'),)),ToolResult('i','grep','é')];"
        "p=project(e,DIALECTS['moonshot']);import sys;sys.stdout.buffer.write(p.tools+b''.join(p.messages))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for seed, locale, zone in (
            ("0", "C", "UTC"),
            ("7", "C.UTF-8", "Asia/Shanghai"),
            ("99", "POSIX", "UTC"),
        )
    }
    assert len(outputs) == 1


def test_lone_surrogates_from_file_names_can_be_sent() -> None:
    messages = project([System("a\udcff")], DIALECTS["moonshot"]).messages
    assert decoded(messages)[0]["content"] == "a?"


@pytest.mark.parametrize("name", ["fs.read", "ls", "", "读", "functions.grep:0", "x" * 90])
def test_a_name_the_model_made_up_keeps_the_history_legal(name: str) -> None:
    ledger: list[Entry] = [
        *HEAD,
        User("hi"),
        Assistant("", calls=(Call("a", name, "{}"),)),
        ToolResult("a", name, "no"),
    ]
    messages = decoded(project(ledger, DIALECTS["k2-raw"]).messages)
    sent = messages[-2]["tool_calls"][0]["function"]["name"]
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{2,63}", sent)
    assert messages[-1]["name"] == sent
    assert messages[-1]["tool_call_id"] == f"functions.{sent}:0"


@pytest.mark.parametrize("arguments", ['{"a": NaN}', '{"a": -Infinity}'])
def test_numbers_that_are_not_json_do_not_reach_the_wire(arguments: str) -> None:
    ledger: list[Entry] = [*HEAD, User("hi"), Assistant("", calls=(Call("a", "grep", arguments),))]
    call = decoded(project(ledger, DIALECTS["moonshot"]).messages)[-1]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"malformed": arguments}


def test_a_tool_of_the_providers_own_is_declared_as_it_came() -> None:
    search = {"type": "builtin_function", "function": {"name": "$web_search"}}
    theirs = {"type": "function", "function": {"name": "fetch", "parameters": {}, "strict": True}}
    ours = {"type": "function", "function": {"name": "grep", "parameters": {}}}
    sent = json.loads(project([Tools(json.dumps([ours, search, theirs]))], DIALECTS["moonshot"]).tools)
    assert sent[1:] == [search, theirs]
    assert sent[0]["function"]["strict"] is False
