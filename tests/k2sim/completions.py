"""Raw text completions of self-hosted engines: `/completions`, K2's template as the prompt.

The answer is the raw text a K2 model writes, markup included. As in real engines, without
``skip_special_tokens: false`` the control tokens are deleted from it, and without the stop string the text
goes on behind the message's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.k2sim import faults, tokens, wire
from tests.k2sim.answers import Answer
from tests.k2sim.limits import completion_tokens, cut_to
from tests.k2sim.message_rules import HistoryRules, check_messages
from tests.k2sim.raw_prompt import END, read_prompt
from tests.k2sim.route import Route
from tests.k2sim.rules import check_window, find_model
from tests.k2sim.shapes import OPENAI, Refusal
from tests.k2sim.tool_rules import check_tools

if TYPE_CHECKING:
    from tests.k2sim.exchange import ChatRequest, Record
    from tests.k2sim.models import SimModel
    from tests.k2sim.simulator import Simulator

_FIELDS = {
    "model",
    "prompt",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "stream",
    "stream_options",
    "skip_special_tokens",
    "add_special_tokens",
}


def completions(sim: Simulator) -> list[Record]:
    """The requests to this endpoint, refused ones too."""
    return [record for record in sim.requests if record.path == "/v1/completions"]


def _serve(sim: Simulator, record: Record) -> wire.Program:
    body = record.json
    if not isinstance(body, dict):
        raise Refusal("invalid", "the request body is not a JSON object")
    for key in body:
        if key not in _FIELDS:
            raise Refusal("invalid", f"unknown field '{key}'", key)
    model = find_model(body.get("model"), sim.shape, sim.models)
    chat = read_prompt(body.get("prompt"), thinking=model.thinking != "no")
    check_tools(chat["tools"] or None, OPENAI)
    check_messages(chat["messages"], OPENAI, model, HistoryRules(k2_ids=True))
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise Refusal("invalid", "max_tokens must be a positive integer; the engine's own default is 16")
    prompt = tokens.tokenize(body["prompt"])
    record.prompt_tokens = len(prompt)
    check_window(len(prompt), body, OPENAI, model)
    request = sim.asked({**chat, "model": model.id})
    answer = sim.said(request)
    record.answer = answer
    for fault in answer.faults:
        program = faults.http_error(fault, OPENAI, model.id, "")
        if program is not None:
            record.refusal = fault.kind
            return program
    record.cached_tokens = sim.cache.cached(model.id, prompt)
    sim.cache.remember(model.id, prompt)
    return _program(record, request, answer, model)


def _program(record: Record, request: ChatRequest, scripted: Answer, model: SimModel) -> wire.Program:
    body = record.json
    answer = faults.apply_to_answer(cut_to(scripted, body["max_tokens"]))
    record.answer = answer
    record.completion_tokens = completion_tokens(answer)
    said = _spelled(answer, request, str(request.body["begun"]), model)
    if END not in (body.get("stop") or ()) and answer.finish_reason != "length":
        said += f"{END}<|im_user|>user<|im_middle|>And now?{END}"
    if body.get("skip_special_tokens", True):
        said = re.sub(r"<\|[a-z_]+\|>", "", said)
    finish = "length" if answer.finish_reason == "length" else "stop"
    usage = OPENAI.usage(record.prompt_tokens, record.completion_tokens, record.cached_tokens, 0)
    if not body.get("stream"):
        return wire.json_program(200, {**_frame(record, said, finish), "usage": usage}, [])
    chunks = list(_chunks(record, answer, said, finish))
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**_frame(record), "usage": usage})
    lines = faults.apply_to_lines(answer, [wire.dumps(chunk) for chunk in chunks], OPENAI)
    program = wire.stream_program(answer, lines, OPENAI, [], done=not answer.fault("no_done"))
    return faults.apply_to_program(answer, program)


def _spelled(answer: Answer, request: ChatRequest, begun: str, model: SimModel) -> str:
    """What the model writes: reasoning, text, calls; a call that was cut off has no end."""
    parts = []
    if model.thinking != "no" and "</think>" not in begun:
        opened = begun.startswith("<think>")
        parts.append(f"{'' if opened else '<think>'}{answer.reasoning or ''}")
        if answer.text or answer.calls or answer.finish_reason != "length":
            parts.append("</think>")
    parts.append(answer.text)
    start = request.calls_so_far
    calls = [replace(c, id=c.id or f"functions.{c.name}:{start + n}") for n, c in enumerate(answer.calls)]
    wired = [{"id": c.id, "function": {"arguments": c.arguments}} for c in calls]
    section = tokens.render_calls(wired)
    if calls and answer.finish_reason == "length":
        section = section.removesuffix("<|tool_calls_section_end|>").removesuffix("<|tool_call_end|>")
    return "".join([*parts, section])


def _chunks(record: Record, answer: Answer, said: str, finish: str) -> Iterator[dict[str, Any]]:
    for piece in wire.split_text(said, answer.chunking.text_chars):
        yield _frame(record, piece)
    yield _frame(record, "", finish)


def _frame(record: Record, text: str | None = None, finish: str | None = None) -> dict[str, Any]:
    choice: Mapping[str, Any] = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return {
        "id": f"cmpl-{record.number:06d}",
        "object": "text_completion",
        "created": int(record.time),
        "model": record.json["model"],
        "choices": [] if text is None else [choice],
    }


ROUTES: tuple[Route, ...] = (Route("POST", r"/v1/completions", ("openai",), _serve),)
