"""Where providers differ, as data: one record per wire dialect, no subclass per vendor.

Sources for each rule: the fact sheet's sections, summarised in ``docs/providers.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server wants to be spoken to.

    ``reasoning_field`` is the name under which reasoning is echoed in history, ``None`` for never.
    ``call_ids`` is ``keep`` (send the ids as received) or ``k2`` (rewrite to ``functions.name:index``
    with one counter over the whole conversation, which raw K2 engines need).
    ``sampling`` says which sampling fields are sent: ``none`` (the model refuses them), ``temperature``,
    or ``full`` (temperature and top_p, because the server's defaults are wrong for K2).
    ``partial`` is ``partial`` (the last message carries ``partial: true``), ``continue`` (vLLM's and
    SGLang's ``continue_final_message``) or ``no`` (the model is asked to go on).
    """

    name: str
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    sampling: Literal["none", "temperature", "full"] = "temperature"
    reasoning_field: str | None = "reasoning_content"
    reasoning_required: bool = False  # with tool calls, reasoning that never came is sent as ""
    call_ids: Literal["keep", "k2"] = "keep"
    tool_message_name: bool = True  # send `name` on tool messages (K2's template renders it)
    stream_usage: bool = True  # send stream_options.include_usage
    prompt_cache_key: bool = False
    strict_tools: bool | None = None  # value of function.strict, None for not sent
    extra_body: tuple[tuple[str, object], ...] = ()  # constant fields for the body, in order
    needs_done: bool = True  # a stream without [DONE] is truncated, whatever came before (facts B.4)
    structured: Literal["json_schema", "json_object"] = "json_schema"  # response_format for a schema
    request_id_header: str = ""  # header under which the server accepts the client's own request id
    wire: Literal["chat", "responses", "messages", "completions"] = "chat"  # which API is spoken
    heal: bool = False  # raw K2 markup in the text may become tool calls (facts E.5)
    partial: Literal["no", "partial", "continue"] = "no"  # how a cut answer is continued, where it can be
    tool_choice: bool = True  # may `tool_choice` be sent
    temperature_scale: float = 1.0  # what the server multiplies a temperature by (facts B.7)
    limits_per: Literal["account", "model"] = "account"  # whose requests share a limit (facts A.4, D.2)
    signature_field: str | None = None  # the reasoning's seal in history, where the wire has one
    keep_reasoning: tuple[tuple[str, object], ...] = ()  # body fields that keep answered turns' reasoning
    cached_wire: Literal["", "responses"] = ""  # spoken instead of `wire` where it caches the model's input
    response_cache: bool = False  # the responses wire takes `caching` and `expire_at` (facts C.3)
    chain_pause_s: float = 0.0  # least time between an answer and the request that continues it (facts C.3)
    reasoning_refusable: bool = False  # a 400 that names the echoed reasoning: go on without echoing it
    batch_path: str = ""  # where chat requests are served late and at the batch price (facts C.5)
    thinking_off: tuple[tuple[str, object], ...] = ()  # body fields that switch a toggle model's thinking off
    raw_body: tuple[tuple[str, object], ...] = ()  # constant fields of the completions wire's body, in order
    no_parser_texts: tuple[str, ...] = ()  # words of a refusal that mean: no tool parser, only raw text
    stream_tools: bool = True  # false: requests with tools are not streamed, for old vLLM (facts I)
    props_path: str = ""  # where the server tells its window, if not in its model list
    images: bool = False  # the model sees images, and tool messages may carry them


_TEMPLATE_OFF = (("chat_template_kwargs", {"thinking": False}),)  # how engines take it (facts I)

_K2_ENGINE = Dialect(
    "k2-raw",
    max_tokens_field="max_tokens",
    call_ids="k2",
    heal=True,
    thinking_off=_TEMPLATE_OFF,
    # without the first, engines delete the calls from the text; the template has no BOS (facts E.1, E.2)
    raw_body=(("skip_special_tokens", False), ("add_special_tokens", False)),
    no_parser_texts=("--enable-auto-tool-choice", "--tool-call-parser", "requires --jinja"),
)

DIALECTS: dict[str, Dialect] = {
    d.name: d
    for d in (
        Dialect(
            "moonshot",
            prompt_cache_key=True,
            strict_tools=False,
            partial="partial",
            thinking_off=(("thinking", {"type": "disabled"}),),
            keep_reasoning=(("thinking", {"type": "enabled", "keep": "all"}),),
        ),
        Dialect(
            "ark",
            max_tokens_field="max_tokens",
            sampling="full",
            call_ids="k2",
            structured="json_object",
            request_id_header="X-Client-Request-Id",
            tool_choice=False,
            limits_per="model",
            cached_wire="responses",
            response_cache=True,
            chain_pause_s=0.1,
            reasoning_refusable=True,
            batch_path="/batch/chat/completions",
        ),
        Dialect("openai", max_tokens_field="max_tokens", call_ids="keep", needs_done=False),
        _K2_ENGINE,
        replace(_K2_ENGINE, name="vllm", reasoning_field="reasoning", partial="continue"),
        replace(_K2_ENGINE, name="sglang", partial="continue"),
        replace(_K2_ENGINE, name="llama-server", props_path="/props"),
        Dialect(
            "anthropic",
            max_tokens_field="max_tokens",
            wire="messages",
            temperature_scale=0.6,
            signature_field="signature",
            structured="json_object",
        ),
        Dialect("embedded", max_tokens_field="max_tokens", reasoning_field=None),
    )
}
