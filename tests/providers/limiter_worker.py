"""A process of its own that asks the simulator: ``limiter_worker URL MODE COUNT WINDOW_S``.

Prints one JSON line: answers, retries and waits. ``MODE`` is ``ask``, or ``hold``: begins one request and
waits for the end that never comes.
"""

from __future__ import annotations

import asyncio
import json
import sys

from kcode.providers.base import Finish, Retrying, Waiting
from kcode.providers.chat import ChatProvider
from kcode.providers.limiter import Limiter
from kcode.providers.registry import resolve
from kcode.providers.retry import RetryPolicy

from .support import KEY, make_request, make_settings


async def main(url: str, mode: str, count: int, window_s: float) -> None:
    settings = make_settings(name="moonshot", base_url=url, model="kimi-k2-0905-preview", api_key=KEY)
    endpoint = resolve(settings, {})
    limiter = Limiter(Limiter.of(endpoint).file, window_s=window_s)
    provider = ChatProvider(endpoint, policy=RetryPolicy(4, base_s=0.2), limiter=limiter)
    told = {"answers": 0, "retries": 0, "waits": 0}
    for _ in range(count):
        async for chunk in provider.stream(make_request()):
            if mode == "hold":
                print("holding", flush=True)
                await asyncio.sleep(600)
            told["answers"] += isinstance(chunk, Finish)
            told["retries"] += isinstance(chunk, Retrying)
            told["waits"] += isinstance(chunk, Waiting)
    await provider.close()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
