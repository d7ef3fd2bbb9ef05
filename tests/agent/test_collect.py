from __future__ import annotations

from kcode.agent.collect import Answer, cut_off
from kcode.providers.base import CallDelta, Finish, ReasoningDelta, TextDelta


def collected(*chunks: object) -> Answer:
    answer = Answer()
    for chunk in chunks:
        answer.take(chunk)  # type: ignore[arg-type]
    return answer


def test_fragments_of_parallel_calls_are_put_together_by_index() -> None:
    answer = collected(
        ReasoningDelta("a"),
        ReasoningDelta("a"),
        TextDelta("x"),
        CallDelta(0, "functions.grep:0", "grep", '{"pat'),
        CallDelta(1, "functions.list_dir:1", "list_dir", "{}"),
        CallDelta(0, arguments='tern":"x"}'),
        Finish("tool_calls"),
    )
    assistant = answer.assistant((), 0)
    assert [(call.name, call.arguments) for call in assistant.calls] == [
        ("grep", '{"pattern":"x"}'),
        ("list_dir", "{}"),
    ]
    assert assistant.reasoning == "aa"


def test_ids_that_repeat_earlier_ones_are_replaced() -> None:
    answer = collected(CallDelta(0, "functions.grep:0", "grep", "{}"), CallDelta(1, "", "grep", "{}"))
    ids = [call.id for call in answer.assistant({"functions.grep:0"}, 1).calls]
    assert len(set(ids)) == 2
    assert "functions.grep:0" not in ids


def test_empty_reasoning_is_not_absent_reasoning() -> None:
    assert collected(ReasoningDelta("")).assistant((), 0).reasoning == ""
    assert collected(TextDelta("x")).assistant((), 0).reasoning is None


def test_only_a_call_whose_arguments_the_limit_cut_is_suspect() -> None:
    cut = collected(CallDelta(0, "a", "edit_file", '{"path":"x","edi'), Finish("length"))
    whole = collected(CallDelta(0, "a", "edit_file", '{"path":"x"}'), Finish("length"))
    assert cut_off(cut.assistant((), 0)) == "a"
    assert cut_off(whole.assistant((), 0)) == ""


def test_reasoning_alone_is_no_answer() -> None:
    assert collected(ReasoningDelta("hm"), TextDelta(" \n")).empty
