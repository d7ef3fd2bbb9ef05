from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from kcode.errors import ExitCode
from kcode.providers.base import Usage
from kcode.providers.chat import ChatProvider
from kcode.providers.mfjs import normal
from kcode.providers.structured import NoStructuredAnswer, ask_json, read_object
from tests.k2sim import Simulator, say
from tests.k2sim_tests.client import chat, server
from tests.providers.support import make_provider, make_request


class File(BaseModel):
    path: str
    risk: Literal["low", "high"] = "low"


class Review(BaseModel):
    """What a review says."""

    summary: str = Field(description="one sentence")
    files: list[File]
    score: int | None = None


GOOD = {"summary": "Fine.", "files": [{"path": "a.py", "risk": "low"}]}
SPELLED = json.dumps(GOOD)
SCHEMA: Mapping[str, Any] = Review.model_json_schema()


def asked(
    sim: Simulator, *, usages: list[Usage] | None = None, tokens: int = 256, **provider: Any
) -> dict[str, Any]:
    made: ChatProvider = make_provider(sim.base_url, **provider)

    async def whole() -> dict[str, Any]:
        kept = [] if usages is None else usages
        try:
            return await ask_json(made, make_request(max_output_tokens=tokens), SCHEMA, kept.append)
        finally:
            await made.close()

    return asyncio.run(whole())


def formats(sim: Simulator) -> list[Any]:
    return [record.json.get("response_format", {}).get("type") for record in sim.chats]


def test_a_model_that_follows_schemas_gets_the_schema_strictly(k2sim: Any) -> None:
    sim = k2sim([say(SPELLED)])
    assert asked(sim) == GOOD
    sent = sim.chats[0].json["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"] == normal(SCHEMA)


def test_another_model_gets_json_mode_and_the_shape_in_words(k2sim: Any) -> None:
    sim = k2sim([say(SPELLED)], shape="ark")
    assert asked(sim, name="ark", model="kimi-k2-250905") == GOOD
    assert formats(sim) == ["json_object"]
    words = sim.chats[0].json["messages"][-1]["content"]
    assert "JSON schema" in words
    assert '"summary"' in words


def test_a_model_that_is_not_known_to_follow_schemas_is_sent_none(k2sim: Any) -> None:
    sim = k2sim([say(SPELLED)], shape="openai", api_key=None)
    assert asked(sim, name="vllm", model="kimi-k2") == GOOD
    assert formats(sim) == ["json_object"]


def test_an_answer_in_a_fence_with_words_around_it_is_read(k2sim: Any) -> None:
    assert asked(k2sim([say(f"Here it is:\n```json\n{SPELLED}\n```\nDone.")])) == GOOD


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('{"summary": "x", "files": [', "not valid JSON"),
        ("I cannot.", "there is no JSON object in it"),
        (SPELLED + SPELLED, "more than one JSON object"),
        ('{"files": []}', "summary is missing"),
        ('{"summary": 3, "files": []}', "summary must be of type string"),
        ('{"summary": "x", "files": [{"path": "a", "risk": "huge"}]}', 'files[0].risk must be one of ["low"'),
        ('{"summary": "x", "files": [{}]}', "files[0].path is missing"),
        ('{"summary": "x", "files": [], "score": true}', "score must be of type integer"),
        ('{"summary": "x", "files": [], "score": NaN}', "not valid JSON"),
    ],
)
def test_a_wrong_answer_is_sent_back_once_with_what_is_wrong(k2sim: Any, wrong: str, told: str) -> None:
    sim = k2sim([say(wrong), say(SPELLED)])
    assert asked(sim) == GOOD
    *_, answer, repair = sim.chats[1].json["messages"]
    assert answer == {"role": "assistant", "content": wrong}
    assert told in repair["content"]


def test_the_second_request_begins_with_the_first(k2sim: Any) -> None:
    sim = k2sim([say("no"), say(SPELLED)])
    asked(sim)
    assert all(step.extends for step in sim.prefix_report())


def test_an_empty_answer_is_not_put_into_the_history(k2sim: Any) -> None:
    sim = k2sim([say("", reasoning="hm"), say(SPELLED)])
    assert asked(sim) == GOOD
    assert [message["role"] for message in sim.chats[1].json["messages"]] == ["user"] * 3


def test_two_useless_answers_are_an_error_of_their_own(k2sim: Any) -> None:
    sim = k2sim([say("no"), say("still no")])
    with pytest.raises(NoStructuredAnswer) as refused:
        asked(sim)
    assert refused.value.exit_code is ExitCode.NOT_ACHIEVED
    assert len(sim.chats) == 2


def test_an_answer_that_was_cut_is_asked_for_again_with_twice_the_room(k2sim: Any) -> None:
    sim = k2sim([say(SPELLED), say(SPELLED)])
    assert asked(sim, tokens=20) == GOOD
    assert [record.json["max_completion_tokens"] for record in sim.chats] == [20, 40]
    assert sim.chats[1].json["messages"] == sim.chats[0].json["messages"]


def test_an_answer_that_is_cut_twice_says_so(k2sim: Any) -> None:
    with pytest.raises(NoStructuredAnswer, match="cut off at 8 tokens"):
        asked(k2sim([say(SPELLED), say(SPELLED)]), tokens=4)


def test_what_was_complete_before_the_cut_counts(k2sim: Any) -> None:
    sim = k2sim([say(SPELLED + "\n" + "and so on " * 200)])
    assert asked(sim, tokens=60) == GOOD


def test_both_requests_are_on_the_bill(k2sim: Any) -> None:
    usages: list[Usage] = []
    asked(k2sim([say("no"), say(SPELLED)]), usages=usages)
    assert len(usages) == 2
    assert all(usage.prompt > 0 for usage in usages)


def test_null_stands_for_a_property_that_is_not_given() -> None:
    assert read_object('{"summary": "x", "files": [], "score": null}', normal(SCHEMA))[1] == ""
    assert (
        read_object('{"summary": null, "files": []}', normal(SCHEMA))[1] == "summary must be of type string"
    )


# --- the schema ----------------------------------------------------------------------------------


def test_what_pydantic_writes_is_refused_and_what_is_made_of_it_is_taken() -> None:
    def format_of(schema: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}

    with server() as sim:
        assert chat(sim, response_format=format_of(SCHEMA)).status == 400
        assert chat(sim, response_format=format_of(normal(SCHEMA))).status == 200


def test_a_schema_in_the_flavour_stays_as_it_is() -> None:
    once = normal(SCHEMA)
    assert normal(once) == once
    assert once["properties"]["score"] == {"type": "integer"}
    assert "$defs" not in json.dumps(once)
    assert once["properties"]["files"]["items"]["properties"]["risk"]["enum"] == ["low", "high"]


def test_unions_carry_their_types_inside() -> None:
    union = {"type": "object", "properties": {"x": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}
    shape = normal(union)
    assert shape["properties"]["x"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    assert read_object('{"x": 3}', shape)[0] == {"x": 3}
    assert read_object('{"x": []}', shape)[1] == "x must be of type string"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"x": {"enum": [1, "a"]}}},
        {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}}},
    ],
)
def test_what_cannot_be_said_is_refused_before_anything_is_sent(schema: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"object|several types|itself"):
        normal(schema)
