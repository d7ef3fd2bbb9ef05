"""Refusals of the Responses wire that have an answer: which of them means what (facts C.3, D.2)."""

from __future__ import annotations

import re

from kcode.providers.base import InvalidRequest, ModelNotFound, ProviderError, WrongAddress

_CACHE_SERVICE = "AccessDenied.CacheService"
_UNSUPPORTED = re.compile(r"\bnot support|\bunsupported|\bnot available", re.IGNORECASE)


def cache_refused(error: ProviderError) -> bool:
    """Caching is not switched on for the model in the console."""
    return error.facts.code == _CACHE_SERVICE


def wire_missing(error: ProviderError) -> bool:
    """There is no ``/responses`` at this address, or this model is not served there.

    An empty 404 is ambiguous (facts A.3: a plan without the model answers so too); chat completions tells.
    """
    facts = error.facts
    if isinstance(error, WrongAddress):
        return facts.status in (404, 405)
    if isinstance(error, ModelNotFound) and not facts.code and not facts.message:
        return True
    says_so = "responses" in facts.message.lower() and _UNSUPPORTED.search(facts.message)
    return isinstance(error, (InvalidRequest, ModelNotFound)) and bool(says_so)


def names_previous(error: ProviderError) -> bool:
    """The refusal is about the response that was to be continued."""
    words = f"{error.facts.code} {error.facts.message}".lower()
    return bool(re.search(r"previous[ _]?response|\bresp_\w+", words))


def worth_sending_in_full(error: ProviderError) -> bool:
    """A continued request was refused for its shape, or because what it continues is gone.

    Which words the server has for an expired response is not documented, so every such refusal is answered
    by one full resend; what is wrong with the request itself is refused again.
    """
    return isinstance(error, InvalidRequest) or names_previous(error) or wire_missing(error)


def names_reasoning(error: ProviderError) -> bool:
    """A 400 about reasoning in history: undocumented for Kimi on Ark, so it is sent and given up on refusal
    (facts C.2)."""
    return isinstance(error, InvalidRequest) and "reasoning" in error.facts.message.lower()
