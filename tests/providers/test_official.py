from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kcode.errors import ConfigError
from kcode.providers.base import AuthError, OfficialResult, OfficialTools
from kcode.providers.chat import ChatProvider
from kcode.providers.moonshot.official import (
    FORMULAS,
    MoonshotTools,
    open_official,
    search_tokens,
    wanted,
)
from tests.k2sim import Simulator
from tests.k2sim.platform import ENCRYPTED
from tests.k2sim.platform import FORMULAS as SIMULATED
from tests.k2sim_tests.client import assistant_call, chat, result, server
from tests.providers.support import make_provider, make_settings

ARGUMENTS = '{"search_result": {"search_id": "6b2"}, "usage": {"total_tokens": 9341}}'
SEARCH = {"type": "builtin_function", "function": {"name": "$web_search"}}


def tools(sim: Simulator, names: str, *, name: str = "moonshot", **options: Any) -> MoonshotTools:
    own = options.pop("own", ())
    provider = make_provider(sim.base_url, name=name, **options)
    made = open_official(provider, make_settings(official_tools=names), own)
    assert made is not None
    return made


def declared(made: MoonshotTools) -> list[str]:
    return [tool["function"]["name"] for tool in asyncio.run(made.declarations())]


def ran(made: MoonshotTools, name: str, arguments: str) -> OfficialResult:
    return asyncio.run(made.run(name, arguments))


def asked(sim: Simulator, end: str) -> list[str]:
    return [record.path for record in sim.requests if record.path.endswith(end)]


# --- which there are -----------------------------------------------------------------------------


def test_names_are_separated_by_spaces_or_commas_and_each_counts_once() -> None:
    assert wanted("fetch, $web_search date\nfetch") == ("$web_search", "date", "fetch")
    assert wanted(" , ") == ()


