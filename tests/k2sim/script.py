"""Scripts: which answer comes next. Read from a TOML file, or made in Python."""

from __future__ import annotations

import difflib
import json
import threading
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.k2sim.answers import Answer, Call, Chunking, Fault, Match
from tests.k2sim.exchange import ChatRequest
from tests.k2sim.faults import KINDS

Speaker = Callable[[ChatRequest], Answer | None]


class ScriptError(Exception):
    """A script that cannot be used; the message names the file, the answer and the key."""


class Script:
    """Answers in order. The first unused one that fits is taken; ``speaker`` is asked when none fits."""

    def __init__(self, answers: Iterable[Answer] = (), speaker: Speaker | None = None) -> None:
        self._answers = list(answers)
        self._used: set[int] = set()
        self._speaker = speaker
        self._lock = threading.Lock()

    def add(self, answer: Answer) -> None:
        with self._lock:
            self._answers.append(answer)

    def next(self, request: ChatRequest) -> Answer | None:
        """The answer to ``request``, or None when the script has nothing to say to it."""
        with self._lock:
            for repeats in (False, True):
                for position, answer in enumerate(self._answers):
                    usable = answer.repeat if repeats else not answer.repeat and position not in self._used
                    if usable and fits(answer.when, request):
                        self._used.add(position)
                        return answer
        return self._speaker(request) if self._speaker else None

    @property
    def left(self) -> int:
        """Answers that were never used, the repeating ones not counted."""
        with self._lock:
            return sum(
                not answer.repeat and position not in self._used
                for position, answer in enumerate(self._answers)
            )


def fits(when: Match, request: ChatRequest) -> bool:
    return (
        (when.user_contains is None or when.user_contains in request.last_user)
        and (when.tool is None or when.tool == request.last_tool)
        and (when.result_contains is None or when.result_contains in request.last_result)
        and (when.step is None or when.step == request.step)
        and (when.model is None or when.model == request.model)
    )


def load(path: Path) -> Script:
    """Read a script file. Raises :class:`ScriptError`."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(text, str(path))


def parse(text: str, name: str = "script") -> Script:
    """Read a script's text; ``name`` is used in error messages. Raises :class:`ScriptError`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"{name}: not valid TOML: {error}") from error
    _known(table, {"answer", "chunking"}, name)
    chunking = _chunking(table.get("chunking", {}), f"{name}: chunking", Chunking())
    answers = table.get("answer", [])
    if not isinstance(answers, list):
        raise ScriptError(f"{name}: write [[answer]], with two brackets")
    return Script(
        _answer(item, f"{name}: answer {number}", chunking) for number, item in enumerate(answers, 1)
    )


_ANSWER_KEYS = {
    "when": dict,
    "text": str,
    "reasoning": str,
    "calls": list,
    "finish": str,
    "usage": dict,
    "repeat": bool,
    "chunking": dict,
    "fault": (str, dict, list),
}


def _answer(item: Mapping[str, Any], where: str, chunking: Chunking) -> Answer:
    _typed(item, _ANSWER_KEYS, where)
    usage = item.get("usage", {})
    if not all(type(value) is int for value in usage.values()):
        raise ScriptError(f"{where}: usage: every value must be a whole number of tokens")
    return Answer(
        text=item.get("text", ""),
        reasoning=item.get("reasoning"),
        calls=tuple(
            _call(entry, f"{where}: call {number}") for number, entry in enumerate(item.get("calls", []), 1)
        ),
        finish=item.get("finish", ""),
        usage=usage,
        when=_match(item.get("when", {}), f"{where}: when"),
        repeat=item.get("repeat", False),
        chunking=_chunking(item.get("chunking", {}), f"{where}: chunking", chunking),
        faults=_faults(item.get("fault", []), f"{where}: fault"),
    )


def _call(entry: Any, where: str) -> Call:
    if not isinstance(entry, dict):
        raise ScriptError(f"{where}: must be a table with name and arguments")
    _typed(entry, {"name": str, "arguments": (dict, str), "id": str}, where)
    if not entry.get("name"):
        raise ScriptError(f"{where}: name is missing")
    arguments = entry.get("arguments", {})
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call(entry["name"], raw, entry.get("id", ""))


def _match(table: Mapping[str, Any], where: str) -> Match:
    _typed(
        table,
        {"user_contains": str, "tool": str, "result_contains": str, "step": int, "model": str},
        where,
    )
    return Match(**table)


def _chunking(table: Mapping[str, Any], where: str, base: Chunking) -> Chunking:
    kinds = {
        "text_chars": int,
        "argument_chars": int,
        "delay_ms": (int, float),
        "first_delay_ms": (int, float),
        "wire_bytes": int,
        "comments": bool,
    }
    _typed(table, kinds, where)
    return Chunking(**{**{f.name: getattr(base, f.name) for f in fields(base)}, **table})


def _faults(value: str | Mapping[str, Any] | list[Any], where: str) -> tuple[Fault, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(_fault(entry, where) for entry in entries)


def _fault(entry: Any, where: str) -> Fault:
    table = {"kind": entry} if isinstance(entry, str) else entry
    if not isinstance(table, dict):
        raise ScriptError(f"{where}: must be a name or a table with a kind")
    kinds = {
        "kind": str,
        "after_chunks": int,
        "seconds": (int, float),
        "retry_after": str,
        "status": int,
        "body": str,
    }
    _typed(table, kinds, where)
    if "kind" not in table:
        raise ScriptError(f"{where}: kind is missing")
    if table["kind"] not in KINDS:
        raise ScriptError(f"{where}: {table['kind']!r} is not a fault{_nearest(table['kind'], KINDS)}")
    return Fault(**table)


def _typed(table: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> None:
    if not isinstance(table, dict):
        raise ScriptError(f"{where}: must be a table")
    _known(table, kinds, where)
    for key, value in table.items():
        wanted = kinds[key]
        right = isinstance(value, wanted) and not (isinstance(value, bool) and wanted is not bool)
        if not right:
            names = " or ".join(t.__name__ for t in (wanted if isinstance(wanted, tuple) else (wanted,)))
            raise ScriptError(f"{where}: {key} must be {names}, not {type(value).__name__}")


def _known(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            raise ScriptError(f"{where}: {key!r} is not known{_nearest(key, names)}")


def _nearest(word: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(names))}"
