"""How many tokens a prompt has, as Moonshot's own endpoint counts them.

``POST /tokenizers/estimate-token-count`` takes the model and the messages and knows no tools (facts B.1):
what they add is estimated here. It does not know every model id; then there is no count.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kcode.providers.base import Provider, ProviderError, Request, ServerFailed, TokenCounter
from kcode.providers.moonshot.platform import site

if TYPE_CHECKING:
    from kcode.providers.service import HttpProvider

_TIMEOUT_S = 15.0
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_CJK_TOKENS = 0.62  # K2's vocabulary: about 1.6 Chinese characters a token, 3.6 of anything else
_OTHER_TOKENS = 1 / 3.6


def counter(provider: Provider) -> TokenCounter | None:
    """The counter of the provider's server, None where it has none. Ark's provider counts by itself."""
    found = site(provider)
    if found is not None:
        return MoonshotCounter(found[0])
    return provider if isinstance(provider, TokenCounter) else None


async def count(provider: Provider, request: Request) -> int | None:
    """Tokens of the request's prompt as the server counts them; None where it cannot or does not answer."""
    found = counter(provider)
    if found is None:
        return None
    try:
        return await found.count_tokens(request)
    except ProviderError:
        return None


class MoonshotCounter:
    """A :class:`~kcode.providers.base.TokenCounter` over an open provider."""

    def __init__(self, service: HttpProvider) -> None:
        self._service = service

    async def count_tokens(self, request: Request) -> int:
        """Raises ProviderError where the endpoint fails or does not know the model."""
        messages = [json.loads(message) for message in request.messages]
        body = {"model": request.model or self._service.model.id, "messages": messages}
        payload = await self._service.call_json(
            "POST", "/tokenizers/estimate-token-count", body, timeout_s=_TIMEOUT_S
        )
        total = _total(payload)
        if total is None:
            raise ServerFailed(f"{self._service.endpoint.label} did not count the tokens.", "Try again.")
        return total + tool_tokens(request.tools)


def tool_tokens(tools: bytes) -> int:
    """What the declarations add to a prompt, roughly: the server renders them as the JSON they are."""
    text = tools.decode("utf-8", "replace") if tools != b"[]" else ""
    cjk = len(_CJK.findall(text))
    return round(cjk * _CJK_TOKENS + (len(text) - cjk) * _OTHER_TOKENS)


def _total(payload: dict[str, Any]) -> int | None:
    """The count; a response that carries an error beside it was already refused by ``call_json``."""
    data = payload.get("data")
    total = data.get("total_tokens") if isinstance(data, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else None
