"""Limits on steps and time, and the loop guard: they stop a turn in code, not by a reminder.

Limits on money are kept where requests are made: :mod:`kcode.agent.allowance`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from kcode.agent.circles import DIFFERENTLY, Circles
from kcode.config.settings import AgentSettings

_GO_ON = "go on with a new message (kcode -c), or raise the limit"


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the turn must end, and what to do about it. ``kind`` is ``limit`` or ``loop``."""

    kind: str
    text: str
    remedy: str


@dataclass(slots=True)
class Guard:
    """One turn's limits. Steps are model requests."""

    settings: AgentSettings
    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    circles: Circles = field(default_factory=Circles)

    def before_request(self, waited_s: float = 0.0) -> Stop | None:
        """Called before each request; counts it. ``waited_s``: how long the turn stood still for answers of
        the user's, who may have been away."""
        limits = self.settings
        if self.steps >= limits.max_turns:
            return Stop("limit", f"stopped after {self.steps} steps (agent.max_turns)", _GO_ON)
        if time.monotonic() - self.started - waited_s > limits.max_seconds:
            return Stop("limit", f"stopped after {limits.max_seconds:.0f} s (agent.max_seconds)", _GO_ON)
        self.steps += 1
        return None

    def after_call(
        self,
        name: str,
        arguments: str,
        result: str,
        *,
        ok: bool = True,
        changed: bool = False,
        busy: bool = False,
    ) -> Stop | None:
        """Called with every result: see :meth:`kcode.agent.circles.Circles.heard`."""
        times = self.circles.heard(name, arguments, result, ok=ok, changed=changed, busy=busy)
        if not times:
            return None
        why = f"stopped: {name} was called {times} times with the same result"
        return Stop("loop", why, DIFFERENTLY)
