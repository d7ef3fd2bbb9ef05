"""Other machines that confined commands reach: as the rules over hosts say, else the user is asked at the
first use of one, and the answer holds for the session.

The question comes while the command runs, on the thread of its connection, which waits for the answer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kcode.agent.approval import INTERRUPTED, Answer, Question, RefuseAll
from kcode.conversation.ledger import Approval
from kcode.errors import KcodeError
from kcode.safety.hosts import NoWay, Passage, by_rules, is_near, literal, plain_name
from kcode.tools.base import Intent

if TYPE_CHECKING:
    from kcode.agent.asking import Leave
    from kcode.agent.session import Session
    from kcode.conversation.ledger import Call
    from kcode.tools.base import ToolOutcome

TOOL = "network"  # as the question names it


@dataclass(slots=True)
class _Run:
    """The call that runs: ``said`` are the hosts that its command names and a person allowed with it."""

    call_id: str
    title: str
    said: frozenset[str]
    loop: asyncio.AbstractEventLoop
    context: Context  # of the turn: the interface knows by it which application is on the terminal
    open: set[asyncio.Task[Answer]] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)  # host -> why
    declined: bool = False  # by a person: nobody is asked for more then


class Reaching:
    """The gate of a session's commands. Called on the threads of their connections."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run: _Run | None = None
        self._answers: dict[str, Passage] = {}
        self._one_at_a_time = threading.Lock()
        self._waiting_since: float | None = None
        self._waited = 0.0

    async def around(
        self, call: Call, title: str, leave: Leave, running: Awaitable[ToolOutcome]
    ) -> ToolOutcome:
        """The outcome of a call, with the hosts that it did not reach. Those that its command names are
        allowed with it where a person allowed it."""
        from kcode.safety.rules import hosts_in

        named = () if leave.allowed else hosts_in(leave.intent.command)
        said = frozenset(map(_plain, named)) - {""}
        self._run = run = _Run(call.id, title, said, asyncio.get_running_loop(), copy_context())
        try:
            outcome = await running
        finally:
            self._run = None
            for task in run.open:
                task.cancel()
        if not run.refused:
            return outcome
        told = "; ".join(f"{host} ({why})" for host, why in run.refused.items())
        text = f"{outcome.text}\n[the sandbox let no connection through to {told}]"
        return replace(outcome, text=text, confined=outcome.confined and not run.declined)

    def denied_paths(self) -> tuple[str, ...]:
        """The patterns of the paths that rules deny now. Raises ConfigError."""
        from kcode.safety.denied import patterns
        from kcode.safety.rules import rules_for

        session = self._session
        return patterns(rules_for(session.root, session=session.rules, flags=session.flag_rules))

    def waited_s(self) -> float:
        """Seconds for which a question of a connection was open, so far: no command's own time."""
        since = self._waiting_since
        return self._waited + (time.monotonic() - since if since is not None else 0.0)

    def __call__(self, host: str, port: int) -> Passage:
        run = self._run
        passage = self._judged(host, port, run)
        if run is not None and not passage.allowed:
            run.refused[host] = passage.why
        return passage

    def _judged(self, host: str, port: int, run: _Run | None) -> Passage:
        from kcode.safety.rules import rules_for

        session = self._session
        try:
            rules = rules_for(session.root, session=session.rules, flags=session.flag_rules)
        except KcodeError as problem:
            return Passage(False, f"the rules cannot be read: {problem.message}")
        verdict, passage = by_rules(host, rules)
        if verdict != "ask":
            return passage
        if run is not None and host in run.said:
            return Passage(True, "named in the command that the user allowed")
        address = literal(host)
        if address is not None and is_near(address):
            near = "an address of this machine or of a private network"
            return Passage(False, f"{near}: only the rule `allow host: {host}` opens it")
        with self._one_at_a_time:
            if host not in self._answers:
                answer = self._asked(run, host, port, passage.why)
                if answer is None:
                    return Passage(False, f"{passage.why}, and there is nobody to ask now")
                self._answers[host] = answer
            return self._answers[host]

    def _asked(self, run: _Run | None, host: str, port: int, why: str) -> Passage | None:
        """None where there is no answer to keep."""
        if run is None or isinstance(self._session.approver, RefuseAll):
            return None
        self._waiting_since = time.monotonic()
        try:
            question = self._ask(run, host, port, why)
            answer = run.context.copy().run(asyncio.run_coroutine_threadsafe, question, run.loop).result()
        except (CancelledError, RuntimeError):  # the command has ended, or kcode does
            return None
        finally:
            self._waited, self._waiting_since = self.waited_s(), None
        if answer is None or answer.reason == INTERRUPTED:
            return None
        if answer.verdict == "no":
            run.declined = True
            return Passage(False, f"the user said no{f': {answer.reason}' if answer.reason else ''}")
        return Passage(True, "the user allowed it in this session")

    async def _ask(self, run: _Run, host: str, port: int, why: str) -> Answer | None:
        session = self._session
        question = Question(
            run.call_id,
            TOOL,
            f"connect to {host}:{port}, for: {run.title}",
            Intent("note", hosts=(host,)),
            f"a confined command reaches no machine that is not allowed ({why})",
            root=session.root,
            lasting=True,
        )
        task = asyncio.ensure_future(session.ask(question))
        run.open.add(task)
        with suppress(asyncio.CancelledError):
            answer = await task
            verdict = "no" if answer.verdict == "no" else "yes"
            rules = "; ".join(f"{rule} ({answer.scope})" for rule in answer.rules)
            session.record(
                Approval(run.call_id, verdict, f"{host}: {answer.reason}".rstrip(": "), rules=rules)
            )
            self._keep(answer)
            return answer
        return None

    def _keep(self, answer: Answer) -> None:
        for rule in answer.rules:
            if answer.scope == "folder":
                from kcode.safety.rulebook import keep

                with suppress(KcodeError):
                    keep(self._session.root, rule)
                    continue
            self._session.rules.append(rule)


def _plain(host: str) -> str:
    with suppress(NoWay):
        return plain_name(host)
    return ""
