"""The question the agent asks before something happens, and the answers there are.

``ui`` answers it by asking a person; a headless run answers it by its mode. The agent never prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from kcode.tools.base import FileEdit, Intent

if TYPE_CHECKING:
    from kcode.safety.rules import Rule

Verdict = Literal["yes", "no", "all"]
Scope = Literal["session", "folder"]
INTERRUPTED = "interrupted by the user"  # the reason of a "no" that was Ctrl-C


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to happen. ``why`` says in words which rule asks.

    Of a command, ``part`` is what decided and ``sandbox`` says in words what it runs in. ``root`` is the
    workspace. ``lasting`` tells that an answer may be kept as a rule.
    """

    call_id: str
    tool: str
    title: str
    intent: Intent
    why: str
    part: str = ""
    sandbox: str = ""
    root: Path | None = None
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """``all`` means yes, and do not ask again for this kind in this session.

    ``edits`` are the edits as they were accepted, where that is not as asked: hunks left out, or changed by
    hand. ``rules`` are kept for ``scope``: this session, or this folder in the user's own file. ``reason``
    goes to the model.
    """

    verdict: Verdict
    reason: str = ""
    edits: tuple[FileEdit, ...] | None = None
    rules: tuple[Rule, ...] = ()
    scope: Scope = "session"


class Approver(Protocol):
    async def ask(self, question: Question) -> Answer: ...


class RefuseAll:
    """Headless: what would be asked about is refused, and the model is told so."""

    async def ask(self, question: Question) -> Answer:
        return Answer("no", f"not allowed without a person to ask ({question.why}); use --mode or a rule")
