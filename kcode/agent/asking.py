"""Whether a call may run: judged by the policy, asked about where that says so, and what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.agent.approval import Answer, Question
from kcode.agent.events import Event, Notice
from kcode.conversation.ledger import Approval, Call
from kcode.errors import KcodeError
from kcode.tools.base import Arguments, FileEdit, Intent, Tool, ToolOutcome
from kcode.tools.bounds import bounded
from kcode.tools.changing import DIFF_SHOWN
from kcode.workspace.diff import unified

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.safety.rules import Rule


@dataclass(frozen=True, slots=True)
class Leave:
    """What became of the question: ``refused`` tells the model why the call does not run.

    ``instead`` is made in the place of what was asked, and ``reason`` says why to the model. ``allowed``
    says which rule let it run without a question.
    """

    intent: Intent
    refused: ToolOutcome | None = None
    instead: tuple[FileEdit, ...] | None = None
    reason: str = ""
    allowed: str = ""


async def leave_for(
    session: Session,
    call: Call,
    tool: Tool[Arguments],
    args: Arguments,
    title: str,
    emit: Callable[[Event], None],
    asked: Callable[[Intent], Intent] = lambda intent: intent,
) -> Leave:
    """Ask where the policy says so; the answer is in the journal before it has an effect. ``asked`` may make
    an intent sensitive."""
    from kcode.safety.policy import judge  # with its tables: not before the first request has left
    from kcode.safety.rules import rules_for

    intent = asked(await tool.plan(args, session.context))
    judgement = judge(
        intent,
        tool.read_only,
        session.mode,
        frozenset(session.granted),
        tool=tool.name,
        rules=rules_for(session.root, session=session.rules, flags=session.flag_rules),
        root=session.root,
        more=session.workspace.roots[1:],
        confined=session.mode != "auto" or intent.kind != "command" or await asyncio.to_thread(_holds),
    )
    if judgement.verdict == "allow":
        return Leave(intent, allowed=judgement.why)
    if judgement.verdict == "deny":
        return Leave(intent, _denied(judgement.why))
    question = Question(
        call.id,
        tool.name,
        title,
        intent,
        judgement.why,
        judgement.part,
        await _sandbox(session, intent),
        session.root,
        lasting=True,
    )
    answer = await session.ask(question)
    instead = None if answer.edits is None or answer.edits == intent.edits else answer.edits
    session.record(_entry(call, answer, instead))
    if answer.verdict == "no":
        session.context.planned.pop(id(args), None)
        because = f" Their reason: {answer.reason}" if answer.reason else ""
        text = f"The user declined this; nothing was done.{because}"
        return Leave(intent, ToolOutcome(text, "declined", ok=False))
    if answer.verdict == "all" and not intent.sensitive:
        session.granted.add(intent.kind)
    _keep(session, answer, emit)
    if instead is not None:
        session.context.planned.pop(id(args), None)
    return Leave(intent, None, instead, answer.reason)


def _entry(call: Call, answer: Answer, instead: Sequence[FileEdit] | None) -> Approval:
    diffs = "".join(unified(edit.before, edit.after, edit.path) for edit in instead or ())
    rules = "; ".join(f"{rule} ({answer.scope})" for rule in answer.rules)
    verdict = answer.verdict if instead is None else "part"
    return Approval(call.id, verdict, answer.reason, bounded(diffs, DIFF_SHOWN), rules)


def _keep(session: Session, answer: Answer, emit: Callable[[Event], None]) -> None:
    """A rule that cannot be written holds for the session at least, and the user is told."""
    for rule in answer.rules:
        try:
            if answer.scope == "folder":
                _write(session, rule)
                continue
        except KcodeError as problem:
            text = f"{problem.message}; {rule} holds for this session only ({problem.remedy})"
            emit(Notice("warning", text))
        session.rules.append(rule)


def _write(session: Session, rule: Rule) -> None:
    from kcode.safety.rulebook import keep

    keep(session.root, rule)


async def _sandbox(session: Session, intent: Intent) -> str:
    """In words what a command runs in; "" for what is no command."""
    if intent.kind != "command":
        return ""
    from kcode.safety.sandbox import in_words

    safety = session.settings.safety
    wanted = safety.sandbox != "off" or session.mode == "auto"
    return await asyncio.to_thread(in_words, wanted, safety.network)


def _holds() -> bool:
    """Whether a sandbox works here. The first call tries it out."""
    from kcode.safety.sandbox import status

    return status().holds


def _denied(why: str) -> ToolOutcome:
    text = f"not allowed: {why}"
    return ToolOutcome(f"Error: {text}", text[:120], ok=False)
