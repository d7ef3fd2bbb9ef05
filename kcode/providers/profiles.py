"""Provider profiles: where each service lives, whose key it takes and how it is spoken to. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """One service. ``key_variables`` are tried in order; ``default_model`` is ``""`` where the server's
    own list decides. ``path`` is appended to a base URL that has none."""

    name: str
    title: str
    base_url: str
    dialect: str
    key_variables: tuple[str, ...] = ()
    default_model: str = ""
    needs_key: bool = False
    path: str = "/v1"
    console: str = ""  # where the user sees keys, balance and opened models
    key_hint: str = ""  # whose keys this address takes
    lists_models: bool = True  # GET /models says what the account may use
    listing_proves: bool = True  # a model that is listed there can be called (facts 0.3: not on Ark)
    window: int = 0  # tokens, where neither the settings nor the server say: the engine's own default
    plans: tuple[str, ...] = ()  # profiles of the same house that may serve what this one does not

    @property
    def embedded(self) -> bool:
        return self.name == "embedded"

    @property
    def remote(self) -> bool:
        """A hosted service with a known address, as opposed to a server of the user's."""
        return self.needs_key


PROFILES: dict[str, Profile] = {
    p.name: p
    for p in (
        Profile(
            "embedded",
            title="the embedded model",
            base_url="",
            dialect="embedded",
            default_model="qwen2.5-coder-1.5b",
        ),
        Profile(
            "moonshot",
            title="Moonshot",
            base_url="https://api.moonshot.cn/v1",
            dialect="moonshot",
            key_variables=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
            default_model="kimi-k2.7-code",
            needs_key=True,
            console="platform.kimi.com",
            key_hint=(
                "api.moonshot.cn takes keys of platform.kimi.com (China). A key of platform.kimi.ai needs"
                " `--provider moonshot-intl`, a Kimi Code key (sk-kimi-…) `--provider kimi-code`."
            ),
        ),
        Profile(
            "moonshot-intl",
            title="Moonshot international",
            base_url="https://api.moonshot.ai/v1",
            dialect="moonshot",
            key_variables=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
            default_model="kimi-k2.7-code",
            needs_key=True,
            console="platform.kimi.ai",
            key_hint=(
                "api.moonshot.ai takes keys of platform.kimi.ai (international). A key of platform.kimi.com"
                " needs `--provider moonshot`, a Kimi Code key (sk-kimi-…) `--provider kimi-code`."
            ),
        ),
        Profile(
            "kimi-code",
            title="Kimi Code",
            base_url="https://api.kimi.com/coding/v1",
            dialect="moonshot",
            key_variables=("KIMI_API_KEY",),
            default_model="kimi-for-coding",
            needs_key=True,
            console="kimi.com/code",
            key_hint=(
                "api.kimi.com/coding takes keys of a Kimi Code subscription (sk-kimi-…). A key of the open"
                " platform needs `--provider moonshot` (.cn) or `--provider moonshot-intl` (.ai)."
            ),
        ),
        Profile(
            "ark",
            title="Volcengine Ark",
            base_url="https://ark.cn-beijing.volces.com/api/v3",
            dialect="ark",
            key_variables=("ARK_API_KEY",),
            default_model="kimi-k2-thinking-251104",
            needs_key=True,
            path="/api/v3",
            console="console.volcengine.com/ark",
            key_hint="Ark takes API keys made in its console, and the model must be opened there first.",
            listing_proves=False,
            plans=("ark-coding", "ark-agent"),
        ),
        Profile(
            "ark-coding",
            title="Ark Coding Plan",
            base_url="https://ark.cn-beijing.volces.com/api/coding/v3",
            dialect="ark",
            key_variables=("ARK_API_KEY",),
            default_model="kimi-k2.7-code",
            needs_key=True,
            path="/api/coding/v3",
            console="console.volcengine.com/ark",
            key_hint="The Coding Plan takes the account's Ark API key while the plan is active.",
            lists_models=False,
        ),
        Profile(
            "ark-agent",
            title="Ark Agent Plan",
            base_url="https://ark.cn-beijing.volces.com/api/plan/v3",
            dialect="ark",
            key_variables=("ARK_API_KEY",),
            default_model="kimi-k2.7-code",
            needs_key=True,
            path="/api/plan/v3",
            console="console.volcengine.com/ark",
            key_hint="The Agent Plan takes the account's Ark API key while the plan is active.",
            lists_models=False,
        ),
        Profile("vllm", "vLLM", "http://127.0.0.1:8000/v1", "vllm"),
        Profile("sglang", "SGLang", "http://127.0.0.1:30000/v1", "sglang"),
        Profile("ktransformers", "KTransformers", "http://127.0.0.1:10002/v1", "k2-raw", window=30_000),
        Profile("trtllm", "TensorRT-LLM", "http://127.0.0.1:8000/v1", "k2-raw"),
        Profile("llama-server", "llama-server", "http://127.0.0.1:8080/v1", "llama-server"),
        Profile("openai-compatible", "the server", "", "openai"),
        Profile(
            "anthropic-compatible",
            title="the Anthropic-compatible endpoint",
            base_url="https://api.moonshot.cn/anthropic",
            dialect="anthropic",
            key_variables=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
            default_model="kimi-k3",
            needs_key=True,
            path="",
            console="platform.kimi.com",
            key_hint=(
                "api.moonshot.cn takes keys of platform.kimi.com (China). For a key of platform.kimi.ai set"
                " provider.base_url to https://api.moonshot.ai/anthropic."
            ),
            lists_models=False,
        ),
    )
}
