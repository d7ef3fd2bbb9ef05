"""The Anthropic-shaped endpoint: `/anthropic/v1/messages`."""

from __future__ import annotations

from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = ()
