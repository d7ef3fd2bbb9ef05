"""Which other machine a confined command may be connected to, and at which address.

A name that is not allowed is never looked up: the question itself would carry data out. One that is allowed
leads to no address of the user's own network, unless a rule names that very host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from kcode.safety.rules import Rule

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Passage:
    """``why`` says who decided. ``near``: addresses of this machine and of private networks too."""

    allowed: bool
    why: str
    near: bool = False


class Gate(Protocol):
    """Decides over a host, by its plain name; may ask a person, on the thread it is called from."""

    def __call__(self, host: str, port: int) -> Passage: ...

    def waited_s(self) -> float:
        """Seconds for which a person was asked so far, an open question's included: no command's own time."""


class NoWay(Exception):
    """The host cannot be reached from here; the message goes to the command."""


def plain_name(text: str) -> str:
    """A host as it is held against rules: lower case, ASCII, addresses as they are usually spelled.

    Raises NoWay.
    """
    name = text.strip().removeprefix("[").removesuffix("]").rstrip(".").casefold()
    if address := literal(name):
        return str(address)
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            name = ""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or ".." in name:
        raise NoWay(f"{text[:80]!r} is no name of a host")
    return name


def literal(name: str) -> Address | None:
    """The address that ``name`` spells out, also as C libraries read it: ``127.1``, ``0x7f000001``."""
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        pass
    if re.fullmatch(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}", name):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    return None


def is_near(address: Address) -> bool:
    """Whether it is no address of the open internet: this machine, private networks, cloud metadata; also
    where an IPv4 address is wrapped in an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and is_near(inner):
            return True
    return not address.is_global or address.is_multicast


def by_rules(host: str, rules: Iterable[Rule]) -> tuple[Literal["allow", "ask", "deny"], Passage]:
    """What the rules over hosts say of a connection to ``host``: an allowing one that names it without a
    ``*`` opens private networks too."""
    from kcode.safety.rules import Subject, deciding

    rule = deciding([rule for rule in rules if rule.kind == "host"], Subject(hosts=(host,)))
    if rule is None:
        return "ask", Passage(False, "no rule allows it")
    why = f"by the rule {rule} ({rule.layer})"
    if rule.verdict == "allow":
        return "allow", Passage(True, f"allowed {why}", near=not re.search(r"[*?\[]", rule.pattern))
    return rule.verdict, Passage(False, f"{'denied' if rule.verdict == 'deny' else 'asked about'} {why}")


def addresses(host: str, port: int, passage: Passage) -> Sequence[tuple[int, tuple[object, ...]]]:
    """Family and socket address, in the order to be tried. Raises NoWay."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise NoWay(f"{host} was not found: {problem}") from problem
    kept = [(family, where) for family, _, _, _, where in found if passage.near or not _near(where)]
    if not kept:
        raise NoWay(
            f"{host} leads to an address of this machine or of a private network;"
            f" only the rule `allow host: {host}` opens that"
        )
    return kept


def _near(where: Sequence[object]) -> bool:
    address = literal(str(where[0]))
    return address is None or is_near(address)
