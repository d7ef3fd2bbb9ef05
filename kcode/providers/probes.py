"""``kcode provider check --probe``: what no documentation settles, asked of the service itself.

Each probe is one small request with a setting of the dialect changed; it says whether the service takes it
and how to keep it. Nothing is changed by asking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from kcode.config.prompts import load_prompt
from kcode.providers.base import ProviderError, Request, Retrying, TextDelta, Usage
from kcode.providers.check import Report, Status
from kcode.providers.dialect import Dialect
from kcode.providers.endpoint import Endpoint
from kcode.providers.service import HttpProvider

_BEGUN = "one, two, three,"
_TOOLS = (
    '[{"type":"function","function":{"name":"report_number","description":"Report one number.","strict":true,'
    '"parameters":{"type":"object","properties":{"number":{"type":"integer"}},"required":["number"],'
    '"additionalProperties":false}}}]'
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. ``setting`` is what ``provider.dialect`` would hold, ``dialect`` has it applied."""

    name: str
    setting: str
    dialect: Dialect
    request: Request
    in_use: bool
    holds: Callable[[str], bool] = lambda text: True  # of the answer's text, where being taken is not enough


def probes(endpoint: Endpoint) -> Iterator[Probe]:
    """The questions that make sense on the endpoint's wire."""
    dialect, model = endpoint.dialect, endpoint.model.id
    hello = Request(model, b"", (_message("user", "hi"),), 16)
    if dialect.wire in ("chat", "responses"):
        asked = (_message("user", load_prompt("probe_continue").strip()),)
        begun = Request(model, b"", asked, 64, partial=_message("assistant", _BEGUN))
        ways: tuple[tuple[str, Dialect], ...] = (
            ("partial=partial", replace(dialect, partial="partial")),
            ("partial=continue", replace(dialect, partial="continue")),
        )
        for setting, changed in ways if dialect.wire == "chat" else ways[:1]:
            yield Probe("continuing", setting, changed, begun, changed == dialect, _continues)
    if dialect.wire == "chat":
        strict = replace(hello, tools=_TOOLS.encode())
        yield Probe("strict", "strict_tools=true", dialect, strict, dialect.strict_tools is True)
        hour = (*dialect.extra_body, ("prompt_cache_options", {"ttl": "1h"}))
        yield Probe(
            "cache ttl",
            'extra_body=\'{"prompt_cache_options":{"ttl":"1h"}}\'',
            replace(dialect, extra_body=hour),
            hello,
            hour == dialect.extra_body,
        )


async def probe(endpoint: Endpoint, open_with: Callable[[Endpoint], HttpProvider], report: Report) -> None:
    """Says one line for each question. Raises KcodeError where the service itself fails."""
    for each in probes(endpoint):
        provider = open_with(replace(endpoint, dialect=each.dialect))
        try:
            text = await _answer(provider, each.request, report)
            report.say(each.name, *_judged(each, text))
        except ProviderError as error:
            if error.facts.status not in (400, 404, 422):
                raise
            report.say(each.name, "not offered", f"`{each.setting}` is refused: {_said(error)}")
        finally:
            await provider.close()


async def _answer(provider: HttpProvider, request: Request, report: Report) -> str:
    text: list[str] = []
    async with aclosing(provider.stream(request)) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, Retrying):
                text.clear()
            elif isinstance(chunk, TextDelta):
                text.append(chunk.text)
            elif isinstance(chunk, Usage):
                report.usages.append(chunk)
    report.answers += 1
    return "".join(text)


def _judged(probe: Probe, text: str) -> tuple[Status, str]:
    if not probe.holds(text):
        return "not offered", f"`{probe.setting}` is taken, but the answer began anew: {text.strip()[:40]!r}"
    if probe.in_use:
        return "ok", f"`{probe.setting}` works and is in use"
    return "ok", f"`{probe.setting}` is taken; provider.dialect keeps it"


def _continues(text: str) -> bool:
    """The service went on behind the beginning, without repeating it."""
    return text.lstrip(" ,").lower().startswith("four") and "one" not in text.lower()[:12]


def _said(error: ProviderError) -> str:
    return error.facts.message or error.message


def _message(role: str, text: str) -> bytes:
    return json.dumps({"role": role, "content": text}, separators=(",", ":")).encode()
