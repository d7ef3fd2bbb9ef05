"""How full the window is. The server's count is the truth; only what came since is estimated.

An estimate is a sum over shares (tool declarations, Latin text, Chinese, other scripts, the template's
markup), each times a factor. The factors begin at 1 and are fitted anew from every report of the server:
from what a prompt has more than the one before, so that a session in one language learns that language.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kcode.conversation.projection import Projection
from kcode.conversation.tokens import shape
from kcode.providers.catalog import Model

ReasoningRule = Literal["none", "loop", "always"]
"""Whose reasoning the server's template renders: nobody's, the running tool loop's (facts E.3), all."""

KINDS = ("tools", "system", "user", "assistant", "reasoning", "calls", "results")

# tools, Latin text, Chinese, other scripts, markup: how far the factors may be from 1 (standard deviation)
# against how well one report fits (_NOISE), from several vocabularies of this family.
_SHARES = 5
_DEVIATION = (0.4, 0.3, 0.3, 0.4, 0.5)
_NOISE = 0.02
_SMALL = 200.0  # tokens: a report on fewer new ones says little
_FORGET = 0.7  # what an older report still counts, against the next
_TOOLS_FRAME = 8.0  # tokens of markup around the declarations
_MESSAGE_FRAME = 4.0  # role markers of one message
_CALL_FRAME = 4.0  # markers of one call
_IMAGE = 1_500.0  # tokens of one image, about: a screenshot

Shares = tuple[float, float, float, float, float]
_NONE: Shares = (0.0,) * _SHARES  # type: ignore[assignment]


def reasoning_rule(model: Model) -> ReasoningRule:
    """As the catalogue says; where the request may choose (K2.6), the server's default renders the loop's."""
    if model.thinking == "no":
        return "none"
    return "always" if model.reasoning_history == "always" else "loop"


def raw_estimate(spelled: bytes) -> float:
    """Tokens of one spelled message before calibration."""
    return sum(_read_message(spelled).full)


@dataclass(frozen=True, slots=True)
class _Message:
    """Shares of one message by kind, and of all of it without and with its reasoning; ``ends_loop``: an
    assistant message without calls."""

    by_kind: tuple[tuple[str, Shares], ...]
    bare: Shares
    full: Shares
    ends_loop: bool

    @classmethod
    def of(cls, by_kind: Sequence[tuple[str, Shares]], ends_loop: bool = False) -> _Message:
        bare = _sum(shares for kind, shares in by_kind if kind != "reasoning")
        return cls(tuple(by_kind), bare, _sum(shares for _, shares in by_kind), ends_loop)


