from __future__ import annotations

import json

import pytest

from kcode.providers.base import CallDelta, ReasoningDelta, Retrying, TextDelta
from kcode.providers.k2_call import CUT
from kcode.providers.k2_markup import MarkupParser

from .markup import ARGUMENT, BEGIN, END, SECTION, SECTION_END, one, read, section

PATH = '{"path": "a.py"}'


def test_a_section_becomes_calls_with_their_ids_numbered_and_marked_as_healed():
    parser = MarkupParser(["read_file", "grep"])
    text = "Let me look." + section(one("functions.read_file:3", PATH), one("functions.grep:4", "{}"))
    assert [*parser.content(text), *parser.end()] == [
        TextDelta("Let me look."),
        CallDelta(0, "functions.read_file:3", "read_file", PATH, healed=True),
        CallDelta(1, "functions.grep:4", "grep", "{}", healed=True),
    ]
    assert parser.calls == 2


# Every row of the page's failure table (facts E.5), where the official function fails.
TABLE = {
    "a hyphen in the second name": (
        section(one("functions.grep:0", "{}"), one("functions.read-file:1", PATH)),
        [("grep", "{}"), ("read-file", PATH)],
    ),
    "no prefix": (section(one("grep:2", "{}")), [("grep", "{}")]),
    "a space before the index": (section(one("functions.glob: 1", "{}")), [("glob", "{}")]),
    "a section that is not closed": (f"{SECTION}{one('functions.grep:0', PATH)}", [("grep", PATH)]),
    "no section marker": (one("functions.grep:0", PATH), [("grep", PATH)]),
    "dots in the name": (section(one("functions.mcp.fs.read:0", PATH)), [("read", PATH)]),
    "the first call's end marker missing": (
        section(f"{BEGIN}functions.grep:0{ARGUMENT}{PATH}", one("functions.glob:1", "{}")),
        [("grep", PATH), ("glob", "{}")],
    ),
    "two sections": (
        section(one("functions.grep:0", "{}")) + section(one("functions.glob:1", PATH)),
        [("grep", "{}"), ("glob", PATH)],
    ),
    "the end marker inside a file argument": (
        section(one("functions.write_file:0", json.dumps({"content": f"x = '{END}{SECTION_END}'"}))),
        [("write_file", json.dumps({"content": f"x = '{END}{SECTION_END}'"}))],
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_what_the_official_function_loses_is_read(row):
    text, calls = TABLE[row]
    assert read(text) == ("", "", calls)


SHAPES = {
    "the singular markers": f"<|tool_call_section_begin|>{one('functions.grep:0', PATH)}"
    "<|tool_call_section_end|>",
    "white space everywhere": f"{SECTION}\n {BEGIN} functions.grep:0\n{ARGUMENT} {PATH}\n {END} \n"
    f"{SECTION_END}\n",
    "a message's end behind it": section(one("functions.grep:0", PATH)) + "<|im_end|>",
    "the next message too": section(one("functions.grep:0", PATH))
    + "<|im_end|><|im_user|>user<|im_middle|>x",
    "no call end, the section's end": f"{SECTION}{BEGIN}functions.grep:0{ARGUMENT}{PATH}{SECTION_END}",
    "no argument marker": f"{SECTION}{BEGIN}functions.grep:0{PATH}{END}{SECTION_END}",
    "every marker stripped": f"functions.grep:0{PATH}",
    "stripped, with spaces": f"functions.grep : 0 {PATH}\n",
    "a tag of thinking between": f"</think>{section(one('functions.grep:0', PATH))}",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_seen_in_the_wild_is_one_call(shape):
    assert read(SHAPES[shape]) == ("", "", [("grep", PATH)])


def test_stripped_markers_leave_the_call_right_behind_the_words():
    assert read(f"Let me look.functions.grep:0{PATH}") == ("Let me look.", "", [("grep", PATH)])


def test_two_stripped_calls_in_a_row_are_two():
    text = f"Reading.\nfunctions.grep:0{PATH}\nfunctions.glob:1{{}}"
    assert read(text) == ("Reading.\n", "", [("grep", PATH), ("glob", "{}")])


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_no_arguments_are_an_empty_object(empty):
    assert read(section(one("functions.git_status:0", empty)))[2] == [("git_status", "{}")]


def test_a_call_without_its_arguments_marker_but_with_its_end_has_none():
    assert read(f"{SECTION}{BEGIN}functions.git_status:0{END}{SECTION_END}")[2] == [("git_status", "{}")]


def test_pretty_printed_arguments_are_kept_as_they_are():
    pretty = '{\n  "path": "a.py",\n  "content": "line\nline"\n}'
    assert read(section(one("functions.write_file:0", pretty)))[2] == [("write_file", pretty)]


# --- cut off ---------------------------------------------------------------------------------


def test_a_call_cut_off_behind_its_arguments_runs():
    assert read(f"{SECTION}{BEGIN}functions.grep:0{ARGUMENT}{PATH}")[2] == [("grep", PATH)]


@pytest.mark.parametrize(
    "cut",
    ["", "{", '{"path', '{"path": "a.p', '{"path": "a.py"', '{"path": "a.py", "n": tr', '{"path": "\\u00'],
)
def test_a_call_cut_off_inside_its_arguments_is_told_as_cut_off_and_nothing_can_mend_it(cut):
    _, _, calls = read(f"{SECTION}{BEGIN}functions.grep:0{ARGUMENT}{cut}")
    assert calls == [("grep", cut + CUT)]


@pytest.mark.parametrize(
    "cut", ["", "functions.", "functions.grep", "functions.grep:0", "functions.grep:0<|tool_"]
)
def test_a_call_cut_off_before_its_arguments_never_runs(cut):
    text, _, calls = read(f"ok{SECTION}{BEGIN}{cut}")
    assert text == "ok"
    assert [arguments for _, arguments in calls] == [CUT]


def test_arguments_cut_off_by_the_output_limit_are_given_as_far_as_they_came():
    parser = MarkupParser(["grep"])
    parser.content(section(f"{BEGIN}functions.grep:0{ARGUMENT}{PATH[:-2]}").removesuffix(SECTION_END))
    assert [c.arguments for c in parser.end(limit=True) if isinstance(c, CallDelta)] == [PATH[:-2]]


def test_a_section_cut_off_before_its_first_call_leaves_nothing_on_the_screen():
    assert read(f"ok{SECTION}") == ("ok", "", [])


def test_a_file_cut_off_in_the_middle_gives_no_call_of_what_is_written_in_it():
    inner = section(one("functions.git_status:1", "{}"))
    text = f'{SECTION}{BEGIN}functions.write_file:0{ARGUMENT}{{"content": "{inner} and'
    _, _, calls = read(text)
    assert [name for name, _ in calls] == ["write_file"]
    assert calls[0][1].endswith(CUT)


def test_a_first_call_that_is_no_json_does_not_take_the_second_with_it():
    broken = f'{BEGIN}functions.grep:0{ARGUMENT}{{"path": "a" b{END}'
    assert read(section(broken, one("functions.glob:1", PATH)))[2] == [
        ("grep", '{"path": "a" b'),
        ("glob", PATH),
    ]


def test_arguments_that_are_no_json_go_to_their_end_marker_for_others_to_judge():
    for arguments in ('"{\\"path\\": 1}"', "path=a.py", "{'path': 'a.py'}", '{"a": 1}}', '{"a": 1,}'):
        assert read(section(one("functions.grep:0", arguments)))[2] == [("grep", arguments)]


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("call_id", ["call_59ad3c", "chatcmpl-tool-1f", "functions.", "12", "functions.xyz"])
def test_an_id_of_another_form_names_no_tool_and_nothing_is_guessed(call_id):
    _, _, calls = read(section(one(call_id, PATH)))
    assert len(calls) == 1
    assert calls[0][0] not in ("read_file", "grep", "glob", "git_status", "read", "write_file")


def test_an_undeclared_tool_keeps_its_name_so_that_the_refusal_can_say_it():
    assert read(section(one("functions.web_search:0", "{}")))[2] == [("web_search", "{}")]


def test_an_exact_name_goes_before_the_one_behind_the_dot():
    text = section(one("functions.fs.read:0", "{}"))
    assert read(text, ["fs.read", "read"])[2] == [("fs.read", "{}")]
    assert read(text, ["read"])[2] == [("read", "{}")]


def test_without_markers_only_a_declared_tool_is_called():
    text = 'functions.web_search:0{"q": 1}'
    assert read(text) == (text, "", [])


# --- what is no markup -----------------------------------------------------------------------


QUOTED = {
    "prose about it": f"K2 writes {SECTION} before its calls and {BEGIN} before each; {END} ends it.",
    "prose that ends with it": f"Each call begins with {BEGIN} and so on.",
    "a span": f"It is `{section(one('functions.grep:0', PATH))}`, literally.",
    "a block": f"```\n{section(one('functions.grep:0', PATH))}\n```\nThat is it.",
    "a block in a language": f"See:\n```text\nfunctions.grep:0{PATH}\n```\n",
    "stripped in a span": f"`functions.grep:0{PATH}` is what you see.",
    "a message's end": "The token <|im_end|> ends a message.",
    "a tag in the middle": "Write <think> before it, and `</think>` behind.",
    "only the id": "functions.read_file:0 or functions.grep: 1 {",
    "a bare object that is none": "functions.grep:0{not json}",
    "a bare object never closed": 'functions.grep:0{"a": 1',
    "half a marker": "a <|tool_calls_sec",
    "other tokens": "<|endoftext|> <|tool|> <",
    "a word": "function",
}


@pytest.mark.parametrize("text", QUOTED.values(), ids=QUOTED)
def test_text_that_only_speaks_of_the_markup_stays_as_it_is(text):
    assert read(text) == (text, "", [])


def test_an_engine_without_calls_of_its_own_may_leave_a_block_open():
    text = f"```\n{section(one('functions.grep:0', PATH))}"
    assert read(text, quotes=False)[2] == [("grep", PATH)]


def test_without_declared_tools_there_are_no_calls():
    text = section(one("functions.grep:0", PATH))
    assert read(text, []) == (text, "", [])


@pytest.mark.parametrize("text", ["(no content)", " (no content)\n"])
def test_a_placeholder_for_nothing_is_nothing(text):
    assert read(text) == ("", "", [])
    assert read(text + section(one("functions.grep:0", PATH))) == ("", "", [("grep", PATH)])
    assert read(f"<think>x</think>{text}") == ("", "x", [])


def test_a_sentence_that_begins_with_the_placeholder_is_a_sentence():
    assert read("(no content) is what it says")[0] == "(no content) is what it says"
    assert read("(no")[0] == "(no"


# --- reasoning -------------------------------------------------------------------------------


def test_tagged_reasoning_is_told_apart():
    assert read("<think>Hm.\n</think>Yes.") == ("Yes.", "Hm.\n", [])
    assert read("\n<think></think>Yes.")[0].strip() == "Yes."


def test_the_prompt_may_have_opened_the_reasoning():
    assert read("Hm.</think>Yes.", thinking=True) == ("Yes.", "Hm.", [])
    assert read("<think>Hm.</think>Yes.", thinking=True) == ("Yes.", "Hm.", [])


def test_an_opening_tag_that_is_missing_restates_what_was_shown_as_text():
    parser = MarkupParser([])
    chunks = [*parser.content("Hm. So"), *parser.content(" it is.</think>Yes."), *parser.end()]
    assert chunks[0] == TextDelta("Hm. So")
    assert isinstance(chunks[2], Retrying)
    assert chunks[3:] == [ReasoningDelta("Hm. So it is."), TextDelta("Yes.")]


def test_a_tag_behind_reasoning_that_came_where_it_belongs_changes_nothing():
    parser = MarkupParser([])
    chunks = [*parser.reasoning("Hm."), *parser.content("Yes, </think> is"), *parser.end()]
    assert not any(isinstance(chunk, Retrying) for chunk in chunks)


def test_a_section_inside_unclosed_thinking_ends_it():
    text = f"<think>I should look.{section(one('functions.grep:0', PATH))}"
    assert read(text) == ("", "I should look.", [("grep", PATH)])


def test_a_section_in_the_reasoning_field_is_read_too():
    text = f"I should look.{section(one('functions.grep:0', PATH))}"
    assert read(text, channel="reasoning") == ("", "I should look.", [("grep", PATH)])


def test_calls_of_both_fields_are_counted_together():
    parser = MarkupParser(["grep", "glob"])
    chunks = [*parser.reasoning(section(one("functions.grep:0"))), *parser.content("x")]
    chunks += [*parser.content(section(one("functions.glob:1"))), *parser.end()]
    assert [(c.index, c.name) for c in chunks if isinstance(c, CallDelta)] == [(0, "grep"), (1, "glob")]


def test_an_answer_cut_off_inside_its_reasoning_has_no_text():
    assert read("<think>I was about to") == ("", "I was about to", [])


# --- nothing leaks, nothing is lost ----------------------------------------------------------


def test_nothing_of_a_section_is_let_out_while_it_streams():
    parser = MarkupParser(["grep"])
    shown = []
    for character in "Look." + section(one("functions.grep:0", PATH)):
        shown += parser.content(character)
    assert "".join(c.text for c in shown if isinstance(c, TextDelta)) == "Look."
    assert not any(isinstance(chunk, CallDelta) for chunk in shown)


def test_released_text_is_what_the_server_sent():
    for text in (
        "ok" + section(one("functions.grep:0", PATH)) + " behind",
        f"ok{SECTION}",
        f"ok{BEGIN}functions.grep",
        f"ok functions.grep:0{PATH[:-1]}",
        f"ok functions.grep:0{PATH} and",
        "(no",
    ):
        parser = MarkupParser(["grep"])
        chunks = [chunk for character in text for chunk in parser.content(character)]
        chunks += parser.release()
        assert "".join(c.text for c in chunks if isinstance(c, TextDelta)) == text
        assert not any(isinstance(chunk, CallDelta) for chunk in chunks)


def test_a_long_file_in_small_pieces_is_read_in_time_that_grows_with_its_length():
    content = json.dumps({"content": f"{END} line\n" * 40_000})
    text = section(one("functions.write_file:0", content))
    pieces = [text[n : n + 5] for n in range(0, len(text), 5)]
    assert read(pieces)[2] == [("write_file", content)]
