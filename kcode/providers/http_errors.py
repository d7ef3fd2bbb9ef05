"""What a failed request means: status, type, code and text become one of the classes of ``base``.

Sources: k2 facts D.1 (Moonshot: type and text), D.2 (Ark: code, its type may be empty), D.3 (self-hosted).
A 429 is never judged by its status alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kcode.providers import catalog
from kcode.providers.base import (
    AuthError,
    ConnectionLost,
    ContentFiltered,
    ContextOverflow,
    HttpFacts,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
    WrongAddress,
)
from kcode.providers.endpoint import Endpoint
from kcode.providers.error_facts import read_facts, read_payload, without_login
from kcode.providers.retry import LONGEST_WAIT_S


def classify(status: int, headers: Mapping[str, str], body: bytes, endpoint: Endpoint) -> ProviderError:
    """The error for a response that is not a success. Header names are lower case."""
    facts = read_facts(status, headers, body, endpoint.api_key)
    return from_facts(facts, endpoint)


def classify_payload(
    payload: Mapping[str, Any], endpoint: Endpoint, headers: Mapping[str, str]
) -> ProviderError:
    """The error for an error object in a body or stream that began as a success (HTTP 200)."""
    facts = read_payload(payload, headers, endpoint.api_key)
    status = int(facts.code) if facts.code.isdigit() and len(facts.code) == 3 else 0
    return from_facts(replace(facts, status=status), endpoint)


def is_error(payload: Mapping[str, Any]) -> bool:
    return bool(payload.get("error")) or payload.get("object") == "error"


def from_facts(facts: HttpFacts, endpoint: Endpoint) -> ProviderError:
    for rule in _RULES:
        if rule.holds(facts):
            return _error(rule.error, rule.remedy, facts, endpoint)
    return _by_status(facts, endpoint)


# --- what each answer means -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    """Holds when the status fits and the type, the code's beginning or a piece of the text is one named."""

    error: type[ProviderError]
    remedy: str
    types: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    def holds(self, facts: HttpFacts) -> bool:
        if self.statuses and facts.status and facts.status not in self.statuses:
            return False
        said = facts.message.lower()
        return (
            facts.type in self.types
            or any(facts.code.startswith(code) for code in self.codes)
            or any(text in said for text in self.texts)
        )


