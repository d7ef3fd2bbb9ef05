"""The facts of a failed response, whatever shape it has: JSON of several kinds, plain text, a web page."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kcode.config.jsontext import read_json
from kcode.providers.base import HttpFacts

_ID_HEADERS = ("x-request-id", "x-trace-id", "x-tt-logid", "x-msh-request-id", "request-id")
_KEPT_HEADERS = (*_ID_HEADERS, "x-should-retry", "location", "content-type")
_LOOKED_AT = 20_000  # characters of an error's body
_SHOWN = 400  # characters of a server's own words in a message


def read_facts(status: int, headers: Mapping[str, str], body: bytes, key: str = "") -> HttpFacts:
    """What the server said, whatever shape it said it in; never contains the key."""
    facts = HttpFacts(
        status=status,
        request_id=redact(request_id(headers), key),
        retry_after_s=_retry_after(headers),
        headers={name: redact(headers[name], key) for name in _KEPT_HEADERS if name in headers},
    )
    text = body.decode("utf-8", "replace").strip()
    try:
        payload = read_json(text) if text else None
    except ValueError:
        payload = None
    if isinstance(payload, dict):
        facts = _with_error(facts, payload)
    elif text:
        facts = replace(facts, message=_page_title(text[:_LOOKED_AT]))
    if facts.retry_after_s is None:
        facts = replace(facts, retry_after_s=_wait_in_text(facts.message))
    return _clean(facts, key)


def read_payload(payload: Mapping[str, Any], headers: Mapping[str, str], key: str = "") -> HttpFacts:
    """The facts of an error object that came where an answer was expected."""
    return _clean(_with_error(HttpFacts(request_id=request_id(headers)), payload), key)


def _with_error(facts: HttpFacts, payload: Mapping[str, Any]) -> HttpFacts:
    inner = payload.get("error")
    source = inner if isinstance(inner, dict) else payload
    message = source.get("message") or source.get("detail") or source.get("error_msg") or ""
    if isinstance(inner, str):
        message = message or inner
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False)
    code = source.get("code")
    if isinstance(code, int) and source.get("status") and not isinstance(source["status"], int):
        code = source["status"]
    return replace(
        facts,
        type=str(source.get("type") or ""),
        code="" if code is None else str(code),
        message=message,
    )


def _clean(facts: HttpFacts, key: str) -> HttpFacts:
    message = " ".join(redact(facts.message, key).split())
    if len(message) > _SHOWN:
        message = message[: _SHOWN - 1] + "…"
    return replace(facts, message=message, kind=_kind(facts.code, message), resets=_resets(message))


_KINDS = (
    ("tpd", r"\bTPD\b|tokens per day"),
    ("concurrency", r"concurren|Inflight"),
    ("burst", r"RequestBurst"),
    ("rpm", r"RPM|Rpm|requests per minute|max request"),
    ("tpm", r"TPM|Tpm|tokens per minute"),
    ("quota", r"QuotaExceeded|SetLimitExceeded|(?i:quota|insufficient balance)"),
)


def _kind(code: str, message: str) -> str:
    """Which limit a refusal speaks of, by its code and then by its words."""
    for words in (code, message):
        for kind, pattern in _KINDS:
            if re.search(pattern, words):
                return kind
    return ""


def _resets(message: str) -> str:
    """When a quota is there again: "will reset at 2026-01-02 03:04:05 +0800" (facts D.2)."""
    found = re.search(r"\b(?:resets?|recovers?|restored?|available again) ((?:at|on|in) [^,;()]+)", message)
    return found.group(1).rstrip(" .") if found else ""


def _page_title(text: str) -> str:
    """A gateway answers with a web page: its title says what happened (facts B.4)."""
    if not re.match(r"\s*<", text):
        return text
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    heading = title or re.search(r"<h1[^>]*>(.*?)</h1>", text, re.IGNORECASE | re.DOTALL)
    words = re.sub(r"<[^>]*>", " ", heading.group(1)).strip() if heading else ""
    return f"a web page, not the API: {words}" if words else "a web page, not the API"


def request_id(headers: Mapping[str, str]) -> str:
    return next((headers[name] for name in _ID_HEADERS if headers.get(name)), "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        if headers.get("retry-after-ms"):
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except ValueError:
        pass
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_tz(value)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
    except (ValueError, OverflowError):  # a day that no calendar has
        return None


def _wait_in_text(message: str) -> float | None:
    """Moonshot's rate limits say "please try again after 1 seconds" instead of a header."""
    found = re.search(r"(?:try again|retry) (?:after|in) ([\d.]+) ?s(?:ec|\b)", message, re.IGNORECASE)
    return float(found.group(1)) if found and found.group(1).count(".") <= 1 else None


def redact(text: str, key: str) -> str:
    """``text`` without the key or anything that looks like one."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(r"\b(?:sk-[\w*-]{6,}|Bearer\s+\S{8,})", "[key]", text)


def without_login(url: str) -> str:
    """The address without user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)
