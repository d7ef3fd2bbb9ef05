"""What the model says: three steps a turn, told apart by the conversation itself, so that any retry, nudge or
resumption finds the same place."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.chaos.plan import Turn
from tests.k2sim import Answer, Call, ChatRequest, Chunking, call, say, use
from tests.k2sim.tokens import plain_text

RAN = "ran.txt"
LAST = "chaos: what is there?"
_MARK = re.compile(r"chaos turn (\d+):")
_LONG = Chunking(text_chars=400)
_FAST = Chunking(text_chars=24, argument_chars=48)


class Speaker:
    """``before`` is called with turn, step and attempt while kcode waits for the answer."""

    def __init__(
        self, turns: Mapping[int, Turn], token: str, before: Callable[[Turn, int, int], None]
    ) -> None:
        self._turns, self._token, self._before = turns, token, before
        self._attempts: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()
        self.asked: Counter[int] = Counter()  # requests by turn
        self.steps: Counter[int] = Counter()  # the furthest step by turn, from 1

    def __call__(self, request: ChatRequest) -> Answer | None:
        found = place_of(request)
        if found is None:
            return say(f"that is what there is, {self._token}")
        number, step = found
        turn = self._turns[number]
        with self._lock:
            self.asked[number] += 1
            self.steps[number] = max(self.steps[number], step + 1)
            self._attempts[found] += 1
            attempt = self._attempts[found]
        self._before(turn, step, attempt)
        first, later = turn.spoilt.get(step, ((), None))
        fault = first[attempt - 1] if attempt <= len(first) else later
        answer = self._answer(turn, step)
        return replace(answer, faults=(fault,)) if fault is not None else answer

    def _answer(self, turn: Turn, step: int) -> Answer:
        endless = next((row.name for row in turn.rows if row.name in _ENDLESS), "")
        if endless and step >= turn.at:
            return _ENDLESS[endless](step)
        if step >= 2:
            return say(f"answer of turn {turn.number}, and no more", reasoning="All done.", chunking=_FAST)
        calls = [_ran(turn.number, step)]
        if step == 1:
            calls.append(call("read_file", path="notes.txt"))
        harm = next((row.name for row in turn.rows if row.name in _HARM), "")
        if harm and step == min(turn.at, 1):
            calls.append(_HARM[harm](self._token))
        return use(*calls, text=f"step {step}", reasoning="What comes next?", chunking=_FAST)


def place_of(request: ChatRequest) -> tuple[int, int] | None:
    """The turn's number and its step, from 0; None behind the last turn."""
    steps = 0
    for message in reversed(request.messages):
        if message["role"] == "assistant" and message.get("tool_calls"):
            steps += 1
        elif message["role"] == "user":
            text = plain_text(message.get("content"))
            if LAST in text:
                return None
            if marks := _MARK.findall(text):
                return int(marks[-1]), steps
    return None


def _ran(number: int, step: int) -> Call:
    return call("run_command", command=f"echo {number}.{step} >> {RAN}")


_ENDLESS: dict[str, Callable[[int], Answer]] = {
    "words repeated without end": lambda step: say(
        "I will look at the file again, and then I will see. " * 8_000, chunking=_LONG
    ),
    "thoughts repeated without end": lambda step: say(
        "", reasoning="Wait, perhaps I should look at it once more. " * 8_000, chunking=_LONG
    ),
    "a call repeated without end": lambda step: use(call("grep", pattern="nowhere to be found")),
    "calls that alternate without end": lambda step: use(
        call("read_file", path=("notes.txt", "other.txt", "no such file")[step % 3])
    ),
}
# Every one of them has an end by itself, or an outer limit, for the day on which nothing else ends it.
_HARM: dict[str, Callable[[str], Call]] = {
    "a command that hangs": lambda token: call(
        "run_command", command=f"CHAOS={token} timeout 60 sleep 59", timeout_s=1
    ),
    "a command that leaves others running": lambda token: call(
        "run_command", command=f"(timeout 60 sleep 58 &) ; setsid timeout 60 sleep 57 & echo {token}"
    ),
    "a command that forks": lambda token: call(
        "run_command",
        command="for i in $(seq 90); do timeout 30 sleep 20 & done; wait",
        timeout_s=10,
    ),
    "a command that floods (10 GB)": lambda token: call(
        "run_command", command="timeout 30 head -c 10000000000 /dev/zero", timeout_s=3
    ),
    "a command that eats memory": lambda token: call(
        "run_command",
        command='python3 -c "import time; x=[bytearray(10**7) for _ in range(60)]; time.sleep(8)"',
        timeout_s=10,
    ),
    "a command that ignores SIGTERM": lambda token: call(
        "run_command",
        command="python3 -c 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(8)'",
        timeout_s=1,
    ),
}
