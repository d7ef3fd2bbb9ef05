from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcode.workspace.edits import Replacement, apply_edits

CODE = """\
class Shop:
    def price(self, item):
        total = item.net

        if item.taxed:
            total += item.tax
        self.log("priced", item)
        return total

    def stock(self, item):
        return self.shelf[item.name]
"""


def one(text: str, old: str, new: str, **more: object) -> tuple[str, str]:
    outcome = apply_edits(text, [Replacement(old, new, **more)])  # type: ignore[arg-type]
    return outcome.text, outcome.stages[0] if outcome.ok else outcome.problems[0]


def test_typographic_quotes_and_hard_blanks_are_read_as_what_they_look_like() -> None:
    old = "        self.log(\u201cpriced\u201d,\u00a0item)\n"
    text, stage = one(CODE, old, old.replace("priced", "sold"))
    assert stage == "look-alike characters"
    assert text == CODE.replace("priced", "sold")


def test_full_width_punctuation_of_the_old_text_does_not_enter_the_file() -> None:
    old = "    def stock（self， item）：\n"
    text, _ = one(CODE, old, "    def stock（self， item， shop）：\n")
    assert text == CODE.replace("stock(self, item):", "stock(self, item, shop):")


def test_typographic_characters_of_the_file_stay_where_the_edit_keeps_them() -> None:
    file = "It\u2019s the user\u2019s choice \u2014 always.\n"
    text, stage = one(file, "It's the user's choice - always.\n", "It's the user's choice - nearly always.\n")
    assert stage == "look-alike characters"
    assert text == file.replace("always", "nearly always")


def test_a_part_of_a_line_may_look_alike_too() -> None:
    assert one('x = f("a", 1)  # n\n', "f(\u201ca\u201d, 1)", "f(\u201cb\u201d, 1)") == (
        'x = f("b", 1)  # n\n',
        "look-alike characters",
    )


def test_blank_lines_that_the_old_text_forgot_stay() -> None:
    old = "        total = item.net\n        if item.taxed:\n            total += item.tax\n"
    text, stage = one(CODE, old, old.replace("+= item.tax", "+= item.tax * 2"))
    assert stage == "blank lines"
    assert text == CODE.replace("+= item.tax", "+= item.tax * 2")


@pytest.mark.parametrize("sign", ["...", "# ...", "// ...", "# ... existing code ...", "\u2026"])
def test_lines_left_out_stay_as_they_are(sign: str) -> None:
    old = f"    def price(self, item):\n        {sign}\n        return total\n"
    text, stage = one(CODE, old, old.replace("return total", "return round(total, 2)"))
    assert stage == "elided lines"
    assert text == CODE.replace("return total", "return round(total, 2)")


def test_an_elision_that_could_end_in_several_places_is_settled_by_its_indentation_or_refused() -> None:
    text = "def a():\n    x()\n    return 1\n\n\ndef b():\n    y()\n    return 1\n"
    old = "def a():\n    ...\n    return 1\n"
    assert one(text, old, old.replace("1", "2"))[0] == text.replace("return 1", "return 2", 1)
    same = "def a():\n    x()\n    return 1\n    y()\n    return 1\n"
    assert "2 times" in one(same, old, old.replace("1", "2"))[1]


def test_lines_left_out_of_the_new_text_only_are_never_lost() -> None:
    text, problem = one(CODE, "        total = item.net\n", "        # ... existing code ...\n")
    assert text == CODE
    assert "leaves lines out" in problem
    text, problem = one(CODE, "    def price(self, item):\n    ...\n        return total\n", "    pass\n")
    assert text == CODE
    assert "left out" in problem


def test_stale_context_is_merged_and_the_file_s_own_lines_stay() -> None:
    old = CODE.partition("\n\n    def stock")[0].replace('self.log("priced", item)', "self.note(item)") + "\n"
    text, stage = one(CODE, old, old.replace("+= item.tax", "+= item.tax * 2"))
    assert stage == "similar lines"
    assert text == CODE.replace("+= item.tax", "+= item.tax * 2")


def test_a_changed_line_that_is_not_as_given_is_merged_word_by_word_or_refused() -> None:
    old = CODE.replace("total += item.tax", "total += itm.tax")
    assert one(CODE, old, old.replace("+= itm.tax", "+= itm.tax * 2"))[0] == CODE.replace(
        "item.tax\n", "item.tax * 2\n"
    )
    clash = CODE.replace("total += item.tax", "total += item.duty")
    assert one(CODE, clash, clash.replace("item.duty", "item.toll"))[0] == CODE


