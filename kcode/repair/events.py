"""What happens during a repair, as typed events. The command line shows them; nothing here prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kcode.agent.events import Event as AgentEvent

StageName = Literal["prepare", "reproduce", "localise", "bisect", "propose", "verify"]


@dataclass(frozen=True, slots=True)
class StageStarted:
    """``text`` says in a few words what is being done."""

    stage: StageName
    text: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """``text`` says what was found; ``seconds`` is the stage's time on the clock."""

    stage: StageName
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A line to show in place of the last one: the test that runs, the rule that is tried."""

    stage: StageName
    text: str


@dataclass(frozen=True, slots=True)
class CandidatesTried:
    """The search so far: ``asked`` answers of the model, ``tried`` distinct ones judged by the tests."""

    asked: int
    tried: int
    passing: int
    where: str  # "kcode/errors.py:12"
    seconds: float


@dataclass(frozen=True, slots=True)
class CandidatePassed:
    """One candidate passes the failing tests; it is not verified yet."""

    path: str
    line: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """An event of the agent's turn, where a big model works on the repair. ``attempt`` counts from 1 where
    several are made at once, and is 0 where there is one."""

    event: AgentEvent
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """One of several attempts came to its end; ``text`` says how."""

    number: int
    ok: bool
    text: str


RepairEvent = (
    StageStarted | StageFinished | Progress | CandidatesTried | CandidatePassed | AgentSaid | AttemptEnded
)
Listener = Callable[[RepairEvent], None]


class Stage:
    """Tells a stage's start and end; set ``text`` inside to what was found."""

    def __init__(self, tell: Listener, name: StageName, text: str) -> None:
        self._tell, self._name, self.text = tell, name, text

    def __enter__(self) -> Stage:
        self._began = time.monotonic()
        self._tell(StageStarted(self._name, self.text))
        return self

    def __exit__(self, *problem: object) -> None:
        if problem[0] is None:
            self._tell(StageFinished(self._name, self.text, time.monotonic() - self._began))
