"""Counting a prompt's tokens at Ark: ``/tokenization`` counts plain text only (facts C.5).

It knows neither the chat template nor tools, so an allowance is added for what the template writes around a
text. The numbers are K2's template's own markers (facts E.2): a message is ``<|im_role|>name<|im_middle|>…
<|im_end|>``, with ``<think></think>`` where a thinking model spoke; a call is ``<|tool_call_begin|>id
<|tool_call_argument_begin|>…<|tool_call_end|>``, a tool's result begins with ``## Return of id``. The ids are
the server's own, some 30 characters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from kcode.providers.ark_items import plain_text, read_messages
from kcode.providers.base import Request
from kcode.providers.service import HttpProvider

MESSAGE_ALLOWANCE = 6
CALL_ALLOWANCE = 24
RESULT_ALLOWANCE = 24
TOOLS_ALLOWANCE = 5
ANSWER_ALLOWANCE = 3  # the generation prompt


async def count_tokens(provider: HttpProvider, request: Request) -> int:
    """Tokens of the request's prompt, template markers included as an allowance. Raises ProviderError."""
    texts, allowance = countable(request)
    body = {"model": request.model or provider.model.id, "text": texts}
    answer = await provider.call_json("POST", "/tokenization", body)
    rows = answer.get("data")
    counts = [row.get("total_tokens") for row in rows if isinstance(row, dict)] if rows else []
    return allowance + sum(count for count in counts if isinstance(count, int))


def countable(request: Request) -> tuple[list[str], int]:
    """The texts of a prompt, and the tokens to add for what stands around them."""
    texts: Sequence[str] = ()
    allowance = ANSWER_ALLOWANCE
    if request.tools not in (b"", b"[]"):
        texts = [request.tools.decode("utf-8", "replace")]
        allowance += TOOLS_ALLOWANCE
    found = list(texts)
    for message in read_messages(request.messages):
        allowance += MESSAGE_ALLOWANCE + (RESULT_ALLOWANCE if message["role"] == "tool" else 0)
        found.append(plain_text(message.get("content")))
        found.append(str(message.get("reasoning_content") or ""))
        for call in message.get("tool_calls") or ():
            allowance += CALL_ALLOWANCE
            arguments = call["function"]["arguments"]
            found.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
    return [text for text in found if text], allowance
