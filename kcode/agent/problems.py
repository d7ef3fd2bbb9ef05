"""New problems after edits, as the session tells them: with the edit's result, or with what comes next."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kcode.agent.events import Notice
from kcode.agent.told import news, quoted
from kcode.safety.sanitize import clean
from kcode.tools.base import ToolOutcome
from kcode.workspace.change import FileEdit

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings
    from kcode.diagnostics.lsp.pool import Servers
    from kcode.diagnostics.running import Report
    from kcode.diagnostics.watch import Diagnostics
    from kcode.workspace.workspace import Workspace


def servers_of(workspace: Workspace, settings: Settings) -> Servers | None:
    """The language servers of a session, none of them started; None where none is configured.

    Raises UsageError where the setting names what is no server.
    """
    if not settings.diagnostics.servers.strip():
        return None
    from kcode.diagnostics.lsp.pool import Servers

    return Servers(workspace, settings)


class Problems:
    """The checks beside one session. Nothing of it is loaded before the first edit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._diagnostics: Diagnostics | None = None

    async def after(self, outcome: ToolOutcome) -> ToolOutcome:
        """The outcome of an edit, with the problems it brought where they are known in time."""
        edits = outcome.payload if isinstance(outcome.payload, tuple) else ()
        edits = tuple(edit for edit in edits if isinstance(edit, FileEdit))
        if not outcome.ok or not outcome.changed or not edits:
            return outcome
        if self._session.settings.diagnostics.enabled == "off":
            return outcome
        if self._diagnostics is None:
            from kcode.diagnostics.watch import Diagnostics

            session = self._session
            self._diagnostics = Diagnostics(session.workspace, session.settings, session.context.servers)
        try:
            report = await self._diagnostics.after(edits)
        except Exception as error:  # outer door: the edit was made, whatever its check came to
            self._session.defect(error)
            return outcome
        if report is None:
            return outcome
        text = self._told(report)
        if not text:
            return outcome
        brief = f"{outcome.brief}, {_many(report)}" if report.problems else outcome.brief
        return replace(outcome, text=f"{outcome.text}\n{text}", brief=brief)

    def notice(self) -> None:
        """Tell the model, with whatever it gets next, and the person what was found meanwhile."""
        try:
            report = self._diagnostics.take() if self._diagnostics is not None else None
        except Exception as error:  # outer door: a check that fails must not end the user's turn
            self._session.defect(error)
            return
        text = self._told(report) if report is not None else ""
        if report is not None and text:
            self._session.tell(news(quoted(text, "news")))
            if report.problems:
                self._session.emit(Notice("info", f"checked after the edit: {_many(report)}"))

    async def close(self) -> None:
        if self._diagnostics is not None:
            with suppress(Exception):  # outer door: what a check failed with has no one to hear it any more
                await self._diagnostics.close()
        if self._session.context.servers is not None:
            await self._session.context.servers.close()

    def _told(self, report: Report) -> str:
        from kcode.diagnostics.problem import words

        return clean(words(report.problems, report.notes))


def _many(report: Report) -> str:
    count = len(report.problems)
    tools = ", ".join(dict.fromkeys(problem.tool for problem in report.problems))
    return f"{count} new problem{'' if count == 1 else 's'} ({tools})"