def test_two_places_as_near_are_refused_and_both_are_named() -> None:
    twice = "".join(f"def {n}(a):\n    check(a, 1)\n    run_{n}(a)\n    done(a)\n\n" for n in ("one", "two"))
    old = "    check(a, 2)\n    run_six(a)\n    done(a)\n"
    text, problem = one(twice, old, old + "    more(a)\n")
    assert text == twice
    assert "old_text is" in problem


def test_too_little_likeness_is_refused() -> None:
    text, problem = one(CODE, "    def buy(self, basket):\n        pay(basket)\n", "x")
    assert text == CODE
    assert "not in the file" in problem


@given(st.data())
def test_a_loose_match_never_touches_lines_that_the_edit_keeps(data: st.DataObject) -> None:
    lines = data.draw(
        st.lists(st.sampled_from(["a = 1", "b = 2", "if c:", "    d()", "", "e(f)"]), min_size=4)
    )
    file = "".join(line + "\n" for line in lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    given_lines = [line if n == at else line.replace(" = ", "  =  ").upper() for n, line in enumerate(lines)]
    old = "".join(line + "\n" for line in given_lines)
    new = "".join(line + "\n" for n, line in enumerate(given_lines) if n != at) + "NEW\n"
    outcome = apply_edits(file, [(old, new, False)])
    if outcome.ok:
        kept = [line for n, line in enumerate(lines) if n != at]
        assert [line for line in outcome.text.split("\n")[:-1] if line != "NEW"] == kept
    else:
        assert outcome.text == file


def test_line_numbers_copied_from_a_listing_are_taken_off_and_tell_the_place() -> None:
    text = "x = 1\ny = 2\nx = 1\n"
    assert one(text, "3\tx = 1\n", "x = 5\n")[0] == "x = 1\ny = 2\nx = 5\n"
    assert one(text, "2\ty = 2\n3\tx = 1\n", "2\ty = 2\n3\tx = 6\n")[0] == "x = 1\ny = 2\nx = 6\n"


@pytest.mark.parametrize(
    ("line", "count", "new", "wanted"),
    [
        (2, 2, "B\n", "a\nB\nd\n"),
        (2, 0, "B\n", "a\nB\nb\nc\nd\n"),
        (5, 0, "e\n", "a\nb\nc\nd\ne\n"),
        (4, 1, "", "a\nb\nc\n"),
        (1, 1, "A", "A\nb\nc\nd\n"),
    ],
)
def test_lines_are_replaced_by_number(line: int, count: int, new: str, wanted: str) -> None:
    assert one("a\nb\nc\nd\n", "", new, line=line, lines=count)[0] == wanted


def test_lines_that_are_not_there_cannot_be_replaced_by_number() -> None:
    assert "only 1 lines" in one("a\n", "", "x", line=2, lines=1)[1]


def test_a_refusal_says_which_edits_would_match() -> None:
    outcome = apply_edits(CODE, [("item.net", "item.gross", False), ("nowhere at all", "x", False)])
    assert outcome.text == CODE
    assert outcome.problems[0].startswith("edit 2: ")
    assert "edit 1 would match; nothing was changed" in outcome.problems[-1]


def test_an_edit_sent_twice_in_one_call_is_made_once() -> None:
    edit = ("item.net", "item.gross", False)
    assert apply_edits(CODE, [edit, edit]).text == CODE.replace("item.net", "item.gross")


def test_edits_that_overlap_are_told_apart_from_missing_text() -> None:
    outcome = apply_edits("a = 1\nb = 2\n", [("a = 1\n", "c = 3\n", False), ("a = 1\nb", "d\nb", False)])
    assert "before the edits above it" in outcome.problems[0]


def test_an_edit_already_made_with_other_blanks_is_noticed() -> None:
    assert (
        "already applied"
        in one("def new():\n        pass\n", "def old():\n    pass\n", "def new():\n    pass\n")[1]
    )


def test_levels_of_another_width_become_levels_of_the_file() -> None:
    old = "  def price(self, item):\n    total = item.net\n"
    text, stage = one(CODE, old, old + "    if total:\n      raise ValueError\n")
    assert stage == "indentation"
    assert "\n        if total:\n            raise ValueError\n" in text


TWINS = """\
def of_filter(name):
    found = look_in(filters, name)
    check(found)
    {inserted}return table.filters[found]


def of_test(name):
    found = look_in(tests, name)
    check(found)
    return table.tests[found]
"""


def test_a_place_that_another_is_like_is_taken_where_that_one_differs_in_two_lines_more() -> None:
    text = TWINS.format(inserted="log(found)\n    ")
    old = TWINS.format(inserted="").split("\n\n\n")[0] + "\n"
    outcome = apply_edits(text, [(old, old.replace("check(found)", "check(found, name)"), False)])
    assert outcome.text == text.replace("check(found)", "check(found, name)", 1)


def test_a_copy_with_a_line_more_is_not_taken_for_the_place_that_was_renamed_since() -> None:
    """What the text is from had ``speak`` in two lines, and has ``talk`` now; the copy has a line more."""
    place = "def {}():\n    begin()\n    speak(1)\n    speak(2)\n    end()\n"
    copy = place.format("first").replace("    speak(1)\n", "    wait()\n    speak(1)\n")
    text = copy + "\n\n" + place.format("first").replace("speak", "talk")
    old = place.format("first")
    outcome = apply_edits(text, [(old, old.replace("end()", "end(3)"), False)])
    assert not outcome.ok
    assert outcome.text == text


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 6), st.integers(4, 9), st.data())
def test_of_blocks_that_are_nearly_the_same_the_changed_one_is_meant_or_none(
    count: int, size: int, data: st.DataObject
) -> None:
    """Near copies, each with its own words in some lines; one of them lost, got or changed one line."""
    own = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=size, unique=True))
    blocks = [
        [f"    call_number_{line}(with_{'abcdef'[block] if line in own else 'all'})" for line in range(size)]
        for block in range(count)
    ]
    which = data.draw(st.integers(0, count - 1))
    at = data.draw(st.integers(0, size - 1))
    old = "\n".join(blocks[which]) + "\n"
    new = old.replace(blocks[which][at], "    changed()")
    damage, hit = data.draw(st.sampled_from(["lost", "more", "word"])), data.draw(st.integers(0, size - 1))
    now = list(blocks[which])
    if hit != at:
        now[hit] = now[hit].replace("number", "figure")
        if damage == "lost":
            now[hit] = ""
        elif damage == "more":
            now[hit] = blocks[which][hit] + "\n    more()"
    blocks[which] = [line for line in now if line]
    text = "\n\n".join("\n".join(block) + "\n" for block in blocks)
    outcome = apply_edits(text, [(old, new, False)])
    if outcome.ok:
        blocks[which] = ["    changed()" if f"number_{at}(" in line else line for line in blocks[which]]
        assert outcome.text == "\n\n".join("\n".join(block) + "\n" for block in blocks)


