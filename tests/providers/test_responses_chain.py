"""What the server keeps of a conversation: what breaks its chain, and what is gone on without."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from kcode.conversation.ledger import Assistant, Epoch, User
from kcode.conversation.projection import project
from kcode.providers.base import (
    Finish,
    ModelNotFound,
    Request,
    TextDelta,
    Waiting,
)
from tests.k2sim import Chunking, call, fail, say, use
from tests.k2sim.responses_store import ark, rounds

from .ark_support import INSTRUCT, READ, THINKING, declare, loop, made_by, once, talk

# --- what breaks the chain -----------------------------------------------------------------------


GONE = [
    (400, "InvalidParameter.PreviousResponseNotFound", "Previous response with id '{id}' not found."),
    (400, "InvalidParameter", "The parameter `previous_response_id` specified in the request is not valid."),
    (404, "InvalidArgumentError", "response {id} does not exist"),
    (404, "NotFound", "The requested resource was not found."),
]


@pytest.mark.parametrize("gone", GONE)
def test_an_expired_response_is_answered_by_a_full_resend(k2sim, gone):
    sim = k2sim([READ, say("Done."), say("Again.")], shape="ark")
    ark(sim).gone = gone

    async def story(talking):
        await talking.loop("look at a.py")
        ark(sim).forget()
        assert (await talking.ask("and now?")).content == "Again."
        assert "in full" in talking.retried[0]

    talk(sim, story)
    refused, full = rounds(sim)[2:]
    assert (refused.status, full.status) == (gone[0], 200)
    assert "previous_response_id" not in full.json
    assert [i["type"] for i in full.json["input"]] == [
        "message", "message", "function_call", "function_call_output", "message", "message",
    ]  # fmt: skip
    assert len(full.json["tools"]) == 1


def test_a_deleted_response_is_too(k2sim):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        [kept] = ark(sim).stored
        await talking.provider.call("DELETE", f"/responses/{kept}")
        assert (await talking.ask("go on")).content == "two"

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 400, 200]


def test_a_response_about_to_expire_is_not_even_tried(k2sim, monkeypatch):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        later = time.time() + 2 * 3600
        monkeypatch.setattr("kcode.providers.responses.time.time", lambda: later)
        await talking.ask("go on")
        assert any(isinstance(c, Waiting) and "expired" in c.why for c in talking.chunks)

    talk(sim, story)
    assert ["previous_response_id" in r.json for r in rounds(sim)] == [False, False]


def test_a_repaired_answer_is_not_what_the_server_holds(k2sim):
    broken = use(replace(call("read_file"), arguments='{"path": "a.py",}'), reasoning="Look.")
    sim = k2sim([say("Hello."), broken, say("Done.")], shape="ark", strict_arguments=False)

    async def story(talking):
        await talking.ask("hi")
        await talking.loop("look")

    talk(sim, story)
    hello, _, third = rounds(sim)
    assert third.json["previous_response_id"] == made_by(sim, hello)
    assert [i["type"] for i in third.json["input"]] == [
        "message", "reasoning", "function_call", "function_call_output",
    ]  # fmt: skip
    assert hello.status == third.status == 200


def test_a_first_answer_that_was_repaired_is_resent_in_full_and_said(k2sim):
    broken = use(replace(call("read_file"), arguments='{"path": "a.py",}'))
    sim = k2sim([broken, say("Done.")], shape="ark", strict_arguments=False)

    async def story(talking):
        await talking.loop("look")
        assert any(isinstance(c, Waiting) and "the last answer" in c.why for c in talking.chunks)

    talk(sim, story)
    assert "previous_response_id" not in rounds(sim)[1].json


def test_the_same_arguments_in_another_spelling_are_the_same_answer(k2sim):
    sim = k2sim([use(call("read_file", path="a.py")), say("Done.")], shape="ark")

    async def story(talking):
        said = await talking.ask("look")
        [one] = said.calls
        respelled = replace(one, arguments='{ "path" :"a.py" }')
        talking.ledger[-1] = replace(said, calls=(respelled,))
        talking.answer_calls()
        await talking.ask()

    talk(sim, story)
    assert "previous_response_id" in rounds(sim)[1].json


def test_an_interrupted_answer_is_built_upon_the_one_before(k2sim):
    slow = say("word " * 200, chunking=Chunking(text_chars=5, delay_ms=2))
    sim = k2sim([say("Hello."), slow, say("Done.")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        talking.ledger.append(User("tell me much"))
        wire = project(talking.ledger, talking.provider.dialect)
        request = Request(THINKING, wire.tools, wire.messages, 4096, talking.session)
        answer = talking.provider.stream(request)
        async for chunk in answer:
            if isinstance(chunk, TextDelta):
                talking.ledger.append(Assistant(chunk.text, None, (), "interrupted"))
                break
        await answer.aclose()
        await talking.ask("shorter, please")

    talk(sim, story)
    first, _, third = rounds(sim)
    assert third.json["previous_response_id"] == made_by(sim, first)
    assert [i.get("role") for i in third.json["input"]] == ["user", "assistant", "user"]


def test_a_rewind_goes_on_from_the_earlier_answer(k2sim):
    sim = k2sim([say("one"), say("two"), say("other two")], shape="ark")

    async def story(talking):
        await talking.ask("first")
        position = len(talking.ledger)
        await talking.ask("second")
        talking.ledger.append(Epoch("rewind", keep_upto=position))
        await talking.ask("another second")

    talk(sim, story)
    _, second, third = rounds(sim)
    assert second.json["previous_response_id"] == third.json["previous_response_id"]
    assert len(third.json["input"]) == 1


def test_other_tools_begin_a_new_chain(k2sim):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        talking.ledger.append(declare("read_file", "list_dir"))
        await talking.ask("go on")

    talk(sim, story)
    assert [len(r.json.get("tools", ())) for r in rounds(sim)] == [1, 2]
    assert [r.status for r in rounds(sim)] == [200, 200]


def test_a_cut_off_answer_is_not_built_upon(k2sim):
    sim = k2sim([say("one"), say("word " * 3000), say("the rest")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        await talking.ask("much", max_output_tokens=100)
        assert talking.chunks[-1] == Finish("length")
        await talking.ask("go on")

    talk(sim, story, model=INSTRUCT)
    _, second, third = rounds(sim)
    assert third.json["previous_response_id"] == second.json["previous_response_id"]
    assert [i.get("role") for i in third.json["input"]] == ["user", "assistant", "user"]


# --- what is gone on without ---------------------------------------------------------------------


def test_a_cache_that_is_switched_off_is_tried_once_and_remembered(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    ark(sim).caching = False

    async def story(talking):
        await talking.loop("look at a.py")

    talking = talk(sim, story)
    refused, first, second = rounds(sim)
    assert (refused.status, refused.refusal) == (403, "The cache service is not activated for this model.")
    for record in (first, second):
        assert record.status == 200
        assert not {"caching", "expire_at", "previous_response_id"} & set(record.json)
        assert record.json["store"] is False
    assert talking.usage.stored_hours == 0
    again = talk(sim_with(sim, say("More.")), once("hi"))
    assert again.ledger[-1].content == "More."
    assert [r.status for r in rounds(sim)][3:] == [200]


def sim_with(sim, answer):
    sim.add(answer)
    return sim


def test_a_cache_switched_off_in_the_middle_loses_nothing(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")

    async def story(talking):
        await talking.ask("look at a.py")
        ark(sim).caching = False
        talking.answer_calls()
        assert (await talking.ask()).content == "Done."
        assert "caching" in talking.retried[0]

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 403, 200]


def test_where_there_is_no_such_wire_chat_completions_go_on(k2sim):
    sim = k2sim([READ, say("Done."), say("More.")], shape="ark")
    ark(sim).served = False

    async def story(talking):
        await talking.loop("look at a.py")
        await talking.ask("more")

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [404]
    assert [r.status for r in sim.chats] == [200, 200, 200]
    assert all(step.extends for step in sim.prefix_report())


def test_a_model_the_wire_does_not_serve_is_asked_by_chat_completions(k2sim):
    body = {"error": {"code": "InvalidParameter", "message": "The model does not support the responses API."}}
    refusal = fail("http", status=400, body=json.dumps(body))
    sim = k2sim([refusal, say("By chat.")], shape="ark")
    talking = talk(sim, once())
    assert talking.ledger[-1].content == "By chat."
    assert "chat completions" in talking.retried[0]


def test_an_endpoint_of_the_users_own_works_as_a_model(k2sim):
    own = "ep-20260101-abcde"
    sim = k2sim([READ, say("Done.")], shape="ark", model_ids=[own])
    talking = talk(sim, loop(), model=own)
    assert [r.json["model"] for r in rounds(sim)] == [own, own]
    assert talking.usage.stored_hours == 1


def test_a_model_that_is_gone_names_what_the_server_lists(k2sim):
    sim = k2sim([say("never")], shape="ark", model_ids=["kimi-k2-250905"])
    with pytest.raises(ModelNotFound) as caught:
        talk(sim, once())
    assert "kimi-k2-250905" in caught.value.remedy


def test_reasoning_in_history_is_given_up_where_it_is_refused(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    ark(sim).takes_reasoning = False

    async def story(talking):
        await talking.ask("look at a.py")
        ark(sim).forget()
        talking.answer_calls()
        assert (await talking.ask()).content == "Done."
        assert any("reasoning" in why for why in talking.retried)

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 400, 400, 200]
