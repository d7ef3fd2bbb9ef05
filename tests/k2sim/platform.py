"""Moonshot's endpoints beside chat: files, Formula tools; Ark's tokenization."""

from __future__ import annotations

from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = ()
