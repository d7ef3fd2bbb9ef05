from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.providers import sse
from kcode.providers.sse import Event, EventDecoder

RECORDED = (
    b"\xef\xbb\xbf: keep-alive\r\n\r\n"
    b'data: {"a":"\xe4\xbd\xa0\xe5\xa5\xbd"}\r\n\r\n'
    b'event: error\ndata:{"error":1}\n\n'
    b"id: 7\ndata: one\ndata:two\n\n\n"
    b"data\rdata: x\r\r"
    b"data: [DONE]\n\n"
)
EVENTS = [
    Event('{"a":"你好"}'),
    Event('{"error":1}', "error"),
    Event("one\ntwo"),
    Event("\nx"),
    Event("[DONE]"),
]


def decode(pieces: list[bytes]) -> list[Event]:
    decoder = EventDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.end()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.integers(0, len(RECORDED)), max_size=30))
def test_any_split_of_the_bytes_gives_the_same_events(cuts):
    assert decode(split(RECORDED, cuts)) == EVENTS


def test_one_byte_at_a_time_gives_the_same_events():
    assert decode([bytes([b]) for b in RECORDED]) == EVENTS


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b"data:", b"data: "]),
    st.data(),
)
def test_json_comes_back_whatever_the_line_ends_and_splits(payloads, newline, field, data):
    raw = b"".join(field + json.dumps(p).encode() + newline * 2 for p in payloads)
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
    assert [json.loads(e.data) for e in decode(split(raw, cuts))] == payloads


def test_an_event_cut_before_its_empty_line_is_delivered_at_the_end():
    decoder = EventDecoder()
    assert decoder.feed(b"data: [DONE]") == []
    assert decoder.end() == [Event("[DONE]")]


def test_comments_alone_are_no_event():
    assert decode([b": ping\n\n: ping\n\n"]) == []


def test_an_endless_line_is_refused(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(sse.EventTooLarge):
        decode([b"data: " + b"x" * 200])
    with pytest.raises(sse.EventTooLarge):
        decode([b"data: xxxxxxxxxx\n"] * 20)
