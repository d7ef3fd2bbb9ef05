"""How a confined command gets to allowed hosts: a room with a proxy in its wall, and the variables that tell
programs of it.

Where no room can be made, but the kernel can confine connections to one port, the proxy listens on the
machine's own loopback, and asks for a word that only the command knows.
"""

from __future__ import annotations

import re
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.safety import buildcaches, temporary
from kcode.safety.hosts import Gate, Passage
from kcode.safety.proxy import Proxy
from kcode.safety.rooms import Room, room_for, rooms_below

if TYPE_CHECKING:
    from kcode.safety.sandbox import Confinement

_PROXIED = re.compile(r"(?:(?:https?|all|ftp|no)_proxy|npm_config_(?:https?_?)?_?proxy)", re.IGNORECASE)
_PATIENT = {  # programs that go on for a minute where there is no network
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_fetch_retry_mintimeout": "500",
    "npm_config_fetch_retry_maxtimeout": "2000",
}
_TRIES = ("PIP_RETRIES", "npm_config_fetch_retries", "CARGO_NET_RETRY", "YARN_HTTP_RETRY", "UV_HTTP_RETRIES")


@dataclass(frozen=True, slots=True)
class Way:
    """``room`` is where the command runs, or None for the machine's own network; ``port`` is that of the
    proxy on 127.0.0.1, 0 for none."""

    room: Room | None
    port: int
    token: str = ""

    @property
    def address(self) -> str:
        known = f"kcode:{self.token}@" if self.token else ""
        return f"http://{known}127.0.0.1:{self.port}"


NO_WAY = Way(None, 0)
_lock = threading.Lock()
_in_rooms: dict[int, Proxy] = {}
_outside: dict[int, tuple[Gate, Way]] = {}


def way_for(confine: Confinement, *, one_port: bool) -> Way:
    """The way of a command that does not have the whole network. ``one_port``: connections can be confined
    to one port of the machine's own loopback here."""
    if confine.network or confine.temporary is None:
        return NO_WAY
    room = room_for(confine.temporary, confine.writable)
    with _lock:
        if room is not None:
            proxy = _in_rooms.get(room.port)
            if proxy is None:
                _in_rooms[room.port] = Proxy(room.way_out, confine.gate or _Closed())
            elif confine.gate is not None:
                proxy.gate = confine.gate
            return Way(room, room.port)
        if not one_port or confine.gate is None:
            return NO_WAY
        key = id(confine.gate)
        if key not in _outside:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            token = secrets.token_urlsafe(18)
            Proxy(listener, confine.gate, token=token)
            _outside[key] = (confine.gate, Way(None, listener.getsockname()[1], token))
        return _outside[key][1]


def leave(folder: Path) -> None:
    """What shares a /tmp at or below ``folder`` is over: its room goes, with the way out of it."""
    for room in rooms_below(folder):
        with _lock:
            proxy = _in_rooms.pop(room.port, None)
        if proxy is not None:
            proxy.close()


temporary.when_removed.append(leave)


class _Closed:
    def __call__(self, host: str, port: int) -> Passage:
        return Passage(False, "there is no network here")

    def waited_s(self) -> float:
        return 0.0


def variables(
    environ: Mapping[str, str], way: Way, *, told: bool, network: bool, caches: Path | None = None
) -> dict[str, str]:
    """``environ`` for a confined command. ``told``: every program is told of the proxy, not only those that
    fetch packages; a test that finds one in its environment may behave differently."""
    found = dict(environ)
    if caches is not None:
        found.update(buildcaches.variables(environ, caches))
    if network:
        return found
    found = {name: value for name, value in found.items() if not _PROXIED.fullmatch(name)}
    tries = "1" if way.port else "0"
    for name, value in (*_PATIENT.items(), *((name, tries) for name in _TRIES)):
        found.setdefault(name, value)
    found.setdefault("GOTOOLCHAIN", "local")
    java: list[str] = []
    if way.port and not way.token:  # Java knows no way to give a word with it
        java = [f"-D{kind}.proxyHost=127.0.0.1 -D{kind}.proxyPort={way.port}" for kind in ("http", "https")]
    if way.port:
        address = way.address
        named = ["CARGO_HTTP_PROXY", "PIP_PROXY", "YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"]
        if told:
            named += ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
            found["NODE_USE_ENV_PROXY"] = "1"
            found["NO_PROXY"] = found["no_proxy"] = "localhost,127.0.0.1,::1"
        found.update(dict.fromkeys(named, address))
    for name, more in (("MAVEN_OPTS", java), ("GRADLE_OPTS", [*java, "-Dorg.gradle.daemon=false"])):
        if more:
            found[name] = " ".join([*filter(None, [found.get(name, "")]), *more])
    return found
