"""The simulator: one server with its script, its models, its cache and everything it was asked."""

from __future__ import annotations

import itertools
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.k2sim import faults, models, tokens, wire
from tests.k2sim.account import Account
from tests.k2sim.answers import Answer
from tests.k2sim.cache import PrefixCache
from tests.k2sim.echo import Echo, echoes
from tests.k2sim.exchange import ChatRequest, Log, Record
from tests.k2sim.limits import completion_tokens, cut_to
from tests.k2sim.message_rules import HistoryRules, check_messages, refuse_constant
from tests.k2sim.models import SimModel
from tests.k2sim.platform import PlatformState
from tests.k2sim.prefix import PrefixStep, prefix_steps
from tests.k2sim.routes import ROUTES
from tests.k2sim.rules import check_chat, check_window, find_model, model_not_found_text, output_limit
from tests.k2sim.script import Script, Speaker, load
from tests.k2sim.server import Server
from tests.k2sim.shapes import SHAPES, Refusal
from tests.k2sim.vocabulary import tokenizer

_LAST_WORDS_S = 5.0
TEST_KEY = "sk-test-not-a-real-key"


class Simulator:
    """A K2 endpoint on the loopback interface, from ``start()`` (or ``with``) until ``stop()``.

    ``script`` is a file, answers, or a callable from :class:`ChatRequest` to an answer. ``api_key`` None
    takes any key and none. ``model_ids`` limits what is served (see ``models.LIVE_ON_MOONSHOT``),
    ``context`` overrides windows in tokens by model id. ``require_k2_ids`` is the raw engines' rule on ids.
    """

    def __init__(
        self,
        script: str | Path | Script | Iterable[Answer] | Speaker = (),
        *,
        shape: str = "moonshot",
        api_key: str | None = TEST_KEY,
        log: Path | None = None,
        port: int = 0,
        model_ids: Iterable[str] | None = None,
        context: Mapping[str, int] | None = None,
        require_k2_ids: bool = False,
        strict_arguments: bool = True,
        reasoning_field: str = "reasoning_content",
        account: Account | None = None,
        vocabulary: str = "rule",
    ) -> None:
        self.shape = SHAPES[shape]
        self.script = _as_script(script)
        self.api_key = api_key
        self.models = _served(shape, model_ids, context or {})
        self.rules = HistoryRules(json_arguments=strict_arguments, k2_ids=require_k2_ids)
        self.cache = PrefixCache()
        self.requests: list[Record] = []
        self.balance = 49.59
        self.voucher = 0.0
        self.shutting_down: set[str] = set()  # model ids that the list marks so
        self.listed_only: set[str] = set()  # model ids that are listed and refused all the same
        self.platform = PlatformState()
        self.account = account
        self._entered: set[int] = set()
        self._reasoning_field = reasoning_field
        self._tokenize = tokenizer(vocabulary)
        self._log = Log(log) if log else None
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._steps = itertools.count(1)
        self._server = Server(self, port)

    # --- lifetime ---

    @property
    def base_url(self) -> str:
        """What a client is given: ``http://127.0.0.1:PORT/v1`` (Ark: ``/api/v3``)."""
        return f"http://127.0.0.1:{self.port}{self.shape.base_path}"

    @property
    def port(self) -> int:
        return self._server.port

    def start(self) -> Simulator:
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening, end what is under way, wait until its log is written."""
        self._server.stop()
        for record in self.requests:
            record.over.wait(_LAST_WORDS_S)

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what tests do with it ---

    def add(self, answer: Answer | None = None, /, **fields: Any) -> None:
        """Append an answer: ``sim.add(say("hi"))`` or ``sim.add(text="hi")``."""
        self.script.add(replace(answer or Answer(), **fields))

    @property
    def chats(self) -> list[Record]:
        """The chat requests, refused ones too."""
        return [r for r in self.requests if r.is_chat and r.method == "POST" and not r.is_probe]

    @property
    def probes(self) -> list[Record]:
        """The requests for one token that only ask whether a model answers."""
        return [r for r in self.requests if r.is_chat and r.is_probe]

    @property
    def answered(self) -> list[Record]:
        """The chat requests that got HTTP 200."""
        return [record for record in self.chats if record.status == 200]

    def prefix_report(self) -> list[PrefixStep]:
        """For consecutive answered chat requests: does the later begin with the earlier one's bytes?"""
        return prefix_steps([(record.number, record.raw) for record in self.answered])

    def echo_report(self) -> list[Echo]:
        """For each answer that a later request repeats: which of its parts came back changed?"""
        return echoes(self.answered, self._reasoning_field)

    # --- what the server asks ---

    def receive(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> Record:
        with self._lock:
            number = next(self._numbers)
            record = Record(number, method, path, headers, raw, time.time())
            self.requests.append(record)
        if raw:
            try:
                record.json = json.loads(raw, parse_constant=refuse_constant)
            except ValueError:
                record.json = None
        if self._log:
            self._log.request(record)
        return record

    def finish(self, record: Record) -> None:
        if self.account and record.number in self._entered:
            self.account.leave()
        if self._log:
            self._log.answer(record)
        record.over.set()

    def respond(self, record: Record) -> wire.Program:
        """The program that answers ``record``."""
        try:
            self._authenticate(record)
            return self._told_limits(record, self._route(record)(record))
        except Refusal as refusal:
            record.refusal = refusal.message
            return self._told_limits(record, self._refuse(record, refusal))
        except Exception as error:  # outer door: a script's callable may raise anything, an assertion too
            traceback.print_exc()
            record.refusal = f"the script failed: {error!r}"
            return self._refuse(record, Refusal("script", record.refusal))

    def _told_limits(self, record: Record, program: wire.Program) -> wire.Program:
        first = program[0]
        if self.account is None or not record.is_chat or not isinstance(first, wire.Begin):
            return program
        told = replace(first, headers=(*first.headers, *self.account.response_headers()))
        return [told, *program[1:]]

    def _check_account(self, record: Record) -> None:
        if self.account is None:
            return
        if why := self.account.enter(record.prompt_tokens, record.json):
            kind, _, text = why.partition("|")
            raise Refusal(kind, text)
        self._entered.add(record.number)

    def asked(self, body: Mapping[str, Any]) -> ChatRequest:
        """A request in chat form that the rules let through, numbered."""
        with self._lock:
            return ChatRequest(body, next(self._steps))

    def said(self, request: ChatRequest) -> Answer:
        """The script's answer. Raises :class:`Refusal` where it has none."""
        answer = self.script.next(request)
        if answer is None:
            raise Refusal(
                "script",
                f"the script has no answer for chat request {request.step}: last user text "
                f"{request.last_user[-200:]!r}, last tool {request.last_tool!r}",
            )
        return answer

    def _authenticate(self, record: Record) -> None:
        if self.api_key is None:
            return
        given = record.headers.get("authorization", "")
        if not given:
            raise Refusal("no_key", "Invalid Authentication")
        if given != f"Bearer {self.api_key}":
            raise Refusal("wrong_key", "Incorrect API key provided")

    def _route(self, record: Record) -> Callable[[Record], wire.Program]:
        base = self.shape.base_path
        routes = {
            ("GET", f"{base}/models"): self._list_models,
            ("POST", f"{base}/chat/completions"): self._chat,
        }
        if self.shape.name == "ark":
            routes |= {("POST", f"{plan}/chat/completions"): self._chat for plan in models.ARK_PLAN_PATHS}
        if self.shape.name == "moonshot":
            routes["POST", f"{base}/tokenizers/estimate-token-count"] = self._estimate
            routes["GET", f"{base}/users/me/balance"] = self._balance
        path = record.path.partition("?")[0]
        if (record.method, path) in routes:
            return routes[record.method, path]
        for route in ROUTES:
            if route.fits(record.method, path, self.shape.name):
                return partial(route.handler, self)
        raise Refusal("path_not_found", f"{record.method} {path}: no such endpoint")

    def _refuse(self, record: Record, refusal: Refusal) -> wire.Program:
        status, body = self.shape.error(
            refusal.kind, refusal.message, refusal.param, request_id=_request_id(record)
        )
        return wire.json_program(status, body, _trace(record))

    def _list_models(self, record: Record) -> wire.Program:
        rows = [_model_row(model, self.shape.name) for model in self.models.values()]
        for row in rows:
            if row["id"] in self.shutting_down:
                row["status"] = "Shutdown"
        return wire.json_program(200, {"object": "list", "data": rows}, _trace(record))

    def _balance(self, record: Record) -> wire.Program:
        data = {"available_balance": self.balance, "voucher_balance": self.voucher}
        data["cash_balance"] = round(self.balance - self.voucher, 5)
        return wire.json_program(
            200, {"code": 0, "data": data, "scode": "0x0", "status": True}, _trace(record)
        )

    def _estimate(self, record: Record) -> wire.Program:
        body = record.json
        if not isinstance(body, dict) or set(body) != {"model", "messages"}:
            raise Refusal("invalid", "estimate-token-count takes model and messages")
        model = find_model(body["model"], self.shape, self.models)
        if model.id.startswith("kimi-k2-thinking"):  # the endpoint's own list never had them (facts B.1)
            raise Refusal("invalid", f"model {model.id} is not supported by estimate-token-count", "model")
        check_messages(body["messages"], self.shape, model, self.rules)
        total = tokens.count(tokens.render(body["messages"], thinking=model.thinking != "no"))
        return wire.json_program(200, {"data": {"total_tokens": total}}, _trace(record))

    def _chat(self, record: Record) -> wire.Program:
        if record.json is None:
            raise Refusal("invalid", "the request body is not valid JSON")
        body = record.json
        model = check_chat(body, self.shape, self.models, self.rules)
        if self.shape.name == "moonshot" and self.balance <= 0:
            raise Refusal("quota_exceeded", "Your account is suspended due to insufficient balance")
        if body.get("n", 1) > 1:
            raise Refusal("script", "the simulator gives one choice; n > 1 is not simulated")
        prompt = self._tokenize(_prompt(body, model))
        record.prompt_tokens = len(prompt)
        check_window(len(prompt), body, self.shape, model)
        self._check_account(record)
        if model.id in self.listed_only:
            raise Refusal("model_not_found", model_not_found_text(model.id, self.shape), "model")
        if record.is_probe:
            return self._answer(record, ChatRequest(body, 0), Answer(text="Hello."))
        request = self.asked(body)
        answer = self.said(request)
        record.answer = answer
        for fault in answer.faults:
            program = faults.http_error(fault, self.shape, model.id, _request_id(record))
            if program is not None:
                record.refusal = fault.kind
                return program
        if self.shape.name != "ark":  # whose plain chat has no cache for Kimi (facts C.4)
            record.cached_tokens = self.cache.cached(model.id, prompt)
            self.cache.remember(model.id, prompt)
        return self._answer(record, request, answer)

    def _answer(self, record: Record, request: ChatRequest, scripted: Answer) -> wire.Program:
        given = cut_to(scripted, output_limit(request.body, self.shape))
        answer = self._with_ids(faults.apply_to_answer(given), request, record)
        record.answer = answer
        reasoning = tokens.count(answer.reasoning or "")
        record.completion_tokens = completion_tokens(answer)
        usage = self.shape.usage(
            record.prompt_tokens, record.completion_tokens, record.cached_tokens, reasoning
        )
        options = request.body.get("stream_options") or {}
        frame = wire.Frame(
            id=f"chatcmpl-{record.number:06d}",
            created=int(record.time),
            model=request.model,
            shape=self.shape,
            usage=faults.spoil_usage(answer, usage),
            include_usage=bool(options.get("include_usage")),
            reasoning_field=self._reasoning_field,
        )
        if not request.body.get("stream"):
            program = wire.json_program(200, wire.completion(answer, frame), _trace(record))
            return faults.apply_to_program(answer, program)
        chunks = faults.apply_to_chunks(answer, wire.chunks(answer, frame))
        lines = faults.apply_to_lines(answer, [wire.dumps(chunk) for chunk in chunks], self.shape)
        done = not (answer.fault("no_done") or answer.fault("error_mid_stream"))
        program = wire.stream_program(answer, lines, self.shape, _trace(record), done=done)
        return faults.apply_to_program(answer, program)

    def _with_ids(self, answer: Answer, request: ChatRequest, record: Record) -> Answer:
        start = request.calls_so_far
        calls = tuple(
            call
            if call.id
            else replace(call, id=self.shape.call_id(call.name, start + index, str(record.number)))
            for index, call in enumerate(answer.calls)
        )
        return replace(answer, calls=calls)


def _prompt(body: Mapping[str, Any], model: SimModel) -> str:
    thinking = body.get("thinking") or {}
    keep = thinking.get("keep") == "all" or model.requires_reasoning
    return tokens.render(
        body["messages"],
        body.get("tools") or (),
        thinking=model.thinking != "no" and thinking.get("type") != "disabled",
        keep_reasoning=keep,
    )


def _served(shape: str, ids: Iterable[str] | None, context: Mapping[str, int]) -> dict[str, SimModel]:
    usual = {model.id: model for model in models.BY_SHAPE[shape]}
    known = usual | ({model.id: model for model in models.ARK_PLANS} if shape == "ark" else {})
    wanted = list(usual) if ids is None else list(ids)
    served = {name: known.get(name, SimModel(name)) for name in wanted}
    for name, size in context.items():
        served[name] = replace(served.get(name, SimModel(name)), context=size)
    return served


def _model_row(model: SimModel, shape: str) -> dict[str, Any]:
    row: dict[str, Any] = {"id": model.id, "object": "model", "created": 1_752_192_000, "owned_by": "k2sim"}
    if shape == "moonshot":
        row |= {
            "owned_by": "moonshot",
            "context_length": model.context,
            "supports_image_in": model.fixed_sampling,
            "supports_video_in": model.fixed_sampling,
            "supports_reasoning": model.thinking != "no",
        }
    elif shape == "ark":
        row |= {"owned_by": "volcengine", "status": "Active"}
    else:
        row["max_model_len"] = model.context
    return row


def _request_id(record: Record) -> str:
    return f"k2sim-{record.number:06d}"


def _trace(record: Record) -> list[tuple[str, str]]:
    return [("X-Request-Id", _request_id(record))]


def _as_script(script: str | Path | Script | Iterable[Answer] | Speaker) -> Script:
    if isinstance(script, Script):
        return script
    if isinstance(script, (str, Path)):
        return load(Path(script))
    if callable(script):
        return Script(speaker=script)
    return Script(script)
