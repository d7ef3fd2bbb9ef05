"""Running the calls of one answer: read-only ones side by side, the others one by one, after approval.

Results enter the ledger in call order, whatever finished first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from kcode.agent.accounting import record_fee
from kcode.agent.asking import leave_for
from kcode.agent.events import CallFinished, CallProgress, CallStarted, Event, TodoChanged
from kcode.agent.outside import once_outside
from kcode.agent.putback import put_back
from kcode.agent.told import with_result
from kcode.config.jsontext import read_json
from kcode.conversation.accuracy import calls_note
from kcode.conversation.journal import JournalProblem
from kcode.conversation.ledger import Assistant, Call, Fee, ToolResult, User
from kcode.errors import KcodeError
from kcode.tools.base import Arguments, Tool, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded
from kcode.tools.changing import make_part
from kcode.tools.images import unseen
from kcode.tools.registry import parse_call

if TYPE_CHECKING:
    from kcode.agent.session import Session

Emit = Callable[[Event], None]

CUT_OFF = (
    "the arguments were cut off at the output limit, so nothing was done. "
    "Send the change again in smaller pieces: several calls with less text each."
)

_SMALLER = "the results of this step share the window: ask for less at a time to see all of it"


@dataclass(slots=True)
class _Job:
    call: Call
    tool: Tool[Arguments] | None = None
    args: Arguments | None = None
    outcome: ToolOutcome | None = None
    seconds: float = 0.0
    official: bool = False
    wrong: bool = False
    room: int = 0  # characters its result may have
    repairs: tuple[str, ...] = ()
    allowed: str = ""  # the rule that let it run without a question

    @property
    def alone(self) -> bool:
        """Must not run beside others."""
        return self.tool is not None and not self.tool.read_only


async def run_calls(
    session: Session, assistant: Assistant, emit: Emit, cut_id: str = ""
) -> list[ToolOutcome]:
    """Run them and record their results. Cancelled, the results of what did run are still recorded."""
    typed = (entry.typed for entry in reversed(session.ledger) if isinstance(entry, User) and entry.typed)
    session.context.question = next(typed, "")
    session.context.unseen = unseen(session.provider)
    jobs = [_prepare(session, call, call.id == cut_id) for call in assistant.calls]
    for job in jobs:
        job.room = session.result_room(len(jobs))
    session.record(
        calls_note(
            [job.wrong for job in jobs if job.call.id != cut_id],
            [text for job in jobs for text in job.repairs],
        )
    )
    for alone, group in groupby(jobs, key=lambda job: job.alone):
        batch = list(group)
        try:
            if alone:
                for job in batch:
                    await _run_one(session, job, emit)
                    _record(session, [job])
            else:
                await asyncio.gather(*(_run_one(session, job, emit) for job in batch))
        finally:
            if not alone:
                _record(session, batch)
    return [job.outcome for job in jobs if job.outcome is not None]


def _prepare(session: Session, call: Call, cut: bool) -> _Job:
    if cut:
        return _Job(call, outcome=_refusal(CUT_OFF))
    official = session.official
    if official is not None and official.knows(call.name) and call.name in session.declared:
        return _Job(call, official=True)
    try:
        tool, args, repairs = parse_call(call.name, call.arguments, session.official_names())
        if tool.name not in session.declared:
            raise ToolRefused(
                f"no tool {call.name!r} in this session; there are: {', '.join(session.declared)}"
            )
    except ToolRefused as error:
        return _Job(call, outcome=_refusal(str(error)), wrong=True)
    return _Job(call, tool, args, repairs=repairs)


async def _run_one(session: Session, job: _Job, emit: Emit) -> None:
    started = time.monotonic()
    title = job.tool.title(job.args) if job.tool and job.args is not None else job.call.name
    if job.official and session.official is not None:
        fee = session.official.price_text(job.call.name)
        title += f" ({fee})" if fee else ""
    emit(CallStarted(job.call.id, job.call.name, _shown(job.call.arguments), title))
    await asyncio.sleep(0)  # of calls side by side all are told to start before the first one ends
    if job.official:
        job.outcome = await _official(session, job.call)
    elif job.outcome is None:
        job.outcome = await session.problems.after(await _outcome(session, job, title, emit))
    job.seconds = time.monotonic() - started - session.waited.get(job.call.id, 0.0)
    emit(CallFinished(job.call.id, job.call.name, job.outcome, job.seconds, job.allowed))
    if job.call.name == "update_todo" and job.outcome.ok:
        emit(TodoChanged(session.todo))


async def _official(session: Session, call: Call) -> ToolOutcome:
    """Run a tool of the provider's own; its text goes to the model untouched."""
    assert session.official is not None
    try:
        result = await session.official.run(call.name, call.arguments)
    except KcodeError as error:
        return _refusal("; ".join(filter(None, (error.message, error.remedy))))
    if result.fee:
        record_fee(session, Fee(call.name, result.fee, result.currency))
    brief = result.brief or ("done" if result.ok else "failed")
    return ToolOutcome(result.text, brief, ok=result.ok)


async def _outcome(session: Session, job: _Job, title: str, emit: Emit) -> ToolOutcome:
    tool, args = job.tool, job.args
    assert tool is not None and args is not None
    try:
        back = put_back(session, tool.name, args)
        leave = await leave_for(session, job.call, tool, back.shown, title, emit, back.asked)
        job.allowed = leave.allowed
        if leave.refused is not None:
            return leave.refused
        if not tool.read_only:
            await session.files.before_change(tool.name)
        if leave.instead is not None:
            return make_part(session.workspace, leave.intent, leave.instead, title, leave.reason)
        if job.alone:
            session.context.progress = lambda so_far: emit(CallProgress(job.call.id, *astuple(so_far)))
        session.context.always_confined = session.mode == "auto"
        running = tool.run(back.args, session.context)
        outcome = await session.reaching.around(job.call, title, leave, running)
        if outcome.confined:
            return await once_outside(session, job.call, tool, back.args, leave.intent, title, outcome)
        return outcome
    except ToolRefused as error:
        return _refusal(str(error))
    except JournalProblem:
        raise
    except KcodeError as error:
        return _refusal("; ".join(filter(None, (error.message, error.remedy))))
    except Exception as error:  # outer door: a defect in one tool must not end the user's turn
        session.defect(error)
        return _refusal(f"{tool.name} failed inside kcode: {type(error).__name__}: {error}")


def _record(session: Session, jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.outcome is not None:
            outcome = job.outcome
            # before it is cut: half a key is found by nobody
            whole = outcome.text if job.official else session.secrets.text(outcome.text)
            text = whole if job.official else bounded(whole, job.room, _SMALLER)
            beside, notes = ([], []) if job.official else with_result(session, _named(job, outcome))
            text = "\n".join([text, *beside])
            session.record_all(
                ToolResult(job.call.id, job.call.name, text, outcome.ok, outcome.brief, outcome.images),
                *notes,
            )


def _named(job: _Job, outcome: ToolOutcome) -> list[str]:
    """The paths that a call that worked was about."""
    if not outcome.ok or job.args is None:
        return []
    named = [getattr(job.args, name, None) for name in ("path", "to", "target")]
    return [*(path.partition("::")[0] for path in named if isinstance(path, str)), *outcome.changed]


def _refusal(text: str) -> ToolOutcome:
    return ToolOutcome(f"Error: {text}", text.split("\n", 1)[0][:120], ok=False)


def _shown(arguments: str) -> dict[str, Any]:
    try:
        value = read_json(arguments or "{}")
    except ValueError:
        return {"malformed": arguments}
    return value if isinstance(value, dict) else {"malformed": arguments}
