from __future__ import annotations

import json

import pytest

from kcode.errors import ExitCode
from kcode.providers.base import (
    AuthError,
    ContentFiltered,
    ContextOverflow,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
    WrongAddress,
)
from kcode.providers.endpoint import Endpoint
from kcode.providers.http_errors import classify, classify_payload
from kcode.providers.registry import resolve

from .support import KEY, make_settings


def endpoint(name: str = "moonshot", key: str = KEY, **settings: object) -> Endpoint:
    return resolve(make_settings(name=name, api_key=key, **settings), {})


def error(status, body, name="moonshot", headers=None, key=KEY, **settings):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, headers or {}, raw, endpoint(name, key, **settings))


def moonshot(status, kind, message="x"):
    return error(status, {"error": {"type": kind, "message": message}})


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected", "retryable"),
    [
        (
            400,
            "content_filter",
            "The request was rejected because it was considered high risk",
            ContentFiltered,
            False,
        ),
        (400, "invalid_request_error", "Input token length too long", ContextOverflow, False),
        (400, "invalid_request_error", "At path 'properties.X': type is not defined", InvalidRequest, False),
        (400, "invalid_request_error", "invalid temperature: only 1 is allowed", InvalidRequest, False),
        (401, "invalid_authentication_error", "Invalid Authentication", AuthError, False),
        (401, "incorrect_api_key_error", "Incorrect API key provided", AuthError, False),
        (403, "permission_denied_error", "no", PermissionDenied, False),
        (404, "resource_not_found_error", "Not found the model x or Permission denied", ModelNotFound, False),
        (413, "", "Request exceeds the maximum size", ContextOverflow, False),
        (429, "engine_overloaded_error", "busy", Overloaded, True),
        (429, "rate_limit_reached_error", "organization max RPM: 3", RateLimited, True),
        (
            429,
            "rate_limit_reached_error",
            "request reached max organization concurrency: 1",
            RateLimited,
            True,
        ),
        (429, "rate_limit_reached_error", "TPD rate limit, current: 9, limit: 9", QuotaExhausted, False),
        (429, "exceeded_current_quota_error", "You exceeded your current token quota", QuotaExhausted, False),
        (429, "", "insufficient balance", QuotaExhausted, False),
        (500, "server_error", "x", ServerFailed, True),
        (500, "unexpected_output", "x", ServerFailed, True),
        (503, "server_unavailable", "x", ServerFailed, True),
        (408, "", "", ServerFailed, True),
        (409, "", "", ServerFailed, True),
        (529, "", "", Overloaded, True),
    ],
)
def test_moonshots_answers_are_told_apart_by_type_and_text(status, kind, message, expected, retryable):
    found = moonshot(status, kind, message)
    assert type(found) is expected
    assert found.retryable is retryable
    assert found.remedy


@pytest.mark.parametrize(
    ("status", "code", "expected", "retryable"),
    [
        (400, "MissingParameter", InvalidRequest, False),
        (400, "InvalidParameter.messages", InvalidRequest, False),
        (400, "OutofContextError", ContextOverflow, False),
        (400, "InvalidEndpoint.ClosedEndpoint", Overloaded, True),
        (400, "SensitiveContentDetected.SevereViolation", ContentFiltered, False),
        (400, "InputTextRiskDetection", ContentFiltered, False),
        (400, "InvalidSubscription", QuotaExhausted, False),
        (401, "AuthenticationError", AuthError, False),
        (401, "InvalidAccountStatus", AuthError, False),
        (403, "AccountOverdueError", QuotaExhausted, False),
        (403, "AccessDenied", PermissionDenied, False),
        (403, "OperationDenied.ServiceNotOpen", ModelNotFound, False),
        (404, "InvalidEndpointOrModel.NotFound", ModelNotFound, False),
        (404, "ModelNotOpen", ModelNotFound, False),
        (404, "UnsupportedModel", ModelNotFound, False),
        (429, "ModelAccountRpmRateLimitExceeded", RateLimited, True),
        (429, "RateLimitExceeded.EndpointTPMExceeded", RateLimited, True),
        (429, "ServerOverloaded", Overloaded, True),
        (429, "RequestBurstTooFast", RateLimited, True),
        (429, "QuotaExceeded", QuotaExhausted, False),
        (429, "SetLimitExceeded", QuotaExhausted, False),
        (500, "InternalServiceError", ServerFailed, True),
    ],
)
def test_arks_answers_are_told_apart_by_code(status, code, expected, retryable):
    found = error(status, {"error": {"code": code, "message": "x", "type": ""}}, "ark")
    assert type(found) is expected
    assert found.retryable is retryable


