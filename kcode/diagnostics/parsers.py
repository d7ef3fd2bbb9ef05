"""What checkers print, read as problems. A line that is not understood is passed over.

Formats as the programs print them, recorded in tests/diagnostics/outputs: ruff
``--output-format json``, flake8's default and every other
``path:line:column: message``, mypy's text, pyright ``--outputjson``, eslint ``-f json``, tsc
``--pretty false``, ``go vet -json``, cargo ``--message-format json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kcode.diagnostics.problem import Problem

Parser = Callable[[str, str], Iterator[Problem]]  # output, name of the tool

_MOST_TRIES = 2_000  # braces of vet's output at which an object may begin
_LINE = re.compile(
    r"(?:vet: )?(?P<path>[^\s:][^:\n]*):(?P<line>\d{1,9}):(?:(?P<column>\d{1,9}):)? *(?P<text>.+)"
)
_CODE_FIRST = re.compile(r"(?P<code>[A-Z]+\d+|E\d+):? +(?P<message>.+)")
_CODE_LAST = re.compile(r"(?P<message>.*?\S) ++\[(?P<code>[\w-]+)\]")
_SEVERITY = re.compile(r"(?:fatal error|error|warning|note|info)(?:: *)")
_TSC = re.compile(
    r"(?P<path>.+?)\((?P<line>\d{1,9}),(?P<column>\d{1,9})\): error (?P<code>TS\d+): (?P<text>.+)"
)
_GO_POSITION = re.compile(r"(?P<path>.+?):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?$")


def lines(output: str, tool: str) -> Iterator[Problem]:
    """``path:line:column: message``, a code before the message or behind it in brackets."""
    for line in output.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None:
            continue
        text = found["text"]
        if text.startswith("note:"):
            continue
        text = _SEVERITY.sub("", text, count=1) if _SEVERITY.match(text) else text
        code, message = "", text
        if first := _CODE_FIRST.fullmatch(text):
            code, message = first["code"], first["message"]
        elif last := _CODE_LAST.fullmatch(text):
            code, message = last["code"], last["message"]
        yield Problem(found["path"], int(found["line"]), int(found["column"] or 0), code, message, tool)


def ruff(output: str, tool: str) -> Iterator[Problem]:
    for item in _maps(_read(output)):
        place = _map(item.get("location"))
        yield Problem(
            str(item.get("filename", "")),
            _number(place.get("row")),
            _number(place.get("column")),
            str(item.get("code") or ""),
            str(item.get("message", "")),
            tool,
        )


def pyright(output: str, tool: str) -> Iterator[Problem]:
    """Its lines and columns are counted from 0."""
    for item in _maps(_map(_read(output)).get("generalDiagnostics")):
        if item.get("severity") not in ("error", "warning"):
            continue
        start = _map(_map(item.get("range")).get("start"))
        yield Problem(
            str(item.get("file", "")),
            _number(start.get("line")) + 1,
            _number(start.get("character")) + 1,
            str(item.get("rule", "")),
            str(item.get("message", "")),
            tool,
        )


def eslint(output: str, tool: str) -> Iterator[Problem]:
    for file in _maps(_read(output)):
        for item in _maps(file.get("messages")):
            if not item.get("line"):  # that the file is none of its
                continue
            yield Problem(
                str(file.get("filePath", "")),
                _number(item.get("line")),
                _number(item.get("column")),
                str(item.get("ruleId") or ""),
                str(item.get("message", "")),
                tool,
            )


def tsc(output: str, tool: str) -> Iterator[Problem]:
    for line in output.splitlines():
        if found := _TSC.fullmatch(line.strip()):
            yield Problem(
                found["path"], int(found["line"]), int(found["column"]), found["code"], found["text"], tool
            )


def go_vet(output: str, tool: str) -> Iterator[Problem]:
    """Objects of package, analyzer and list, between comment lines; what does not compile comes as text."""
    yield from lines(output, tool)
    decoder = json.JSONDecoder()
    at, tries = output.find("{"), 0
    while at >= 0 and (tries := tries + 1) < _MOST_TRIES:
        try:
            value, end = decoder.raw_decode(output, at)
        except RecursionError:
            return
        except ValueError:
            at = output.find("{", at + 1)
            continue
        for analyzers in _map(value).values():
            for analyzer, found in _map(analyzers).items():
                yield from _go_items(analyzer, found, tool)
        at = output.find("{", end)


def _go_items(analyzer: str, found: Any, tool: str) -> Iterator[Problem]:
    for item in _maps(found):
        place = _GO_POSITION.fullmatch(str(item.get("posn", "")))
        if place:
            column = int(place["column"] or 0)
            message = str(item.get("message", ""))
            yield Problem(place["path"], int(place["line"]), column, analyzer, message, tool)


def cargo(output: str, tool: str) -> Iterator[Problem]:
    for line in output.splitlines():
        item = _map(_read(line)) if line.startswith("{") else {}
        message = _map(item.get("message"))
        if item.get("reason") != "compiler-message" or message.get("level") not in ("error", "warning"):
            continue
        span = next((span for span in _maps(message.get("spans")) if span.get("is_primary")), None)
        if span is not None:
            yield Problem(
                str(span.get("file_name", "")),
                _number(span.get("line_start")),
                _number(span.get("column_start")),
                str(_map(message.get("code")).get("code", "")),
                str(message.get("message", "")),
                tool,
            )


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
