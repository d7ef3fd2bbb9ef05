"""What a session keeps from the provider: secrets leave as placeholders and come back as values.

Every text is masked where it enters the ledger, so that requests, the journal, its copies and what is built
from them hold placeholders only. How the values come back is :mod:`kcode.agent.putback`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kcode.config.paths import state_dir
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Approval, Entry, Note, ToolResult, User, live_entries
from kcode.safety.placeholders import PLACEHOLDER, Secret, Vault, count, user_key

if TYPE_CHECKING:
    from kcode.agent.dialogue import Dialogue

TOLD = "masking-told"
OFF = "masking-off"
_AS_THEY_ARE = frozenset(
    {"hand-off", "cut-off"}
)  # notes made of what is masked already, or the model's words


class SecretKeeping:
    """The secrets of one session. With ``safety.mask_secrets`` off only kcode's own keys are kept."""

    def __init__(self, dialogue: Dialogue) -> None:
        safety = dialogue.settings.safety
        self._dialogue = dialogue
        self._vault = Vault(
            user_key(state_dir() / "placeholders.key"),
            own_keys=own_keys(dialogue),
            environ=os.environ,
            pattern=safety.secret_pattern,
            never=safety.not_secret,
        )
        self._masked: dict[str, None] = {}
        self._turn: dict[str, None] = {}  # of them, those masked since the last report

    @property
    def on(self) -> bool:
        return self._dialogue.settings.safety.mask_secrets

    @property
    def masked(self) -> int:
        """How many different secrets this session has kept from the provider."""
        return len(self._masked)

    @property
    def shown_words(self) -> tuple[str, ...]:
        """The placeholders that the model was shown in this session."""
        return tuple(self._masked)

    def facts(self) -> dict[str, str]:
        """For the session's first note."""
        return {"masked": "yes"} if self.on else {}

    def provider_changed(self) -> None:
        """Know the new one's key; note where masking ends."""
        if not self.on:
            self._dialogue.record(Note(OFF))
        for key in own_keys(self._dialogue):
            self._vault.know_own(key)

    # --- on the way out --------------------------------------------------------------------------

    def text(self, text: str, *, typed: bool = False) -> str:
        """What may be sent of ``text``."""
        if not self.on:
            return self._vault.mask_own(text)
        masked = self._vault.mask(text, typed=typed)
        if masked is not text:
            found = {name: None for name in count([masked]) if self._vault.of(name) is not None}
            self._masked |= found
            self._turn |= found
        return masked

    def learn(self, text: str) -> None:
        """Know the secrets of a file of which a part will be sent."""
        if self.on:
            self._vault.learn(text)

    def shown(self, text: str) -> None:
        """A part of a file with this text is about to be sent: the lines of a private key in it look like
        nothing when its beginning is not among them."""
        if "PRIVATE KEY" in text:
            self.learn(text)

    def entries(self, entries: Sequence[Entry]) -> list[Entry]:
        """What goes to the journal and is sent in the place of ``entries``. The first placeholder that the
        model sees is explained beside it."""
        kept = [self._entry(entry) for entry in entries]
        at = next((place for place, entry in enumerate(kept) if _shows_one(entry)), -1) if self.on else -1
        live = live_entries(self._dialogue.ledger) if at >= 0 else []
        if at < 0 or any(isinstance(entry, Note) and entry.kind == TOLD for entry in live):
            return kept
        told = kept[at]
        assert isinstance(told, User | ToolResult)
        kept[at] = replace(told, text=f"{told.text}\n\n{load_prompt('masked')}")
        return [*kept, Note(TOLD)]

    def _entry(self, entry: Entry) -> Entry:
        if isinstance(entry, User):
            typed = self.text(entry.typed, typed=True) if entry.typed else entry.typed
            return replace(entry, text=self.text(entry.text), typed=typed)
        if isinstance(entry, ToolResult) and not self._by_provider(entry.name):
            return replace(entry, text=self.text(entry.text), brief=self.text(entry.brief))
        if isinstance(entry, Approval):
            return replace(entry, reason=self.text(entry.reason), applied=self.text(entry.applied))
        if isinstance(entry, Note) and entry.kind not in _AS_THEY_ARE:
            return replace(
                entry,
                text=self.text(entry.text),
                data={key: self.text(value) for key, value in entry.data.items()},
            )
        return entry

    def _by_provider(self, name: str) -> bool:
        """The result of a tool that the provider itself runs: it has seen it, and wants it back untouched."""
        official = self._dialogue.official
        return official is not None and official.knows(name)

    def resumed(self) -> None:
        """A journal that was written while nothing was masked is masked as it is read."""
        ledger = self._dialogue.ledger
        if not self.on:
            self._dialogue.record(Note(OFF))
        elif not _masked_throughout(ledger):
            ledger[:] = [self._entry(entry) for entry in ledger]
        self._masked |= count(e.text for e in ledger if isinstance(e, User | ToolResult))
        self._turn.clear()

    def report(self) -> str:
        """In words what was masked since the last report; ``""`` for nothing."""
        kinds = [secret.kind for name in self._turn if (secret := self._vault.of(name))]
        self._turn.clear()
        if not kinds:
            return ""
        counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        return f"secrets masked before they were sent: {counted}"

    # --- on the way back -------------------------------------------------------------------------

    def of(self, placeholder: str) -> Secret | None:
        """The secret that it stands for, where this session has seen that."""
        return self._vault.of(placeholder)


def own_keys(dialogue: Dialogue) -> list[str]:
    endpoint = getattr(dialogue.provider, "endpoint", None)  # the embedded provider has none
    return [key for key in (dialogue.settings.provider.api_key, getattr(endpoint, "api_key", "")) if key]


def _masked_throughout(ledger: Sequence[Entry]) -> bool:
    notes = [entry for entry in ledger if isinstance(entry, Note)]
    begun = next((note for note in notes if note.kind == "session"), Note(""))
    return begun.data.get("masked") == "yes" and all(note.kind != OFF for note in notes)


def _shows_one(entry: Entry) -> bool:
    return isinstance(entry, User | ToolResult) and PLACEHOLDER.search(entry.text) is not None
