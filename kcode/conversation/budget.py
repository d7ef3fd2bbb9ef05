"""How full the window is. The server's count is the truth; only what came since is estimated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kcode.conversation.projection import Projection

# K2's vocabulary averages about 1.6 Chinese characters and 3.6 bytes of English or code a token; the
# ratio below is refitted from every usage report, so these only have to be right to each other.
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_CJK_TOKENS = 0.62
_OTHER_TOKENS = 1 / 3.6
_MESSAGE_TOKENS = 4  # role markers of the chat template


def raw_estimate(spelled: bytes) -> float:
    """Tokens of some spelled JSON before calibration."""
    text = spelled.decode("utf-8", "replace")
    cjk = len(_CJK.findall(text))
    return cjk * _CJK_TOKENS + (len(text) - cjk) * _OTHER_TOKENS + _MESSAGE_TOKENS


@dataclass(slots=True)
class Budget:
    """``window`` in tokens; ``ratio`` turns raw estimates into this model's tokens."""

    window: int
    ratio: float = 1.0
    _known_tokens: int = 0
    _known_messages: tuple[bytes, ...] = ()
    _raw: dict[bytes, float] = field(default_factory=dict)

    def estimate(self, projection: Projection) -> int:
        """Tokens of the next prompt."""
        known = self._known_messages
        if known and projection.messages[: len(known)] == known:
            return self._known_tokens + round(self.ratio * self._sum(projection.messages[len(known) :]))
        return round(self.ratio * (self._of(projection.tools) + self._sum(projection.messages)))

    def calibrate(self, projection: Projection, prompt_tokens: int) -> None:
        """Take the server's count of what ``projection`` sent."""
        if prompt_tokens <= 0:
            return
        raw = self._of(projection.tools) + self._sum(projection.messages)
        if raw > 0:
            self.ratio = min(max(prompt_tokens / raw, 0.25), 4.0)
        self._known_tokens = prompt_tokens
        self._known_messages = projection.messages

    def room_for_output(self, projection: Projection, wanted: int) -> int:
        """Output tokens to ask for: ``wanted``, or what the window leaves. May be zero or less."""
        safety = max(256, self.window // 100)
        return min(wanted, self.window - self.estimate(projection) - safety)

    def by_kind(self, kinds: Sequence[tuple[str, bytes]]) -> dict[str, int]:
        """Tokens per kind, for ``/context``; the kinds keep their order."""
        totals: dict[str, int] = {}
        for kind, spelled in kinds:
            totals[kind] = totals.get(kind, 0) + round(self.ratio * self._of(spelled))
        return totals

    def _sum(self, spelled: Sequence[bytes]) -> float:
        return sum(self._of(message) for message in spelled)

    def _of(self, spelled: bytes) -> float:
        if not spelled:
            return 0.0
        if spelled not in self._raw:
            self._raw[spelled] = raw_estimate(spelled)
        return self._raw[spelled]