def test_escapes_and_entities_are_not_taken_into_a_file_that_has_none() -> None:
    text = 'if a < b:\n    say("x")\n    go()\n'
    quoted = apply_edits(text, [('    say(\\"x\\")\n    go()\n', '    say(\\"y\\")\n    go()\n', False)])
    assert quoted.text == text.replace('"x"', '"y"')
    entity = apply_edits(text, [("if a &lt; b:\n", "if a &lt; b and c &gt; d:\n", False)])
    assert entity.text == text.replace("a < b", "a < b and c > d")


def test_escapes_and_entities_of_a_file_that_has_them_are_its_own() -> None:
    text = 'say("a \\"b\\" c")\nshow("&lt;p&gt;")\n'
    outcome = apply_edits(text, [('show("&lt;p&gt;")', 'show("&lt;b&gt;")', False)])
    assert outcome.text == text.replace("&lt;p", "&lt;b")
    refused = apply_edits(text, [('tell(\\"z\\")\nnothing of the kind\n', "x\n", False)])
    assert not refused.ok


def test_which_of_two_equal_lines_was_changed_since_is_not_guessed() -> None:
    text = "def f():\n    a()\n    return2 x\n\n\ndef g():\n    pass\n"
    old = "def f():\n    a()\n    return x\n\n\ndef g():\n    pass\n"
    new = old.replace("def g", "def h():\n    b()\n    return x\n\n\ndef g")
    outcome = apply_edits(text, [(old, new, False)])
    assert not outcome.ok or "    a()\n    return2 x\n" in outcome.text


def test_new_lines_before_a_first_line_in_which_a_word_changed_since_go_before_it() -> None:
    text = '#includes "base.h"\n\n// deprecated since version 11\nint x;\n'
    old = '#include "base.h"\n// deprecated since version 11\n'
    outcome = apply_edits(text, [(old, f"// All rights reserved.\n{old}", False)])
    assert outcome.text == f"// All rights reserved.\n{text}"
