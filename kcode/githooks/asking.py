"""What a hook asks a model: bounded in time and money, and never in the way where nobody answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kcode.errors import LimitReached
from kcode.githooks.run import Opened, say
from kcode.i18n import _, n_

if TYPE_CHECKING:
    from kcode.agent.reviewing import Review
    from kcode.agent.session import Session
    from kcode.config.settings import Settings

T = TypeVar("T")


def review_staged(top: Path, settings: Settings, opened: Opened) -> int:
    """Let the model review what is staged; 1 where a finding is at or above ``hooks.block_at``.

    Raises ProviderError, LimitReached, NoStructuredAnswer.
    """
    from kcode.agent.narrow import TooSmall
    from kcode.agent.reviewing import review
    from kcode.providers.registry import resolve
    from kcode.workspace.unidiff import parse

    if resolve(settings, os.environ).profile.embedded:
        raise TooSmall("the embedded model is too small to review a change", "kcode login, for a K2 model")
    files = parse(staged_diff(top)[0])
    if not files:
        return 0

    async def ask(session: Session) -> Review:
        return await review(session, files, "what is staged", withheld=session.workspace.withheld)

    return _told(bounded(top, settings, opened, ask), settings)


def bounded(top: Path, settings: Settings, opened: Opened, work: Callable[[Session], Awaitable[T]]) -> T:
    """``work`` with a session of its own, within ``hooks.review_seconds`` and ``hooks.review_cost``.

    Raises LimitReached where the time is over, and what opening or ``work`` raises.
    """
    seconds, cost = settings.hooks.review_seconds, settings.hooks.review_cost
    agent = settings.agent.model_copy(update={"max_cost": cost, "max_seconds": seconds})
    limited = settings.model_copy(update={"agent": agent})

    async def run() -> T:
        async with opened(limited, top) as session:
            return await asyncio.wait_for(work(session), seconds)

    try:
        return asyncio.run(run())
    except TimeoutError:
        raise LimitReached(
            f"the model did not answer within {seconds:g} s", "raise hooks.review_seconds"
        ) from None


def staged_diff(top: Path) -> tuple[str, str]:
    """The staged change and its stat, with the index that git itself names to its hooks.

    Raises EnvironmentProblem.
    """
    from kcode.workspace import repo
    from kcode.workspace.staging import LARGEST_DIFF, diff_arguments

    diff = repo.git_sync(top, *diff_arguments("--cached"), max_output=LARGEST_DIFF)
    repo.check(diff, "git diff")
    stat = repo.git_sync(top, "diff", "--cached", "--stat=100,80", "--find-renames", *repo.NO_PROGRAMS)
    return diff.stdout, stat.stdout.rstrip()


def _told(result: Review, settings: Settings) -> int:
    from kcode.safety.sanitize import clean

    at = settings.hooks.block_at
    stopping = result.at_least(at) if at != "never" else []
    for finding in result.findings:
        say(f"  {clean(finding.file)}:{finding.line}: {finding.severity}: {clean(finding.problem)}")
    if not stopping:
        return 0
    count = len(stopping)
    said = n_(
        "kcode hook: the review stopped the commit: {count} finding is {severity} or worse",
        "kcode hook: the review stopped the commit: {count} findings are {severity} or worse",
        count,
    )
    say(said.format(count=count, severity=at))
    say(_("A model can be wrong. To commit anyway: KCODE_HOOKS=0 git commit … (or --no-verify)."))
    return 1
