"""Whether a model goes round in circles: calls that tell nothing which calls like them have not told before.

Three measures, all within one turn. A call and its result that come again letter for letter; calls that
differ only in numbers, spelling or flags (a *topic*) and tell next to nothing new; and calls that wait for
something, which may do so for longer. Whatever makes progress sets all of them back, a change that was not
made before or an old question with a new answer: then the same call is a new one.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

REPEATS = 5  # the fifth identical (call, result) pair stops the turn
BARREN = 5  # so does the fifth call that tells nothing new on its topic: the sixth on it
WINDOW = 60  # calls
PATIENCE = 4  # times as many of each, where what is asked about changes by itself
POLLS = 40  # calls that wait
DIFFERENTLY = "say what to do differently, in a new message"
_NEWS = 0.03  # of a result's lines must be new, and of ten lines more than one

_NOISE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s|secs?|seconds?|min|minutes?)\b"
    r"|\b0x[0-9a-fA-F]{4,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|(?:/tmp|/var/folders)/[\w./-]+|\bpid[ =:]*\d+"
)
_UNSAID = re.compile(r"2>&1|\|\s*(?:head|tail|cat|less|more)\b[^|;&]*$|(?<!\S)--?[A-Za-z][\w-]*(?:=\S*)?")
_CLASSES = re.compile(r"\\[bBdDsSwW]")  # of regular expressions
_WAITS = re.compile(r"\b(?:sleep|wait|watch|inotifywait)\b")
_OUTSIDE = re.compile(
    r"(?:^|[|;&(]\s*)(?:curl|wget|gh|glab|kubectl|docker|podman|aws|gcloud|az|ssh|systemctl|journalctl|ps|pgrep"
    r"|ss|netstat|lsof|ping|nc|squeue)\b"
)
_PATHS = frozenset({"path", "to", "target", "paths"})
_EDITS = frozenset({"edit_file", "apply_patch", "write_file", "rename_symbol"})
_STILL_RUNS = "runs in the background]"


@dataclass(slots=True)
class _Topic:
    told: set[str] = field(default_factory=set)
    barren: int = 0


@dataclass(slots=True)
class Circles:
    """The calls of one turn so far."""

    _recent: deque[str] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _topics: dict[str, _Topic] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)  # changes, by their calls
    _polls: Counter[str] = field(default_factory=Counter)

    def heard(
        self,
        name: str,
        arguments: str,
        result: str,
        *,
        ok: bool = True,
        changed: bool = False,
        busy: bool = False,
    ) -> int:
        """How many calls in vain this one is the last of; 0 where the turn may go on.

        ``arguments`` are as the model spelled them. ``changed``: it changed files. ``busy``: something that
        the model has left running may change what calls tell.
        """
        given = _read(arguments)
        if _is_wait(name, given, result):
            self._polls[name] += 1
            return self._polls[name] if self._polls[name] >= POLLS else 0
        call = f"{name}\0{json.dumps(given, sort_keys=True)}"
        if ok and call not in self._made and (changed or _may_change(name, given)):
            self._made.add(call)
            self.forget()
        patience = PATIENCE if busy or _OUTSIDE.search(_command(given)) else 1
        vain = self._in_vain(_topic(name, given, ok), set(_lines(result, given)), patience)
        return self._again(f"{call}\0{result}", patience) or vain

    def forget(self) -> None:
        """The world has changed: what was told so far says nothing about what will be told."""
        self._recent.clear()
        self._topics.clear()
        self._polls.clear()

    def _again(self, pair: str, patience: int) -> int:
        key = hashlib.blake2b(pair.encode("utf-8", "replace"), digest_size=16).hexdigest()
        self._recent.append(key)
        times = self._recent.count(key)
        return times if times >= REPEATS * patience else 0

    def _in_vain(self, name: str, lines: set[str], patience: int) -> int:
        topic = self._topics.setdefault(name, _Topic())
        news = lines - topic.told
        if topic.told and len(news) <= max(len(lines) >= 10, int(_NEWS * len(lines))):
            topic.barren += 1
        elif topic.told:  # something happens: what is done in turns with this may have to do with it
            self._recent.clear()
            for each in self._topics.values():
                each.barren = 0
        topic.told |= lines
        return topic.barren + 1 if topic.barren >= BARREN * patience else 0


def _read(arguments: str) -> dict[str, object]:
    try:
        value = json.loads(arguments or "{}", strict=False)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"": arguments}


def _command(given: dict[str, object]) -> str:
    return str(given.get("command", ""))


def _is_wait(name: str, given: dict[str, object], result: str) -> bool:
    if name == "command_output":
        return result.rstrip().endswith(_STILL_RUNS)
    return bool(_WAITS.search(_command(given)))


def _may_change(name: str, given: dict[str, object]) -> bool:
    """Whether a command may have changed something; one that only looks or tests has not."""
    if name != "run_command":
        return False
    from kcode.safety.commands import assess  # with its tables: not before a command is called
    from kcode.safety.findings import worst

    return worst(assess(_command(given))) not in ("read", "test")


# --- what a call is about ------------------------------------------------------------------------------


def _topic(name: str, given: dict[str, object], ok: bool) -> str:
    """Calls of one topic differ in numbers, spelling or flags only. A failed edit's topic is its file."""
    if not ok and name in _EDITS:
        return f"{name}\0{_path(str(given.get('path', '')))}"
    numbered = name == "run_command" and ok  # a command's numbers say what it does: ten seeds are ten runs
    words = "\0".join(_about(key, value, numbered) for key, value in sorted(given.items()))
    return f"{name}\0{words}"


def _about(key: str, value: object, numbered: bool) -> str:
    if isinstance(value, bool | int | float) or value is None:
        return key
    if isinstance(value, list):
        return " ".join(_about(key, each, numbered) for each in value)
    if isinstance(value, dict):
        return " ".join(_about(str(name), each, numbered) for name, each in sorted(value.items()))
    text = str(value)
    if key in _PATHS:
        return f"{key} {_path(text)}"
    text = (_UNSAID if key == "command" else _CLASSES).sub(" ", text)
    words = re.findall(r"\w+" if numbered else r"[^\W\d]+", text.casefold())
    return " ".join([key, *words])


def _path(text: str) -> str:
    return posixpath.normpath(text.strip().replace("\\", "/"))


def _lines(result: str, given: dict[str, object]) -> Iterator[str]:
    """What a result tells, without times and addresses and without the call's own words."""
    text = _NOISE.sub("·", result)
    for word in sorted({word for word in _words(given) if len(word) > 1}, key=len, reverse=True):
        text = text.replace(word, "·")
    yield from {line.strip() for line in text.splitlines()} or {""}


def _words(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _words(each)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, str):
        yield value
