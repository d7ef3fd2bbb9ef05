"""The endpoints beside chat completions; each family of them lives in a module of its own."""

from __future__ import annotations

from tests.k2sim import ark_tokenization, batch, completions, messages, platform, responses
from tests.k2sim.route import Route

ROUTES: tuple[Route, ...] = (
    *responses.ROUTES,
    *messages.ROUTES,
    *completions.ROUTES,
    *platform.ROUTES,
    *batch.ROUTES,
    *ark_tokenization.ROUTES,
)
