"""What a session says and hears: the ledger on disk, the model that answers, the window it has to fit in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from kcode.agent.allowance import Allowance
from kcode.agent.collect import Answer
from kcode.agent.keeping import keeps_reasoning
from kcode.agent.official import offered
from kcode.agent.secretkeeping import SecretKeeping
from kcode.config.settings import Settings
from kcode.conversation.accuracy import Accuracy, healed_note
from kcode.conversation.budget import Budget, reasoning_rule
from kcode.conversation.cost import SessionCost
from kcode.conversation.journal import Journal
from kcode.conversation.ledger import (
    Assistant,
    Entry,
    Epoch,
    System,
    Tools,
    User,
    live_entries,
    wire_entries,
)
from kcode.conversation.projection import Projection, Projector, project
from kcode.providers.base import ContextOverflow, OfficialTools, Provider, Request

SMALLEST_ANSWER = 256  # tokens: with less room than this a request is not sent
_THINKING_ANSWER = 16_000  # K2 thinking models: reasoning and answer share the limit
_SMALLEST_RESULT = 1_200  # characters


class Dialogue:
    """A conversation with a model. Nothing is recorded in the ledger that is not on the disk before."""

    def __init__(self, settings: Settings, provider: Provider, journal: Journal, ledger: list[Entry]) -> None:
        self.settings = settings
        self.provider = provider
        self.journal = journal
        self.ledger = ledger
        self.compaction_stuck = False
        self.declared: tuple[str, ...] = ()
        self.official: OfficialTools | None = None
        self.cost = SessionCost.of(ledger)
        self.allowance = Allowance(self)
        self._use(provider)
        self.secrets = SecretKeeping(self)

    @property
    def id(self) -> str:
        return self.journal.header.session

    def who(self) -> dict[str, str]:
        """Who answers, for the journal."""
        return {"provider": self.provider.name, "model": self.provider.model.id}

    # --- requests ------------------------------------------------------------------------------

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

    def refuse_oversized(self, entry: User) -> None:
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

    # --- what is asked about -------------------------------------------------------------------

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

    # --- recording -----------------------------------------------------------------------------

    def record(self, entry: Entry) -> None:
        """To the disk first, then to the ledger; without the secrets that are kept from the provider."""
        self.record_all(entry)

    def record_all(self, *entries: Entry) -> None:
        """:meth:`record` of several; a crash leaves all of them or none."""
        kept = self.secrets.entries(entries)
        if len(kept) == 1:
            self.journal.append(kept[0])
        else:
            self.journal.append_all(kept)
        self.ledger.extend(kept)

    def begin(self, *entries: Entry) -> None:
        """Record an epoch and what it begins with; a crash leaves all of it or nothing."""
        self.record_all(*entries)
        self._read_declared(entries)

    def switch(self, provider: Provider, settings: Settings | None = None) -> None:
        """Go on with another model, opened by ``settings`` (None: as before); the conversation is kept, the
        cache of the old one is not. Where that fails the session is as it was; neither provider is closed."""
        old, before = self.provider, self.settings
        self.settings = settings or before
        try:
            self._use(provider)
            self.secrets.provider_changed()
            self.record(Epoch("model", str(self.who()), keep_upto=len(self.ledger)))
        except BaseException:
            self.settings = before
            self._use(old)
            raise

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