@dataclass(slots=True)
class Budget:
    """``window`` in tokens."""

    window: int
    reasoning: ReasoningRule = "loop"
    _factors: Shares = (1.0, 1.0, 1.0, 1.0, 1.0)
    _rows: list[tuple[float, Shares]] = field(default_factory=list)  # tokens counted, and their shares
    _known_tokens: int = 0
    _known: Projection = field(default_factory=Projection)
    _known_shares: Shares = _NONE
    _read: dict[bytes, _Message] = field(default_factory=dict)

    @property
    def calibrated(self) -> bool:
        """Whether the server has counted a prompt."""
        return self._known_tokens > 0

    @property
    def ratio(self) -> float:
        """This model's tokens against uncalibrated ones, for Latin text."""
        return self._factors[1]

    def estimate(self, projection: Projection) -> int:
        """Tokens of the next prompt."""
        shares = self._of(projection)
        if self._extends(projection):
            return max(0, self._known_tokens + round(self._tokens(_minus(shares, self._known_shares))))
        return round(self._tokens(shares))

    def calibrate(self, projection: Projection, prompt_tokens: int) -> None:
        """Take the server's count of what ``projection`` sent."""
        if prompt_tokens <= 0:
            return
        whole, counted = self._of(projection), float(prompt_tokens)
        shares = whole
        if self._extends(projection):
            shares, counted = _minus(shares, self._known_shares), counted - self._known_tokens
        if counted > 0 and min(shares) >= 0 and sum(shares) > 0:
            self._rows = [*self._rows[-15:], (counted, shares)]
            self._factors = _fit(self._rows)
        self._known_tokens, self._known, self._known_shares = prompt_tokens, projection, whole

    def room_for_output(self, projection: Projection, wanted: int) -> int:
        """Output tokens to ask for: ``wanted``, or what the window leaves. May be zero or less."""
        safety = max(256, self.window // 100)
        return min(wanted, self.window - self.estimate(projection) - safety)

    def by_kind(self, projection: Projection) -> dict[str, int]:
        """Tokens of the next prompt by kind, in the order of :data:`KINDS`; their sum is the estimate."""
        raw = dict.fromkeys(KINDS, 0.0)
        raw["tools"] = self._tokens(_tools(projection.tools))
        for message, rendered in self._messages(projection.messages):
            for kind, shares in message.by_kind:
                if rendered or kind != "reasoning":
                    raw[kind] += self._tokens(shares)
        total, estimate = sum(raw.values()), self.estimate(projection)
        shown = {kind: round(tokens * estimate / total) for kind, tokens in raw.items()} if total else {}
        if shown:
            largest = max(shown, key=lambda kind: shown[kind])
            shown[largest] += estimate - sum(shown.values())
        return {kind: tokens for kind, tokens in shown.items() if tokens}

    # --- inside ----------------------------------------------------------------------------------

    def _extends(self, projection: Projection) -> bool:
        known = self._known
        return (
            self._known_tokens > 0
            and projection.tools == known.tools
            and projection.messages[: len(known.messages)] == known.messages
        )

    def _tokens(self, shares: Shares) -> float:
        return sum(share * factor for share, factor in zip(shares, self._factors, strict=True))

    def _of(self, projection: Projection) -> Shares:
        read = self._messages(projection.messages)
        return _sum([_tools(projection.tools), *(m.full if rendered else m.bare for m, rendered in read)])

    def _messages(self, spelled: Sequence[bytes]) -> list[tuple[_Message, bool]]:
        """Each message, and whether the template renders its reasoning."""
        for each in spelled:
            if each not in self._read:
                self._read[each] = _read_message(each)
        read = [self._read[each] for each in spelled]
        start = 0
        if self.reasoning == "loop":
            start = max((position for position, m in enumerate(read) if m.ends_loop), default=-1) + 1
        elif self.reasoning == "none":
            start = len(read)
        return [(message, position >= start) for position, message in enumerate(read)]


_tools_read: dict[bytes, Shares] = {}


def _tools(spelled: bytes) -> Shares:
    if not spelled:
        return _NONE
    if spelled not in _tools_read:
        _tools_read.clear()
        _tools_read[spelled] = (shape(_text(spelled)).total + _TOOLS_FRAME, 0.0, 0.0, 0.0, 0.0)
    return _tools_read[spelled]


def _read_message(spelled: bytes) -> _Message:
    try:
        message = json.loads(_text(spelled))
    except ValueError:
        message = None
    if not isinstance(message, dict):
        return _Message.of([("user", _shares(_text(spelled)))])
    role = str(message.get("role", "user"))
    kind = {"tool": "results"}.get(role, role if role in KINDS else "user")
    reasoning = message.get("reasoning_content", message.get("reasoning"))
    calls = message.get("tool_calls") or ()
    frame = _MESSAGE_FRAME + _IMAGE * _images(message)
    parts = [(kind, _sum([_shares(_content(message)), _markup(frame)]))]
    if role == "tool":
        heading = f"## Return of {message.get('tool_call_id', '')}\n"
        parts[0] = (kind, _sum([parts[0][1], _shares(heading)]))
    if isinstance(reasoning, str):
        parts += [("assistant", _markup(2.0)), ("reasoning", _shares(reasoning))]
    if calls:
        spelled_calls = "".join(f"{call['id']} {call['function']['arguments']}" for call in calls)
        parts.append(("calls", _sum([_shares(spelled_calls), _markup(2.0 + _CALL_FRAME * len(calls))])))
    return _Message.of(parts, role == "assistant" and not calls)


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _images(message: dict[str, Any]) -> int:
    content = message.get("content")
    return sum("image_url" in part for part in content) if isinstance(content, list) else 0


def _text(spelled: bytes) -> str:
    return spelled.decode("utf-8", "replace")


def _shares(text: str) -> Shares:
    found = shape(text)
    return (0.0, found.latin, found.han, found.other, 0.0)


def _markup(tokens: float) -> Shares:
    return (0.0, 0.0, 0.0, 0.0, tokens)


def _sum(many: Iterable[Shares]) -> Shares:
    tools = latin = han = other = markup = 0.0
    for a, b, c, d, e in many:
        tools += a
        latin += b
        han += c
        other += d
        markup += e
    return (tools, latin, han, other, markup)


def _minus(more: Shares, less: Shares) -> Shares:
    return _sum([more, (-less[0], -less[1], -less[2], -less[3], -less[4])])


def _fit(rows: Sequence[tuple[float, Shares]]) -> Shares:
    """The factors that explain the counts best, drawn to 1 where the counts say nothing: ridge regression
    on relative errors, newer rows first."""
    matrix = [[0.0] * _SHARES for _ in range(_SHARES)]
    right = [0.0] * _SHARES
    for index, deviation in enumerate(_DEVIATION):
        matrix[index][index] = right[index] = (_NOISE / deviation) ** 2
    weight = 1.0
    for counted, shares in reversed(rows):
        trust = weight * counted / (counted + _SMALL)
        relative = [share / counted for share in shares]
        for i, left in enumerate(relative):
            right[i] += trust * left
            for j, other in enumerate(relative):
                matrix[i][j] += trust * left * other
        weight *= _FORGET
    solved = _solve(matrix, right)
    return tuple(min(max(factor, 0.25), 4.0) for factor in solved)  # type: ignore[return-value]


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination; the matrix is positive definite by its diagonal."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for pivot in range(size):
        head = rows[pivot][pivot]
        for below in range(pivot + 1, size):
            share = rows[below][pivot] / head
            rows[below] = [value - share * top for value, top in zip(rows[below], rows[pivot], strict=True)]
    solved = [0.0] * size
    for index in range(size - 1, -1, -1):
        known = sum(rows[index][later] * solved[later] for later in range(index + 1, size))
        solved[index] = (rows[index][size] - known) / rows[index][index]
    return solved
