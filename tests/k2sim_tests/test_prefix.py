from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.k2sim import Answer, Simulator, call, extends, extends_json, use
from tests.k2sim.prefix import end_of_messages
from tests.k2sim_tests.client import chat, result

A = {"role": "user", "content": '你好 "]}" , '}
B = {"role": "assistant", "content": "x", "tags": [1, {"messages": []}]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def body(messages: list[Any], **rest: Any) -> bytes:
    return json.dumps({"model": "m", "messages": messages, **rest}, ensure_ascii=False).encode()


def test_an_appended_message_extends() -> None:
    assert extends(body([A], max_tokens=5), body([A, B], max_tokens=9))
    assert extends_json(json.loads(body([A])), json.loads(body([A, B])))


def test_the_same_messages_again_extend() -> None:
    assert extends(body([A]), body([A]))


@pytest.mark.parametrize(
    "following",
    [
        body([B, A]),
        body([]),
        body([{**A, "content": "你好"}]),
        body([A, B]).replace(b'"role": "user"', b'"role":"user"'),
        body([A, B]).replace(b'"m"', b'"n"'),
        b"",
    ],
)
def test_anything_else_does_not_extend(following: bytes) -> None:
    assert not extends(body([A]), following)


def test_another_spelling_extends_on_the_json_level_only() -> None:
    spelled = json.dumps({"messages": [A, B], "model": "m"}).encode()
    assert not extends(body([A]), spelled)
    assert extends_json(json.loads(body([A])), json.loads(spelled))


def test_changed_tools_do_not_extend_on_the_json_level() -> None:
    assert not extends_json(json.loads(body([A], tools=[1])), json.loads(body([A, B], tools=[2])))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"{}", b'{"messages":[]}', b'{"messages":5}', b"\xff", b'{"a"}']
)
def test_a_body_without_messages_has_no_end_of_messages(raw: bytes) -> None:
    assert end_of_messages(raw) is None
    assert not extends(raw, body([A]))


@given(
    st.dictionaries(st.text(max_size=4).filter(lambda key: key != "messages"), JSON, max_size=3),
    st.lists(JSON, min_size=1, max_size=4),
    st.lists(JSON, max_size=3),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  ")]),
    st.booleans(),
)
def test_any_spelling_of_a_grown_conversation_extends(
    head: dict[str, Any], old: list[Any], new: list[Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    def spell(messages: list[Any], tail: int) -> bytes:
        whole = {**head, "messages": messages, "max_tokens": tail}
        return json.dumps(whole, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "replace")

    assert extends(spell(old, 1), spell(old + new, 22))


def test_the_report_names_the_byte_where_a_prefix_broke() -> None:
    user = {"role": "user", "content": "one"}
    with Simulator([Answer(text="ok", repeat=True)]) as sim:
        chat(sim, [user])
        chat(sim, [user, {"role": "assistant", "content": "ok"}, user])
        chat(sim, [{"role": "user", "content": "two"}])
    kept, broken = sim.prefix_report()
    assert (kept.previous, kept.following, kept.extends, kept.extends_json, kept.broke_at) == (
        1,
        2,
        True,
        True,
        "",
    )
    assert not broken.extends
    assert not broken.extends_json
    assert broken.broke_at.startswith(f"byte {sim.requests[1].raw.index(b'one')}: ")


def test_refused_requests_are_not_part_of_the_report() -> None:
    with Simulator([Answer(text="ok", repeat=True)]) as sim:
        chat(sim)
        chat(sim, [])
        chat(sim)
    assert [(step.previous, step.following) for step in sim.prefix_report()] == [(1, 3)]


def test_an_answer_that_comes_back_as_it_was_given_differs_in_nothing() -> None:
    user = {"role": "user", "content": "one"}
    with Simulator([use(call("grep", pattern="x"), reasoning="hm"), Answer(text="ok")]) as sim:
        given = chat(sim, [user]).json["choices"][0]["message"]
        chat(sim, [user, given, result("grep:0")])
    assert [(echo.answered, echo.following, echo.differs) for echo in sim.echo_report()] == [(1, 2, ())]


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"content": "I look."}, ("text",)),
        ({"reasoning_content": ""}, ("reasoning",)),
        ({"reasoning_content": ...}, ("reasoning",)),
        ({"id": "call_1"}, ("ids",)),
        ({"arguments": '{"pattern":"x"}'}, ("calls",)),
    ],
)
def test_a_part_that_came_back_changed_is_named(changed: dict[str, Any], parts: tuple[str, ...]) -> None:
    user = {"role": "user", "content": "one"}
    with Simulator([use(call("grep", pattern="x"), reasoning="hm"), Answer(text="ok")]) as sim:
        given = chat(sim, [user]).json["choices"][0]["message"]
        entry = given["tool_calls"][0]
        entry["id"] = changed.pop("id", entry["id"])
        entry["function"]["arguments"] = changed.pop("arguments", entry["function"]["arguments"])
        message = {key: value for key, value in (given | changed).items() if value is not ...}
        reply = chat(sim, [user, message, result(entry["id"])])
    assert reply.status == 200, reply.data
    assert sim.echo_report()[0].differs == parts
