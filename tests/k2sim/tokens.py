"""Token counts without a tokenizer's data: K2's chat template rendered, then cut by a plain rule.

The rule, the same everywhere and for ever: a control token is one token; a CJK character is one; a run of
up to eight Latin letters, up to three digits or one ASCII sign is one together with the space before it; a
run of line ends or of blanks is one; any other character is one, or two where UTF-8 needs three bytes or
more. That is within about a fifth of the real count for code and English; what tests need is that it
never changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_TOKEN = re.compile(
    r"<\|[a-z_]+\|>|</?think>"
    rf"|{_CJK.pattern}"
    r"| ?[A-Za-z]{1,8}| ?[0-9]{1,3}| ?[!-/:;=>?@\[-`{-~]|[\r\n]+|[ \t]+|.",
    re.DOTALL,
)
DEFAULT_SYSTEM = "You are Kimi, an AI assistant created by Moonshot AI."
GENERATION_PROMPT = "<|im_assistant|>assistant<|im_middle|>"


def tokenize(text: str) -> list[str]:
    """The tokens of ``text`` by the rule above, in order."""
    tokens: list[str] = []
    for piece in _TOKEN.findall(text):
        tokens.append(piece)
        if len(piece) == 1 and ord(piece) > 0x7FF and not _CJK.match(piece):
            tokens.append("")
    return tokens


def count(text: str) -> int:
    return len(tokenize(text))


def render(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    thinking: bool = False,
    keep_reasoning: bool = False,
) -> str:
    """The prompt as K2's template writes it: tools, system, messages, then the generation prompt.

    With ``thinking``, reasoning is written only after the last assistant message without tool calls; older
    messages get an empty ``<think></think>``, unless ``keep_reasoning``.
    """
    parts: list[str] = []
    if tools:
        declared = json.dumps(list(tools), ensure_ascii=False, separators=(",", ":"))
        parts.append(f"<|im_system|>tool_declare<|im_middle|>{declared}<|im_end|>")
    if not messages or messages[0].get("role") != "system":
        parts.append(f"<|im_system|>system<|im_middle|>{DEFAULT_SYSTEM}<|im_end|>")
    loop_start = running_loop_start(messages)
    for position, message in enumerate(messages):
        with_reasoning = keep_reasoning or position >= loop_start
        parts.append(_render_message(message, thinking=thinking, with_reasoning=with_reasoning))
    if not (messages and messages[-1].get("partial")):
        parts.append(GENERATION_PROMPT)
    return "".join(parts)


def running_loop_start(messages: Sequence[Mapping[str, Any]]) -> int:
    """The position after the last assistant message that has no tool calls."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.get("role") == "assistant" and not message.get("tool_calls"):
            return position + 1
    return 0


def plain_text(content: Any) -> str:
    """A message's content as text, whether it is a string, parts or nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "<|media_pad|>")) for part in content)


def _render_message(message: Mapping[str, Any], *, thinking: bool, with_reasoning: bool) -> str:
    role = message["role"]
    label = message.get("name") or role
    text = plain_text(message.get("content"))
    if role == "assistant":
        if thinking:
            reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
            text = f"<think>{reasoning if with_reasoning else ''}</think>{text}"
        text += render_calls(message.get("tool_calls") or ())
        end = "" if message.get("partial") else "<|im_end|>"
        return f"<|im_assistant|>{label}<|im_middle|>{text}{end}"
    if role == "tool":
        text = f"## Return of {message.get('tool_call_id', '')}\n{text}"
    marker = "<|im_user|>" if role == "user" else "<|im_system|>"
    return f"{marker}{label}<|im_middle|>{text}<|im_end|>"


def render_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    """The tool section of an assistant message, "" without calls."""
    if not calls:
        return ""
    inner = "".join(
        f"<|tool_call_begin|>{item['id']}<|tool_call_argument_begin|>"
        f"{item['function']['arguments']}<|tool_call_end|>"
        for item in calls
    )
    return f"<|tool_calls_section_begin|>{inner}<|tool_calls_section_end|>"
