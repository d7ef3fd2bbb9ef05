"""What Ark keeps: the stored responses, and how its endpoint is set up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator


@dataclass(frozen=True)
class Stored:
    """One answered request. ``messages`` is the conversation with its answer, in chat form; ``cached_prompt``
    the tokens that a request continuing it reads from the cache (none where it was not cached)."""

    id: str
    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    caching: bool
    thinking: Any
    expires: float
    input_items: Sequence[Mapping[str, Any]]
    body: Mapping[str, Any]
    cached_prompt: Sequence[str] = ()


@dataclass
class ArkState:
    """``caching``: switched on for the model in the console. ``served``: there is a Responses API at all.
    ``takes_reasoning``: reasoning items are accepted in the input. ``gone`` is how a previous response that
    is not there is refused: status, code and text, with ``{id}`` in it."""

    caching: bool = True
    served: bool = True
    takes_reasoning: bool = True
    gone: tuple[int, str, str] = (
        400,
        "InvalidParameter.PreviousResponseNotFound",
        "Previous response with id '{id}' not found.",
    )
    stored: dict[str, Stored] = field(default_factory=dict)

    def find(self, response_id: str) -> Stored | None:
        found = self.stored.get(response_id)
        return found if found is not None and found.expires > time.time() else None

    def forget(self) -> None:
        """Everything that was stored is past its time."""
        self.stored.clear()


_STATES: WeakKeyDictionary[Simulator, ArkState] = WeakKeyDictionary()


def ark(sim: Simulator) -> ArkState:
    """The simulator's Ark."""
    return _STATES.setdefault(sim, ArkState())


def rounds(sim: Simulator) -> list[Record]:
    """The requests to the Responses API, refused ones too."""
    return [r for r in sim.requests if r.method == "POST" and r.path.endswith("/responses")]
