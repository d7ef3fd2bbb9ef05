"""The models the simulator serves, with the rules that differ between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SimModel:
    """``context`` and ``max_output`` in tokens.

    ``family`` decides the sampling rules: ``k2`` takes a temperature of 0–1, ``k2.5+`` takes one value
    only. ``thinking`` is ``no``, ``forced`` (cannot be switched off) or ``toggle``.
    ``takes_thinking_field`` and ``requires_reasoning`` are the two rules of thinking models: whether the
    ``thinking`` field may be sent, and whether the running tool loop must echo ``reasoning_content``.
    """

    id: str
    context: int = 262_144
    max_output: int = 262_144
    family: Literal["k2", "k2.5+", "k3"] = "k2"
    thinking: Literal["no", "forced", "toggle"] = "no"
    takes_thinking_field: bool = False
    requires_reasoning: bool = False
    search_while_thinking: bool = True  # whether `$web_search` and thinking go together

    @property
    def fixed_sampling(self) -> bool:
        return self.family != "k2"


MOONSHOT = (
    SimModel("kimi-k2-0905-preview"),
    SimModel("kimi-k2-0711-preview", 131_072, 131_072),
    SimModel("kimi-k2-turbo-preview"),
    SimModel("kimi-k2-thinking", thinking="forced"),
    SimModel("kimi-k2-thinking-turbo", thinking="forced"),
    SimModel("kimi-latest", 131_072, 131_072),
    SimModel("moonshot-v1-8k", 8_192, 8_192),
    SimModel("moonshot-v1-32k", 32_768, 32_768),
    SimModel("moonshot-v1-128k", 131_072, 131_072),
    SimModel("kimi-k2.5", family="k2.5+", thinking="toggle", takes_thinking_field=True),
    SimModel(
        "kimi-k2.6",
        family="k2.5+",
        thinking="toggle",
        takes_thinking_field=True,
        search_while_thinking=False,
    ),
    SimModel("kimi-k2.7-code", 262_144, 262_144, "k2.5+", "forced", True, True),
    SimModel("kimi-k2.7-code-highspeed", 262_144, 262_144, "k2.5+", "forced", True, True),
    SimModel("kimi-k3", 1_048_576, 1_048_576, "k3", "forced", False, True),
    SimModel("kimi-k3.1-pro", 1_048_576, 1_048_576, "k3", "forced", False, True),
    SimModel("kimi-k3.1-pro-highspeed", 1_048_576, 1_048_576, "k3", "forced", False, True),
)

LIVE_ON_MOONSHOT = (
    "kimi-k2.6",
    "kimi-k2.7-code",
    "kimi-k2.7-code-highspeed",
    "kimi-k3",
    "kimi-k3.1-pro",
    "kimi-k3.1-pro-highspeed",
)
"""What Moonshot's own list showed in autumn 2026: every model before K2.6 is retired there."""

ARK = (
    SimModel("kimi-k2-250905", 256_000, 32_768),
    SimModel("kimi-k2-thinking-251104", 256_000, 32_768, thinking="forced"),
)

ARK_PLAN_PATHS = ("/api/coding/v3", "/api/plan/v3")
ARK_PLANS = (
    SimModel("kimi-k2.7-code", 256_000, 32_768, thinking="forced", requires_reasoning=True),
    SimModel("kimi-k3", 1_024_000, 131_072, thinking="forced", requires_reasoning=True),
)
"""What the plans serve where a test asks for it; they have no model list (facts A.3)."""

SELF_HOSTED = (
    SimModel("kimi-k2"),
    SimModel("kimi-k2-instruct"),
    SimModel("kimi-k2-thinking", thinking="forced"),
)

BY_SHAPE: dict[str, tuple[SimModel, ...]] = {"moonshot": MOONSHOT, "ark": ARK, "openai": SELF_HOSTED}
