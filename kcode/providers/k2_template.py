"""A conversation in the words of K2's own chat template, for servers that take text only (facts E.2, E.3).

``render`` turns the bytes of a :class:`kcode.providers.base.Request` into the prompt that K2's template makes
of them: the tools, the system text, the messages, and the beginning of the answer.

Of Instruct models the prompt of step N+1 begins with the prompt of step N up to where the answer begins. Of
thinking models it does so within a tool loop; when the loop is over and the user speaks again, the template
itself empties the ``<think>`` of everything before (facts E.3), so the prefix parts there, once a turn.
``keep_reasoning`` renders all of it always, as K2.6's ``preserve_thinking`` does, and has no such place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from kcode.providers.k2_call import ARGUMENTS, CALL_BEGIN, CALL_END, SECTION_BEGIN, SECTION_END

DEFAULT_SYSTEM = "You are Kimi, an AI assistant created by Moonshot AI."
END = "<|im_end|>"
ANSWER = "<|im_assistant|>assistant<|im_middle|>"

_CONTROL = re.compile(r"<(?=\|[a-z_]+\|>)|<(?=/?think>)|\[(?=(?:BOS|EOS|PAD|UNK|EOT)\])")
_BROKEN = re.compile(r"< (?=\|[A-Za-z_]+\|>)|< (?=/?think>)|\[ (?=(?:BOS|EOS|PAD|UNK|EOT)\])")
_IN_JSON = re.compile(r"<(?=\|[a-z_]+\|>|/?think>)")
_NOT_A_LABEL = re.compile(r"[^\w.-]")


def render(
    tools: bytes,
    messages: Sequence[bytes],
    *,
    thinking: bool = False,
    keep_reasoning: bool = False,
    opens_thinking: bool = False,
    partial: bytes = b"",
) -> str:
    """The prompt. ``tools`` and ``messages`` are spelled as for Chat Completions, ids in K2's form.

    ``thinking`` takes the template of K2-Thinking, ``opens_thinking`` that of K2.5 and later, whose prompt
    opens ``<think>`` itself. ``partial`` is an assistant message that the answer goes on with.
    """
    parts = (
        [] if tools in (b"", b"[]") else [f"<|im_system|>tool_declare<|im_middle|>{_declared(tools)}{END}"]
    )
    history = [json.loads(message) for message in messages]
    if not history or history[0]["role"] != "system":
        parts.append(f"<|im_system|>system<|im_middle|>{DEFAULT_SYSTEM}{END}")
    loop = 0 if keep_reasoning else _loop_start(history)
    for place, message in enumerate(history):
        parts.append(_message(message, thinking, place >= loop) + END)
    if partial:
        parts.append(_begun(json.loads(partial), thinking))
    else:
        parts.append(ANSWER + ("<think>" if thinking and opens_thinking else ""))
    return "".join(parts)


def unbroken(text: str) -> str:
    """Text of a file, a person or a tool, with a space in whatever would become a control token: engines
    that turn the prompt into tokens as a whole read ``<|im_end|>`` as the real one (facts E.5)."""
    return _CONTROL.sub(lambda found: f"{found.group()} ", text)


def rejoined(text: str) -> str:
    """What the model writes for a text that it was shown :func:`unbroken`: without those spaces."""
    return _BROKEN.sub(lambda found: found.group()[0], text)


def _loop_start(history: Sequence[Mapping[str, Any]]) -> int:
    """The place behind the last assistant message without calls: whose reasoning counts (facts E.3)."""
    for place in range(len(history) - 1, -1, -1):
        if history[place]["role"] == "assistant" and not history[place].get("tool_calls"):
            return place + 1
    return 0


def _message(message: Mapping[str, Any], thinking: bool, in_loop: bool) -> str:
    role, content = str(message["role"]), unbroken(_text(message.get("content")))
    label = _NOT_A_LABEL.sub("_", str(message.get("name") or role))
    if role == "assistant":
        thought = _thought(message) if in_loop else ""
        think = f"<think>{thought}</think>" if thinking else ""
        return f"<|im_assistant|>{label}<|im_middle|>{think}{content}{_section(message.get('tool_calls'))}"
    if role == "tool":
        call_id = unbroken(str(message.get("tool_call_id", "")))
        return f"<|im_system|>{label}<|im_middle|>## Return of {call_id}\n{content}"
    return f"<|im_{'user' if role == 'user' else 'system'}|>{label}<|im_middle|>{content}"


def _begun(message: Mapping[str, Any], thinking: bool) -> str:
    """An answer to go on with: behind its words, or, where it has none yet, inside its reasoning."""
    content = unbroken(_text(message.get("content")))
    if not thinking:
        return ANSWER + content
    return f"{ANSWER}<think>{_thought(message)}" + (f"</think>{content}" if content else "")


def _thought(message: Mapping[str, Any]) -> str:
    return unbroken(str(message.get("reasoning_content") or message.get("reasoning") or ""))


def _section(calls: Sequence[Mapping[str, Any]] | None) -> str:
    if not calls:
        return ""
    inner = "".join(
        f"{CALL_BEGIN}{unbroken(str(call['id']))}{ARGUMENTS}{_json(call['function']['arguments'])}{CALL_END}"
        for call in calls
    )
    return f"{SECTION_BEGIN}{inner}{SECTION_END}"


def _text(content: object) -> str:
    """Content as text, whether it is a string, parts or nothing."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


@lru_cache(maxsize=8)
def _declared(tools: bytes) -> str:
    """The tools as the template spells them, with compact separators (facts E.2)."""
    return _json(json.dumps(json.loads(tools), ensure_ascii=False, separators=(",", ":")))


def _json(text: str) -> str:
    """JSON in which no control token stands: inside its strings an escape means the same."""
    return _IN_JSON.sub(r"\\u003c", text)
