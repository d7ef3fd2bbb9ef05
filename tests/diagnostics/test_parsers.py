"""What the checkers print, recorded from real runs of them, read as problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

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


OUTPUTS = Path(__file__).with_name("outputs")  # paths replaced, and cargo's explanations
RECORDED = {
    "flake8-7.txt": (
        parsers.lines,
        [
            "a.py:1:1: F401 'os' imported but unused [t]",
            "a.py:2:1: F401 'sys' imported but unused [t]",
            "a.py:6:5: F841 local variable 'x' is assigned to but never used [t]",
            "a.py:6:15: W291 trailing whitespace [t]",
            "a.py:10:5: E702 multiple statements on one line (semicolon) [t]",
            "a.py:10:16: F821 undefined name 'nothing' [t]",
            "a.py:12:17: F821 undefined name 'undefinedé' [t]",
            "b.py:1:13: E999 SyntaxError: invalid syntax [t]",
        ],
    ),
    "mypy-2.txt": (
        parsers.lines,
        [
            'a.py:7:16: operator Unsupported operand types for + ("str" and "int") [t]',
            'a.py:10:3: arg-type Argument 1 to "f" has incompatible type "int"; expected "str" [t]',
            'a.py:10:16: name-defined Name "nothing" is not defined [t]',
            'a.py:12:9: name-defined Name "undefinedé" is not defined [t]',
        ],
    ),
    "ruff-0.17.json": (
        parsers.ruff,
        [
            "/p/a.py:1:8: F401 `os` imported but unused [t]",
            "/p/a.py:2:8: F401 `sys` imported but unused [t]",
            "/p/a.py:6:5: F841 Local variable `x` is assigned to but never used [t]",
            "/p/a.py:10:16: F821 Undefined name `nothing` [t]",
            "/p/a.py:12:13: F821 Undefined name `undefinedé` [t]",
            "/p/b.py:1:12: invalid-syntax Expected a parameter or the end of the parameter list [t]",
            "/p/b.py:1:13: invalid-syntax Expected `)`, found newline [t]",
        ],
    ),
    "pyright-1.1.json": (
        parsers.pyright,
        [
            '/p/a.py:7:12: reportOperatorIssue Operator "+" not supported for types "str" and'
            ' "Literal[1]" [t]',
            '/p/a.py:10:3: reportArgumentType Argument of type "Literal[3]" cannot be assigned to parameter'
            ' "a" of type "str" in function "f" "Literal[3]" is not assignable to "str" [t]',
            '/p/a.py:10:16: reportUndefinedVariable "nothing" is not defined [t]',
            '/p/a.py:12:14: reportUndefinedVariable "undefinedé" is not defined [t]',
            '/p/b.py:1:11: "(" was not closed [t]',
            "/p/b.py:1:12: Expected parameter name [t]",
            "/p/b.py:1:12: Position-only parameter separator not allowed as first parameter [t]",
            "/p/b.py:2:5: Expected expression [t]",
            '/p/b.py:3:1: Expected ":" [t]',
            "/p/b.py:3:1: Expected expression [t]",
            "/p/b.py:3:1: Statements must be separated by newlines or semicolons [t]",
        ],
    ),
    "eslint-9.json": (  # a.ts, which its configuration does not cover, is no problem
        parsers.eslint,
        [
            "/p/c.js:1:1: no-var Unexpected var, use let or const instead. [t]",
            "/p/c.js:2:5: no-cond-assign Expected a conditional expression and instead saw"
            " an assignment. [t]",
            "/p/c.js:2:14: no-debugger Unexpected 'debugger' statement. [t]",
            "/p/c.js:3:1: no-undef 'foo' is not defined. [t]",
            "/p/d.js:1:1: Parsing error: The keyword 'let' is reserved [t]",
        ],
    ),
    "tsc-5.txt": (
        parsers.tsc,
        [
            "a.ts:2:3: TS2322 Type 'string' is not assignable to type 'number'. [t]",
            "a.ts:4:57: TS2322 Type 'number' is not assignable to type 'string'. [t]",
            "a.ts:5:3: TS2345 Argument of type 'number' is not assignable to parameter of type 'string'. [t]",
            "a.ts:7:3: TS2339 Property 'foo' does not exist on type 'number'. [t]",
            "a.ts:8:12: TS7006 Parameter 'x' implicitly has an 'any' type. [t]",
        ],
    ),
    "tsc-5-syntax.txt": (
        parsers.tsc,
        [
            "b.ts:1:7: TS1134 Variable declaration expected. [t]",
            "b.ts:1:9: TS1134 Variable declaration expected. [t]",
        ],
    ),
    "go-vet-1.19.txt": (
        parsers.go_vet,
        [
            "bad/a.go:3:12: expected '}', found 'EOF' [t]",
            "./a.go:7:6: a declared but not used [t]",
            '/p/ok/a.go:6:2: printf fmt.Printf format %d has arg "x" of wrong type string [t]',
            "/p/ok/a.go:7:2: printf fmt.Println call has possible formatting directive %s [t]",
        ],
    ),
    "cargo-1.95.jsonl": (
        parsers.cargo,
        [
            "src/main.rs:4:21: E0308 mismatched types [t]",
            "src/main.rs:5:5: E0425 cannot find function `undefined` in this scope [t]",
            "src/main.rs:6:23: E0425 cannot find value `y` in this scope [t]",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_outputs_of_the_real_programs_are_read(name: str) -> None:
    parse, expected = RECORDED[name]
    found = set(parse((OUTPUTS / name).read_text("utf-8"), "t"))
    assert sorted(problem.told() for problem in found) == sorted(expected)


def test_every_recorded_output_is_looked_at() -> None:
    assert {path.name for path in OUTPUTS.iterdir()} == set(RECORDED)
