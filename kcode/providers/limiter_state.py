"""What an account allows and how much of it is in use: pure, on a clock that is passed in.

All times are seconds since the epoch, shared by every process of the user. A request enters a queue, is
admitted once nothing the account allows is exceeded by it and by those before it in the queue, and leaves
when its answer has ended. Sources: facts A.4 (requests, tokens and concurrency, tokens reserved before
generation), B.1 (headers), D.1 and D.2 (texts).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Kind = Literal["rpm", "tpm", "concurrency"]

WINDOW_S = 60.0
MARGIN_S = 1.0
"""How much later than another a request may reach the server although both left equally late."""
REST_S = 0.25
"""How long the server may still count an answer as running that has ended for the client."""
FORGET_S = 86_400.0
"""A limit that was not confirmed for a day is forgotten: the account's tier may have been raised."""
LONGEST_LEASE_S = 7_200.0
"""No answer takes longer: gateways cut after two hours (facts B.4)."""
STALE_S = 10.0
"""A queue place whose owner has not asked for that long (a stopped process) is given away."""
LONGEST_PAUSE_S = 120.0
RAMP_S = 60.0
"""How long after a refused burst requests go one by one, ``RAMP_GAP_S`` apart."""
RAMP_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """``value`` requests or tokens a minute, or requests at once; last said by the server at ``learned``."""

    value: int
    learned: float


@dataclass(frozen=True, slots=True)
class Left:
    """What the server said is left of requests or tokens until ``until``, less what was sent since."""

    amount: int
    until: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue. ``owner`` names the process, ``tokens`` is what the request reserves."""

    id: str
    owner: str
    tokens: int
    seen: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of the last minute; its tokens count in full until the minute is over."""

    id: str
    at: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A request under way. ``ended``: when its answer ended, 0.0 while it runs."""

    id: str
    owner: str
    since: float
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait_s`` is the estimate in seconds, 0 where it depends on other requests' ends."""

    admitted: bool
    wait_s: float = 0.0
    why: str = ""


