"""Texts that once took minutes, or for ever: each is read now in about the time it takes to look at it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.config.tomlfile import line_of
from kcode.providers.arguments import NotArguments, read_arguments
from kcode.providers.k2_call import resolve, without_tail
from kcode.repair import known
from kcode.safety.secrets import spans
from kcode.testrun.adapters import go_tests
from kcode.testrun.junit import values_of
from kcode.workspace.elision import is_elision

LONG = 100_000


def arguments(text: str) -> str:
    try:
        return read_arguments(text).text
    except NotArguments:
        return ""


def spelled(suffix: str) -> Callable[[str], object]:
    return known._SPELLED[suffix].findall


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("read", "text"),
    [
        (arguments, "```json" + "\n" * LONG + "!"),
        (arguments, '{"a": 1' + "\n <|im_end|>" * LONG + "!"),
        (arguments, "```\n" + "```" * LONG + "!"),
        (without_tail, "x" + " " * LONG + "!"),
        (lambda text: resolve(text, []), "a" + "\t " * LONG + "!"),
        (lambda text: resolve(text, []), "a:" * LONG),
        (spans, "-----BEGIN PRIVATE KEY-----\n" + "\\" * LONG),
        (is_elision, "# " + "." * LONG + "!"),
        (is_elision, "/* " + "... " * LONG),
        (lambda text: line_of(text, "a.b"), "[[" + " " * LONG),
        (spelled(".rb"), "it('" + "\\ " * LONG),
        (known._JS.findall, "it(`" + "\\`" * LONG),
        (spelled(".kt"), "@Test fun " + " " * LONG + "x"),
        (values_of, "--- Expected\n+++ Actual\n" + "  \n" * LONG + "!"),
        (lambda text: [one.search(text) for one in go_tests._GOT_WANT], "got " + " " * LONG),
    ],
)
def test_it_is_read_before_anybody_gives_up(read: Callable[[str], object], text: str) -> None:
    read(text)


def test_what_is_behind_arguments_is_taken_away_as_before() -> None:
    for behind in ("<|im_end|>", " <|im_end|>\n", "\n<|tool_call_end|> <|im_end|>  "):
        assert arguments('{"a":1}' + behind) == '{"a":1}'
        assert without_tail('{"a": "x' + behind) == '{"a": "x'
    assert arguments('```json\n\n{"a":1}\n\n```') == '{"a":1}'
    assert without_tail("<|im_end|>a") == "<|im_end|>a"


@pytest.mark.parametrize(
    ("call_id", "name", "regular"),
    [
        ("functions.grep:3", "grep", "functions.grep:3"),
        (" functions.grep : 3 ", "grep", "functions.grep:3"),
        ("a:b:12", "a:b", "functions.a:b:12"),
        ("grep:" + "9" * 5_000, "grep:" + "9" * 5_000, "grep:" + "9" * 5_000),  # no number that is one
        ("call_59ad", "call_59ad", "call_59ad"),
    ],
)
def test_an_id_names_what_it_named(call_id: str, name: str, regular: str) -> None:
    assert resolve(call_id, ["grep"]) == (name, regular)


def test_a_test_is_found_by_its_name_as_before(tmp_path: Path) -> None:
    source = "@Test\nfun `adds two` () {}\n@ParameterizedTest\nfun plain() {}\n"
    names = [match["name"].strip() for match in known._SPELLED[".kt"].finditer(source)]
    assert names == ["adds two", "plain"]
    assert [m["name"] for m in known._JS.finditer(r"""it('it\'s', () => 1); test("a 'b'")""")] == [
        r"it\'s",
        "a 'b'",
    ]


def test_what_a_go_test_got_is_read_as_before() -> None:
    said = [
        (one["a"], one["e"])
        for text in ("got 3, want 4", "Got:  x y wanted z", "want 1 but got: 2")
        for pattern in go_tests._GOT_WANT
        if (one := pattern.search(text))
    ]
    assert said == [("3", "4"), ("x y", "z"), ("2", "1")]


def test_a_difference_of_phpunit_is_read_to_its_end() -> None:
    shown = "--- Expected\n+++ Actual\n@@ @@\n-'a'\n+'b'"
    assert values_of(shown) == values_of(shown + "\n") == ("'a'", "'b'")
    assert re.fullmatch(r"'b'", values_of(shown)[1])
