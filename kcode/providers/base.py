"""The provider protocol: a request goes in, typed chunks come out.

All providers (Moonshot, Ark, self-hosted, embedded) speak this; where they differ is data
(:mod:`kcode.providers.dialect`). Nothing here imports a network library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from kcode.errors import ExitCode, KcodeError
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect

# --- what comes back -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A fragment of reasoning. An empty string is meaningful: "thought, but nothing to show".

    ``signature`` is the server's seal on the whole reasoning, where its wire has one (the Anthropic shape):
    it must be sent back unchanged.
    """

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A fragment of the tool call at ``index``; ``id`` and ``name`` come with the first fragment.

    ``builtin`` marks a call of the provider's own tools (``$web_search``). ``healed`` marks a call that was
    read from raw markup in the text, not from the wire's own calls.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    builtin: bool = False
    healed: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request as the server reported them. ``prompt`` includes ``cached``.

    ``cache_write`` are tokens whose caching is billed apart. ``stored`` tokens are kept by the server for
    ``stored_hours`` whole hours at the catalogue's storage price. ``batch``: billed at the batch prices.
    """

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0
    cache_write: int = 0
    stored: int = 0
    stored_hours: int = 0
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer: ``stop``, ``length``, ``tool_calls`` or ``content_filter``.

    Do not decide by it whether there are tool calls; decide by what was collected (k2 quirk E.6).
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """The request failed and will be sent again after ``wait_s``; discard what was streamed so far."""

    attempt: int
    wait_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """kcode itself waits ``wait_s`` seconds before sending (the account's limits); nothing is discarded.
    0 where the end depends on other requests."""

    wait_s: float
    why: str


Chunk = ReasoningDelta | TextDelta | CallDelta | Usage | Finish | Retrying | Waiting


# --- what is asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One model request, already spelled: the bytes are the ledger's and are sent as they are.

    ``tools`` is the JSON array of tool declarations (``b""`` for none) and each of ``messages`` is one
    JSON object in the wire form of the provider's dialect. The HTTP body puts them first, so that the
    body of step N+1 begins with the body of step N up to the end of its last message.

    ``partial`` is a last assistant message that the answer is to continue (Partial Mode), spelled without
    the field that marks it: the wire adds its own. The answer does not repeat it. ``no_calls`` asks for
    text only.
    """

    model: str
    tools: bytes
    messages: tuple[bytes, ...]
    max_output_tokens: int
    session_id: str = ""
    temperature: float | None = None
    response_schema: Mapping[str, Any] | None = None  # JSON schema the answer must follow
    partial: bytes = b""
    no_calls: bool = False
    keep_reasoning: bool = False  # of answered turns, where the model leaves that open


class Provider(Protocol):
    """A source of answers. ``stream`` yields chunks until one :class:`Finish`, then returns.

    Cancelling the consuming task ends the request within 100 ms. Errors are :class:`ProviderError`.
    """

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> Dialect: ...

    @property
    def model(self) -> Model: ...

    def stream(self, request: Request) -> AsyncIterator[Chunk]: ...

    async def list_models(self) -> list[str]:
        """The ids the endpoint lists right now."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation. ``logprob`` is the mean log-probability per token, where known."""

    text: str
    logprob: float | None = None
    tokens: int = 0


@runtime_checkable
class Infiller(Protocol):
    """A provider that can fill in the middle: the embedded model does, chat endpoints do not."""

    async def infill(
        self,
        prefix: str,
        suffix: str,
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 64,
        stop: Sequence[str] = ("\n",),
    ) -> list[Completion]: ...


@dataclass(frozen=True, slots=True)
class Weight:
    """One token of a text that was given: at which character it begins, how likely it was, and what else
    might have stood there with its log-probability, the token itself included."""

    offset: int
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


@runtime_checkable
class Weigher(Protocol):
    """A provider that says how likely a given text is between two others."""

    async def weigh(self, prefix: str, suffix: str, text: str, *, top: int = 1) -> list[Weight]:
        """Token by token, with the ``top`` likeliest alternatives; empty where the runtime cannot."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """A provider whose server counts a prompt's tokens without answering it."""

    async def count_tokens(self, request: Request) -> int:
        """Tokens of the request's prompt: exact where the server renders all of it, else with an allowance
        for what it leaves out."""
        ...


@dataclass(frozen=True, slots=True)
class OfficialResult:
    """What a tool of the provider's own returned: text for the model, untouched. ``fee`` is in ``currency``
    (a decimal string, ``""`` for none). ``brief`` is one line for people, where there is something to say."""

    text: str
    ok: bool = True
    fee: str = ""
    currency: str = "CNY"
    brief: str = ""


@runtime_checkable
class OfficialTools(Protocol):
    """Tools that the provider runs (``$web_search``, Formula tools), declared beside kcode's own."""

    async def declarations(self) -> list[dict[str, Any]]:
        """Their declarations as the wire wants them, in a stable order; asked once per epoch."""
        ...

    def knows(self, name: str) -> bool: ...

    def price_text(self, name: str) -> str:
        """``¥0.03 a call``, or ``""`` where no price is known; shown beside the call."""
        ...

    async def run(self, name: str, arguments: str) -> OfficialResult: ...


@runtime_checkable
class Preparable(Protocol):
    """A provider whose first request is quicker after ``prepare`` (TLS certificates, the client)."""

    async def prepare(self) -> None: ...


# --- what goes wrong -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """What the server said, for the log and for the error message.

    ``kind`` is which limit was met: ``rpm``, ``tpm``, ``concurrency``, ``burst``, ``tpd`` or ``quota``, and
    ``""`` where it does not say. ``resets`` is when a quota is there again, in the server's words.
    """

    status: int = 0
    type: str = ""
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after_s: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    resets: str = ""


class ProviderError(KcodeError):
    """A request that failed. ``retryable`` is read by the retry policy and by nobody else."""

    exit_code = ExitCode.PROVIDER
    retryable = False

    def __init__(self, message: str, remedy: str = "", facts: HttpFacts | None = None) -> None:
        super().__init__(message, remedy)
        self.facts = facts or HttpFacts()


class AuthError(ProviderError):
    exit_code = ExitCode.AUTH


class PermissionDenied(AuthError):
    """The key is right and may not do this: the service is not opened, or not for this account."""


class QuotaExhausted(ProviderError):
    """No balance, plan used up: never retried."""

    exit_code = ExitCode.QUOTA


class RateLimited(ProviderError):
    retryable = True


class Overloaded(ProviderError):
    retryable = True


class ServerFailed(ProviderError):
    """5xx, 408, 409, an HTML page from a gateway."""

    retryable = True


class ConnectionLost(ProviderError):
    """The connection broke, or the stream ended without its end: the partial answer is discarded."""

    retryable = True


class Unreachable(ProviderError):
    """Nothing listens there, the name does not resolve, TLS failed: tried again only briefly."""


class WrongAddress(ProviderError):
    """Something answers there, but not this API: the base URL is wrong."""

    exit_code = ExitCode.USAGE


class ModelNotFound(ProviderError):
    exit_code = ExitCode.USAGE


class ContextOverflow(ProviderError):
    """The prompt and the room for the answer do not fit the window."""

    exit_code = ExitCode.LIMIT


class ContentFiltered(ProviderError):
    exit_code = ExitCode.NOT_ACHIEVED


class InvalidRequest(ProviderError):
    """The server refused the request's shape: a defect of kcode or of a setting."""

    exit_code = ExitCode.INTERNAL


class EmbeddedUnavailable(ProviderError):
    """The runtime is not installed, the model file is not there, or the worker died."""

    exit_code = ExitCode.ENVIRONMENT
