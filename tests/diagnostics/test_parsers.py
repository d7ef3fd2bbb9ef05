"""What the checkers print, as their documentation shows it, read as problems."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.diagnostics import parsers
from kcode.diagnostics.problem import Problem, new_ones, words

PYRIGHT = json.dumps(
    {
        "version": "1.1.300",
        "generalDiagnostics": [
            {
                "file": "/p/a.py",
                "severity": "error",
                "message": '"x" is possibly unbound',
                "range": {"start": {"line": 3, "character": 4}, "end": {"line": 3, "character": 5}},
                "rule": "reportPossiblyUnbound",
            },
            {"file": "/p/a.py", "severity": "information", "message": "hint", "range": {}},
        ],
        "summary": {"filesAnalyzed": 1, "errorCount": 1},
    }
)
ESLINT = json.dumps(
    [
        {
            "filePath": "/p/a.js",
            "messages": [
                {"ruleId": "no-unused-vars", "severity": 2, "message": "'a' is defined but never used.",
                 "line": 1, "column": 5, "nodeType": "Identifier"},
                {"ruleId": None, "fatal": True, "severity": 2, "message": "Parsing error: x",
                 "line": 2, "column": 1},
            ],
            "errorCount": 2,
        }
    ]
)  # fmt: skip
CARGO = "\n".join(
    json.dumps(item)
    for item in (
        {"reason": "compiler-artifact", "target": {"name": "m"}},
        {
            "reason": "compiler-message",
            "message": {
                "message": "unused variable: `old`",
                "code": {"code": "unused_variables", "explanation": None},
                "level": "warning",
                "spans": [
                    {"file_name": "src/other.rs", "line_start": 9, "column_start": 9, "is_primary": False},
                    {"file_name": "src/lib.rs", "line_start": 1, "column_start": 25, "is_primary": True},
                ],
            },
        },
        {
            "reason": "compiler-message",
            "message": {"message": "1 warning emitted", "level": "warning", "spans": []},
        },
        {"reason": "build-finished", "success": True},
    )
)
GO = """# example.org/m
{
	"example.org/m": {
		"printf": [
			{
				"posn": "/p/a.go:5:12",
				"message": "fmt.Printf format %d has arg \\"old\\" of wrong type string"
			}
		]
	}
}
# example.org/m/bad
vet: ./bad/b.go:3:9: undefined: x
"""


@pytest.mark.parametrize(
    ("parse", "output", "expected"),
    [
        (parsers.pyright, PYRIGHT, ["/p/a.py:4:5: reportPossiblyUnbound \"x\" is possibly unbound [t]"]),
        (
            parsers.eslint,
            ESLINT,
            [
                "/p/a.js:1:5: no-unused-vars 'a' is defined but never used. [t]",
                "/p/a.js:2:1: Parsing error: x [t]",
            ],
        ),
        (
            parsers.tsc,
            "src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.\n  more\n",
            ["src/a.ts:3:5: TS2322 Type 'string' is not assignable to type 'number'. [t]"],
        ),
        (parsers.cargo, CARGO, ["src/lib.rs:1:25: unused_variables unused variable: `old` [t]"]),
        (
            parsers.go_vet,
            GO,
            [
                "./bad/b.go:3:9: undefined: x [t]",
                '/p/a.go:5:12: printf fmt.Printf format %d has arg "old" of wrong type string [t]',
            ],
        ),
        (
            parsers.lines,
            "a.py:3:5: error: Name \"x\" is not defined  [name-defined]\na.py:3:5: note: See docs\n"
            "b.py:1:80: E501 line too long (90 > 79 characters)\nc.c:7: warning: odd\nFound 2 errors\n",
            [
                'a.py:3:5: name-defined Name "x" is not defined [t]',
                "b.py:1:80: E501 line too long (90 > 79 characters) [t]",
                "c.c:7: odd [t]",
            ],
        ),
    ],
)  # fmt: skip
def test_outputs_are_read(parse: parsers.Parser, output: str, expected: list[str]) -> None:
    assert [problem.told() for problem in parse(output, "t")] == expected


def every_parser() -> Iterator[parsers.Parser]:
    yield from (parsers.ruff, parsers.pyright, parsers.eslint, parsers.cargo, parsers.tsc)
    yield from (parsers.go_vet, parsers.lines)


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["messages", "message", "location", "generalDiagnostics"]), inner
            )
        ),
    ).map(json.dumps)
)
def test_output_of_any_kind_is_no_crash(output: str) -> None:
    for parse in every_parser():
        list(parse(output, "t"))


def problem(line: int, message: str = "m") -> Problem:
    return Problem("a.py", line, 1, "C1", message, "t")


def test_what_only_moved_is_not_new() -> None:
    assert new_ones([problem(1, "defined on line 1")], [problem(5, "defined on line 5")], {}) == []
    assert new_ones([problem(1)], [problem(2), problem(9)], {"a.py": {2}}) == [problem(2)]
    assert new_ones([problem(1), problem(2)], [problem(1)], {}) == []
    assert new_ones([problem(1), problem(1)], [problem(1), problem(2)], {}) == [problem(2)]  # told twice


def test_the_words_for_the_model_are_bounded() -> None:
    text = words([problem(number, "x" * 1000) for number in range(1, 100)])
    assert text.startswith("New problems since this edit, found by the project's t:\na.py:1:1: C1 xxx")
    assert text.endswith("... 79 more")
    assert len(text) < 8_000
    assert words([]) == ""
