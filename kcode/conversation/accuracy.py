"""How well the model spells its tool calls here, as the K2 Vendor Verifier counts it (facts H.1).

An answer with calls counts as right when every call of it named a declared tool and had arguments that fit
its schema, without any mending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kcode.conversation.ledger import Entry, Note

_KIND = "calls"
_HEALED = "healed"


def calls_note(wrong: Sequence[bool], repairs: Sequence[str]) -> Note:
    """The record of one answer's calls: for each call whether it was refused, and what was mended."""
    data = {"calls": str(len(wrong)), "wrong": str(sum(wrong)), "repaired": str(len(repairs))}
    return Note(_KIND, "; ".join(repairs), data)


def healed_note(calls: int) -> Note:
    """The record of calls of one answer that the server had left in the text as raw markup."""
    return Note(_HEALED, data={"calls": str(calls)})


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Counts of answers with calls, and of the calls that had to be mended or refused.

    ``healed`` calls came as raw markup in the text (facts E.5). That is the server's fault and not the
    model's spelling, so it is told beside the share and not in it.
    """

    answers: int = 0
    right: int = 0
    calls: int = 0
    repaired: int = 0
    refused: int = 0
    healed: int = 0

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Accuracy:
        answers = right = calls = repaired = refused = healed = 0
        for entry in entries:
            if isinstance(entry, Note) and entry.kind == _HEALED:
                healed += int(entry.data.get("calls", 0))
            if not (isinstance(entry, Note) and entry.kind == _KIND) or entry.data.get("calls", "0") == "0":
                continue
            count, wrong, mended = (int(entry.data.get(key, 0)) for key in ("calls", "wrong", "repaired"))
            answers += 1
            calls += count
            refused += wrong
            repaired += mended
            right += not wrong and not mended
        return cls(answers, right, calls, repaired, refused, healed)

    @property
    def share(self) -> float:
        """Schema accuracy, 0 to 1; 1 where nothing was called."""
        return self.right / self.answers if self.answers else 1.0

    def text(self) -> str:
        """``97.4 % (37 of 38 answers with calls; 1 repair, 0 calls refused)``."""
        if not self.answers:
            return "no tool calls yet"
        repairs = "1 repair" if self.repaired == 1 else f"{self.repaired} repairs"
        refused = "1 call refused" if self.refused == 1 else f"{self.refused} calls refused"
        answers = f"{self.right} of {self.answers} answers with calls"
        healed = f", {self.healed} read out of raw markup" if self.healed else ""
        return f"{self.share * 100:.1f} % ({answers}; {repairs}, {refused}{healed})"
