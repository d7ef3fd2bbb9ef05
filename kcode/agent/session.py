"""A session: the conversation, what it works on and with, and its turns."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from kcode import __version__
from kcode.agent import mentions
from kcode.agent.allowance import Allowance
from kcode.agent.approval import Approver, RefuseAll
from kcode.agent.background import background_of, notice_ended
from kcode.agent.collect import Answer
from kcode.agent.compaction import compact
from kcode.agent.events import Event
from kcode.agent.filehistory import FileHistory
from kcode.agent.folders import add_folder
from kcode.agent.handoff import todo_of
from kcode.agent.healing import heal
from kcode.agent.housekeeping import tidy_daily
from kcode.agent.keeping import keeps_reasoning
from kcode.agent.loop import run_turn
from kcode.agent.official import offered
from kcode.agent.prompt import system_text
from kcode.agent.rewind import standing
from kcode.agent.steering import Steering
from kcode.agent.told import with_message
from kcode.codemap.service import CodeMap
from kcode.config.project import branch_of
from kcode.config.settings import Mode, Settings
from kcode.conversation.accuracy import Accuracy, healed_note
from kcode.conversation.budget import Budget, reasoning_rule
from kcode.conversation.cost import SessionCost
from kcode.conversation.journal import Journal, find_session, fork
from kcode.conversation.ledger import (
    Assistant,
    Checkpoint,
    Entry,
    Epoch,
    Note,
    System,
    Tools,
    User,
    live_entries,
    wire_entries,
)
from kcode.conversation.projection import Projection, Projector, project
from kcode.errors import UsageError
from kcode.providers.base import ContextOverflow, OfficialTools, Provider, Request
from kcode.tools.base import FileEdit, ToolContext
from kcode.tools.registry import all_tools, declarations
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.agent.attach import Attachment
    from kcode.agent.guide import Guide
    from kcode.agent.shell_note import ShellRun
    from kcode.safety.rules import Rule
    from kcode.tools.background import BackgroundTask

SMALLEST_ANSWER = 256  # tokens: with less room than this a request is not sent
_THINKING_ANSWER = 16_000  # K2 thinking models: reasoning and answer share the limit
_SMALLEST_RESULT = 1_200  # characters


class Session:
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
        self.workspace = workspace
        self.start = start or workspace.root  # the folder kcode was started in
        self.settings = settings
        self.provider = provider
        self.journal = journal
        self.ledger = ledger
        self.mode: Mode = settings.agent.mode
        self.approver: Approver = RefuseAll()
        self.granted: set[str] = set()
        self.rules: list[Rule] = []  # the user's answers "always, in this session"
        self.flag_rules: tuple[Rule, ...] = ()  # of the command line
        self.compaction_stuck = False
        self.cost = SessionCost.of(ledger)
        self.allowance = Allowance(self)
        self.map = CodeMap(workspace.root)
        self.context = ToolContext(workspace, settings, map=self.map)
        self.declared: tuple[str, ...] = ()
        self.official: OfficialTools | None = None
        self._running: asyncio.Task[None] | None = None
        self._shell: asyncio.Task[ShellRun] | None = None
        self.attachments: list[Attachment] = []  # go with the next message
        self.steering = Steering(self)
        self.on_event: Callable[[Event], None] = lambda event: None  # events that come between turns
        self._emit: Callable[[Event], None] | None = None  # where a running turn's go
        self.context.background = background_of(self)
        self.files = FileHistory(self)
        self._use(provider)
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
            heal(session)
            session._read_todo()
        else:
            journal = Journal.create(workspace.root, errand=errand)
            session = cls(workspace, settings, provider, journal, [], _inside(workspace, start))
            facts = {"kcode": __version__, "branch": branch_of(workspace.root), **session.who()}
            session.record(Note("session", data=facts))
            session.begin(Epoch("start"), System(system_text()), Tools(declarations(all_tools())))
        tidy_daily(settings.sessions)
        return session

    # --- a turn --------------------------------------------------------------------------------

    async def turn(self, text: str) -> AsyncIterator[Event]:
        """Run one turn; the last event is a TurnFinished. Closing the iterator interrupts the turn."""
        if not text.strip():
            raise UsageError("the message is empty", "type what you want done")
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._emit = events.put_nowait
        task = asyncio.create_task(run_turn(self, text, events.put_nowait))
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
        self._refuse_oversized(entry)
        self.record_all(entry, *told, *notes)
        self.attachments.clear()

    def request(self, reserve: int = 0, *, partial: bytes = b"", no_calls: bool = False) -> Request:
        """The next request. ``partial`` is an assistant message that its answer is to continue.

        Raises ContextOverflow where no answer would fit beside it, LimitReached where a limit on money
        would be crossed.
        """
        keep_reasoning = keeps_reasoning(self)
        projection = self.projection()
        if partial:
            projection = Projection(projection.tools, (*projection.messages, partial))
        wanted = reserve or self.answer_tokens()
        room = self.budget.room_for_output(projection, wanted)
        if room < min(SMALLEST_ANSWER, wanted):
            raise ContextOverflow(
                f"the conversation fills the window ({self.context_tokens()} of {self.window} tokens)",
                "use /compact or /clear, or a model with a larger window",
            )
        room = self.allowance.answer_tokens(projection, room)
        return Request(
            model=self.provider.model.id,
            tools=projection.tools,
            messages=projection.messages[:-1] if partial else projection.messages,
            max_output_tokens=room,
            partial=partial,
            no_calls=no_calls,
            keep_reasoning=keep_reasoning,
            session_id=self.id,
            temperature=self.settings.provider.temperature,
        )

    def take_answer(self, answer: Answer) -> Assistant:
        """Record what the model said."""
        earlier = [c for e in self.ledger if isinstance(e, Assistant) for c in e.calls]
        assistant = answer.assistant({call.id for call in earlier}, len(earlier))
        self.record(assistant)
        if assistant.calls and answer.healed:
            self.record(healed_note(answer.healed))
        return assistant

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
    def id(self) -> str:
        return self.journal.header.session

    def who(self) -> dict[str, str]:
        """Who answers, for the journal."""
        return {"provider": self.provider.name, "model": self.provider.model.id}

    @property
    def root(self) -> Path:
        return self.workspace.root

    @property
    def window(self) -> int:
        """Tokens of context."""
        return self.budget.window

    def official_names(self) -> tuple[str, ...]:
        """The declared tools that the provider runs."""
        return tuple(n for n in self.declared if self.official is not None and self.official.knows(n))

    def accuracy(self) -> Accuracy:
        """How well this session's tool calls were spelled."""
        return Accuracy.of(self.ledger)

    def answer_tokens(self) -> int:
        """Output tokens a request asks for, before the window is looked at."""
        model, settings = self.provider.model, self.settings.provider
        wanted = settings.max_output_tokens or model.default_output
        if model.thinking != "no":
            wanted = max(wanted, _THINKING_ANSWER)
        return min(wanted, model.max_output, max(self.window // 2, SMALLEST_ANSWER))

    def result_room(self, count: int) -> int:
        """Characters that each of ``count`` results of one step may have: together a third of the window,
        two characters a token (Chinese text has fewer, English and code have more)."""
        return max(_SMALLEST_RESULT, int(self.window * 2 * 0.35 / count))

    def room_for(self, wanted: int) -> int:
        """Output tokens that a request could ask for: ``wanted``, or what the model and window leave."""
        wanted = min(wanted, self.provider.model.max_output)
        return self.budget.room_for_output(self.projection(), wanted)

    def projection(self) -> Projection:
        return self._projector.update(self.ledger)

    def context_tokens(self) -> int:
        """Tokens of the next prompt."""
        return self.budget.estimate(self.projection())

    def context_by_kind(self) -> dict[str, int]:
        """Tokens of the next prompt by kind (:data:`kcode.conversation.budget.KINDS`)."""
        return self.budget.by_kind(self.projection())

    def spent(self) -> Decimal:
        return self.cost.spent(self.provider.model.currency)

    def changes(self) -> list[FileEdit]:
        """What this session changed and has not undone: the files as they were first, and as they are."""
        return self.workspace.changes_since([checkpoint.id for checkpoint in self._checkpoints()])

    # --- what is done to it --------------------------------------------------------------------

    def record(self, entry: Entry) -> None:
        """To the disk first, then to the ledger."""
        self.journal.append(entry)
        self.ledger.append(entry)

    def record_all(self, *entries: Entry) -> None:
        """:meth:`record` of several; a crash leaves all of them or none."""
        if len(entries) == 1:
            self.journal.append(entries[0])
        else:
            self.journal.append_all(entries)
        self.ledger.extend(entries)

    def begin(self, *entries: Entry) -> None:
        """Record an epoch and what it begins with; a crash leaves all of it or nothing."""
        self.record_all(*entries)
        self._read_declared(entries)

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
        """Tell of background commands that have ended."""
        notice_ended(self)

    def emit(self, event: Event) -> None:
        """Hand an event to whoever follows the running turn, or to :attr:`on_event` between turns."""
        (self._emit or self.on_event)(event)

    def clear(self) -> None:
        """A new conversation in the same session; the journal keeps the old one."""
        self.begin(Epoch("clear"), System(system_text()), Tools(declarations(all_tools())))
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

    def switch(self, provider: Provider, settings: Settings | None = None) -> None:
        """Go on with another model, opened by ``settings`` (None: as before); the conversation is kept, the
        cache of the old one is not. Where that fails the session is as it was; neither provider is closed."""
        old, before = self.provider, self.settings
        self.settings = settings or before
        try:
            self._use(provider)
            self.record(Epoch("model", str(self.who()), keep_upto=len(self.ledger)))
        except BaseException:
            self.settings = before
            self._use(old)
            raise

    def defect(self, error: Exception) -> None:
        """Keep the trace of a defect that was answered, for the bug report."""
        self.record(Note("defect", "".join(traceback.format_exception(error))[-4_000:]))

    async def close(self) -> None:
        if self.context.background is not None:
            await self.context.background.close()
        if self.context.scratch is not None:
            shutil.rmtree(self.context.scratch, ignore_errors=True)
        await self.map.close()
        await self.files.close()
        await self.provider.close()
        self.journal.close()

    # --- inside --------------------------------------------------------------------------------

    def _use(self, provider: Provider) -> None:
        self.official = offered(provider, self.settings)
        self.provider = provider
        self._projector = Projector(provider.dialect)
        self.budget = Budget(
            self.settings.provider.context or provider.model.context, reasoning_rule(provider.model)
        )
        self._read_declared(live_entries(self.ledger))

    def _read_declared(self, entries: Sequence[Entry]) -> None:
        """The tools frozen for this epoch, by name."""
        for entry in entries:
            if isinstance(entry, Tools):
                self.declared = tuple(tool["function"]["name"] for tool in json.loads(entry.json))

    def _read_todo(self) -> None:
        """The to-do list as the conversation has it now."""
        found = todo_of(live_entries(self.ledger))
        self.context.todo[:] = [{"text": text, "status": status} for text, status in found]

    def _checkpoints(self) -> list[Checkpoint]:
        return [checkpoint for _, checkpoint in standing(self.ledger)]

    def _refuse_oversized(self, entry: User) -> None:
        """One message that no compaction can make room for: it, the tools and the system text do not fit."""
        head = [each for each in wire_entries(self.ledger) if isinstance(each, System | Tools)]
        projection = project([*head, entry], self.provider.dialect)
        least = min(self.answer_tokens(), self.window // 5)
        if self.budget.room_for_output(projection, least) < least:
            tokens = self.budget.estimate(project([entry], self.provider.dialect))
            raise ContextOverflow(
                f"the message alone is about {tokens} tokens; the window has {self.window}",
                "put the text into a file and ask about the file: kcode reads it in parts",
            )


def _inside(workspace: Workspace, start: Path) -> Path:
    """The folder kcode was started in, where that is in the workspace."""
    folder = start.expanduser().resolve()
    return folder if folder.is_relative_to(workspace.root) else workspace.root
