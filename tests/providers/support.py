from __future__ import annotations

from kcode.config.settings import Settings
from kcode.providers.base import Chunk, Request
from kcode.providers.chat import ChatProvider
from kcode.providers.registry import resolve
from kcode.providers.retry import RetryPolicy

KEY = "sk-test-not-a-real-key"


def make_settings(**provider: object) -> Settings:
    return Settings.model_validate({"provider": provider})


def make_provider(
    url: str,
    *,
    name: str = "moonshot",
    model: str = "kimi-k2-0905-preview",
    retries: int = 0,
    timeout_s: float = 20.0,
    key: str = KEY,
) -> ChatProvider:
    settings = make_settings(name=name, base_url=url, model=model, api_key=key)
    return ChatProvider(resolve(settings, {}), timeout_s=timeout_s, policy=RetryPolicy(retries, base_s=0.01))


def make_request(*messages: bytes, **fields: object) -> Request:
    spelled = messages or (b'{"role":"user","content":"hi"}',)
    values: dict[str, object] = {"model": "", "tools": b"", "messages": spelled, "max_output_tokens": 256}
    return Request(**(values | fields))  # type: ignore[arg-type]


async def ask(provider: ChatProvider, request: Request | None = None) -> list[Chunk]:
    try:
        return [chunk async for chunk in provider.stream(request or make_request())]
    finally:
        await provider.close()
