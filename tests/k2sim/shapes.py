"""The three wire shapes: paths, known fields, error bodies, ids of calls, the place of usage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_COMMON_FIELDS = frozenset(
    [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "n",
        "stop",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "response_format",
        "parallel_tool_calls",
    ]
)
_MESSAGE_FIELDS = frozenset(["role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content"])


class Refusal(Exception):
    """A request that is not served. ``kind`` is the reason's neutral name, spelled by each shape."""

    def __init__(self, kind: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param


@dataclass(frozen=True)
class Shape:
    """How one kind of server spells things. ``errors`` maps a kind to (HTTP status, type, code)."""

    name: str
    base_path: str
    fields: frozenset[str]
    message_fields: frozenset[str]
    roles: frozenset[str]
    data_prefix: bytes
    errors: Mapping[str, tuple[int, str, str]]
    temperature_max: float
    stop_max: int

    def error(
        self, kind: str, message: str, param: str = "", request_id: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the JSON body of an error."""
        status, type_, code = self.errors[kind]
        if self.name == "moonshot":
            return status, {"error": {"message": message, "type": type_}}
        if self.name == "ark":
            text = f"{message} Request id: {request_id or 'none'}"
            return status, {"error": {"code": code, "message": text, "param": param, "type": type_}}
        return status, {"error": {"message": message, "type": type_, "param": param or None, "code": status}}

    def call_id(self, name: str, index: int, salt: str) -> str:
        """The id of the call that is number ``index`` of its conversation, as this server makes them."""
        if self.name == "moonshot":
            return f"{name}:{index}"
        if self.name == "ark":
            return "call_" + hashlib.sha256(f"{salt}/{name}/{index}".encode()).hexdigest()[:24]
        return f"functions.{name}:{index}"

    def usage(self, prompt: int, completion: int, cached: int, reasoning: int) -> dict[str, Any]:
        """The usage object. Moonshot puts ``cached_tokens`` at its top, the others nest it."""
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if self.name == "moonshot":
            usage["cached_tokens"] = cached
        else:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return usage

    @property
    def usage_in_finish_choice(self) -> bool:
        return self.name == "moonshot"


def _moonshot_errors() -> dict[str, tuple[int, str, str]]:
    bad = "invalid_request_error"
    limit = "rate_limit_reached_error"
    return {
        "invalid": (400, bad, ""),
        "context_overflow": (400, bad, ""),
        "content_filter": (400, "content_filter", ""),
        "no_key": (401, "invalid_authentication_error", ""),
        "wrong_key": (401, "incorrect_api_key_error", ""),
        "forbidden": (403, "permission_denied_error", ""),
        "model_not_found": (404, "resource_not_found_error", ""),
        "path_not_found": (404, "resource_not_found_error", ""),
        "too_large": (413, bad, ""),
        "engine_overloaded": (429, "engine_overloaded_error", ""),
        "rate_limit_rpm": (429, limit, ""),
        "rate_limit_tpm": (429, limit, ""),
        "rate_limit_tpd": (429, limit, ""),
        "rate_limit_concurrency": (429, limit, ""),
        "quota_exceeded": (429, "exceeded_current_quota_error", ""),
        "server_error": (500, "server_error", ""),
        "unavailable": (503, "server_unavailable", ""),
        "script": (500, "k2sim_script_error", ""),
    }


def _ark_errors() -> dict[str, tuple[int, str, str]]:
    return {
        "invalid": (400, "BadRequest", "InvalidParameter"),
        "context_overflow": (400, "BadRequest", "OutofContextError"),
        "content_filter": (400, "BadRequest", "InputTextSensitiveContentDetected"),
        "no_key": (401, "Unauthorized", "AuthenticationError"),
        "wrong_key": (401, "Unauthorized", "AuthenticationError"),
        "forbidden": (403, "Forbidden", "AccessDenied"),
        "model_not_found": (404, "NotFound", "InvalidEndpointOrModel.NotFound"),
        "path_not_found": (404, "NotFound", "InvalidArgumentError"),
        "too_large": (413, "BadRequest", "InvalidParameter"),
        "engine_overloaded": (429, "TooManyRequests", "ServerOverloaded"),
        "rate_limit_rpm": (429, "TooManyRequests", "ModelAccountRpmRateLimitExceeded"),
        "rate_limit_tpm": (429, "TooManyRequests", "ModelAccountTpmRateLimitExceeded"),
        "rate_limit_tpd": (429, "TooManyRequests", "SetLimitExceeded"),
        "rate_limit_concurrency": (429, "TooManyRequests", "InflightBatchsizeExceeded"),
        "quota_exceeded": (429, "TooManyRequests", "QuotaExceeded"),
        "server_error": (500, "InternalServerError", "InternalServiceError"),
        "unavailable": (503, "", "InternalServiceError"),
        "script": (500, "", "K2SimScriptError"),
    }


def _openai_errors() -> dict[str, tuple[int, str, str]]:
    statuses = {kind: status for kind, (status, _, _) in _moonshot_errors().items()}
    types = {
        400: "BadRequestError",
        401: "Unauthorized",
        403: "PermissionDenied",
        404: "NotFoundError",
        413: "BadRequestError",
        429: "RateLimitError",
        500: "InternalServerError",
        503: "ServiceUnavailable",
    }
    return {kind: (status, types[status], "") for kind, status in statuses.items()}


MOONSHOT = Shape(
    name="moonshot",
    base_path="/v1",
    fields=_COMMON_FIELDS
    | {"prompt_cache_key", "prompt_cache_options", "thinking", "reasoning_effort", "safety_identifier"},
    message_fields=_MESSAGE_FIELDS | {"partial"},
    roles=frozenset({"system", "user", "assistant", "tool"}),
    data_prefix=b"data: ",
    errors=_moonshot_errors(),
    temperature_max=1.0,
    stop_max=5,
)
ARK = Shape(
    name="ark",
    base_path="/api/v3",
    fields=_COMMON_FIELDS
    | {"thinking", "reasoning_effort", "logprobs", "top_logprobs", "logit_bias", "user", "service_tier"}
    | {"repetition_penalty"},
    message_fields=_MESSAGE_FIELDS,
    roles=frozenset({"system", "user", "assistant", "tool"}),
    data_prefix=b"data:",
    errors=_ark_errors(),
    temperature_max=2.0,
    stop_max=4,
)
OPENAI = Shape(
    name="openai",
    base_path="/v1",
    fields=_COMMON_FIELDS
    | {"seed", "user", "logprobs", "top_logprobs", "logit_bias", "top_k", "min_p", "repetition_penalty"}
    | {"chat_template_kwargs", "cache_prompt", "continue_final_message", "add_generation_prompt"},
    message_fields=_MESSAGE_FIELDS | {"reasoning"},
    roles=frozenset({"system", "user", "assistant", "tool", "developer"}),
    data_prefix=b"data: ",
    errors=_openai_errors(),
    temperature_max=2.0,
    stop_max=16,
)

SHAPES: dict[str, Shape] = {shape.name: shape for shape in (MOONSHOT, ARK, OPENAI)}
