"""Ark's batch chat: `/batch/chat/completions`."""

from __future__ import annotations

from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = ()
