"""``kcode provider check``: the smallest real calls, and what each of them proves.

Three requests at most: one token (key, model), one tool call behind a system text long enough to be cached
(tools, streaming, thinking), and the next step of that conversation, which begins with the same bytes
(caching). That a model is listed proves nothing about it (facts 0.3).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from kcode.config.jsontext import read_json
from kcode.config.prompts import load_prompt
from kcode.errors import ExitCode, KcodeError
from kcode.providers.base import (
    AuthError,
    CallDelta,
    Finish,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    ReasoningDelta,
    Request,
    Retrying,
    TextDelta,
    Usage,
    WrongAddress,
)
from kcode.providers.dialect import Dialect
from kcode.providers.service import HttpProvider

Status = Literal["ok", "not", "not offered", "not tried"]
NAMES = ("auth", "model", "tools", "streaming", "thinking", "caching", "usage")
_PREFIX_CHARS = (
    2400  # of the system text: well above the 256 tokens below which nothing is cached (facts B.8)
)
_TOOL_NAME = "report_number"
_TOOL = {
    "type": "function",
    "function": {
        "name": _TOOL_NAME,
        "description": "Report one number.",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer", "description": "the number"}},
            "required": ["number"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. ``error`` is what it failed with, where it was an error."""

    name: str
    status: Status
    detail: str
    error: KcodeError | None = None


@dataclass(slots=True)
class Report:
    """The lines so far, each handed to ``tell`` as it is known. ``usages`` are of the answers that told it,
    ``answers`` counts all of them."""

    tell: Callable[[Line], None]
    lines: list[Line] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    answers: int = 0

    def say(self, name: str, status: Status, detail: str, error: KcodeError | None = None) -> None:
        self.lines.append(Line(name, status, detail, error))
        self.tell(self.lines[-1])

    def failed(self, name: str, error: KcodeError) -> None:
        """The line of ``name``; what comes before it was not reached and what follows cannot be tried."""
        for missing in NAMES[len(self.lines) : NAMES.index(name)]:
            self.say(missing, "not tried", "no answer came")
        self.say(name, "not", " ".join(filter(None, (error.message, error.remedy))), error)
        for missing in NAMES[len(self.lines) :]:
            self.say(missing, "not tried", f"because of {name}")

    @property
    def exit_code(self) -> int:
        """That of the first error; without one, the provider's where the model calls no tool: kcode lives
        by tools."""
        for line in self.lines:
            if line.error is not None:
                return int(line.error.exit_code)
        toolless = any(line.name == "tools" and line.status == "not" for line in self.lines)
        return int(ExitCode.PROVIDER if toolless else ExitCode.OK)


def refused(error: KcodeError, report: Report) -> None:
    """The report where nothing could be asked: the key, the settings or the model are not right."""
    report.failed("auth" if isinstance(error, AuthError) else "model", error)


async def check(provider: HttpProvider, brief: HttpProvider, report: Report) -> None:
    """Says every line of :data:`NAMES`.

    ``brief`` is the same endpoint for the one-token request, with a model that is not taken for a thinking
    one: those get room for their reasoning.
    """
    if not await _key_and_model(provider, brief, report):
        return
    try:
        first = await _heard(provider, _tool_request(provider), report)
    except ProviderError as error:
        report.failed("tools", error)
        return
    report.say("tools", *_tools(first))
    report.say("streaming", *_streaming(first))
    report.say("thinking", *_thinking(first, provider))
    await _caching(provider, first, report)
    report.say("usage", *_usage(report))


# --- the requests ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Heard:
    """What came back for one request."""

    pieces: int = 0
    text: str = ""
    reasoning: str | None = None
    signature: str = ""
    call_id: str = ""
    names: list[str] = field(default_factory=list)
    arguments: str = ""
    healed: bool = False
    usage: Usage | None = None
    finish: str = ""

    def take(self, chunk: object) -> None:
        self.pieces += isinstance(chunk, (TextDelta, ReasoningDelta, CallDelta))
        if isinstance(chunk, TextDelta):
            self.text += chunk.text
        elif isinstance(chunk, ReasoningDelta):
            self.reasoning = (self.reasoning or "") + chunk.text
            self.signature = chunk.signature or self.signature
        elif isinstance(chunk, CallDelta):
            self.call_id = self.call_id or chunk.id or ""
            self.names += [chunk.name] if chunk.name else []
            self.arguments += chunk.arguments
            self.healed = self.healed or chunk.healed
        elif isinstance(chunk, Usage):
            self.usage = chunk
        elif isinstance(chunk, Finish):
            self.finish = chunk.reason


async def _key_and_model(provider: HttpProvider, brief: HttpProvider, report: Report) -> bool:
    """Whether the key is taken and the model answers: one token of an answer proves both."""
    model = provider.model.id
    try:
        listed = await _listed(provider)
        await _heard(brief, Request(model, b"", (_spell("user", "hi"),), 1), report)
    except AuthError as error:
        report.failed("auth", error)
        return False
    except ProviderError as error:
        if isinstance(error, (ModelNotFound, QuotaExhausted)):
            report.say("auth", "ok", "the key was taken")
        report.failed("model", error)
        return False
    keyed = bool(provider.endpoint.api_key)
    report.say("auth", "ok", "the key was taken" if keyed else "no key is needed")
    report.say("model", "ok", f"`{model}` answers" + (" and is listed" if model in listed else ""))
    return True