@dataclass(slots=True)
class AccountState:
    """``stated`` limits are the catalogue's: they hold until the server says otherwise. Not stored."""

    window_s: float = WINDOW_S
    stated: Mapping[Kind, int] = field(default_factory=dict)
    limits: dict[Kind, Limit] = field(default_factory=dict)
    left: dict[Kind, Left] = field(default_factory=dict)
    paused_until: float = 0.0
    ramp_until: float = 0.0
    queue: list[Ticket] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    running: list[Lease] = field(default_factory=list)

    # --- a request's way -----------------------------------------------------------------------

    def ask(self, ticket: Ticket, now: float) -> Verdict:
        """May the request of ``ticket`` be sent at ``now``? Takes its place in the queue while it may not.

        Call :meth:`tidy` before. A request that was admitted counts until :meth:`leave`.
        """
        known = [t.id for t in self.queue]
        if ticket.id in known:
            place = known.index(ticket.id)
            self.queue[place] = replace(self.queue[place], seen=now)
        else:
            place = len(self.queue)
            self.queue.append(replace(ticket, seen=now))
        ahead = self.queue[:place]
        obstacle = self._obstacle(ticket.tokens, len(ahead), sum(t.tokens for t in ahead), now)
        if obstacle is not None:
            return obstacle
        del self.queue[place]
        self.sent.append(Sent(ticket.id, now, ticket.tokens))
        self.running.append(Lease(ticket.id, ticket.owner, now))
        self._take("rpm", 1)
        self._take("tpm", ticket.tokens)
        return Verdict(True)

    def count(self, request_id: str, now: float) -> None:
        """A request that went without asking: a second one within an attempt that was admitted."""
        self.sent.append(Sent(request_id, now, 0))
        self._take("rpm", 1)

    def leave(self, ticket_id: str, now: float, used_tokens: int = 0) -> None:
        """The request's answer has ended, or it gave up waiting.

        ``used_tokens`` are the real ones: they count where they were more than reserved. Nothing says that
        an unused reservation is given back (facts A.4), so it is not counted as given back.
        """
        self.queue = [t for t in self.queue if t.id != ticket_id]
        self.running = [replace(x, ended=now) if x.id == ticket_id else x for x in self.running]
        for place, sent in enumerate(self.sent):
            if sent.id == ticket_id:
                self.sent[place] = replace(sent, tokens=max(sent.tokens, used_tokens))

    def tidy(self, now: float, alive: Callable[[str], bool]) -> None:
        """Forget what is over: requests older than the window, dead owners, old limits, a clock set back."""
        span = self.window_s + MARGIN_S
        self.sent = [replace(s, at=min(s.at, now)) for s in self.sent if s.at > now - span]
        self.running = [x for x in self.running if _holds(x, now, alive)]
        self.queue = [t for t in self.queue if abs(now - t.seen) <= STALE_S and alive(t.owner)]
        self.limits = {k: v for k, v in self.limits.items() if abs(now - v.learned) < FORGET_S}
        self.left = {k: v for k, v in self.left.items() if now < v.until <= now + LONGEST_PAUSE_S}
        if self.paused_until > now + LONGEST_PAUSE_S:
            self.paused_until = 0.0
        if self.ramp_until > now + RAMP_S:
            self.ramp_until = 0.0

    # --- what the server says ------------------------------------------------------------------

    def learn(self, kind: Kind, value: int, now: float) -> None:
        """The server named a limit. The last word counts: a tier can be raised and lowered."""
        if value >= 1:
            self.limits[kind] = Limit(value, now)

    def say_left(self, kind: Kind, amount: int, reset_s: float, now: float) -> None:
        """The server said how much is left until ``reset_s`` seconds from now."""
        if 0 < reset_s <= LONGEST_PAUSE_S:
            self.left[kind] = Left(max(0, amount), now + reset_s)

    def pause(self, seconds: float, now: float) -> None:
        """The server refused for the account's limits and asked everybody to wait."""
        if seconds <= LONGEST_PAUSE_S:
            self.paused_until = max(self.paused_until, now + seconds)

    def slow_down(self, now: float) -> None:
        """The server refused because too many requests came at once: the next ones ramp up (facts D.2)."""
        self.ramp_until = now + RAMP_S

    def limit(self, kind: Kind) -> int:
        """0 where none is known."""
        learned = self.limits.get(kind)
        return learned.value if learned else self.stated.get(kind, 0)

    # --- on disk -------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return {
            "limits": {kind: asdict(limit) for kind, limit in self.limits.items()},
            "left": {kind: asdict(left) for kind, left in self.left.items()},
            "paused_until": self.paused_until,
            "ramp_until": self.ramp_until,
            "queue": [asdict(ticket) for ticket in self.queue],
            "sent": [asdict(sent) for sent in self.sent],
            "running": [asdict(lease) for lease in self.running],
        }

    def load(self, stored: Any) -> None:
        """Take over what :meth:`dump` wrote. Raises ValueError for anything else."""
        try:
            limits = {_kind(k): Limit(**_typed(v, Limit)) for k, v in stored["limits"].items()}
            left = {_kind(k): Left(**_typed(v, Left)) for k, v in stored["left"].items()}
            paused_until = float(stored["paused_until"])
            ramp_until = float(stored.get("ramp_until", 0.0))
            queue = [Ticket(**_typed(row, Ticket)) for row in stored["queue"]]
            sent = [Sent(**_typed(row, Sent)) for row in stored["sent"]]
            running = [Lease(**_typed(row, Lease)) for row in stored["running"]]
        except (AttributeError, KeyError, TypeError, OverflowError) as problem:
            raise ValueError(f"not the state of an account: {problem!r}") from None
        self.limits, self.left = limits, left
        self.paused_until, self.ramp_until = paused_until, ramp_until
        self.queue, self.sent, self.running = queue, sent, running

    # --- what is in the way --------------------------------------------------------------------

    def _obstacle(self, tokens: int, ahead: int, tokens_ahead: int, now: float) -> Verdict | None:
        """What keeps a request back, the longest wait first, with those before it counted as sent."""
        waits: list[tuple[float, str]] = []
        if self.paused_until > now:
            waits.append((self.paused_until - now, "the service asked to wait"))
        if self.ramp_until > now and self.sent:
            due = max(s.at for s in self.sent) + RAMP_GAP_S * (ahead + 1)
            if due > now:
                waits.append((due - now, "the service asked for fewer requests at a time"))
        if (most := self.limit("rpm")) and (wait := self._until_request(most, ahead, now)) > 0:
            waits.append((wait, f"the account allows {_count(most, 'request')} a minute"))
        wanted = tokens_ahead + tokens
        if (most := self.limit("tpm")) and (wait := self._until_tokens(most, wanted, ahead, now)) > 0:
            waits.append((wait, f"the account allows {most:,} tokens a minute"))
        for kind, needed, noun in (("rpm", ahead + 1, "requests"), ("tpm", wanted, "tokens")):
            left = self.left.get(kind)  # type: ignore[call-overload]
            if left is not None and left.amount < needed and left.until > now:
                waits.append((left.until - now, f"the account's {noun} of this minute are used up"))
        most = self.limit("concurrency")
        if most and len(self.running) + ahead + 1 > most:
            waits.append((0.0, f"waiting for a turn: the account allows {_count(most, 'request')} at once"))
        return Verdict(False, *max(waits)) if waits else None

    def _until_request(self, most: int, ahead: int, now: float) -> float:
        """Seconds until one more request fits the window, ``ahead`` others having gone before."""
        span = self.window_s + MARGIN_S
        ends = sorted(s.at + span for s in self.sent)
        over = len(ends) + ahead + 1 - most
        if over <= 0:
            return 0.0
        if over <= len(ends):
            return ends[over - 1] - now
        return (ends[-1] - now if ends else 0.0) + span * math.ceil((over - len(ends)) / most)

    def _until_tokens(self, most: int, wanted: int, ahead: int, now: float) -> float:
        """As above for tokens. A request that reserves more than the limit goes when nothing else counts:
        whether that is too much is the server's to say."""
        span = self.window_s + MARGIN_S
        used = sum(s.tokens for s in self.sent)
        wait = 0.0
        for sent in sorted(self.sent, key=lambda s: s.at):
            if used + wanted <= most:
                return wait
            used -= sent.tokens
            wait = sent.at + span - now
        return wait + (span if ahead and wanted > most else 0.0)

    def _take(self, kind: Kind, amount: int) -> None:
        if (left := self.left.get(kind)) is not None:
            self.left[kind] = replace(left, amount=max(0, left.amount - amount))


def _holds(lease: Lease, now: float, alive: Callable[[str], bool]) -> bool:
    if lease.ended:
        return 0 <= now - lease.ended < REST_S
    return abs(now - lease.since) < LONGEST_LEASE_S and alive(lease.owner)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _kind(name: str) -> Kind:
    if name in ("rpm", "tpm", "concurrency"):
        return name  # type: ignore[return-value]
    raise KeyError(name)


def _typed(row: Mapping[str, Any], kind: type[Limit | Left | Ticket | Sent | Lease]) -> dict[str, Any]:
    """The row's fields as the record declares them; TypeError where one is missing or of another type."""
    makers: dict[str, type[str] | type[int] | type[float]] = {"str": str, "int": int, "float": float}
    fields = kind.__dataclass_fields__
    if set(row) != set(fields):
        raise TypeError(f"fields {sorted(row)}")
    made = {name: makers[str(fields[name].type)](row[name]) for name in fields}
    if any(isinstance(value, float) and not math.isfinite(value) for value in made.values()):
        raise TypeError("a number without end")
    return made