def test_an_empty_404_of_arks_plan_is_a_missing_model():
    assert isinstance(error(404, b"", "ark-coding"), ModelNotFound)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 100", "code": 400},
            ContextOverflow,
        ),
        (400, {"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}}, ContextOverflow),
        (
            404,
            {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"},
            ModelNotFound,
        ),
        (404, {"detail": "Not Found"}, WrongAddress),
        (404, b"404 page not found", WrongAddress),
        (405, {"detail": "Method Not Allowed"}, WrongAddress),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, Overloaded),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, InvalidRequest),
        (400, {"error": "bad json"}, InvalidRequest),
        (500, [1, 2], ServerFailed),
    ],
)
def test_self_hosted_servers_are_understood_in_all_their_shapes(status, body, expected):
    assert type(error(status, body, "vllm")) is expected


def test_a_gateways_web_page_becomes_its_title():
    page = b"<html><head><title>504 Gateway\n Time-out</title></head><body><p>x</p></body></html>"
    found = error(504, page)
    assert isinstance(found, ServerFailed)
    assert "504 Gateway Time-out" in found.message
    assert "<" not in found.message


def test_a_redirect_says_where_to():
    found = error(308, b"", "vllm", {"location": "https://elsewhere.invalid/v1"})
    assert isinstance(found, WrongAddress)
    assert "https://elsewhere.invalid/v1" in found.remedy


def test_a_refused_key_is_told_whose_keys_the_address_takes():
    body = {"error": {"type": "invalid_authentication_error", "message": "Invalid Authentication"}}
    assert "moonshot-intl" in error(401, body).remedy
    assert "`--provider moonshot`" in error(401, body, "moonshot-intl").remedy
    assert "sk-kimi-" in error(401, body, "kimi-code").remedy
    assert "This is a Kimi Code key" in error(401, body, key="sk-kimi-not-a-real-key").remedy
    assert "console" in error(401, body, "ark").remedy
    assert "KCODE_API_KEY" in error(401, body, "openai-compatible", base_url="http://127.0.0.1:1").remedy
    assert error(401, body).exit_code is ExitCode.AUTH


def test_the_key_never_appears_in_what_is_shown_or_kept():
    body = {"error": {"message": f"Incorrect API key provided: {KEY}. Bearer abcdefghijk, sk-ab****cdef"}}
    found = error(401, body, headers={"x-request-id": KEY, "location": f"https://x/?{KEY}"})
    shown = f"{found.message} {found.remedy} {found.facts}"
    assert KEY not in shown
    assert "abcdefghijk" not in shown
    assert "sk-ab****cdef" not in shown


def test_request_ids_are_kept_and_shown():
    found = error(500, {"error": {"message": "x"}}, headers={"x-trace-id": "t-42"})
    assert found.facts.request_id == "t-42"
    assert "t-42" in found.message


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "3"}, "x", 3.0),
        ({"retry-after": "0.5"}, "x", 0.5),
        ({"retry-after-ms": "250"}, "x", 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "x", 0.0),
        ({"retry-after": "soon"}, "x", None),
        ({}, "request reached max request: 3, please try again after 1 seconds", 1.0),
        ({}, "nothing said", None),
    ],
)
def test_the_wait_a_server_asks_for_is_found(headers, message, seconds):
    found = error(429, {"error": {"type": "rate_limit_reached_error", "message": message}}, headers=headers)
    assert found.facts.retry_after_s == seconds


def test_a_wait_too_long_to_sit_through_is_said():
    body = {"error": {"type": "rate_limit_reached_error", "message": "x"}}
    assert "60 minutes" in error(429, body, headers={"retry-after": "3600"}).remedy


def test_an_error_object_in_a_stream_is_judged_by_its_own_code():
    def found(payload, name="vllm"):
        return classify_payload(payload, endpoint(name), {"x-request-id": "r"})

    assert isinstance(found({"error": {"code": 400, "message": "bad"}}), InvalidRequest)
    assert isinstance(found({"object": "error", "message": "died", "code": 500}), ServerFailed)
    assert isinstance(found({"error": "died"}), ServerFailed)
    assert isinstance(found({"error": {"code": "ServerOverloaded", "message": ""}}, "ark"), Overloaded)
    assert isinstance(found({"error": {"code": "QuotaExceeded", "message": ""}}, "ark"), QuotaExhausted)
    assert found({"error": "died"}).facts.request_id == "r"
