"""A session: the conversation, what it works on and with, and its turns."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kcode import __version__
from kcode.agent import mentions
from kcode.agent.approval import Answer, Approver, Question, RefuseAll
from kcode.agent.background import background_of, notice_ended
from kcode.agent.compaction import compact
from kcode.agent.dialogue import Dialogue
from kcode.agent.events import CallAnswered, Event, TurnFinished
from kcode.agent.filehistory import FileHistory
from kcode.agent.folders import add_folder
from kcode.agent.handoff import todo_of
from kcode.agent.healing import heal
from kcode.agent.housekeeping import tidy_daily
from kcode.agent.loop import run_turn
from kcode.agent.problems import Problems, servers_of
from kcode.agent.prompt import system_text
from kcode.agent.reaching import Reaching
from kcode.agent.rewind import standing
from kcode.agent.steering import Steering
from kcode.agent.told import with_message
from kcode.codemap.service import CodeMap
from kcode.config.project import branch_of
from kcode.config.settings import Mode, Settings
from kcode.conversation.journal import Journal, find_session, fork
from kcode.conversation.ledger import (
    Checkpoint,
    Entry,
    Epoch,
    Note,
    System,
    Tools,
    User,
    live_entries,
)
from kcode.errors import UsageError
from kcode.providers.base import Provider
from kcode.tools.base import FileEdit, ToolContext
from kcode.tools.registry import all_tools, declarations
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.agent.attach import Attachment
    from kcode.agent.guide import Guide
    from kcode.agent.shell_note import ShellRun
    from kcode.safety.rules import Rule
    from kcode.tools.background import BackgroundTask

A_PERSON_S = 0.05  # what answers faster is a program or a rule, of which nobody needs to be told


class Session(Dialogue):
    """One conversation in one workspace. Not for use from several tasks at once.

    ``turn`` yields events; ``interrupt`` ends the running turn and leaves a true history.
    """

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        provider: Provider,
        journal: Journal,
        ledger: list[Entry],
        start: Path | None = None,
    ) -> None:
        super().__init__(settings, provider, journal, ledger)
        self.workspace = workspace
        self.start = start or workspace.root  # the folder kcode was started in
        self.mode: Mode = settings.agent.mode
        self.approver: Approver = RefuseAll()
        self.waited: dict[str, float] = {}  # of the turn: call id -> seconds in which the user was asked
        self.granted: set[str] = set()
        self.rules: list[Rule] = []  # the user's answers "always, in this session"
        self.flag_rules: tuple[Rule, ...] = ()  # of the command line
        self.map = CodeMap(workspace.root)
        self.problems = Problems(self)
        self.context = ToolContext(workspace, settings, map=self.map, servers=servers_of(workspace, settings))
        self.reaching = self.context.gate = Reaching(self)
        self.context.denied = self.reaching.denied_paths
        self._running: asyncio.Task[None] | None = None
        self._shell: asyncio.Task[ShellRun] | None = None
        self.attachments: list[Attachment] = []  # go with the next message
        self.steering = Steering(self)
        self.on_event: Callable[[Event], None] = lambda event: None  # events that come between turns
        self._emit: Callable[[Event], None] | None = None  # where a running turn's go
        self.context.background = background_of(self)
        self.files = FileHistory(self)
        workspace.on_shown = self.secrets.shown
        workspace.on_checkpoint = lambda checkpoint, paths: self.record(Checkpoint(checkpoint, tuple(paths)))

    @classmethod
    def open(
        cls,
        start: Path,
        settings: Settings,
        provider: Provider,
        *,
        resume: bool | str = False,
        errand: str = "",
    ) -> Session:
        """A new session in the workspace around ``start``, or the last (or named) one continued.

        ``errand`` names a command that only asks beside a conversation (``commit``): never continued.

        Raises UsageError where there is nothing to continue, EnvironmentProblem where the session cannot
        be written.
        """
        workspace = Workspace.open(start)
        if resume:
            path = find_session(workspace.root, "" if resume is True else resume)
            journal, ledger = Journal.open(path)
            session = cls(workspace, settings, provider, journal, ledger, _inside(workspace, start))
            session.secrets.resumed()
            heal(session)
            session._read_todo()
        else:
            journal = Journal.create(workspace.root, errand=errand)
            session = cls(workspace, settings, provider, journal, [], _inside(workspace, start))
            facts = {
                "kcode": __version__,
                "branch": branch_of(workspace.root),
                **session.who(),
                **session.secrets.facts(),
            }
            session.record(Note("session", data=facts))
            tools = declarations(all_tools(settings))
            session.begin(Epoch("start"), System(system_text()), Tools(tools))
        tidy_daily(settings.sessions)
        return session

    # --- a turn --------------------------------------------------------------------------------

    async def turn(self, text: str) -> AsyncIterator[Event]:
        """Run one turn; the last event is a TurnFinished. Closing the iterator interrupts the turn."""
        if not text.strip():
            raise UsageError("the message is empty", "type what you want done")
        events: asyncio.Queue[Event | None] = asyncio.Queue()

        def emit(event: Event) -> None:
            if isinstance(event, TurnFinished):
                self._emit = None  # nothing comes behind it
            events.put_nowait(event)

        self._emit = emit
        task = asyncio.create_task(run_turn(self, text, emit))
        task.add_done_callback(lambda _: events.put_nowait(None))
        self._running = task
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            self._running = self._emit = None
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def interrupt(self) -> bool:
        """End the running turn, if there is one, and the user's own command."""
        ended = [task.cancel() for task in (self._running, self._shell) if task is not None]
        return any(ended)

    def steer(self, text: str) -> bool:
        """Let ``text`` join the running turn before its next request; False where none runs that would take
        it. What was accepted is answered, or :meth:`unanswered` has it when the turn has ended."""
        return self.steering.accept(text)

    def unanswered(self) -> list[str]:
        """Steered messages that no request has carried, of a killed kcode too; each is told once."""
        return self.steering.unanswered()

    def say(self, text: str, *notes: Note) -> None:
        """Record a message of the user's, with what the model has to know appended."""
        self.compaction_stuck = False
        context, told = with_message(self)
        context += mentions.blocks(text, self.workspace, self.result_room(1))
        entry = User("\n\n".join([text, *context]), typed=text)
        self.refuse_oversized(entry)
        self.record_all(entry, *told, *notes)
        self.attachments.clear()

    # --- what is asked about -------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a turn runs."""
        return self._running is not None

    @property
    def todo(self) -> tuple[tuple[str, str], ...]:
        """The model's to-do list: pairs of a text and ``pending``, ``in_progress`` or ``done``."""
        return tuple((item["text"], item["status"]) for item in self.context.todo)

    @property
    def background(self) -> tuple[BackgroundTask, ...]:
        """The commands that were left running, those that have ended included, oldest first."""
        return self.context.background.tasks() if self.context.background is not None else ()

    @property
    def guides(self) -> tuple[Guide, ...]:
        """The AGENTS.md files that the model has, or will have with the first message."""
        from kcode.agent.guide import given

        return given(self)

    @property
    def root(self) -> Path:
        return self.workspace.root

    def changes(self) -> list[FileEdit]:
        """What this session changed and has not undone: the files as they were first, and as they are."""
        return self.workspace.changes_since([checkpoint.id for checkpoint in self._checkpoints()])

    # --- what is done to it --------------------------------------------------------------------

    def go_back(self, epoch: Epoch) -> None:
        """Record an epoch that brings an earlier moment of the conversation back."""
        self.record(epoch)
        self.compaction_stuck = False
        self._read_declared(live_entries(self.ledger))
        self._read_todo()

    def fork(self) -> str:
        """Go on in a copy under a new id, which is returned; the session so far stays under the old one."""
        journal, _ = Journal.open(fork(self.journal.path, self.root))
        self.journal.close()
        self.journal = journal
        return self.id

    def tell(self, news: str) -> None:
        """Say it to the model with the next message of the user's or result of a tool's; kept until then."""
        self.record(Note("news", news))

    def notice_ended(self) -> None:
        """Tell of background commands that have ended, and of problems that were found since."""
        notice_ended(self)
        self.problems.notice()

    def emit(self, event: Event) -> None:
        """Hand an event to whoever follows the running turn, or to :attr:`on_event` between turns."""
        (self._emit or self.on_event)(event)

    async def ask(self, question: Question) -> Answer:
        """Ask the user about a call. Nobody's time runs meanwhile: neither the call's nor the turn's."""
        since = time.monotonic()
        try:
            return await self.approver.ask(question)
        finally:
            waited = time.monotonic() - since
            self.waited[question.call_id] = self.waited.get(question.call_id, 0.0) + waited
            if waited >= A_PERSON_S:
                self.emit(CallAnswered(question.call_id, waited))

    def clear(self) -> None:
        """A new conversation in the same session; the journal keeps the old one."""
        self.begin(Epoch("clear"), System(system_text()), Tools(declarations(all_tools(self.settings))))
        self._read_todo()

    async def compact(self, keep: str = "") -> str:
        """Compact because the user asked for it; the sentence that is returned says what was kept."""
        return await compact(self, keep, asked=True)

    def undo(self, *, force: bool = False) -> list[str]:
        """Take back the file changes of the last turn (or note) that has any; the paths restored."""
        from kcode.agent.undoing import undo

        return undo(self, force=force)

    def redo(self, *, force: bool = False) -> list[str]:
        """Take back the last undo; the paths that changed. Raises UsageError where there is none."""
        from kcode.agent.undoing import redo

        return redo(self, force=force)

    def remember(self, note: str) -> str:
        """Add a note to the project's AGENTS.md (``#note``); its path, relative to the workspace."""
        from kcode.agent.memory import remember

        return remember(self, note)

    def add_dir(self, path: Path) -> Path:
        """Let a folder beside the workspace be worked in for the rest of this session; its real path."""
        return add_folder(self, path)

    async def run_shell(self, command: str, on_output: Callable[[str], None]) -> ShellRun:
        """Run the user's own command (``!command``); its output goes to the model with the next message.

        :meth:`interrupt` ends it: its code is 130 then. Raises UsageError, EnvironmentProblem.
        """
        from kcode.agent.shell_note import run_shell

        self._shell = running = asyncio.create_task(run_shell(self, command, on_output))
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            running.cancel()
            await asyncio.wait({running})
            raise
        finally:
            self._shell = None
        return running.result()

    def defect(self, error: Exception) -> None:
        """Keep the trace of a defect that was answered, for the bug report."""
        self.record(Note("defect", "".join(traceback.format_exception(error))[-4_000:]))

    async def close(self) -> None:
        if self.context.background is not None:
            await self.context.background.close()
            notice_ended(self)
            self.context.background = None
        if self.context.scratch is not None:
            from kcode.safety.temporary import remove

            await asyncio.to_thread(remove, self.context.scratch)
        await self.problems.close()
        await self.map.close()
        await self.files.close()
        await self.provider.close()
        self.journal.close()

    # --- inside --------------------------------------------------------------------------------

    def _read_todo(self) -> None:
        """The to-do list as the conversation has it now."""
        found = todo_of(live_entries(self.ledger))
        self.context.todo[:] = [{"text": text, "status": status} for text, status in found]

    def _checkpoints(self) -> list[Checkpoint]:
        return [checkpoint for _, checkpoint in standing(self.ledger)]


def _inside(workspace: Workspace, start: Path) -> Path:
    """The folder kcode was started in, where that is in the workspace."""
    folder = start.expanduser().resolve()
    return folder if folder.is_relative_to(workspace.root) else workspace.root
