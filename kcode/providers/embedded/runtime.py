"""What the worker asks of a llama.cpp binding, and the choice between the two bindings.

Imported only inside the worker process. Bodies are OpenAI-shaped dictionaries; results are plain data.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

Emit = Callable[[dict[str, Any]], bool]
"""Takes one chat chunk; True asks to stop."""
Stopped = Callable[[], bool]


class RuntimeProblem(Exception):
    """``kind``: ``missing`` (no binding), ``cpu``, ``model`` (does not load), ``overflow`` or ``request``."""

    def __init__(self, kind: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.facts = facts


class Runtime(Protocol):
    def facts(self) -> dict[str, Any]:
        """``runtime``, ``version``, ``context`` (tokens), ``infill``, ``slots``, ``weighs`` (bools)."""
        ...

    def complete(self, body: dict[str, Any], stopped: Stopped) -> dict[str, Any]:
        """Complete every prompt of ``body["prompts"]`` ``body["n"]`` times.

        Returns ``{"choices": [[{"text", "logprob", "tokens"}, ...] per prompt], "prompt_tokens", "cached"}``.
        """
        ...

    def weigh(self, body: dict[str, Any]) -> dict[str, Any]:
        """Let the model write ``body["text"]``, a line, between ``prefix`` and ``suffix``, and nothing else.

        Returns ``{"tokens": [[text, logprob, [[other text, logprob], ...]], ...]}`` with ``top`` others each.
        """
        ...

    def chat(self, body: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """Stream one chat answer as OpenAI chunks through ``emit``."""
        ...

    def slot_file(self, op: str, slot: int, filename: str) -> dict[str, Any]:
        """``save`` the KV cells of a slot to a file of the KV folder, or ``restore`` them."""
        ...


def open_runtime(order: dict[str, Any]) -> Runtime:
    """Load the model with the first binding that is installed. Raises :class:`RuntimeProblem`."""
    if importlib.util.find_spec("xllamacpp"):
        missing = _missing_cpu_features()
        if missing:
            raise RuntimeProblem(
                "cpu", f"this processor has no {', '.join(missing)}, which the runtime needs"
            )
        from kcode.providers.embedded.runtime_xllamacpp import XllamacppRuntime

        return XllamacppRuntime(order)
    if importlib.util.find_spec("llama_cpp"):
        from kcode.providers.embedded.runtime_llama_cpp import LlamaCppRuntime

        return LlamaCppRuntime(order)
    raise RuntimeProblem("missing", "no llama.cpp runtime is installed")


def _missing_cpu_features() -> list[str]:
    """The published x86-64 wheels use AVX2, FMA and F16C without asking; the result is SIGILL."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return [name for name in ("avx2", "fma", "f16c") if name not in flags] if flags else []
