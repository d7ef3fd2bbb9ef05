"""Requests are held back here, before the account's limits are met: one file per account, shared by all
kcode processes of the user, so that parallel attempts do not trip each other.

Nothing is slowed down before the server has named a limit, in a header or in a refusal. The file holds
numbers and process ids, never the key. Where it cannot be kept, kcode goes on without and says so once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcode.config.paths import make_private, state_dir
from kcode.providers.base import HttpFacts, Request, Usage, Waiting
from kcode.providers.limiter_state import WINDOW_S, AccountState, Kind, Ticket, Verdict
from kcode.providers.process_id import alive, this_process

if TYPE_CHECKING:
    from kcode.providers.endpoint import Endpoint

LOCK_S = 1.0  # the file is held for a millisecond; longer means that something is wrong with it
POLL_S = 0.5
_TOKENS_PER_BYTE = 0.3  # of a request's JSON, until the server's own count is known
_NEWS_S = 2.0  # an estimate that moved by more is announced again

_told: set[Path] = set()


class Limiter:
    """One account's limits. ``file`` holds them; ``stated`` are limits the catalogue knows."""

    def __init__(
        self,
        file: Path,
        *,
        stated: Mapping[Kind, int] | None = None,
        hosted: bool = True,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.file = file
        self._stated = dict(stated or {})
        self._hosted = hosted
        self._window_s = window_s
        self._clock = clock
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._over: dict[str, int] = {}  # requests whose end could not be written down yet
        self._admitted = 0  # turns whose request was not sent yet

    @classmethod
    def of(cls, endpoint: Endpoint) -> Limiter:
        """The limiter of the account that the endpoint's address and key belong to.

        The catalogue's limits hold for the services they were stated by; of any other server only what it
        says itself counts.
        """
        model, dialect = endpoint.model, endpoint.dialect
        hosted = endpoint.profile.remote
        whose = [endpoint.base_url, endpoint.api_key, model.id if dialect.limits_per == "model" else ""]
        digest = hashlib.sha256("\0".join(whose).encode()).hexdigest()[:24]
        own: dict[Kind, int] = {"rpm": model.rpm, "tpm": model.tpm}
        stated = {k: v for k, v in own.items() if v} if hosted and endpoint.own_address else {}
        return cls(state_dir() / "limits" / f"{digest}.json", stated=stated, hosted=hosted)

    def turn(self, request: Request) -> Turn:
        return Turn(self, request)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Learn from a response's headers; names are lower case."""
        said = list(read_headers(headers, self._clock()))
        if not said:
            return
        with self.state() as state:
            now = self._clock()
            for kind, limit, left, reset_s in said if state else ():
                assert state is not None
                # Only of the hosted services is it known that they count by the minute.
                if limit is not None and self._hosted and (reset_s or 0) <= self._window_s + 1:
                    state.learn(kind, limit, now)
                if left is not None and reset_s is not None:
                    state.say_left(kind, left, reset_s, now)

    def refused(self, facts: HttpFacts) -> None:
        """Learn from a refusal for the account's limits."""
        with self.state() as state:
            if state is None:
                return
            now = self._clock()
            for kind, limit in read_limits(facts.message):
                state.learn(kind, limit, now)
            if facts.retry_after_s is not None:
                state.pause(facts.retry_after_s, now)
            if facts.kind == "burst":
                state.slow_down(now)

    # --- used by Turn --------------------------------------------------------------------------

    def ask(self, ticket: Ticket) -> Verdict | None:
        """None where the file cannot be kept: the request goes."""
        with self.state() as state:
            verdict = None if state is None else state.ask(ticket, self._clock())
        self._admitted += verdict is not None and verdict.admitted
        return verdict

    def sending(self) -> None:
        """A request leaves. What an attempt sends beyond its turn (calls that were lost in a stream are
        fetched without one) is counted too."""
        if self._admitted:
            self._admitted -= 1
            return
        with self.state() as state:
            if state is not None:
                state.count(uuid.uuid4().hex[:16], self._clock())

    def leave(self, ticket_id: str, used_tokens: int) -> None:
        self._over[ticket_id] = used_tokens
        with self.state():
            pass  # ended requests are written down whenever the file is open

    def tokens(self, request: Request) -> int:
        """What the request reserves: its prompt, about, and all of the answer it may get (facts A.4)."""
        size = sum(map(len, request.messages)) + len(request.tools) + len(request.partial)
        return int(size * self._tokens_per_byte) + request.max_output_tokens

    def fit(self, request: Request, prompt_tokens: int) -> None:
        size = sum(map(len, request.messages)) + len(request.tools) + len(request.partial)
        if size and prompt_tokens:
            self._tokens_per_byte = prompt_tokens / size

    @property
    def broken(self) -> str:
        """Said once per process: why the limits cannot be kept; else ``""``."""
        if self.file in _told or not self._trouble:
            return ""
        _told.add(self.file)
        return f"the account's limits cannot be shared with other kcode processes: {self._trouble}"

    _trouble = ""

    @contextlib.contextmanager
    def state(self) -> Iterator[AccountState | None]:
        """The account as the file has it, tidied; written back at the end. None where that cannot be."""
        if self._trouble:
            yield None
            return
        from filelock import FileLock, Timeout

        try:
            make_private(self.file.parent)
            lock = FileLock(self.file.with_suffix(".lock"), timeout=LOCK_S, mode=0o600, poll_interval=0.005)
            lock.acquire()
        except (OSError, Timeout, NotImplementedError) as problem:
            self._trouble = str(problem) or type(problem).__name__
            yield None
            return
        try:
            state = AccountState(self._window_s, self._stated)
            with contextlib.suppress(OSError, ValueError, RecursionError):  # missing or damaged: begun anew
                state.load(json.loads(self.file.read_bytes()))
            state.tidy(self._clock(), alive)
            over, self._over = self._over, {}
            for ticket_id, used in over.items():
                state.leave(ticket_id, self._clock(), used)
            yield state
            self._write(state.dump())
        except OSError as problem:
            self._trouble = str(problem)
        finally:
            lock.release()

    def _write(self, data: Mapping[str, Any]) -> None:
        """Replaced whole, so that a process killed meanwhile leaves the old one; not synced: a lost one is
        learned again."""
        beside = self.file.with_suffix(".new")  # one name is enough: the lock is held
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(json.dumps(data, separators=(",", ":")).encode())
        beside.replace(self.file)


class Turn:
    """One request's place among all: ``admitted`` waits for it, ``leave`` must follow, whatever happened."""

    def __init__(self, limiter: Limiter, request: Request) -> None:
        self._limiter = limiter
        self._request = request
        self._ticket = Ticket(uuid.uuid4().hex[:16], this_process(), limiter.tokens(request), 0.0)
        self._used = 0

    async def admitted(self) -> AsyncGenerator[Waiting, None]:
        """Returns when the request may be sent; says before what it waits for, and again when that changed.
        Cancelling it is enough to give the place up, with ``leave``."""
        await asyncio.sleep(0)  # a cancellation that was asked for already is heard before anything is sent
        announced: tuple[str, float] | None = None
        while True:
            verdict = self._limiter.ask(self._ticket)
            if verdict is None:
                if trouble := self._limiter.broken:
                    yield Waiting(0.0, trouble)
                return
            if verdict.admitted:
                return
            ends = time.monotonic() + verdict.wait_s if verdict.wait_s else 0.0
            if announced is None or announced[0] != verdict.why or abs(announced[1] - ends) > _NEWS_S:
                announced = (verdict.why, ends)
                yield Waiting(verdict.wait_s, verdict.why)
            await asyncio.sleep(min(POLL_S, max(0.02, verdict.wait_s)) if verdict.wait_s else POLL_S / 5)

    def used(self, usage: Usage) -> None:
        self._used += usage.prompt + usage.completion
        self._limiter.fit(self._request, usage.prompt)

    def leave(self) -> None:
        self._limiter.leave(self._ticket.id, self._used)


# --- what servers say --------------------------------------------------------------------------

_HEADERS: tuple[tuple[Kind, str], ...] = (("rpm", ""), ("rpm", "-requests"), ("tpm", "-tokens"))


def read_headers(
    headers: Mapping[str, str], now: float
) -> Iterator[tuple[Kind, int | None, int | None, float | None]]:
    """Kind, limit, how much is left, seconds until the count starts again; None for what is not said."""
    for kind, suffix in _HEADERS:
        limit = _number(headers.get(f"x-ratelimit-limit{suffix}", ""))
        left = _number(headers.get(f"x-ratelimit-remaining{suffix}", ""))
        reset_s = _seconds(headers.get(f"x-ratelimit-reset{suffix}", ""), now)
        if limit is not None or left is not None:
            yield kind, limit, left, reset_s


_LIMIT_TEXTS: tuple[tuple[Kind, str], ...] = (
    ("rpm", r"\bmax(?:imum)? RPM:? *(\d{1,9})"),
    ("rpm", r"\bRPM\b.*?\blimit: *(\d{1,9})"),
    ("concurrency", r"\bconcurrency:? *(\d{1,9})"),
    ("concurrency", r"\bconcurrency\b.*?\blimit: *(\d{1,9})"),
    ("tpm", r"\bTPM rate limit,.*?\blimit: *(\d{1,9})"),
    ("tpm", r"\bmax(?:imum)? TPM:? *(\d{1,9})"),
)


def read_limits(message: str) -> list[tuple[Kind, int]]:
    """The limits that a refusal names: ``organization max RPM: 3`` (facts D.1)."""
    found: dict[Kind, int] = {}
    for kind, pattern in _LIMIT_TEXTS:
        match = re.search(pattern, message, re.IGNORECASE)
        if match and kind not in found:
            found[kind] = int(match.group(1))
    return list(found.items())


def _number(text: str) -> int | None:
    """Only a plain whole number of a sensible size is a limit."""
    return int(text) if re.fullmatch(r"\d{1,12}", text.strip()) else None


def _seconds(text: str, now: float) -> float | None:
    """``20``, ``1.5s``, ``6m0s``, ``250ms``, or a moment in seconds or milliseconds since the epoch."""
    text = text.strip().lower()
    if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text):
        value = float(text)
        if value > 1e12:
            value /= 1000
        return max(0.0, value - now) if value > 1e9 else value
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        return None
    return sum(float(a) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[b] for a, b in parts)
