"""What may still be spent: the limits of a session and of a day, kept before a request leaves.

The rule: a request leaves only if its prompt and the smallest useful answer fit what is left, and it asks for
no more output than what is left pays for. So the answer cannot cross a limit, and a limit is used up to its
last request. The prompt is priced as estimated plus 3 % (30 % for the first), of it as cached what this
server is known to have read within its cache's time; only a cache lost early can make a request dearer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from kcode.config.money import Sum, parse_sum
from kcode.config.settings import AgentSettings
from kcode.conversation.cache import CacheHistory
from kcode.conversation.cost import MILLION, free, shown, step_of
from kcode.conversation.ledger import Note
from kcode.conversation.projection import Projection
from kcode.conversation.spending import SpentToday
from kcode.errors import LimitReached, UsageError
from kcode.providers.body import THINKING_FLOOR
from kcode.providers.catalog import Model, PriceStep

if TYPE_CHECKING:
    from kcode.agent.dialogue import Dialogue

WARN_AT = Decimal("0.8")
_MARGIN = Decimal("1.03")  # how far the estimate of a prompt may be off
_FIRST_MARGIN = Decimal("1.3")  # and before the server has counted one
_USEFUL_ANSWER = 1_024  # tokens: below that an answer of a model that does not think is cut off anyway


@dataclass(frozen=True, slots=True)
class Limit:
    """``key`` is the setting, ``words`` say what it limits."""

    key: str
    words: str
    amount: Decimal


def limits(settings: AgentSettings, model: Model) -> list[Limit]:
    """The limits that are set, in the model's currency.

    Raises UsageError where one names another currency: kcode does not exchange money.
    """
    found = []
    for key, words, text in (
        ("agent.max_cost", "this session", settings.max_cost),
        ("agent.max_cost_day", "today, all sessions together", settings.max_cost_day),
    ):
        given = parse_sum(text)
        if given.amount and not free(model):
            _check_currency(key, given, model)
            found.append(Limit(key, words, given.amount))
    return found


def _check_currency(key: str, given: Sum, model: Model) -> None:
    if given.currency and model.prices and given.currency != model.currency:
        flag = "--max-cost or " if key == "agent.max_cost" else ""
        raise UsageError(
            f"{key} is {given}, but {model.id} is billed in {model.currency}",
            f"give the limit in {model.currency} ({flag}kcode config set {key} '5 {model.currency}')",
        )


class Allowance:
    """The limits of one session, asked before every request."""

    def __init__(self, session: Dialogue) -> None:
        self._session = session
        self._today = SpentToday(session.id)
        self._cache = CacheHistory()

    def answer_tokens(self, projection: Projection, wanted: int) -> int:
        """Output tokens the next request may ask for, at most ``wanted``.

        Raises LimitReached where not even the smallest useful answer is paid for, and UsageError where a
        limit is in another currency.
        """
        session, model = self._session, self._session.provider.model
        found = limits(session.settings.agent, model)
        margin = _MARGIN if session.budget.calibrated else _FIRST_MARGIN
        tokens = round(session.budget.estimate(projection) * margin) if found else 0
        step = step_of(model.prices, tokens)
        if not found or step is None:
            return wanted
        prompt = self._prompt_price(model, step, tokens)
        least = THINKING_FLOOR if model.thinking != "no" else min(_USEFUL_ANSWER, wanted)
        for limit in found:
            spent = self._spent(limit)
            needed = prompt + least * step.output / MILLION
            if spent + needed > limit.amount:
                raise LimitReached(
                    f"stopped before a request of up to {shown(needed, model.currency)}: "
                    f"{shown(spent, model.currency)} of {shown(limit.amount, model.currency)} "
                    f"({limit.words}) is spent",
                    f"raise {limit.key}"
                    + (", for once with --max-cost" if limit.key == "agent.max_cost" else ""),
                )
            if step.output:
                affordable = (limit.amount - spent - prompt) * MILLION / step.output
                wanted = min(wanted, max(least, int(affordable)))
        return wanted

    def affords(self) -> bool:
        """Whether one more request may leave."""
        try:
            self.answer_tokens(self._session.projection(), self._session.answer_tokens())
        except LimitReached:
            return False
        return True

    def warnings(self) -> Iterator[str]:
        """What has to be said once a session: 80 % of a limit is spent, or a limit cannot be kept."""
        session, model = self._session, self._session.provider.model
        for limit in limits(session.settings.agent, model):
            spent = self._spent(limit)
            if not model.prices and self._once(limit.key, f"unpriced {model.id}"):
                yield f"{limit.key} cannot be kept: the price of {model.id} is not known"
            elif spent >= WARN_AT * limit.amount and self._once(limit.key, "80 %"):
                of = f"{shown(spent, model.currency)} of {shown(limit.amount, model.currency)}"
                yield f"{of} ({limit.words}) is spent ({limit.key})"

    def used(self) -> list[tuple[Limit, Decimal]]:
        """Each limit and what is spent of it."""
        session = self._session
        return [
            (limit, self._spent(limit)) for limit in limits(session.settings.agent, session.provider.model)
        ]

    def _once(self, key: str, what: str) -> bool:
        """Whether this is said for the first time in the session, which is then in its journal."""
        note = Note("limit-warning", data={"limit": key, "what": what})
        if any(
            isinstance(e, Note) and e.kind == note.kind and e.data == note.data for e in self._session.ledger
        ):
            return False
        self._session.record(note)
        return True

    def _spent(self, limit: Limit) -> Decimal:
        session = self._session
        if limit.key == "agent.max_cost":
            return session.spent()
        return self._today.total(session.provider.model.currency, session.ledger)

    def _prompt_price(self, model: Model, step: PriceStep, tokens: int) -> Decimal:
        self._cache.update(self._session.ledger)
        cached = self._cache.expected(self._session.provider.name, model, tokens, time.time())
        hit = step.input if step.cached is None else step.cached
        written = (tokens - cached) * (step.write or Decimal(0))
        return ((tokens - cached) * step.input + cached * hit + written) / MILLION