_PAY = (
    "Look at the balance or plan in the provider's console ({console}), or go on with `--provider embedded`."
)
_RULES = (
    _Rule(
        ContentFiltered,
        "Rephrase the last message; if it keeps happening, something earlier in the conversation is the"
        " cause: /clear starts afresh.",
        types=("content_filter",),
        codes=(
            "content_filter",
            "SensitiveContentDetected",
            *(
                f"{side}{kind}{found}"
                for side in ("Input", "Output")
                for kind in ("Text", "Image", "Video")
                for found in ("SensitiveContentDetected", "RiskDetection")
            ),
        ),
        texts=("considered high risk",),
        statuses=(400, 403, 422),
    ),
    _Rule(
        ContextOverflow,
        "/compact shortens the conversation, /clear starts afresh; a smaller provider.max_output_tokens helps"
        " too.",
        types=("exceed_context_size_error", "request_too_large"),
        codes=("OutofContextError", "context_length_exceeded"),
        texts=(
            "input token length too long",
            "maximum context length",
            "exceeds the available context size",
            "exceeded model token limit",
            "context length exceeded",
            "exceed the context window",
            "longer than the maximum model length",
            "longer than the model's context length",
            "prompt is too long",
            "exceed context limit",
            "request exceeds the maximum size",
        ),
        statuses=(400, 413, 422, 500),
    ),
    _Rule(
        QuotaExhausted,
        _PAY,
        types=("exceeded_current_quota_error", "insufficient_quota", "billing_error"),
        codes=(
            "QuotaExceeded",
            "SetLimitExceeded",
            "AccountOverdueError",
            "InvalidSubscription",
            "OperationDenied.ServiceOverdue",
            "insufficient_quota",
        ),
        texts=("exceeded your current token quota", "insufficient balance"),
        statuses=(400, 402, 403, 429),
    ),
    _Rule(
        QuotaExhausted,
        "The day's tokens are used up: go on tomorrow, raise the account's tier ({console}), or use"
        " `--provider embedded`.",
        texts=("tpd rate limit", "max tpd", "tokens per day", "organization tpd"),
        statuses=(429,),
    ),
    _Rule(
        Overloaded,
        "The service is busy: try again in a moment.",
        types=("engine_overloaded_error", "overloaded_error"),
        codes=("ServerOverloaded", "InvalidEndpoint.ClosedEndpoint"),
        statuses=(400, 429, 500, 503, 529),
    ),
    _Rule(
        RateLimited,
        "Wait a minute, or raise the account's tier ({console}).",
        types=("rate_limit_reached_error", "rate_limit_error", "rate_limit_exceeded"),
        codes=(
            "RateLimitExceeded",
            "ModelAccountRpmRateLimitExceeded",
            "ModelAccountTpmRateLimitExceeded",
            "APIAccountRpmRateLimitExceeded",
            "AccountRateLimitExceeded",
            "RequestBurstTooFast",
            "InflightBatchsizeExceeded",
            "rate_limit",
        ),
        statuses=(429,),
    ),
    _Rule(
        ModelNotFound,
        "Open the model in the console ({console}) first.",
        codes=("ModelNotOpen", "OperationDenied.ServiceNotOpen"),
    ),
    _Rule(
        ModelNotFound,
        "The account may not use this id itself: make an inference endpoint in the console ({console})"
        " and give its ep-… id with --model.",
        codes=("InvalidEndpointOrModel.ModelIDAccessDisabled",),
    ),
    _Rule(ModelNotFound, "{plan}", codes=("UnsupportedModel",)),
    _Rule(
        ModelNotFound,
        "{successor}Choose another with --model.",
        types=("resource_not_found_error",),
        codes=(
            "InvalidEndpointOrModel",
            "model_not_found",
        ),
        texts=("not found the model",),
    ),
    _Rule(
        AuthError,
        "{keys}",
        types=("invalid_authentication_error", "incorrect_api_key_error", "authentication_error"),
        codes=("AuthenticationError", "InvalidAccountStatus", "invalid_api_key"),
    ),
    _Rule(
        PermissionDenied,
        "The key is right and may not do this; see what it may in the console ({console}).",
        types=("permission_denied_error", "permission_error", "access_terminated_error"),
        codes=("AccessDenied", "OperationDenied"),
    ),
    _Rule(
        InvalidRequest,
        "The model fixes its sampling: take provider.temperature out of the configuration.",
        texts=("invalid temperature", "invalid top_p"),
        statuses=(400, 422),
    ),
    _Rule(
        InvalidRequest,
        "If no setting of yours explains it, this is a defect of kcode: please report it.",
        codes=("MissingParameter", "InvalidParameter", "InvalidArgument"),
        types=("invalid_request_error",),
        statuses=(400, 422),
    ),
    _Rule(
        ServerFailed,
        "Try again; if it stays, the provider's status page says more.",
        types=("server_error", "unexpected_output", "server_unavailable", "api_error", "timeout_error"),
        codes=("InternalServiceError",),
    ),
)


def _by_status(facts: HttpFacts, endpoint: Endpoint) -> ProviderError:
    status, said = facts.status, facts.message.lower()
    table: dict[int, tuple[type[ProviderError], str]] = {
        401: (AuthError, "{keys}"),
        402: (QuotaExhausted, _PAY),
        403: (PermissionDenied, "See what the key may do in the console ({console})."),
        408: (ServerFailed, "Try again."),
        409: (ServerFailed, "Try again."),
        413: (ContextOverflow, "/compact shortens the conversation, /clear starts afresh."),
        429: (RateLimited, "Wait a minute and try again."),
        499: (ConnectionLost, "A proxy or time limit on the way closed the request: try again."),
        503: (Overloaded, "The service is busy or still loading: try again in a moment."),
        529: (Overloaded, "The service is busy: try again in a moment."),
    }
    if status in table:
        return _error(*table[status], facts, endpoint)
    if status == 404 and (
        re.search(r"model\b.*(not found|not exist|unknown)", said) or _plan_without_model(facts, endpoint)
    ):
        remedy = "{plan}" if not said else "{successor}Choose another with --model."
        return _error(ModelNotFound, remedy, facts, endpoint)
    if status in (404, 405) or 300 <= status < 400:
        return _error(WrongAddress, _address_remedy(facts, endpoint), facts, endpoint)
    if status == 0 or status >= 500:
        return _error(ServerFailed, "Try again; if it stays, the server's log says more.", facts, endpoint)
    return _error(
        InvalidRequest,
        "If no setting of yours explains it, this is a defect of kcode: please report it.",
        facts,
        endpoint,
    )


