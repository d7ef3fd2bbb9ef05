"""Ark's `/tokenization`: the tokens of plain texts, without any template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.k2sim import tokens, wire
from tests.k2sim.route import Route
from tests.k2sim.rules import find_model
from tests.k2sim.shapes import Refusal

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator


def _tokenize(sim: Simulator, record: Record) -> wire.Program:
    body = record.json
    if not isinstance(body, dict) or not {"model", "text"} <= set(body) <= {"model", "text", "user"}:
        raise Refusal("invalid", "tokenization takes model, text and user")
    model = find_model(body["model"], sim.shape, sim.models)
    texts = [body["text"]] if isinstance(body["text"], str) else body["text"]
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise Refusal("invalid", "text must be a string or an array of non-empty strings", "text")
    data = [_row(index, text) for index, text in enumerate(texts)]
    return wire.json_program(200, {"object": "list", "model": model.id, "created": 0, "data": data})


def _row(index: int, text: str) -> dict[str, Any]:
    found = tokens.tokenize(text)
    ids = list(range(len(found)))
    return {"index": index, "object": "tokenization", "total_tokens": len(found), "token_ids": ids}


ROUTES: tuple[Route, ...] = (Route("POST", r"/api/v3/tokenization", ("ark",), _tokenize),)
