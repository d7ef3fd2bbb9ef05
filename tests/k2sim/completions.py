"""Raw text completions of self-hosted engines: `/completions`, K2's template as the prompt."""

from __future__ import annotations

from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = ()
