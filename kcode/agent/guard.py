"""Limits on steps and time, and the loop guard: they stop a turn in code, not by a reminder.

Limits on money are kept where requests are made: :mod:`kcode.agent.allowance`.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from kcode.config.settings import AgentSettings

REPEATS = 5  # the fifth identical (call, result) pair within the window stops the turn
WINDOW = 24
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
    _recent: deque[str] = field(default_factory=lambda: deque(maxlen=WINDOW))

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

    def after_call(self, name: str, arguments: str, result: str) -> Stop | None:
        """Called with every result; identical pairs are counted over a window, so that loops of two or
        three alternating calls are seen as well."""
        pair = hashlib.blake2b(f"{name}\0{arguments}\0{result}".encode("utf-8", "replace"), digest_size=16)
        self._recent.append(pair.hexdigest())
        if Counter(self._recent)[self._recent[-1]] >= REPEATS:
            why = f"stopped: {name} was called {REPEATS} times with the same result"
            return Stop("loop", why, "say what to do differently, in a new message")
        return None
