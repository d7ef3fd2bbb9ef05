"""The question the agent asks before something happens, and the answers there are.

``ui`` answers it by asking a person; a headless run answers it by its mode. The agent never prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from kcode.tools.base import Intent

Verdict = Literal["yes", "no", "all"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to happen. ``why`` says in words which rule asks."""

    call_id: str
    tool: str
    title: str
    intent: Intent
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``all`` means yes, and do not ask again for this kind in this session."""

    verdict: Verdict
    reason: str = ""


class Approver(Protocol):
    async def ask(self, question: Question) -> Answer: ...


class RefuseAll:
    """Headless: what would be asked about is refused, and the model is told so."""

    async def ask(self, question: Question) -> Answer:
        return Answer("no", f"not allowed without a person to ask ({question.why}); use --mode or a rule")
