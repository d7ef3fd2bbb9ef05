"""Tools that Moonshot runs itself: the builtin ``$web_search`` and the Formula tools (facts B.6).

``$web_search`` is declared as a builtin function; "running" it is sending its arguments back as they came:
the service searches and puts what it finds into the next prompt. A Formula is asked for its declarations
(``GET /formulas/moonshot/NAME:latest/tools``) and runs a call as a fiber (``POST …/fibers``); an output that
is encrypted is passed on untouched, only the service reads it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kcode.config.jsontext import read_json
from kcode.config.settings import Settings
from kcode.errors import ConfigError
from kcode.providers.base import (
    AuthError,
    InvalidRequest,
    ModelNotFound,
    OfficialResult,
    Provider,
    ProviderError,
    QuotaExhausted,
    ServerFailed,
    WrongAddress,
)
from kcode.providers.catalog import Model
from kcode.providers.moonshot.platform import Platform, money, site

if TYPE_CHECKING:
    from kcode.providers.service import HttpProvider

WEB_SEARCH = "$web_search"
FORMULAS = (
    "base64", "code-runner", "convert", "date", "excel", "fetch", "memory", "mew", "quickjs",
    "random-choice", "rethink", "web-search",
)  # fmt: skip
_LIST_TIMEOUT_S = 15.0
_FIBER_TIMEOUT_S = 180.0  # code-runner works for a while


def open_official(provider: Provider, settings: Settings, own: Collection[str]) -> MoonshotTools | None:
    """The official tools the settings name, None where they name none or the provider has none.

    ``own`` are the names of kcode's own tools, which an official one must not bear. Asks no server. Raises
    ConfigError for an unknown name, and for ``$web_search`` beside thinking on a model that does not allow
    the two together.
    """
    names = wanted(settings.provider.official_tools)
    found = site(provider)
    if not names or found is None:
        return None
    if WEB_SEARCH in names:
        _check_search(provider.model)
    return MoonshotTools(*found, names, own)


def wanted(setting: str) -> tuple[str, ...]:
    """The names in ``provider.official_tools``, separated by spaces or commas, each once, sorted.

    Raises ConfigError for one that is not there, listing those that are.
    """
    names = sorted(set(setting.replace(",", " ").split()))
    for name in names:
        if name != WEB_SEARCH and name not in FORMULAS:
            raise ConfigError(
                f"provider.official_tools: Moonshot has no official tool `{name}`.",
                f"There are: {', '.join((WEB_SEARCH, *FORMULAS))}.",
            )
    return tuple(names)


def search_tokens(arguments: str) -> int:
    """How many tokens the search of this call adds to the next prompt, 0 where it does not say."""
    try:
        total = read_json(arguments)["usage"]["total_tokens"]
    except (ValueError, TypeError, KeyError):
        return 0
    return total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else 0


def _check_search(model: Model) -> None:
    if model.thinking != "no" and not model.search_while_thinking:
        raise ConfigError(
            f"`{model.id}` thinks, and Moonshot's `{WEB_SEARCH}` does not work while it does.",
            f"Take `{WEB_SEARCH}` out of provider.official_tools (`web-search` searches as a Formula tool),"
            " or set provider.thinking to off where the model can do without.",
        )


class MoonshotTools:
    """The :class:`~kcode.providers.base.OfficialTools` of an open provider."""

    def __init__(
        self, service: HttpProvider, platform: Platform, names: Sequence[str], own: Collection[str]
    ) -> None:
        self._service = service
        self._platform = platform
        self._names = tuple(names)
        self._own = frozenset(own)
        self._formula_of: dict[str, str] | None = None if self._formulas else {}
        self._declared: list[dict[str, Any]] = []

    @property
    def _formulas(self) -> list[str]:
        return [name for name in self._names if name != WEB_SEARCH]

    async def declarations(self) -> list[dict[str, Any]]:
        """Asked once of the service, then remembered; as the service spells them, sorted by name.

        Raises ConfigError for a Formula that is not there any more and for names that two tools bear,
        ProviderError where the service fails.
        """
        if self._formula_of is None:
            await self._load()
        search: list[dict[str, Any]] = []
        if WEB_SEARCH in self._names:
            search = [{"type": "builtin_function", "function": {"name": WEB_SEARCH}}]
        return [*search, *self._declared]

    def knows(self, name: str) -> bool:
        """Whether a call of ``name`` belongs here.

        Before the service was asked (in a session that is continued), any name that is not kcode's own may
        be one; ``run`` then asks, and tells the model where it is not.
        """
        if name == WEB_SEARCH:
            return WEB_SEARCH in self._names
        if self._formula_of is None:
            return name not in self._own
        return name in self._formula_of

    def price_text(self, name: str) -> str:
        if name != WEB_SEARCH:
            return ""  # no price is published for the Formula tools
        fee = Decimal(self._platform.search_fee)
        return f"{money(fee, self._platform.currency, -int(fee.as_tuple().exponent))} a call"

    async def run(self, name: str, arguments: str) -> OfficialResult:
        """What the tool says. A call that failed is told to the model (``ok`` is False).

        Raises AuthError and QuotaExhausted: no other call would fare better.
        """
        if name == WEB_SEARCH:
            fee, currency = self._platform.search_fee, self._platform.currency
            tokens = search_tokens(arguments)
            brief = f"about {tokens:,} tokens enter the next prompt" if tokens else ""
            return OfficialResult(arguments, fee=fee, currency=currency, brief=brief)
        try:
            if self._formula_of is None:
                await self._load()
            formula = (self._formula_of or {}).get(name)
            if formula is None:
                return _failed(f"there is no official tool {name!r} among {', '.join(self._names)}")
            return await self._fiber(formula, name, arguments)
        except (AuthError, QuotaExhausted):
            raise
        except ProviderError as error:
            return _failed(error.facts.message if isinstance(error, InvalidRequest) else error.message)

    async def _load(self) -> None:
        formula_of: dict[str, str] = {}
        declared: list[dict[str, Any]] = []
        for formula in self._formulas:
            for declaration in await self._list(formula):
                name = declaration["function"]["name"]
                other = formula_of.get(name) or ("kcode itself" if name in self._own else "")
                if other:
                    raise ConfigError(
                        f"The official tool `{formula}` is called `{name}`, as one of {other} is.",
                        f"Take `{formula}` out of provider.official_tools.",
                    )
                formula_of[name] = formula
                declared.append(declaration)
        self._declared = sorted(declared, key=lambda tool: str(tool["function"]["name"]))
        self._formula_of = formula_of

    async def _list(self, formula: str) -> list[dict[str, Any]]:
        try:
            payload = await self._service.call_json(
                "GET", f"{_path(formula)}/tools", timeout_s=_LIST_TIMEOUT_S
            )
        except (ModelNotFound, WrongAddress) as missing:
            raise ConfigError(
                f"{self._service.endpoint.label} has no official tool `{formula}` now:"
                f" {missing.facts.message or 'not found'}",
                f"Take `{formula}` out of provider.official_tools.",
            ) from missing
        tools = payload.get("tools")
        if not isinstance(tools, list) or not all(_is_declaration(tool) for tool in tools) or not tools:
            raise ServerFailed(
                f"{self._service.endpoint.label} did not declare its official tool `{formula}`.",
                f"Try again, or take `{formula}` out of provider.official_tools.",
            )
        return tools

    async def _fiber(self, formula: str, name: str, arguments: str) -> OfficialResult:
        """Not tried again: a fiber may have done something before it was lost."""
        body = {"name": name, "arguments": arguments or "{}"}
        # An error object of a fiber is the tool's own, not the endpoint's: `call_json` would raise it.
        response = await self._service.call(
            "POST", f"{_path(formula)}/fibers", body, timeout_s=_FIBER_TIMEOUT_S
        )
        return _told(self._service.payload(response.text, "", {}))


def _path(formula: str) -> str:
    return f"/formulas/moonshot/{formula}:latest"


def _is_declaration(tool: object) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str) and bool(function["name"])


def _told(fiber: Mapping[str, Any]) -> OfficialResult:
    """A fiber's output: the plain one, else the encrypted one, else what went wrong."""
    found = fiber.get("context")
    context: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if fiber.get("status") == "succeeded":
        for kind in ("output", "encrypted_output"):
            if context.get(kind):
                return OfficialResult(_text(context[kind]))
        return OfficialResult("(no output)")
    said = fiber.get("error") or context.get("error") or f"it ended as {fiber.get('status') or 'unknown'}"
    return _failed(str(said.get("message") or said) if isinstance(said, dict) else _text(said))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _failed(why: str) -> OfficialResult:
    return OfficialResult(f"Error: {why}", ok=False, brief=why.split("\n", 1)[0][:120])
