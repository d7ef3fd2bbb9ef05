"""``--attempts N``: independent attempts at once, each in its own worktree; the smallest proved patch wins.

The attempts know nothing of each other. A patch that decides by values of the test, or weakens tests, wins
only where there is no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from kcode.conversation.ledger import UsageEntry
from kcode.errors import KcodeError
from kcode.providers.base import Provider
from kcode.repair.agentic import Attempting, Task
from kcode.repair.events import AgentSaid, AttemptEnded, Listener, RepairEvent, Stage
from kcode.repair.honesty import size_of
from kcode.repair.project_copy import ProjectCopy
from kcode.repair.result import Attempt, RepairResult, told

MOST = 8
_KEPT_ALTERNATIVES = 3


async def several(
    task: Task,
    copies: Sequence[ProjectCopy],
    provider: Provider,
    tell: Listener,
    account: Callable[[UsageEntry], None] | None = None,
) -> RepairResult:
    """The best of one attempt in each of ``copies``, with the outcome of each and the sum of their costs.

    An attempt that the provider ends with an error is one that failed; where all end so, the first error is
    raised.
    """
    count = len(copies)
    with Stage(tell, "propose", f"{count} attempts at once") as stage:
        running = [
            asyncio.create_task(_one(Attempting(task, copy, provider, _quiet(tell), account, number), tell))
            for number, copy in enumerate(copies, 1)
        ]
        try:
            ended = await asyncio.gather(*running)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        results = [one for one in ended if isinstance(one[1], RepairResult)]
        stage.text = (
            f"{sum(1 for _, one in results if _is_fixed(one))} of {count} attempts have a proved patch"
        )
    if not results:
        raise next(one for _, one in ended if isinstance(one, KcodeError))
    return _best(ended, provider)


def _is_fixed(one: RepairResult | KcodeError) -> bool:
    return isinstance(one, RepairResult) and one.status == "fixed"


Ended = tuple[Attempt, RepairResult | KcodeError]


async def _one(attempting: Attempting, tell: Listener) -> Ended:
    began = time.monotonic()
    outcome: RepairResult | KcodeError
    try:
        outcome = await attempting.run()
    except KcodeError as error:
        outcome = error
    cost = f"{attempting.cost} {attempting.provider.model.currency}" if attempting.cost else ""
    attempt = Attempt(attempting.number, False, seconds=time.monotonic() - began, cost=cost)
    if isinstance(outcome, KcodeError):
        attempt = replace(attempt, why=outcome.message)
    elif outcome.status == "fixed":
        attempt = replace(attempt, fixed=True, lines=size_of(outcome.edits), why=outcome.warning)
    else:
        attempt = replace(attempt, why=outcome.proof[-1] if outcome.proof else outcome.message)
    tell(AttemptEnded(attempt.number, attempt.fixed, told(attempt)))
    return attempt, outcome


def _best(ended: Sequence[Ended], provider: Provider) -> RepairResult:
    """Honest before doubtful, small before large, early before late."""
    fixed = [
        (attempt, one) for attempt, one in ended if isinstance(one, RepairResult) and one.status == "fixed"
    ]
    fixed.sort(key=lambda pair: (bool(pair[1].warning), pair[0].lines, len(pair[1].edits), pair[0].number))
    results = [(attempt, one) for attempt, one in ended if isinstance(one, RepairResult)]
    chosen, best = (fixed or results)[0]
    attempts = tuple(
        replace(attempt, chosen=bool(fixed) and attempt.number == chosen.number) for attempt, _ in ended
    )
    others = [one.diff for _, one in fixed[1:] if one.diff != best.diff]
    spent = sum((Decimal(attempt.cost.split()[0]) for attempt in attempts if attempt.cost), Decimal(0))
    return replace(
        best,
        attempts=attempts,
        alternatives=tuple(dict.fromkeys(others))[:_KEPT_ALTERNATIVES],
        tried=len(ended),
        cost=f"{spent} {provider.model.currency}" if spent else "",
    )


def _quiet(tell: Listener) -> Listener:
    """Of attempts that run at once only what their models do is told: their stages overlap."""

    def listen(event: RepairEvent) -> None:
        if isinstance(event, AgentSaid):
            tell(event)

    return listen