def test_an_unknown_name_is_refused_with_the_names_there_are(k2sim: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        tools(k2sim(), "fetch web_search")
    assert "`web_search`" in refused.value.message
    for name in ("$web_search", *FORMULAS):
        assert name in refused.value.remedy


def test_nothing_is_offered_unless_asked_for_or_by_another_provider(k2sim: Any) -> None:
    sim = k2sim()
    moonshot = make_provider(sim.base_url)
    vllm: ChatProvider = make_provider(sim.base_url, name="vllm", model="kimi-k2")
    assert open_official(moonshot, make_settings(), ()) is None
    assert open_official(vllm, make_settings(official_tools="fetch"), ()) is None
    assert sim.requests == []


def test_it_is_the_protocol_of_official_tools(k2sim: Any) -> None:
    assert isinstance(tools(k2sim(), "fetch"), OfficialTools)


# --- what is declared ----------------------------------------------------------------------------


def test_declarations_come_as_the_service_spells_them_sorted_by_name(k2sim: Any) -> None:
    sim = k2sim()
    made = tools(sim, "memory $web_search excel code-runner")
    found = asyncio.run(made.declarations())
    assert found[0] == SEARCH
    assert [tool["function"]["name"] for tool in found[1:]] == [
        "code_runner",
        "list_sheets",
        "memory",
        "read_sheet",
    ]
    spelled = {tool["function"]["name"]: json.dumps(tool) for tool in found[1:]}
    assert spelled["read_sheet"] == json.dumps(SIMULATED["excel"][0])


def test_the_service_is_asked_once(k2sim: Any) -> None:
    sim = k2sim()
    made = tools(sim, "fetch date")

    async def twice() -> bool:
        return await made.declarations() == await made.declarations()

    assert asyncio.run(twice())
    assert asked(sim, "/tools") == [
        f"/v1/formulas/moonshot/{name}:latest/tools" for name in ("date", "fetch")
    ]


def test_the_builtin_search_alone_asks_nothing(k2sim: Any) -> None:
    sim = k2sim()
    assert declared(tools(sim, "$web_search")) == ["$web_search"]
    assert sim.requests == []


def test_every_official_tool_can_be_declared_in_a_chat_request() -> None:
    with server() as sim:
        made = tools(sim, " ".join(("$web_search", *FORMULAS)))
        found = asyncio.run(made.declarations())
        assert chat(sim, tools=found).status == 200


def test_a_name_of_kcodes_own_is_refused(k2sim: Any) -> None:
    with pytest.raises(ConfigError, match="`fetch` is called `fetch`, as one of kcode itself"):
        declared(tools(k2sim(), "fetch", own=("fetch", "read_file")))


def test_two_formulas_with_one_name_are_refused(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.functions["date"] = SIMULATED["fetch"]
    with pytest.raises(ConfigError, match="as one of date is"):
        declared(tools(sim, "date fetch"))


def test_a_formula_that_is_gone_is_named(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.retired.add("mew")
    with pytest.raises(ConfigError) as refused:
        declared(tools(sim, "mew"))
    assert "`mew`" in refused.value.message
    assert "provider.official_tools" in refused.value.remedy


def test_a_wrong_key_is_said_as_such(k2sim: Any) -> None:
    with pytest.raises(AuthError):
        declared(tools(k2sim(), "fetch", key="sk-test-another-fake-key"))


# --- the builtin search --------------------------------------------------------------------------


def test_a_search_is_its_arguments_sent_back_verbatim_for_a_fee(k2sim: Any) -> None:
    sim = k2sim()
    assert ran(tools(sim, "$web_search"), "$web_search", ARGUMENTS) == OfficialResult(
        ARGUMENTS, fee="0.03", currency="CNY", brief="about 9,341 tokens enter the next prompt"
    )
    abroad = ran(tools(sim, "$web_search", name="moonshot-intl"), "$web_search", ARGUMENTS)
    assert (abroad.text, abroad.fee, abroad.currency) == (ARGUMENTS, "0.005", "USD")
    assert sim.requests == []


def test_the_price_of_a_search_is_told(k2sim: Any) -> None:
    sim = k2sim()
    assert tools(sim, "$web_search").price_text("$web_search") == "¥0.03 a call"
    assert tools(sim, "$web_search", name="moonshot-intl").price_text("$web_search") == "$0.005 a call"
    assert tools(sim, "fetch").price_text("fetch") == ""


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        (ARGUMENTS, 9341),
        ("{}", 0),
        ("", 0),
        ('{"usage": {"total_tokens": "9"}}', 0),
        ("[1]", 0),
        ('{"usage"', 0),
    ],
)
def test_the_arguments_tell_what_the_search_adds_to_the_prompt(arguments: str, tokens: int) -> None:
    assert search_tokens(arguments) == tokens


def test_a_search_beside_thinking_is_refused_before_anything_is_sent(k2sim: Any) -> None:
    sim = k2sim()
    with pytest.raises(ConfigError) as refused:
        tools(sim, "$web_search", model="kimi-k2.6")
    assert "kimi-k2.6" in refused.value.message
    assert tools(sim, "web-search", model="kimi-k2.6").knows("web_search")
    assert sim.requests == []


def test_the_simulator_refuses_a_search_beside_thinking_and_a_changed_result() -> None:
    call = assistant_call("$web_search", "$web_search:0", ARGUMENTS)
    call["tool_calls"][0]["type"] = "builtin_function"
    question = {"role": "user", "content": "news?"}
    with server() as sim:
        assert "thinking is enabled" in chat(sim, model="kimi-k2.6", tools=[SEARCH]).message
        off = {"type": "disabled"}
        assert chat(sim, model="kimi-k2.6", tools=[SEARCH], thinking=off).status == 200
        exact = [question, call, result("$web_search:0", ARGUMENTS)]
        assert chat(sim, exact, tools=[SEARCH]).status == 200
        spelled_anew = [question, call, result("$web_search:0", json.dumps(json.loads(ARGUMENTS), indent=1))]
        assert "must be its arguments" in chat(sim, spelled_anew, tools=[SEARCH]).message
        other = {"type": "builtin_function", "function": {"name": "$image_search"}}
        assert "is not known" in chat(sim, tools=[other]).message
        strict = {"type": "builtin_function", "function": {"name": "$web_search", "strict": False}}
        assert "unknown field" in chat(sim, tools=[strict]).message


# --- Formula tools -------------------------------------------------------------------------------


def test_a_call_runs_as_a_fiber_of_its_formula(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.fibers["list_sheets"] = "Sheet1, 汇总"
    made = tools(sim, "date excel")
    assert ran(made, "list_sheets", '{"file": "a.xlsx"}') == OfficialResult("Sheet1, 汇总")
    assert sim.requests[-1].path == "/v1/formulas/moonshot/excel:latest/fibers"
    assert sim.requests[-1].json == {"name": "list_sheets", "arguments": '{"file": "a.xlsx"}'}


def test_an_encrypted_output_is_passed_on_untouched(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.fibers["web_search"] = {"context": {"encrypted_output": ENCRYPTED}}
    assert ran(tools(sim, "web-search"), "web_search", '{"query": "k2"}').text == ENCRYPTED


def test_an_output_that_is_no_text_is_spelled_as_json(k2sim: Any) -> None:
    sim = k2sim()
    sim.platform.fibers["convert"] = {"context": {"output": {"value": 3, "unit": "米"}}}
    said = ran(tools(sim, "convert"), "convert", '{"value": 3, "to": "m"}')
    assert said.text == '{"value": 3, "unit": "米"}'


@pytest.mark.parametrize(
    ("fiber", "said"),
    [
        ({"status": "failed", "context": {"error": "the page is gone"}}, "the page is gone"),
        ({"status": "failed", "error": {"message": "no such host"}}, "no such host"),
        ({"status": "cancelled"}, "it ended as cancelled"),
    ],
)
def test_a_failed_fiber_is_an_error_the_model_can_read(k2sim: Any, fiber: Any, said: str) -> None:
    sim = k2sim()
    sim.platform.fibers["fetch"] = fiber
    outcome = ran(tools(sim, "fetch"), "fetch", '{"url": "https://example.org"}')
    assert (outcome.ok, outcome.text) == (False, f"Error: {said}")


def test_refused_arguments_are_told_to_the_model(k2sim: Any) -> None:
    made = tools(k2sim(), "fetch")

    async def both() -> list[str]:
        return [(await made.run("fetch", arguments)).text for arguments in ('{"link": 1}', "{broken")]

    missing, broken = asyncio.run(both())
    assert missing == "Error: arguments: url is required"
    assert "JSON object" in broken


def test_a_tool_that_is_not_among_them_is_told_to_the_model(k2sim: Any) -> None:
    outcome = ran(tools(k2sim(), "fetch"), "quickjs", "{}")
    assert not outcome.ok
    assert "'quickjs'" in outcome.text


def test_a_continued_session_finds_its_formula_without_declaring_anew(k2sim: Any) -> None:
    sim = k2sim()
    made = tools(sim, "excel", own=("read_file",))
    assert made.knows("list_sheets")
    assert not made.knows("read_file")
    assert not made.knows("$web_search")
    assert ran(made, "list_sheets", '{"file": "a.xlsx"}').ok
    assert made.knows("read_sheet")
    assert not made.knows("quickjs")


def test_a_key_that_went_bad_ends_the_turn_and_not_just_the_call(k2sim: Any) -> None:
    made = tools(k2sim(), "fetch", key="sk-test-another-fake-key")
    with pytest.raises(AuthError):
        ran(made, "fetch", '{"url": "https://example.org"}')


def test_the_simulator_takes_fibers_only_as_documented(k2sim: Any) -> None:
    from tests.k2sim_tests.client import request

    sim = k2sim()
    path = "/formulas/moonshot/fetch:latest/fibers"

    def post(body: Any, where: str = path) -> Any:
        return request(sim, "POST", where, json.dumps(body).encode())

    assert post({"name": "fetch", "arguments": '{"url": "x"}'}).json["status"] == "succeeded"
    assert "takes name and arguments" in post({"name": "fetch"}).message
    assert "must be a string" in post({"name": "fetch", "arguments": {"url": "x"}}).message
    assert "is not one of" in post({"name": "fetched", "arguments": "{}"}).message
    assert "is required" in post({"name": "fetch", "arguments": "{}"}).message
    assert post({}, "/formulas/moonshot/nothing:latest/fibers").status == 404
