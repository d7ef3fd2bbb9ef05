"""Ark's Responses API: `/responses`, its chain of stored responses and its caching rules."""

from __future__ import annotations

from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = ()
