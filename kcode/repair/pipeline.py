"""``kcode fix``: reproduce, localise, propose, verify. The result is presented and applied by the caller.

Nothing in the user's tree is changed here: everything runs in a scratch copy. With a provider that can
fill in the middle the candidate search works; with any other the agent does.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.conversation.ledger import UsageEntry
from kcode.errors import EnvironmentProblem
from kcode.providers.base import Infiller, Provider, ProviderError
from kcode.repair.aim import Asked, aim_at
from kcode.repair.events import Listener
from kcode.repair.failing import Choose
from kcode.repair.judge import JudgeFailed
from kcode.repair.result import RepairResult
from kcode.workspace.workspace import Workspace


async def repair(
    root: Path,
    target: str | Asked,
    provider: Provider,
    settings: Settings,
    *,
    on_event: Listener | None = None,
    budget_s: float = 0.0,
    allow_test_changes: bool = False,
    account: Callable[[UsageEntry], None] | None = None,
    choose: Choose | None = None,
) -> RepairResult:
    """Look for a patch of ``root`` (the workspace's root) that passes the tests ``target`` names.

    ``target``: a test id, a file or folder of tests, a sentence about a test, or "" for whatever fails; or
    all that can be asked for, as :class:`~kcode.repair.aim.Asked`.
    ``budget_s``: seconds for the search with the embedded model, 0 for the setting ``fix.max_seconds``;
    a big model is bound by the limits of the agent instead. ``on_event`` is called with each
    :class:`~kcode.repair.events.RepairEvent` on the event loop. ``account`` takes over what the model's
    requests cost, interrupted repairs included; without it they are counted as a session of their own.
    ``choose`` is asked where words fit tests that fail for different reasons.
    Applies nothing: see :func:`apply`.
    Raises :class:`~kcode.providers.base.ProviderError` where the model cannot be asked, UsageError for what
    cannot be asked for; tests that cannot run are a result, not an error.
    """
    tell = on_event or (lambda event: None)
    root = Path(os.path.realpath(root))  # noqa: ASYNC240
    began = time.monotonic()
    asked = target if isinstance(target, Asked) else Asked(target, allow_test_changes=allow_test_changes)
    aim = await asyncio.to_thread(aim_at, root, asked)
    try:
        if isinstance(provider, Infiller):
            from kcode.repair.by_search import repair_by_search

            result = await repair_by_search(root, asked, aim, provider, settings, tell, budget_s, choose)
        else:
            from kcode.repair.agentic import repair_by_agent

            result = await repair_by_agent(root, asked, aim, provider, settings, tell, account, choose)
    except (JudgeFailed, EnvironmentProblem) as problem:
        if isinstance(problem, ProviderError):
            raise
        remedy = f"; {problem.remedy}" if problem.remedy else ""
        return _cannot_run(f"{problem.message}{remedy}", began)
    return replace(result, seconds=time.monotonic() - began)


def apply(result: RepairResult, workspace: Workspace) -> str:
    """Apply an approved patch to the user's files; the checkpoint's id, for undoing it.

    Raises :class:`kcode.workspace.errors.StaleFile` where a file was changed since the repair began.
    """
    return workspace.apply(result.edits, label=f"kcode fix {' '.join(result.targets[:1])}".strip())


def _cannot_run(reason: str, began: float) -> RepairResult:
    return RepairResult("cannot_run", f"The tests cannot run: {reason}.", seconds=time.monotonic() - began)
