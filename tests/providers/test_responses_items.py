"""Messages as items, and links of a chain, over random conversations."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from kcode.conversation.projection import project
from kcode.providers.ark_chain import (
    MAX_LINKS,
    Chain,
    Link,
    digests,
    find_link,
    meaning,
    meaning_of,
    server_ids,
)
from kcode.providers.ark_items import read_messages, running_loop_start, to_items, to_tools
from kcode.providers.dialect import DIALECTS
from tests.conversation.strategies import conversations
from tests.k2sim.responses_rules import to_messages

from .ark_support import declare

ARK = DIALECTS["ark"]
NOW = 1_000_000.0


def sent(ledger):
    return list(project(ledger, ARK).messages)


def bare(message):
    return {k: v for k, v in message.items() if k not in ("name", "reasoning_content")}


@given(conversations())
def test_the_server_reads_the_same_conversation_from_the_items(ledger):
    messages = read_messages(sent(ledger))
    roles = [m["role"] for m in messages]
    assume(messages and ("assistant", "assistant") not in pairwise(roles))  # whose bounds items do not tell
    assert to_messages(to_items(messages, {}), True) == [bare(m) for m in messages]


@given(conversations())
def test_reasoning_is_sent_for_the_running_loop_only(ledger):
    messages = read_messages(sent(ledger))
    start = running_loop_start(messages)
    wanted = [m["reasoning_content"] for m in messages[start:] if m.get("reasoning_content")]
    items = to_items(messages, {}, "reasoning_content")
    found = [i["summary"][0]["text"] for i in items if i["type"] == "reasoning"]
    assert found == wanted


@given(conversations(), st.data())
def test_items_of_a_part_are_a_part_of_the_items(ledger, data):
    messages = read_messages(sent(ledger))
    cut = data.draw(st.integers(0, len(messages)))
    assert to_items(messages, {}) == to_items(messages[:cut], {}) + to_items(messages[cut:], {})


@given(conversations(), st.data())
def test_a_link_is_found_again_only_by_the_conversation_it_belongs_to(ledger, data):
    spelled = sent(ledger)
    messages = read_messages(spelled)
    answers = [n for n, m in enumerate(messages) if m["role"] == "assistant" and 0 < n < len(messages) - 1]
    if not answers:
        return
    place = data.draw(st.sampled_from(answers))
    marks = digests("m", b"[]", spelled)
    link = Link("resp_1", place, marks[place], meaning_of(messages[place]), (), NOW + 3600)
    chain = Chain(links=(link,))
    assert find_link(chain, marks, messages, NOW) == link
    assert find_link(chain, marks, messages, NOW + 3600) is None
    assert find_link(chain, digests("m2", b"[]", spelled), messages, NOW) is None
    assert find_link(chain, digests("m", b"[1]", spelled), messages, NOW) is None
    changed = [*spelled]
    changed[data.draw(st.integers(0, place - 1))] = b'{"role":"user","content":"something else entirely"}'
    assert find_link(chain, digests("m", b"[]", changed), read_messages(changed), NOW) is None
    other = replace(link, answer=meaning("something else entirely", ()))
    assert find_link(Chain(links=(other,)), marks, messages, NOW) is None


def test_the_longest_fitting_link_is_continued_and_the_last_message_is_never_behind_it():
    spelled = [b'{"role":"user","content":"%d"}' % n for n in range(2)]
    spelled[1:1] = [b'{"role":"assistant","content":"a"}']
    spelled += [b'{"role":"assistant","content":"b"}']
    messages, marks = read_messages(spelled), digests("m", b"", spelled)
    links = tuple(Link(f"resp_{n}", n, marks[n], meaning_of(messages[n]), (), NOW + 3600) for n in (1, 3))
    found = find_link(Chain(links=links), marks, messages, NOW)
    assert found is not None
    assert found.covered == 1


def test_calls_are_answered_under_the_ids_the_server_gave_them():
    call = {"id": "functions.read_file:0", "type": "function", "function": {"name": "r", "arguments": "{}"}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    link = Link("resp_1", 1, "", "", ("call_abc",), NOW)
    ids = server_ids(link, messages)
    result = {"role": "tool", "tool_call_id": call["id"], "content": "y"}
    [item] = to_items([result], ids)
    assert item == {"type": "function_call_output", "call_id": "call_abc", "output": "y"}


def test_a_chain_keeps_its_latest_links_and_gaps():
    chain = Chain()
    for n in range(100):
        chain = chain.extended(Link(f"resp_{n}", n, "", "", (), NOW + 10**6), NOW + n * n)
    assert len(chain.links) == MAX_LINKS
    assert chain.links[-1].response_id == "resp_99"
    assert chain.gaps[-1] == 99**2 - 98**2
    assert len(chain.gaps) == 32


def test_the_same_meaning_is_the_same_however_it_is_spelled():
    one = meaning("x", [("read_file", '{"a":1,"b":2}')])
    assert one == meaning("x", [("read_file", ' {"b": 2, "a": 1}')])
    assert one != meaning("x", [("read_file", '{"a":1,"b":3}')])
    assert one != meaning("x ", [("read_file", '{"a":1,"b":2}')])
    assert meaning("", [("f", "{")]) != meaning("", [("f", "{}")])


def test_declarations_are_flat_and_say_whether_they_are_strict():
    tools = to_tools(declare("read_file", "list_dir").json.encode())
    assert [t["name"] for t in tools] == ["read_file", "list_dir"]
    assert all(t["type"] == "function" and t["strict"] is False for t in tools)
    assert to_tools(b"") == []


def test_parts_of_a_message_keep_their_order():
    parts = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    [item] = to_items(read_messages([json.dumps({"role": "user", "content": parts}).encode()]), {})
    assert item["content"] == [
        {"type": "input_text", "text": "what is this"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
    ]
