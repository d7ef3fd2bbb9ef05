"""K2's raw template read back, strictly: a prompt that the template could not have made is refused."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.k2sim.shapes import Refusal

_MESSAGE = re.compile(r"<\|im_(system|user|assistant)\|>([^<\n]*)<\|im_middle\|>", re.DOTALL)
_CALL = re.compile(
    r"<\|tool_call_begin\|>([^<]*)<\|tool_call_argument_begin\|>((?:(?!<\|).)*)<\|tool_call_end\|>", re.DOTALL
)
_SECTION = re.compile(r"<\|tool_calls_section_begin\|>(.*)<\|tool_calls_section_end\|>\Z", re.DOTALL)
_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_CONTROL = re.compile(r"<\|[a-z_]+\|>|\[(?:BOS|EOS)\]")
_ID = re.compile(r"functions\.(.+):(\d+)")
END = "<|im_end|>"


def read_prompt(prompt: Any, *, thinking: bool) -> dict[str, Any]:
    """``messages``, ``tools`` and ``begun`` (what the answer goes on with). Raises :class:`Refusal`."""
    if not isinstance(prompt, str) or not prompt:
        raise _wrong("the prompt must be a text")
    *whole, last = prompt.split(END)
    chat: dict[str, Any] = {"messages": [], "tools": []}
    names: dict[str, str] = {}
    for place, text in enumerate(whole):
        role, label, body = _split(text)
        if role == "system" and label == "tool_declare":
            if place:
                raise _wrong("tools are declared before everything else")
            chat["tools"] = _tools(body)
        else:
            chat["messages"].append(_message(role, label, body, names, thinking))
    if not chat["messages"] or chat["messages"][0]["role"] != "system":
        raise _wrong("the system text is missing")
    role, label, begun = _split(last)
    if (role, label) != ("assistant", "assistant"):
        raise _wrong("the prompt does not end where the assistant's answer begins")
    _no_control(begun, "the answer's beginning")
    return {**chat, "begun": begun}


def _split(text: str) -> tuple[str, str, str]:
    found = _MESSAGE.match(text)
    if found is None:
        raise _wrong(f"no message begins here: {text[:60]!r}")
    return found[1], found[2], text[found.end() :]


def _tools(body: str) -> list[Any]:
    tools = json.loads(body)
    if json.dumps(tools, ensure_ascii=False, separators=(",", ":")) != body.replace("\\u003c", "<"):
        raise _wrong("tools are declared as JSON with compact separators")
    return list(tools)


def _message(role: str, label: str, body: str, names: dict[str, str], thinking: bool) -> dict[str, Any]:
    if role == "assistant":
        return _assistant(body, names, thinking)
    _no_control(body, f"a message of role {role}")
    if role == "user":
        return {"role": "user", "content": body}
    if not body.startswith("## Return of "):
        if label != "system":
            raise _wrong(f"a system message labelled {label!r} that is no tool result")
        return {"role": "system", "content": body}
    call_id, _, content = body.removeprefix("## Return of ").partition("\n")
    if label not in (names.get(call_id), "tool"):
        raise _wrong(f"the result of {call_id} is labelled {label!r}")
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _assistant(body: str, names: dict[str, str], thinking: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    thought = _THOUGHT.match(body)
    if thinking != bool(thought):
        raise _wrong("an assistant message begins with <think>…</think> for thinking models, and only there")
    if thought:
        message["reasoning_content"] = thought[1]
        body = body[thought.end() :]
    section = _SECTION.search(body)
    if section:
        message["tool_calls"] = _calls(section[1], names)
        body = body[: section.start()]
    _no_control(body, "an assistant's content")
    if body:
        message["content"] = body
    return message


def _calls(inner: str, names: dict[str, str]) -> list[dict[str, Any]]:
    calls, end = [], 0
    for found in _CALL.finditer(inner):
        if found.start() != end:
            raise _wrong(f"between two calls stands {inner[end : found.start()]!r}")
        end = found.end()
        matched = _ID.fullmatch(found[1])
        if matched is None:
            raise _wrong(f"the id {found[1]!r} is not of the form functions.name:index")
        names[found[1]] = matched[1]
        calls.append(
            {"id": found[1], "type": "function", "function": {"name": matched[1], "arguments": found[2]}}
        )
    if end != len(inner) or not calls:
        raise _wrong(f"a tool section holds {inner[end:]!r}")
    return calls


def _no_control(text: str, where: str) -> None:
    found = _CONTROL.search(text)
    if found:
        raise _wrong(f"{where} contains the control token {found.group()}")


def _wrong(why: str) -> Refusal:
    return Refusal("invalid", f"not K2's template: {why}", "prompt")
