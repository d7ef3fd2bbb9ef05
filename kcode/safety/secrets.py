"""Keys and passwords in text: found by their form, by their name or by how random they are, with a guard
against placeholders, hashes and prose."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kcode.safety import secretnames
from kcode.safety.randomness import PLACEHOLDER, entropy, random_token
from kcode.safety.secretforms import FORMS, KEY_BLOCK, KEY_END, KEY_RUN, LONGEST_KEY, compiled

PRIVATE_KEY = "private key"
_LINE_LIMIT = 20_000  # characters; minified files have lines of megabytes
_READABLE_LINE = 2_000  # in longer lines a random word is part of a picture, a bundle or a source map
_WRAPPED = 56  # characters of a line that is all one word: a line of wrapped base64
_WRAPPED_LINE = re.compile(r"[A-Za-z0-9+/]{50,}\W{0,6}\n$")
_LONGEST_TOKEN = 160
_WHOLE_KEY = re.compile(rf"({KEY_BLOCK.pattern})[\s\S]{{0,{LONGEST_KEY}}}?({KEY_END.strip()}|\Z)")
_TOKEN = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:(?<=\\)[nrt])?([A-Za-z0-9+/_-]{24,}+={0,2}+)")
_HASH_BEFORE = re.compile(
    r"(?:(?:sha\d{1,3}|md5|h1|blake\w*|integrity|checksum|digest|base64|nonce|accept|websocket-key|boundary)\W{1,4}|[/#%&.\\@?~]|h1:)$",
    re.I,
)
_PUBLIC = re.compile(r"AAAA|(?:sha\d{1,3}|md5)-", re.I)  # an SSH public key (random bytes hardly do); a hash
_FILE_END = re.compile(r"\.[A-Za-z]{1,5}\b|\(")


class Found(NamedTuple):
    """A secret's place in a text. ``lasting``: wherever its value stands again, it is the same secret."""

    start: int
    end: int
    kind: str
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class SecretHit:
    """``line`` counts from 1; ``masked`` shows the ends only."""

    line: int
    kind: str
    masked: str


def spans(text: str, *, everything: bool = True) -> list[Found]:
    """The secrets of ``text`` in their order; they do not overlap. Linear in the size of the text.

    ``everything``: also private keys line by line, what is secret only by a name without quotes, and words
    that nothing but their randomness gives away. A key block that is cut off counts to the end of the text.
    """
    taken = _Taken()
    if "PRIVATE KEY" in text:
        for found in _key_blocks(text):
            taken.add(found)
    for found in _by_form(text):
        taken.add(found)
    if everything:
        for start, end, kind in secretnames.found(text):
            taken.add(Found(start, end, kind, end - start >= 12))
        for found in _by_randomness(text):
            taken.add(found)
    return taken.found


class _Taken:
    """Places in order; the first to claim one has it."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self._starts: list[int] = []

    def add(self, found: Found) -> None:
        at = bisect_right(self._starts, found.start)
        if at and self.found[at - 1].end > found.start:
            return
        if at < len(self.found) and self.found[at].start < found.end:
            return
        self.found.insert(at, found)
        self._starts.insert(at, found.start)


def _key_blocks(text: str) -> Iterator[Found]:
    """The lines of each private key one by one, so that the lines of the text stay what they are; a key in
    one line of JSON as a whole."""
    for begin in KEY_BLOCK.finditer(text):
        stop = text.find(KEY_END, begin.end(), begin.end() + LONGEST_KEY)
        other = text.find("-----BEGIN ", begin.end(), begin.end() + LONGEST_KEY)
        if stop < 0 or 0 <= other < stop:
            stop = other if other >= 0 else min(len(text), begin.end() + LONGEST_KEY)
        runs = [match.span(1) for match in KEY_RUN.finditer(text, begin.end(), stop) if match[1]]
        runs = [(start, end) for start, end in runs if not PLACEHOLDER.search(text, start, end)]
        if len(runs) > 1 and "\n" not in text[begin.end() : runs[-1][0]]:
            runs = [(runs[0][0], runs[-1][1])]
        for start, end in runs:
            yield Found(start, end, PRIVATE_KEY, end - start >= 32)


def _by_form(text: str) -> Iterator[Found]:
    for form in FORMS:
        for anchor in form.anchors:
            at = text.find(anchor)
            while at >= 0:
                match = compiled(form.pattern).match(text, at)
                if match is None:
                    at = text.find(anchor, at + len(anchor))
                    continue
                start, end = match.span(match.re.groups)  # the last group is the secret
                if _convincing(text[start:end], form.entropy):
                    yield Found(start, end, form.kind, end - start >= 12)
                at = text.find(anchor, match.end())


def _by_randomness(text: str) -> Iterator[Found]:
    for match in _TOKEN.finditer(text):
        start, end = match.span(1)
        if end - start > _LONGEST_TOKEN or not random_token(value := match[1]):
            continue
        if _PUBLIC.match(value) or _HASH_BEFORE.search(text[max(0, start - 16) : start]):
            continue
        if _FILE_END.match(text, end):
            continue
        if not _in_wrapped_text(text, start, end):
            yield Found(start, end, "random token")


def _in_wrapped_text(text: str, start: int, end: int) -> bool:
    """Whether it is a line of base64 (a certificate, a picture), the last and shorter one too, or a part of a
    line that is too long for a person."""
    line, until = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    until = len(text) if until < 0 else until
    if until - line > _READABLE_LINE:
        return True
    if until - line >= end - start + 24:
        return False
    return end - start >= _WRAPPED or _WRAPPED_LINE.search(text, max(0, line - 120), line) is not None


def find(text: str) -> list[SecretHit]:
    """What looks like a secret, at most one hit per place, in order of lines."""
    hits = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LINE_LIMIT:
            continue
        for begin in KEY_BLOCK.finditer(line):
            hits.append(SecretHit(number, PRIVATE_KEY, begin.group()))
        for found in _quoted_or_formed(line):
            hits.append(SecretHit(number, found.kind, mask(line[found.start : found.end])))
    return hits


def _quoted_or_formed(line: str) -> list[Found]:
    taken = _Taken()
    for found in _by_form(line):
        taken.add(found)
    for start, end, kind in secretnames.found(line):
        if line[start - 1 : start] in "\"'" and end - start >= 16 and kind != "password":
            taken.add(Found(start, end, kind))
    return taken.found


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret masked, whatever the length of its lines."""
    text = _WHOLE_KEY.sub(r"\1...\2", text)
    places = ((found.start, found.end, mask(text[found.start : found.end])) for found in spans(text))
    return replaced(text, places)


def replaced(text: str, places: Iterable[tuple[int, int, str]]) -> str:
    """``text`` with other words at ``places`` (start, end, words), which are in order and do not overlap."""
    parts, at = [], 0
    for start, end, words in places:
        parts += [text[at:start], words]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def _convincing(value: str, least: float) -> bool:
    if PLACEHOLDER.search(value) or value.casefold() in secretnames.WEAK_WORDS:
        return False
    if not least:
        return True
    return entropy(value) >= least and (least < 3.0 or any(char.isdigit() for char in value))


def mask(value: str) -> str:
    """The ends of a secret, enough to find it and too little to use it."""
    if value.startswith("-----"):
        return value
    return f"{value[:4]}...{value[-2:]} ({len(value)} characters)" if len(value) >= 12 else "..."
