"""An account's limits, enforced: requests and tokens in any window, requests at once (facts A.4, D.1, D.2).

Tokens are reserved before the answer is made: the prompt's and all that the request allows. What was refused
counts as a request too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """``rpm`` and ``tpm`` per ``window_s`` seconds, ``concurrency`` at once; 0 for no limit.

    ``headers``: tell limits and what is left in X-RateLimit headers. ``refused`` counts the refusals.
    """

    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0
    window_s: float = 60.0
    headers: bool = True
    refused: int = 0
    most_at_once: int = 0
    running: int = 0
    seen: list[tuple[float, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, prompt_tokens: int, body: Mapping[str, Any]) -> str:
        """Takes the request in, or says why not: the kind of the refusal and its text, divided by a bar.

        Who was taken in has to :meth:`leave`.
        """
        tokens = prompt_tokens + int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)
        with self.lock:
            now = time.monotonic()
            self.seen = [(at, n) for at, n in self.seen if at > now - self.window_s]
            used = sum(n for _, n in self.seen)
            why = self._refusal(tokens, used)
            self.seen.append((now, 0 if why else tokens))
            if why:
                self.refused += 1
                return why
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            return ""

    def leave(self) -> None:
        with self.lock:
            self.running -= 1

    def _refusal(self, tokens: int, used: int) -> str:
        if self.concurrency and self.running >= self.concurrency:
            return (
                "rate_limit_concurrency|Your account reached max organization concurrency:"
                f" {self.concurrency}, please try again"
            )
        if self.rpm and len(self.seen) >= self.rpm:
            return (
                f"rate_limit_rpm|Your account reached organization max RPM: {self.rpm},"
                " please try again after 1 seconds"
            )
        if self.tpm and used + tokens > self.tpm:
            return (
                f"rate_limit_tpm|Your account reached organization TPM rate limit, current:{used + tokens},"
                f" limit:{self.tpm}"
            )
        return ""

    def response_headers(self) -> list[tuple[str, str]]:
        if not (self.headers and self.rpm):
            return []
        with self.lock:
            now = time.monotonic()
            inside = [at for at, _ in self.seen if at > now - self.window_s]
            reset = min(inside) + self.window_s - now if inside else 0.0
            return [
                ("X-RateLimit-Limit", str(self.rpm)),
                ("X-RateLimit-Remaining", str(max(0, self.rpm - len(inside)))),
                ("X-RateLimit-Reset", f"{reset:.3f}"),
            ]
