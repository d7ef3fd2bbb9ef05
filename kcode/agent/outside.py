"""A command that failed, perhaps because of the sandbox: one run outside of it, if the user says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kcode.agent.approval import Question
from kcode.conversation.ledger import Approval

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.conversation.ledger import Call
    from kcode.tools.base import Arguments, Intent, Tool, ToolOutcome

_WHY = "it failed inside the sandbox, and it looks as if the sandbox was the cause"
_FREE = "not confined: it may do all that you may do"


async def once_outside(
    session: Session,
    call: Call,
    tool: Tool[Arguments],
    args: Arguments,
    intent: Intent,
    title: str,
    inside: ToolOutcome,
) -> ToolOutcome:
    """Ask, in every mode, and run it again without the sandbox after a yes; the model gets both results.

    The answer is in the journal before it has an effect, and holds for this one run.
    """
    question = Question(
        call.id, tool.name, f"again, outside of the sandbox: {title}", intent, _WHY, "", _FREE, session.root
    )
    answer = await session.ask(question)
    session.record(Approval(call.id, "no" if answer.verdict == "no" else "yes", answer.reason))
    if answer.verdict == "no":
        because = answer.reason or "the user declined"
        return replace(inside, text=f"{inside.text}\n[not run again outside of the sandbox: {because}]")
    session.context.outside = True
    try:
        outside = await tool.run(args, session.context)
    finally:
        session.context.outside = False
    text = f"{inside.text}\n[the user had it run once more, outside of the sandbox:]\n{outside.text}"
    return replace(outside, text=text)
