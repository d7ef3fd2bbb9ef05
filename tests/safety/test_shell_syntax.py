from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kcode.config.settings import Mode
from kcode.safety.commands import assess, only_reads
from kcode.safety.policy import SEVERITY, judge_command
from kcode.safety.shell_syntax import parse
from kcode.safety.shell_words import names
from tests.safety.test_policy_cases import ASKED, DENIED, EVERY_MODE, EVERYDAY, SENSITIVE

NOTHING: frozenset[str] = frozenset()
DANGERS = [*ASKED, *DENIED, *SENSITIVE, *EVERY_MODE]
RUNNABLE = [command for command in DANGERS if command.strip() and not parse(command).problems]
SIGNS = "abc .-/'\"\\$`(){}[]<>|&;!#*?~=\n\t%@^,:+0129é\u00a0\r\x00"
PIECES = names(
    "ls rm -rf / $( ) ` \" ' | || && ; > < <<EOF EOF & ${ } x= $x if then fi for do done in case esac ;; "
    "{ (( )) [[ ]] \\ $' git -c sh eval xargs find -exec {} + function <( 2>&1 #"
)


def words(command: str) -> list[list[str]]:
    return [[word.text for word in simple.words] for simple in parse(command).commands]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("a | b && c; d", [["a"], ["b"], ["c"], ["d"]]),
        ("a $(b `c`)", [["c"], ["b", "$…"], ["a", "$…"]]),
        ("(a; { b; })", [["a"], ["b"]]),
        ("f() { a; }; while b; do c; done", [["a"], ["b"], ["c"]]),
        ("cat <<EOF | a\n$(b)\nEOF", [["b"], ["cat"], ["a"]]),
        ("a <(b) > >(c)", [["c"], ["b"], ["a", "/dev/fd/63"]]),
        ("a 'b c' \"d e\" f\\ g $'h\\n'", [["a", "b c", "d e", "f g", "h\n"]]),
        ('a "b  $x  c"', [["a", "b  $x  c"]]),
        ("a {b,c{d,e}}f", [["a", "bf", "cdf", "cef"]]),
        ("r'm' a", [["rm", "a"]]),
    ],
)
def test_every_simple_command_is_found_with_its_words(command: str, found: list[list[str]]) -> None:
    assert words(command) == found
    assert not parse(command).problems


def test_a_variable_that_the_command_sets_is_followed() -> None:
    assert words("x=rm; y=${x}; $y a")[-1] == ["rm", "a"]
    assert words("for c in log push; do git $c; done")[1:] == [["git", "log"], ["git", "push"]]


def test_a_variable_that_may_be_several_words_is_not_known() -> None:
    *_, last = parse("x='-o a'; sort $x").commands
    assert not last.words[-1].known


def test_redirects_of_a_group_belong_to_all_in_it() -> None:
    redirects = [[r.target.text for r in simple.redirects] for simple in parse("{ a; b; } > x 2>&1").commands]
    assert redirects == [["x", "1"], ["x", "1"]]


@pytest.mark.parametrize(
    "command", ["ls 'a", "ls (", "if ls", "ls &&", "echo `ls", "ls \r", "ls \u200b", "\ud800", "ls " * 9_000]
)
def test_what_is_no_shell_is_a_problem_and_asked_about(command: str) -> None:
    assert parse(command).problems
    assert judge_command(command, "auto", frozenset({"command"})).verdict != "allow"


def test_deep_nesting_is_asked_about() -> None:
    assert judge_command("echo " + "$(echo " * 80 + ")" * 80, "auto", NOTHING).verdict == "ask"
    assert judge_command("(" * 3_000 + "ls" + ")" * 3_000, "auto", NOTHING).verdict == "ask"


@given(
    st.one_of(
        st.text(SIGNS, max_size=60),
        st.lists(st.sampled_from([*sorted(PIECES), " ", "\n"]), max_size=25).map("".join),
        st.text(),
    )
)
@settings(max_examples=400, deadline=None)
@example("")
@example("ls;;")
def test_random_text_never_raises_and_what_is_not_parsed_is_asked_about(command: str) -> None:
    found = assess(command)
    assert found
    if parse(command).problems:
        assert not only_reads(command)
        for mode in ("ask", "edits", "auto"):
            assert judge_command(command, mode, frozenset({"command"})).verdict != "allow"


def quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


WRAPPERS = [
    lambda c: f"sh -c {quoted(c)}",
    lambda c: f"bash -lc {quoted(c)}",
    lambda c: f"env sh -c {quoted(c)}",
    lambda c: f"env A=1 bash -c {quoted(c)}",
    lambda c: f"timeout 5 sh -c {quoted(c)}",
    lambda c: f"nice -n 5 nohup sh -c {quoted(c)}",
    lambda c: f"eval {quoted(c)}",
    lambda c: f"find . -exec sh -c {quoted(c)} \\;",
    lambda c: f"ls | xargs sh -c {quoted(c)}",
    lambda c: f"ls\n{c}\n",
    lambda c: f"(\n{c}\n)",
    lambda c: f"{{\n{c}\n}}",
    lambda c: f"if true\nthen\n{c}\nfi",
    lambda c: f"for i in a b\ndo\n{c}\ndone",
    lambda c: f"while true\ndo\n{c}\ndone",
    lambda c: f"f() {{\n{c}\n}}\nf",
    lambda c: f"echo $(\n{c}\n)",
    lambda c: f"cat <(\n{c}\n)",
    lambda c: f"x=$(\n{c}\n)",
    lambda c: f'echo "a $(\n{c}\n) b"',
]
MODES: tuple[Mode, ...] = ("ask", "edits", "auto")


def severity(command: str, mode: Mode) -> int:
    return SEVERITY.index(judge_command(command, mode, NOTHING).verdict)


@given(st.sampled_from(RUNNABLE), st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_wrapping_a_command_never_makes_its_judgement_looser(command: str, wrappers: list) -> None:  # type: ignore[type-arg]
    wrapped = command
    for wrap in wrappers:
        wrapped = wrap(wrapped)
    for mode in MODES:
        assert severity(wrapped, mode) >= severity(command, mode)


@given(
    st.sampled_from(RUNNABLE), st.sampled_from(EVERYDAY), st.sampled_from([" | ", " && ", "; ", " || ", "\n"])
)
@settings(max_examples=300, deadline=None)
def test_everyday_company_does_not_make_a_command_look_better(command: str, other: str, between: str) -> None:
    joined = (
        f"{other}\n{command}"
        if "\n" in command or "#" in other or "<<" in other
        else other + between + command
    )
    for mode in MODES:
        assert severity(joined, mode) >= severity(command, mode)


@pytest.mark.parametrize(
    "prefix", ["env ", "timeout 5 ", "nice ", "nohup ", "command ", "stdbuf -oL ", "/usr/bin/env "]
)
def test_a_wrapper_before_a_simple_command_never_makes_it_looser(prefix: str) -> None:
    for command in RUNNABLE:
        script = parse(command)
        first = script.commands[:1]
        if len(script.commands) == 1 and first[0].words and not first[0].assignments and command[0].isalpha():
            for mode in MODES:
                assert severity(prefix + command, mode) >= severity(command, mode), command
