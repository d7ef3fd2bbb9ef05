"""Ark's batch chat: `/batch/chat/completions`. The call blocks until it is served; it cannot stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.k2sim.route import Route
from tests.k2sim.shapes import Refusal

if TYPE_CHECKING:
    from tests.k2sim import wire
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator


def _complete(sim: Simulator, record: Record) -> wire.Program:
    """The chat rules hold; what streams is refused, even the field that says no."""
    body = record.json if isinstance(record.json, dict) else {}
    for key in ("stream", "stream_options"):
        if key in body:
            raise Refusal("invalid", f"{key} is not supported by batch chat", key)
    return sim._chat(record)


ROUTES: tuple[Route, ...] = (Route("POST", r"/api/v3/batch/chat/completions", ("ark",), _complete),)