def _plan_without_model(facts: HttpFacts, endpoint: Endpoint) -> bool:
    """Ark's plans answer 404 with an empty body for a model that is not part of them (facts A.3)."""
    return endpoint.dialect.name == "ark" and not facts.message and not facts.code


def _address_remedy(facts: HttpFacts, endpoint: Endpoint) -> str:
    moved = facts.headers.get("location", "")
    if moved:
        return f"The address has moved to {without_login(moved)}: set provider.base_url to it."
    path = _PATHS[endpoint.dialect.wire]
    ending = "" if path.startswith("/v1") else " and mostly ends in /v1"
    return (
        f"kcode asked {without_login(endpoint.base_url)}{path}; provider.base_url must be what"
        f" comes before {path}{ending}."
    )


_PATHS = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "messages": "/v1/messages",
    "completions": "/completions",
}


# --- how it is said ---------------------------------------------------------------------------

_HAPPENED: dict[type[ProviderError], str] = {
    AuthError: "refused the key",
    PermissionDenied: "does not allow this to the key",
    ConnectionLost: "reports that the request was closed before its answer",
    QuotaExhausted: "says that the balance or quota is used up",
    RateLimited: "limits how often it may be asked",
    Overloaded: "is overloaded",
    ServerFailed: "failed",
    ModelNotFound: "does not serve the model",
    ContextOverflow: "says that the conversation does not fit the model's window",
    ContentFiltered: "refused the content",
    InvalidRequest: "refused the request",
    WrongAddress: "has no chat endpoint at this address",
}


def _error(kind: type[ProviderError], remedy: str, facts: HttpFacts, endpoint: Endpoint) -> ProviderError:
    happened = _HAPPENED[kind]
    if kind is ModelNotFound:
        happened += f" `{endpoint.model.id}`"
    said = facts.message or (f"HTTP {facts.status}" if facts.status else "no reason given")
    trace = f" [request {facts.request_id}]" if facts.request_id else ""
    remedy = remedy.replace("{keys}", key_remedy(endpoint))
    remedy = remedy.replace("{plan}", _plan_remedy(endpoint))
    remedy = remedy.replace("{successor}", _successor(endpoint))
    remedy = remedy.replace("{console}", endpoint.profile.console or endpoint.host)
    if facts.resets and kind is QuotaExhausted:
        remedy = f"It is there again {facts.resets}. {remedy}"
    if facts.retry_after_s is not None and facts.retry_after_s > LONGEST_WAIT_S:
        remedy = f"The server asks to wait {facts.retry_after_s / 60:.0f} minutes. {remedy}"
    return kind(f"{endpoint.label} {happened}: {said}{trace}", remedy, facts)


def _plan_remedy(endpoint: Endpoint) -> str:
    """What to do where a plan does not have the model, or a model has moved to the plans (facts A.3)."""
    profile = endpoint.profile
    if profile.plans:
        plans = " or ".join(f"`--provider {name}`" for name in profile.plans)
        return f"Models of a plan are served by {plans}; this address bills by the token."
    names = ", ".join(m.id for m in catalog.live_models(profile.name) if m.id != endpoint.model.id)
    known = f" Known in it are: {names}." if names else ""
    return f"It is not part of the plan.{known} Choose another with --model."


def _successor(endpoint: Endpoint) -> str:
    model = endpoint.model
    retired = f"It was retired on {model.retired_on}. " if model.retired_on else ""
    return f"{retired}Its successor is `{model.replaced_by}`. " if model.replaced_by else retired


def key_remedy(endpoint: Endpoint) -> str:
    """What to do about a key that was refused: which platform's keys this address takes."""
    profile = endpoint.profile
    if not endpoint.api_key:
        names = " or ".join((*profile.key_variables, "KCODE_API_KEY"))
        return f"The server wants a key: `kcode login {profile.name}` stores one, or set {names}."
    if not endpoint.own_address or not profile.key_hint:
        return f"Check the key that {endpoint.host} was given (KCODE_API_KEY or provider.api_key)."
    if profile.name.startswith("moonshot") and endpoint.api_key.startswith("sk-kimi-"):
        return f"This is a Kimi Code key: use `--provider kimi-code`. {profile.key_hint}"
    if profile.name == "kimi-code" and not endpoint.api_key.startswith("sk-kimi-"):
        return f"This is not a Kimi Code key: those begin with sk-kimi-. {profile.key_hint}"
    return f"{profile.key_hint} Keys are made at {profile.console}."
