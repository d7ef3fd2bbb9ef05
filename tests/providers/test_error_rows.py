from __future__ import annotations

import asyncio
import json

import pytest

from kcode.providers.base import (
    AuthError,
    ConnectionLost,
    ContentFiltered,
    ContextOverflow,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Retrying,
    ServerFailed,
)
from tests.k2sim import fail, say

from .support import ask, make_provider

HTML = "<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"


def moonshot(kind, message="as it says"):
    return {"error": {"message": message, "type": kind}}


def ark(code, message="as it says"):
    return {"error": {"code": code, "message": message, "param": "", "type": ""}}


MOONSHOT = [
    # status, body, class, tried again, which limit, what the remedy has to say
    (400, moonshot("content_filter", "it was considered high risk"), ContentFiltered, False, "", "Rephrase"),
    (400, moonshot("invalid_request_error", "Input token length too long"), ContextOverflow, False, "",
     "/compact"),
    (400, moonshot("invalid_request_error", "text content is empty"), InvalidRequest, False, "", "report"),
    (400, moonshot("invalid_request_error", "invalid temperature: only 1 is allowed for this model"),
     InvalidRequest, False, "", "provider.temperature"),
    (401, moonshot("invalid_authentication_error"), AuthError, False, "", "Check the key"),
    (401, moonshot("incorrect_api_key_error"), AuthError, False, "", ""),
    (403, moonshot("permission_denied_error"), PermissionDenied, False, "", "platform.kimi.com"),
    (404, moonshot("resource_not_found_error", "Not found the model x or Permission denied"), ModelNotFound,
     False, "", "It lists"),
    (413, moonshot("invalid_request_error", "Request exceeds the maximum size"), ContextOverflow, False, "",
     "/compact"),
    (429, moonshot("engine_overloaded_error"), Overloaded, True, "", "in a moment"),
    (429, moonshot("rate_limit_reached_error", "reached max organization concurrency: 1"), RateLimited, True,
     "concurrency", "tier"),
    (429, moonshot("rate_limit_reached_error", "reached organization max RPM: 3"), RateLimited, True, "rpm",
     "tier"),
    (429, moonshot("rate_limit_reached_error", "organization TPM rate limit, current:9, limit:8"),
     RateLimited, True, "tpm", "tier"),
    (429, moonshot("rate_limit_reached_error", "organization TPD rate limit, current:9, limit:8"),
     QuotaExhausted, False, "tpd", "tomorrow"),
    (429, moonshot("exceeded_current_quota_error", "exceeded your current token quota"), QuotaExhausted,
     False, "quota", "platform.kimi.com"),
    (429, moonshot("exceeded_current_quota_error", "Your account is suspended, insufficient balance"),
     QuotaExhausted, False, "quota", "balance"),
    (499, moonshot("client_closed_request"), ConnectionLost, True, "", "again"),
    (500, moonshot("server_error"), ServerFailed, True, "", "again"),
    (500, moonshot("unexpected_output"), ServerFailed, True, "", "again"),
    (502, HTML, ServerFailed, True, "", "again"),
    (503, moonshot("server_unavailable"), ServerFailed, True, "", "again"),
    (504, HTML, ServerFailed, True, "", "again"),
    (529, moonshot(""), Overloaded, True, "", "in a moment"),
    (408, moonshot(""), ServerFailed, True, "", "again"),
    (409, moonshot(""), ServerFailed, True, "", "again"),
]  # fmt: skip
ARK = [
    (400, ark("MissingParameter"), InvalidRequest, False, "", "report"),
    (400, ark("InvalidParameter.top_p"), InvalidRequest, False, "", "report"),
    (400, ark("InvalidArgumentError"), InvalidRequest, False, "", "report"),
    (400, ark("OutofContextError"), ContextOverflow, False, "", "/compact"),
    (400, ark("InvalidEndpoint.ClosedEndpoint"), Overloaded, True, "", "in a moment"),
    (400, ark("SensitiveContentDetected"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("SensitiveContentDetected.SevereViolation"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("SensitiveContentDetected.Violence"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("InputTextSensitiveContentDetected"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("OutputTextSensitiveContentDetected"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("InputTextRiskDetection"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("OutputTextRiskDetection"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("InputImageRiskDetection"), ContentFiltered, False, "", "Rephrase"),
    (400, ark("InvalidSubscription"), QuotaExhausted, False, "", "console.volcengine.com"),
    (401, ark("AuthenticationError"), AuthError, False, "", ""),
    (401, ark("InvalidAccountStatus"), AuthError, False, "", ""),
    (403, ark("AccountOverdueError"), QuotaExhausted, False, "", "console.volcengine.com"),
    (403, ark("AccessDenied"), PermissionDenied, False, "", "console.volcengine.com"),
    (403, ark("OperationDenied.ServiceNotOpen"), ModelNotFound, False, "", "Open the model"),
    (403, ark("OperationDenied.ServiceOverdue"), QuotaExhausted, False, "", "console.volcengine.com"),
    (403, ark("OperationDenied.InvalidState"), PermissionDenied, False, "", "console.volcengine.com"),
    (403, ark("AccessDenied.CacheService"), PermissionDenied, False, "", "console.volcengine.com"),
    (404, ark("InvalidEndpointOrModel.NotFound"), ModelNotFound, False, "", "It lists"),
    (404, ark("ModelNotOpen"), ModelNotFound, False, "", "Open the model"),
    (404, ark("InvalidEndpointOrModel.ModelIDAccessDisabled"), ModelNotFound, False, "", "ep-"),
    (404, ark("UnsupportedModel"), ModelNotFound, False, "", "--provider ark-coding"),
    (404, "", ModelNotFound, False, "", "--provider ark-coding"),
    (429, ark("RateLimitExceeded.EndpointRPMExceeded"), RateLimited, True, "rpm", ""),
    (429, ark("RateLimitExceeded.EndpointTPMExceeded"), RateLimited, True, "tpm", ""),
    (429, ark("ModelAccountRpmRateLimitExceeded"), RateLimited, True, "rpm", ""),
    (429, ark("ModelAccountTpmRateLimitExceeded"), RateLimited, True, "tpm", ""),
    (429, ark("APIAccountRpmRateLimitExceeded"), RateLimited, True, "rpm", ""),
    (429, ark("AccountRateLimitExceeded"), RateLimited, True, "", ""),
    (429, ark("ServerOverloaded"), Overloaded, True, "", "in a moment"),
    (429, ark("RequestBurstTooFast"), RateLimited, True, "burst", ""),
    (429, ark("InflightBatchsizeExceeded"), RateLimited, True, "concurrency", ""),
    (429, ark("QuotaExceeded", "used up. It will reset at 2026-11-23 00:00:00 +0800 CST."), QuotaExhausted,
     False, "quota", "at 2026-11-23 00:00:00 +0800"),
    (429, ark("SetLimitExceeded"), QuotaExhausted, False, "quota", ""),
    (500, ark("InternalServiceError"), ServerFailed, True, "", "again"),
]  # fmt: skip
LONG = "This model's maximum context length is 100 tokens"
SELF_HOSTED = [
    (400, {"object": "error", "message": LONG, "type": "BadRequestError", "code": 400}, ContextOverflow,
     False, "", "/compact"),
    (400, {"error": {"message": LONG, "type": "BadRequestError", "code": 400}}, ContextOverflow, False, "",
     "/compact"),
    (400, {"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, InvalidRequest,
     False, "", "report"),
    (400, {"error": {"message": "no", "type": "BadRequestError", "code": 400}}, InvalidRequest, False,
     "", ""),
    (400, {"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error"}},
     ContextOverflow, False, "", "/compact"),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, Overloaded, True,
     "", "loading"),
]  # fmt: skip
ROWS = [
    *(("moonshot", "moonshot", "kimi-k2.7-code", *row) for row in MOONSHOT),
    *(("ark", "ark", "kimi-k2-250905", *row) for row in ARK),
    *(("openai", "vllm", "kimi-k2", *row) for row in SELF_HOSTED),
]


def refused(k2sim, shape, profile, model, status, body, **served):
    text = body if isinstance(body, str) else json.dumps(body)
    sim = k2sim([fail("http", status=status, body=text)], shape=shape, **served)
    provider = make_provider(sim.base_url, name=profile, model=model)
    with pytest.raises(ProviderError) as caught:
        asyncio.run(ask(provider))
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[1]}-{r[3]}-{r[5].__name__}-{str(r[4])[-34:]}")
def test_every_row_of_the_error_tables_has_its_class_and_its_remedy(k2sim, row):
    shape, profile, model, status, body, expected, again, kind, remedy = row
    error = refused(k2sim, shape, profile, model, status, body)
    assert type(error) is expected
    assert error.retryable is again
    assert error.facts.kind == kind
    assert error.remedy
    assert remedy in error.remedy
    assert error.exit_code


def test_a_model_of_no_plan_is_told_with_what_is_in_it(k2sim):
    error = refused(k2sim, "ark", "ark-coding", "kimi-k2.7-code", 404, "", model_ids=["kimi-k2.7-code"])
    assert isinstance(error, ModelNotFound)
    assert "not part of the plan" in error.remedy
    assert "kimi-k3" in error.remedy


@pytest.mark.parametrize("kind", ["rate_limit_tpd", "quota_exceeded"])
@pytest.mark.parametrize("shape", ["moonshot", "ark"])
def test_a_used_up_quota_is_never_asked_again(k2sim, shape, kind):
    sim = k2sim([fail(kind), say("never")], shape=shape)
    model = {"moonshot": "kimi-k2.7-code", "ark": "kimi-k2-250905"}[shape]
    provider = make_provider(sim.base_url, name=shape, model=model, retries=4)
    with pytest.raises(QuotaExhausted):
        asyncio.run(ask(provider))
    assert len([r for r in sim.requests if r.method == "POST"]) == 1


def test_what_is_tried_again_is_announced(k2sim):
    sim = k2sim([fail("rate_limit_rpm", retry_after="0"), say("Recovered.")])
    chunks = asyncio.run(ask(make_provider(sim.base_url, model="kimi-k2.7-code", retries=1)))
    assert any(isinstance(chunk, Retrying) for chunk in chunks)
