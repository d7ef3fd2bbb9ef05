"""A session: the conversation, what it works on and with, and its turns."""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from kcode import __version__
from kcode.agent.allowance import Allowance
from kcode.agent.approval import Approver, RefuseAll
from kcode.agent.collect import Answer
from kcode.agent.compaction import compact
from kcode.agent.events import Event
from kcode.agent.filehistory import FileHistory
from kcode.agent.housekeeping import tidy_daily
from kcode.agent.keeping import keeps_reasoning
from kcode.agent.loop import run_turn
from kcode.agent.official import offered
from kcode.agent.prompt import first_context, system_text
from kcode.agent.rewind import standing
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
    ToolResult,
    Tools,
    UsageEntry,
    User,
    live_entries,
    open_calls,
    wire_entries,
)
from kcode.conversation.projection import NOT_RUN, Projection, Projector, project
from kcode.errors import UsageError
from kcode.providers.base import ContextOverflow, OfficialTools, Provider, Request
from kcode.tools.base import FileEdit, ToolContext
from kcode.tools.registry import all_tools, declarations
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.agent.attach import Attachment
    from kcode.safety.rules import Rule

_MAY_HAVE_RUN = (  # the first of the open calls: the others wait for it
    "[interrupted: kcode was ended before this call had a result; it may have run:"
    " look before doing it again]"
)
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
    ) -> None:
        self.workspace = workspace
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
        self.context = ToolContext(workspace, settings)
        self.declared: tuple[str, ...] = ()
        self.official: OfficialTools | None = None
        self._running: asyncio.Task[None] | None = None
        self.attachments: list[Attachment] = []  # go with the next message
        self._news: list[str] = []
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
            session = cls(workspace, settings, provider, journal, ledger)
            session._heal()
        else:
            session = cls(workspace, settings, provider, Journal.create(workspace.root, errand=errand), [])
            facts = {"kcode": __version__, "branch": branch_of(workspace.root), **session._who()}
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
        task = asyncio.create_task(run_turn(self, text, events.put_nowait))
        task.add_done_callback(lambda _: events.put_nowait(None))
        self._running = task
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            self._running = None
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def interrupt(self) -> bool:
        """End the running turn, if there is one."""
        return self._running is not None and self._running.cancel()

    def say(self, text: str) -> None:
        """Record a message of the user's, with what the model has to know appended."""
        self.compaction_stuck = False
        context = [*self._news, *(attachment.block for attachment in self.attachments)]
        if not any(isinstance(entry, User) for entry in wire_entries(self.ledger)):
            context.insert(0, first_context(self.workspace))
        entry = User("\n\n".join([text, *context]), typed=text)
        self._refuse_oversized(entry)
        self.record(entry)
        self._news.clear()
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
    def id(self) -> str:
        return self.journal.header.session

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

    def begin(self, *entries: Entry) -> None:
        """Record an epoch and what it begins with; a crash leaves all of it or nothing."""
        self.journal.append_all(entries)
        self.ledger.extend(entries)
        self._read_declared(entries)

    def go_back(self, epoch: Epoch) -> None:
        """Record an epoch that brings an earlier moment of the conversation back."""
        self.record(epoch)
        self.compaction_stuck = False
        self._read_declared(live_entries(self.ledger))

    def fork(self) -> str:
        """Go on in a copy under a new id, which is returned; the session so far stays under the old one."""
        journal, _ = Journal.open(fork(self.journal.path, self.root))
        self.journal.close()
        self.journal = journal
        return self.id

    def tell(self, news: str) -> None:
        """Say it to the model with the next message of the user's."""
        self._news.append(news)

    def clear(self) -> None:
        """A new conversation in the same session; the journal keeps the old one."""
        self.begin(Epoch("clear"), System(system_text()), Tools(declarations(all_tools())))

    async def compact(self, keep: str = "") -> str:
        """Compact because the user asked for it; the sentence that is returned says what was kept."""
        return await compact(self, keep, asked=True)

    def undo(self, *, force: bool = False) -> list[str]:
        """Take back the file changes of the last turn that has any; the paths that were restored."""
        last: list[Checkpoint] = []
        standing = self._checkpoints()
        for entry in reversed(live_entries(self.ledger)):
            if isinstance(entry, User) and entry.typed and last:
                break
            if isinstance(entry, Checkpoint) and entry in standing:
                last.append(entry)
        restored: dict[str, None] = {}
        for checkpoint in last:
            restored.update(dict.fromkeys(self.workspace.undo(checkpoint.id, force=force)))
            self.record(Note("undo", data={"checkpoint": checkpoint.id}))
        if restored:
            self._news.append(f"<news>The user took back your changes to: {', '.join(restored)}</news>")
        return list(restored)

    def switch(self, provider: Provider, settings: Settings | None = None) -> None:
        """Go on with another model, opened by ``settings`` (None: as before); the conversation is kept, the
        cache of the old one is not. Where that fails the session is as it was; neither provider is closed."""
        old, before = self.provider, self.settings
        self.settings = settings or before
        try:
            self._use(provider)
            self.record(Epoch("model", str(self._who()), keep_upto=len(self.ledger)))
        except BaseException:
            self.settings = before
            self._use(old)
            raise

    def defect(self, error: Exception) -> None:
        """Keep the trace of a defect that was answered, for the bug report."""
        self.record(Note("defect", "".join(traceback.format_exception(error))[-4_000:]))

    async def close(self) -> None:
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

    def _who(self) -> dict[str, str]:
        return {"provider": self.provider.name, "model": self.provider.model.id}

    def _read_declared(self, entries: Sequence[Entry]) -> None:
        """The tools frozen for this epoch, by name."""
        for entry in entries:
            if isinstance(entry, Tools):
                self.declared = tuple(tool["function"]["name"] for tool in json.loads(entry.json))

    def _heal(self) -> None:
        """After a crash: keep what was said of an answer under way, answer the calls that were open, and
        say so if another model goes on."""
        said = [e for e in live_entries(self.ledger) if isinstance(e, Assistant | User) or _cut_off(e)]
        if said and isinstance(cut := said[-1], Note):
            self.record(Assistant(cut.text, cut.data.get("reasoning"), (), "interrupted"))
        for number, call in enumerate(open_calls(self.ledger)):
            why = f"{NOT_RUN} (kcode was ended)" if number else _MAY_HAVE_RUN
            self.record(ToolResult(call.id, call.name, why, ok=False, brief="not run"))
        changed = next((e.paths for e in reversed(self.ledger) if isinstance(e, Checkpoint)), ())
        self.workspace.sweep(changed)
        last = next((e.model for e in reversed(self.ledger) if isinstance(e, UsageEntry) and not e.aside), "")
        if last and last != self.provider.model.id:
            self.record(Epoch("model", str(self._who()), keep_upto=len(self.ledger)))

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


def _cut_off(entry: Entry) -> bool:
    """The kept beginning of an answer that was being continued."""
    return isinstance(entry, Note) and entry.kind == "cut-off" and bool(entry.text)
