"""An edit written for a file as it was read, where the file has changed since."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kcode.workspace.edits import EditOutcome, apply_edits

READ = """\
def one(item):
    check(item)
    run(item)
    done(item)


def two(item):
    check(item)
    run(item)
    done(item)
"""
OLD = "def one(item):\n    check(item)\n    run(item)\n    done(item)\n"


def carried(text: str, old: str, new: str, read: str = READ) -> EditOutcome:
    return apply_edits(text, [(old, new, False)], read)


def test_the_text_as_it_was_read_tells_the_place_when_another_has_become_as_like() -> None:
    text = READ.replace(
        "def one(item):\n    check(item)", "def first(item):\n    look(item)\n    check(item)"
    )
    outcome = carried(text, OLD, OLD.replace("run", "start"))
    assert outcome.text == text.replace("run", "start", 1)
    assert outcome.stages == ("as last read",)


def test_what_both_changed_is_refused() -> None:
    text = READ.replace("    run(item)", "    walk(item, twice)", 1)
    outcome = carried(text, OLD, OLD.replace("run(item)", "fly(item, once)"))
    assert not outcome.ok
    assert outcome.text == text


def test_new_lines_are_not_put_where_others_put_some_since() -> None:
    text = READ.replace("    run(item)\n", "    wait(item)\n    run(item)\n", 1)
    outcome = carried(text, OLD, OLD.replace("    run(item)\n", "    log(item)\n    run(item)\n"))
    assert not outcome.ok


def test_of_a_place_that_is_gone_a_copy_is_not_taken() -> None:
    text = READ.split("\n\n\n")[1].replace("check(item)", "check(item, 2)")
    outcome = carried(text, OLD, OLD.replace("run", "start"))
    assert not outcome.ok


def test_a_copy_whose_end_looks_like_that_of_the_place_that_is_gone_is_not_taken() -> None:
    blocks = {
        name: [f"    call_{line}({name if not line else 'all'})" for line in range(4)] for name in "abcd"
    }
    old = told([blocks["c"]])
    text = told([[], blocks["b"], blocks["d"], []])
    outcome = carried(text, old, old.replace("call_1(all)", "changed()"), told(list(blocks.values())))
    assert not outcome.ok


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 5), st.integers(4, 8), st.data())
def test_whatever_happened_to_near_copies_since_the_edit_is_made_in_its_own_or_not_at_all(
    count: int, size: int, data: st.DataObject
) -> None:
    own = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=size, unique=True))
    blocks = {
        name: [f"    call_{line}(with_{name if line in own else 'all'})" for line in range(size)]
        for name in "abcde"[:count]
    }
    which, at = data.draw(st.sampled_from(sorted(blocks))), data.draw(st.integers(0, size - 1))
    read = told(list(blocks.values()))
    old = told([blocks[which]])
    target = blocks[which][at]
    now = {name: list(lines) for name, lines in blocks.items()}
    order = sorted(blocks)
    for step in data.draw(st.lists(st.sampled_from(["lost", "more", "word", "gone", "moved"]), max_size=3)):
        name, line = data.draw(st.sampled_from(sorted(blocks))), data.draw(st.integers(0, size - 1))
        if step == "gone":
            now[name] = []
        elif step == "moved":
            order = [other for other in order if other != name] + [name]
        elif now[name][line : line + 1] and (name, now[name][line]) != (which, target):
            lines = {
                "lost": [],
                "more": [now[name][line], "    more()"],
                "word": [now[name][line] + "  # new"],
            }
            now[name][line : line + 1] = lines[step]
    text = told([now[name] for name in order])
    outcome = carried(text, old, old.replace(target, "    changed()"), read)
    if outcome.ok:
        now[which] = ["    changed()" if line == target else line for line in now[which]]
        assert outcome.text == told([now[name] for name in order])
    else:
        assert outcome.text == text


def told(blocks: list[list[str]]) -> str:
    return "\n\n".join("".join(line + "\n" for line in block) for block in blocks)


def test_a_text_that_fits_another_place_but_for_blank_lines_is_meant_for_where_it_was_read() -> None:
    read = "def a():\n    start()\n    one()\n    end()\n\n\ndef b():\n    begin()\n    one()\n\n    end()\n"
    disk = read.replace("    start()\n    one()\n", "    start()\n    one_more()\n")
    outcome = apply_edits(
        disk, [("    one()\n    end()\n", "    one()\n    stop()\n    end()\n", False)], read
    )
    assert "begin()\n    one()\n\n    end()\n" in outcome.text
