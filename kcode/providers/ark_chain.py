"""What the server already holds of a conversation: the chain of stored responses a session can continue.

Each link is one answered request: which messages it covered (as a digest), what the answer meant (as a
digest), and the response that holds both. The next request continues from the longest link whose messages
and answer it repeats, so a rewind or a given-up compaction goes on from an earlier link. Pure functions; the
file is :mod:`kcode.providers.ark_chain_file`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kcode.config.jsontext import read_json
from kcode.providers.ark_items import Message, plain_text
from kcode.providers.ark_storage import REMEMBERED_GAPS

MAX_LINKS = 24
EXPIRY_MARGIN_S = 30.0  # a response that ends sooner is not built upon: the request takes time too


@dataclass(frozen=True, slots=True)
class Link:
    """``covered`` messages have the digest ``sent``; the message after them is the answer, whose meaning has
    the digest ``answer`` and whose calls have these ids at the server. ``expires`` in unix seconds."""

    response_id: str
    covered: int
    sent: str
    answer: str
    call_ids: tuple[str, ...]
    expires: float


@dataclass(frozen=True, slots=True)
class Chain:
    """``owner`` is a digest of address, account, model and settings: another one's cannot be continued.

    ``gaps`` are the seconds between the latest requests, ``last_request`` is in unix seconds (0: none).
    """

    owner: str = ""
    links: tuple[Link, ...] = ()
    gaps: tuple[float, ...] = ()
    last_request: float = 0.0
    caching_refused: bool = False

    def extended(self, link: Link, started: float) -> Chain:
        """With one more answered request, begun at ``started``."""
        links = (*(known for known in self.links if known.expires > started), link)
        return replace(self, links=links[-MAX_LINKS:], gaps=self.gaps_until(started), last_request=started)

    def gaps_until(self, now: float) -> tuple[float, ...]:
        if not self.last_request:
            return self.gaps
        return (*self.gaps, max(now - self.last_request, 0.0))[-REMEMBERED_GAPS:]


def digests(model: str, tools: bytes, messages: Sequence[bytes]) -> list[str]:
    """The digest of the first 0, 1, 2, … messages, sent to this model with these tools."""
    running = hashlib.sha256(b"%d:%b%b" % (len(tools), tools, model.encode()))
    found = [running.hexdigest()]
    for message in messages:
        running.update(b"%d:" % len(message))
        running.update(message)
        found.append(running.hexdigest())
    return found


def meaning(text: str, calls: Iterable[tuple[str, str]]) -> str:
    """The digest of what an answer says: its text, and each call's name and arguments, however spelled."""
    value = [text, [[name, _canonical(arguments)] for name, arguments in calls]]
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def meaning_of(message: Message) -> str:
    """The same of a chat message of the assistant's; ``""`` for any other message."""
    if message.get("role") != "assistant":
        return ""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return meaning(plain_text(message.get("content")), ((f["name"], f["arguments"]) for f in functions))


def find_link(chain: Chain, sent: Sequence[str], messages: Sequence[Message], now: float) -> Link | None:
    """The link to continue from: the one that covers most of these messages and leaves something to send.

    ``sent`` are the messages' :func:`digests`.
    """
    fitting = [
        link
        for link in chain.links
        if 0 < link.covered < len(messages) - 1
        and link.expires - now > EXPIRY_MARGIN_S
        and sent[link.covered] == link.sent
        and meaning_of(messages[link.covered]) == link.answer
    ]
    return max(fitting, key=lambda link: (link.covered, link.expires), default=None)


def why_not(chain: Chain, sent: Sequence[str], now: float) -> str:
    """In words, why none of the chain's links could be continued; ``""`` where there was none."""
    if not chain.links:
        return ""
    last = chain.links[-1]
    if last.expires - now <= EXPIRY_MARGIN_S:
        return "what the server kept of it has expired"
    if last.covered < len(sent) and sent[last.covered] == last.sent:
        return "the last answer is not the one that the server holds"
    return "it is not the one that the server holds"


def server_ids(link: Link, messages: Sequence[Message]) -> dict[str, str]:
    """From the ids of the link's calls in the ledger's spelling to the server's own."""
    calls = messages[link.covered].get("tool_calls") or ()
    return {str(call["id"]): at_server for call, at_server in zip(calls, link.call_ids, strict=False)}


def _canonical(arguments: str) -> object:
    try:
        return read_json(arguments)
    except ValueError:
        return arguments
