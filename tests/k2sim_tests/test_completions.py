from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.k2sim.raw_prompt import END

SYSTEM = f"<|im_system|>system<|im_middle|>Be brief.{END}"
USER = f"<|im_user|>user<|im_middle|>Hi.{END}"
ANSWER = "<|im_assistant|>assistant<|im_middle|>"
TOOLS = '[{"type":"function","function":{"name":"grep","parameters":{"type":"object"}}}]'
DECLARED = f"<|im_system|>tool_declare<|im_middle|>{TOOLS}{END}"


def made(call_id: str, arguments: str = "{}") -> str:
    return (
        f"{ANSWER}<|tool_calls_section_begin|><|tool_call_begin|>{call_id}<|tool_call_argument_begin|>"
        f"{arguments}<|tool_call_end|><|tool_calls_section_end|>{END}"
    )


def result(call_id: str, label: str = "grep") -> str:
    return f"<|im_system|>{label}<|im_middle|>## Return of {call_id}\nx{END}"


def post(sim: Simulator, prompt: str, **fields: Any) -> tuple[int, Mapping[str, Any]]:
    body = {"model": "kimi-k2", "prompt": prompt, "max_tokens": 100, "skip_special_tokens": False}
    body |= {"stop": [END]} | fields
    answer = httpx2.post(
        f"{sim.base_url}/completions", json=body, headers={"Authorization": f"Bearer {TEST_KEY}"}
    )
    return answer.status_code, answer.json()


def text(body: Mapping[str, Any]) -> str:
    return str(body["choices"][0]["text"])


def test_a_prompt_that_the_template_made_is_answered_in_raw_text(k2sim: Any) -> None:
    sim = k2sim([use(call("grep", pattern="x"), text="Look. "), say("Done.")], shape="openai")
    status, body = post(sim, DECLARED + SYSTEM + USER + ANSWER)
    assert status == 200
    assert text(body).startswith("Look. <|tool_calls_section_begin|><|tool_call_begin|>functions.grep:0<|")
    loop = made("functions.grep:0", json.dumps({"pattern": "x"})) + result("functions.grep:0")
    assert text(post(sim, DECLARED + SYSTEM + USER + loop + ANSWER)[1]) == "Done."


WRONG = {
    "no system text": USER + ANSWER,
    "no beginning of an answer": SYSTEM + USER,
    "tools behind the system text": SYSTEM + DECLARED + USER + ANSWER,
    "tools with spaces": SYSTEM.replace("system<|im_middle|>Be brief.", 'tool_declare<|im_middle|>[{"a": 1}]')
    + SYSTEM
    + USER
    + ANSWER,
    "a control token in a text": SYSTEM + USER.replace("Hi.", "<|im_middle|>") + ANSWER,
    "an end of sequence in a text": SYSTEM + USER.replace("Hi.", "[EOS]") + ANSWER,
    "an id of another form": SYSTEM + USER + made("call_1") + result("call_1") + ANSWER,
    "an index that is not the conversation's": SYSTEM
    + USER
    + made("functions.grep:3")
    + result("functions.grep:3")
    + ANSWER,
    "arguments that are no object": SYSTEM
    + USER
    + made("functions.grep:0", "[1]")
    + result("functions.grep:0")
    + ANSWER,
    "a call without its result": SYSTEM + USER + made("functions.grep:0") + USER + ANSWER,
    "a result under another name": SYSTEM
    + USER
    + made("functions.grep:0")
    + result("functions.grep:0", "glob")
    + ANSWER,
    "thinking tags for a model that does not think": SYSTEM
    + USER
    + f"{ANSWER}<think></think>x{END}"
    + USER
    + ANSWER,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_prompt_that_the_template_could_not_have_made_is_refused(k2sim: Any, wrong: str) -> None:
    status, body = post(k2sim([say("never")], shape="openai"), WRONG[wrong])
    assert status == 400, body


def test_engines_delete_the_markers_unless_told_not_to(k2sim: Any) -> None:
    sim = k2sim([use(call("grep", pattern="x"))], shape="openai")
    _, body = post(sim, DECLARED + SYSTEM + USER + ANSWER, skip_special_tokens=True)
    assert text(body) == 'functions.grep:0{"pattern": "x"}'


def test_without_the_stop_word_the_text_goes_on(k2sim: Any) -> None:
    sim = k2sim([say("Done.")], shape="openai")
    assert text(post(sim, SYSTEM + USER + ANSWER, stop=[])[1]).startswith(f"Done.{END}<|im_user|>")


def test_fields_of_chat_are_not_taken(k2sim: Any) -> None:
    assert post(k2sim([say("never")], shape="openai"), SYSTEM + USER + ANSWER, tools=[])[0] == 400