async def _listed(provider: HttpProvider) -> list[str]:
    """The ids that the service lists, none where it has no list."""
    if not provider.endpoint.profile.lists_models:
        return []
    try:
        return await provider.list_models()
    except (WrongAddress, ModelNotFound):
        return []


def _tool_request(provider: HttpProvider, more: tuple[bytes, ...] = ()) -> Request:
    """``more`` are the messages that follow the first two."""
    system = load_prompt("system")
    system = "\n\n".join([system] * (_PREFIX_CHARS // max(len(system), 1) + 1))
    return Request(
        provider.model.id,
        json.dumps([_TOOL], ensure_ascii=False, separators=(",", ":")).encode(),
        (_spell("system", system), _spell("user", load_prompt("check")), *more),
        512,
        session_id="kcode-provider-check",
    )


async def _heard(provider: HttpProvider, request: Request, report: Report) -> _Heard:
    heard = _Heard()
    async with aclosing(provider.stream(request)) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, Retrying):
                heard = _Heard()
            heard.take(chunk)
    report.answers += 1
    if heard.usage is not None:
        report.usages.append(heard.usage)
    return heard


def _next_step(heard: _Heard, dialect: Dialect) -> tuple[bytes, ...]:
    """The answer and its call's result, as a session sends them; nothing where there was no such call."""
    if _tools(heard)[0] != "ok":
        return ()
    call_id = f"functions.{_TOOL_NAME}:0" if dialect.call_ids == "k2" else heard.call_id
    reasoning = "" if heard.reasoning is None and dialect.reasoning_required else heard.reasoning
    said: dict[str, object] = {}
    if reasoning is not None and dialect.reasoning_field:
        said[dialect.reasoning_field] = reasoning
        if heard.signature and dialect.signature_field:
            said[dialect.signature_field] = heard.signature
    if heard.text:
        said["content"] = heard.text
    function = {"name": _TOOL_NAME, "arguments": heard.arguments}
    said["tool_calls"] = [{"id": call_id, "type": "function", "function": function}]
    answered = {"tool_call_id": call_id, "name": _TOOL_NAME, "content": "reported"}
    if not dialect.tool_message_name:
        del answered["name"]
    return _json({"role": "assistant", **said}), _json({"role": "tool", **answered})


def _spell(role: str, text: str) -> bytes:
    return _json({"role": role, "content": text})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


# --- what it means -----------------------------------------------------------------------------


def _tools(heard: _Heard) -> tuple[Status, str]:
    if not heard.names:
        if "<|tool_call" in heard.text:
            return "not", "the call came as raw markup in the text: the server has no tool parser for K2"
        if heard.finish == "tool_calls":
            return "not", "the server announced a tool call and sent none"
        return "not", f"asked to call a tool, the model said {heard.text.strip()[:60]!r}"
    if heard.names != [_TOOL_NAME]:
        return "not", f"one call of {_TOOL_NAME} was asked for; called: {', '.join(heard.names)}"
    try:
        given = read_json(heard.arguments)
    except ValueError:
        return "not", f"the call's arguments are not JSON: {heard.arguments[:60]!r}"
    if not isinstance(given, dict) or type(given.get("number")) is not int:
        return "not", f"the call's arguments do not fit its schema: {heard.arguments[:60]!r}"
    if heard.healed:
        return "ok", "a tool was called in raw markup, which kcode reads: the server has no parser for it"
    return "ok", "a tool was called with arguments that fit"


def _streaming(heard: _Heard) -> tuple[Status, str]:
    if heard.pieces > 1:
        return "ok", f"an answer came in {heard.pieces} pieces"
    if heard.healed:
        return "not tried", "the answer was all markup, which kcode takes in whole: its pieces are not seen"
    return "not", "an answer came in one piece: something on the way holds it back"


def _thinking(heard: _Heard, provider: HttpProvider) -> tuple[Status, str]:
    if heard.reasoning:
        return "ok", "reasoning came with the answer"
    if provider.model.thinking == "no":
        return "not offered", f"`{provider.model.id}` does not think"
    return "not", "no reasoning came; a server of yours needs its reasoning parser for that"


async def _caching(provider: HttpProvider, first: _Heard, report: Report) -> None:
    """The next step: what was sent before is read from the cache, where there is one."""
    request = _tool_request(provider, _next_step(first, provider.dialect))
    try:
        again = (await _heard(provider, request, report)).usage
    except ProviderError as error:
        report.say("caching", "not", f"the next step failed: {error.message}", error)
        return
    if again is None:
        report.say("caching", "not", "the server reports no usage, so it cannot be seen")
    elif again.cached:
        report.say("caching", "ok", f"of the next step's {again.prompt} tokens, {again.cached} were cached")
    else:
        report.say("caching", "not offered", f"of the next step's {again.prompt} tokens, none was cached")


def _usage(report: Report) -> tuple[Status, str]:
    if not report.usages:
        return "not", "no answer tells its tokens: costs cannot be shown"
    if len(report.usages) < report.answers:
        return "not", f"only {len(report.usages)} of {report.answers} answers tell their tokens"
    return "ok", "every answer tells its tokens"
