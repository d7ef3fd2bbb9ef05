"""The HTTP client: one TLS context, time limits, proxies, and what its failures mean."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import httpx2

import kcode
from kcode.errors import ConfigError, EnvironmentProblem
from kcode.providers.base import ConnectionLost, HttpFacts, ProviderError, ServerFailed, Unreachable
from kcode.providers.endpoint import Endpoint

CONNECT_TIMEOUT_S = 15.0
_KEEP_ALIVE_S = 60.0


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Loading the certificates costs up to 0.1 s, so all clients of the process share one context."""
    return httpx2.create_ssl_context()


async def open_client(endpoint: Endpoint, timeout_s: float) -> httpx2.AsyncClient:
    """A client for this endpoint. ``timeout_s`` is the longest silence while waiting for bytes.

    Proxy variables are honoured, except for loopback addresses: a proxy cannot reach a server on this
    machine, and many set-ups forget to exclude it.
    """
    local = is_loopback(endpoint.base_url)
    plain = local and endpoint.base_url.startswith("http://")
    verify: ssl.SSLContext | bool = False if plain else await asyncio.to_thread(_tls)
    headers = {
        "User-Agent": f"kcode/{kcode.__version__}",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
    }
    if endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    try:
        return httpx2.AsyncClient(
            headers=headers,
            verify=verify,
            trust_env=not local,
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None),
            limits=httpx2.Limits(max_connections=20, keepalive_expiry=_KEEP_ALIVE_S),
            follow_redirects=False,
        )
    except ImportError as problem:
        raise EnvironmentProblem(
            "The proxy variables name a SOCKS proxy, and its support is not installed.",
            "Install the `socksio` package beside kcode, or set HTTPS_PROXY to an http:// proxy.",
        ) from problem
    except (ValueError, httpx2.InvalidURL) as problem:
        raise ConfigError(
            f"A proxy variable cannot be used: {problem}", "See HTTP_PROXY, HTTPS_PROXY and ALL_PROXY."
        ) from None


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def transport_error(problem: Exception, endpoint: Endpoint, timeout_s: float) -> ProviderError:
    """The meaning of an exception of the HTTP client."""
    where = endpoint.label
    if isinstance(problem, httpx2.ConnectTimeout):
        return _unreachable("timeout", f"{where} did not answer within {CONNECT_TIMEOUT_S:.0f} s.", endpoint)
    if isinstance(problem, httpx2.ProxyError):
        return Unreachable(
            f"The proxy did not let the request to {where} through: {problem}",
            "See HTTPS_PROXY and NO_PROXY.",
            HttpFacts(code="proxy"),
        )
    if isinstance(problem, httpx2.ConnectError):
        return _connect_error(problem, endpoint)
    if isinstance(problem, httpx2.ReadTimeout):
        return ConnectionLost(
            f"{where} was silent for {timeout_s:.0f} s.", "A larger provider.timeout_s waits longer."
        )
    if isinstance(problem, httpx2.DecodingError):
        return ServerFailed(f"{where} sent a response that cannot be decoded: {problem}", "Try again.")
    return ConnectionLost(
        f"The connection to {where} broke: {str(problem) or type(problem).__name__}", "Try again."
    )


def _connect_error(problem: httpx2.ConnectError, endpoint: Endpoint) -> ProviderError:
    where = endpoint.label
    cause = _root(problem)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unreachable(
            f"The certificate of {where} cannot be verified: {cause.verify_message}",
            "If a company proxy re-signs connections, name its certificates in SSL_CERT_FILE.",
            HttpFacts(code="tls"),
        )
    if isinstance(cause, ssl.SSLError):
        return Unreachable(
            f"{where} does not speak TLS as expected: {cause.reason or cause}",
            "Should the base URL begin with http:// instead of https://?",
            HttpFacts(code="tls"),
        )
    if isinstance(cause, socket.gaierror):
        return _unreachable("name", f"The name {endpoint.host} cannot be resolved.", endpoint)
    if isinstance(cause, ConnectionRefusedError) or _number(cause) == errno.ECONNREFUSED:
        return _unreachable(
            "refused", f"Nothing listens at {endpoint.host}: the connection was refused.", endpoint
        )
    return _unreachable("unreachable", f"{where} cannot be reached: {cause}", endpoint)


def _unreachable(code: str, message: str, endpoint: Endpoint) -> Unreachable:
    if is_loopback(endpoint.base_url) or not endpoint.profile.remote:
        remedy = "Is the server running, and is provider.base_url right?"
    else:
        remedy = "Check the network and the proxy variables"
        remedy += "." if any(os.environ.get(n) for n in ("HTTPS_PROXY", "https_proxy")) else " (HTTPS_PROXY)."
    return Unreachable(
        message, f"{remedy} `--provider embedded` needs neither key nor network.", HttpFacts(code=code)
    )


def _root(problem: BaseException) -> BaseException:
    """The innermost cause: the client and its layers wrap the operating system's error."""
    seen = problem
    while True:
        inner = seen.__cause__ or seen.__context__
        if isinstance(seen, BaseExceptionGroup) and seen.exceptions:
            inner = seen.exceptions[0]
        if inner is None:
            return seen
        seen = inner


def _number(problem: BaseException) -> int | None:
    return problem.errno if isinstance(problem, OSError) else None
