"""What happens during a turn, as typed events. UIs and headless output only listen to these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kcode.errors import KcodeError
from kcode.tools.base import ToolOutcome


@dataclass(frozen=True, slots=True)
class TurnStarted:
    prompt: str


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """A model request left. ``prompt_tokens`` is the budget's estimate."""

    step: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class ReasoningText:
    text: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    text: str


@dataclass(frozen=True, slots=True)
class AnswerDiscarded:
    """What was streamed since the request started does not count (a retry): erase or mark it."""

    why: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class WaitingToSend:
    """kcode holds the request back for about ``wait_s`` seconds (the account's limits); 0 where that depends
    on other requests. Comes again where the wait changes; nothing that was streamed is discarded."""

    wait_s: float
    why: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A tool call was collected and is about to be judged and run."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    title: str  # one line for people: "read kcode/errors.py"


@dataclass(frozen=True, slots=True)
class CallProgress:
    """A running call tells how far it is. ``text`` is output that came since the last one, as it was
    printed; the counts are of a test run so far (``total`` 0 where it is not known)."""

    call_id: str
    text: str = ""
    passed: int = 0
    failed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The user answered what was asked about a call, which goes on. ``waited_s`` is none of its time."""

    call_id: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class CallFinished:
    """``seconds`` leaves out the time in which the user was asked. ``allowed`` says in words which rule let
    it run without a question; empty where somebody was asked."""

    call_id: str
    name: str
    outcome: ToolOutcome
    seconds: float
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class TodoChanged:
    """The model's to-do list as it is now: pairs of a text and ``pending``, ``in_progress`` or ``done``."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Steered:
    """A message of the user's joined the running turn; the next request carries it."""

    text: str


@dataclass(frozen=True, slots=True)
class BackgroundEnded:
    """A command in the background has ended by itself. It may come between turns, too: ``session.on_event``
    gets it then. ``code`` is its exit status."""

    id: str
    command: str
    code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class UsageReported:
    """After each request. Costs are decimal strings; ``""`` where no price is known."""

    prompt: int
    cached: int
    completion: int
    reasoning: int
    cost: str
    currency: str
    session_cost: str
    window: int
    hit_rate: float  # cached / prompt over the session


@dataclass(frozen=True, slots=True)
class Notice:
    level: Literal["info", "warning", "error"]
    text: str


FinishReason = Literal["answered", "interrupted", "limit", "loop", "error", "refused"]


@dataclass(frozen=True, slots=True)
class TurnFinished:
    reason: FinishReason
    text: str  # the final answer
    steps: int
    files_changed: tuple[str, ...] = ()
    detail: str = ""
    error: KcodeError | None = None  # the cause, where reason is "error" or "limit"


Event = (
    TurnStarted
    | RequestStarted
    | ReasoningText
    | AnswerText
    | AnswerDiscarded
    | WaitingToSend
    | CallStarted
    | CallProgress
    | CallAnswered
    | CallFinished
    | TodoChanged
    | Steered
    | BackgroundEnded
    | UsageReported
    | Notice
    | TurnFinished
)
