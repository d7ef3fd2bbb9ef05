"""Which of many paths somebody means who types a few letters: filtering fast, ranking by what people mean."""

from __future__ import annotations

import heapq
import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from types import MappingProxyType
from typing import Any

# Of a query that thousands of paths match, this many of each kind of good candidate are ranked exactly:
# a ranking takes some microseconds, and the next key is already on its way.
CANDIDATES = 400
_LOOKED_AT = 2_000  # paths: of more that match, the shortest

Rank = tuple[int, int, int, int, str]  # tier, less its boost, looseness, length, path: smaller is better

EXACT, STEM, PREFIX, NAME_WORDS, NAME_PART, PATH_WORDS, PATH_PART, NAME_LETTERS, PATH_LETTERS = range(9)

_STARTS = re.compile(  # where a word of a path starts: a_b, a-b, aB, ABc, a1, each sign, each CJK character
    r"(?<![^\W_])[^\W_]|(?<=[a-z0-9])[A-Z]|[A-Z](?=[a-z])|(?<=[A-Za-z])[0-9]|[\W_]|[\u2e80-\U0010ffff]"
)


@dataclass(frozen=True)
class Query:
    """What was typed. An upper-case letter means itself, a lower-case one either case."""

    text: str

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def composed(self) -> str:
        return _composed(self.text)

    @cached_property
    def capitals(self) -> bool:
        return self.folded != self.composed


class Haystack:
    """Paths ready to be searched: relative, forward slashes, folders with a slash at their end.

    ``boosts`` says which of them come first among equals, by how much. Immutable; search from any thread.
    """

    def __init__(self, paths: Iterable[str], boosts: Mapping[str, int] = MappingProxyType({})) -> None:
        self.paths = sorted(set(paths))
        self.paths.sort(key=len)  # so that the first of equally good ones are the shortest
        self.folded = _folded(self.paths)
        self._blob = "\n/" + "\n/".join(self.folded) + "\n"
        self._starts = array("L", accumulate((len(each) + 2 for each in self.folded), initial=1))
        self._last: tuple[str, list[int]] = ("", [])  # a query and all that match it
        self._boost(boosts)

    def __len__(self) -> int:
        return len(self.paths)

    def boosted(self, boosts: Mapping[str, int]) -> Haystack:
        """The same paths with other boosts."""
        other: Haystack = object.__new__(Haystack)
        other.__dict__.update(self.__dict__)
        other._boost(boosts)
        return other

    def search(self, text: str, most: int) -> list[str]:
        """The best ``most`` of the paths that contain the letters of ``text`` in order, best first.

        Exact as :func:`rank` says; only of more than some thousand matches the poorer ones are sampled,
        the shortest first. Without letters: boosted paths, then what lies at the top.
        """
        if not text:
            return self._unasked(most)
        query = Query(text)
        places = set(self._boosts)
        places.update(self._named(query, most))
        best = self._ranked(query, places, most)
        if len(best) < most or best[-1][0] > PREFIX:
            best = self._ranked(query, places.union(self._promising(query)), most)
        return [found[-1] for found in best]

    def _boost(self, boosts: Mapping[str, int]) -> None:
        self._boosts = {at: boosts[path] for at, path in enumerate(self.paths) if path in boosts}

    def _unasked(self, most: int) -> list[str]:
        first = sorted(self._boosts, key=lambda at: (-self._boosts[at], self.paths[at]))[:most]
        top = [at for at, path in enumerate(self.paths) if "/" not in path[:-1] and at not in self._boosts]
        top.sort(key=lambda at: (not self.paths[at].endswith("/"), self.paths[at]))
        return [self.paths[at] for at in (*first, *top)][:most]

    def _named(self, query: Query, most: int) -> Iterator[int]:
        """Whose name begins with the query: all that are exact, and the shortest of the others."""
        word, wanted = "/" + query.folded, max(most, CANDIDATES)
        found = list(islice(self._meant(query, word, r"[^/\n]*+/?\n"), wanted))
        yield from found
        if len(found) == wanted:
            yield from islice(self._meant(query, word, r"(?:\.[^./\n]*+)?/?\n"), wanted)
        if "/" in query.folded:
            yield from islice(self._meant(query, "\n" + word, r"[^\n]*+\n"), wanted)

    def _meant(self, query: Query, part: str, rest: str) -> Iterator[int]:
        """Where ``part`` is followed by the pattern ``rest``, but not without the capitals of the query."""
        if part not in self._blob:  # much faster than finding out by the pattern
            return
        for found in re.finditer(re.escape(part) + rest, self._blob):
            at = bisect_right(self._starts, found.end() - 2) - 1
            if not query.capitals or _smart(query.composed, _composed(self.paths[at]), self.folded[at]):
                yield at

    def _promising(self, query: Query) -> list[int]:
        """All that match; of too many the likeliest."""
        matching = self._matching(query.folded)
        if len(matching) <= 3 * CANDIDATES:
            return matching
        inside = self._meant(query, query.folded, r"[^/\n]*+/?\n")
        words = _word_pattern(query.folded)
        started = (at for at in matching if words.search(self.paths[at]))
        return [*islice(inside, CANDIDATES), *islice(started, CANDIDATES), *matching[:CANDIDATES]]

    def _matching(self, folded: str) -> list[int]:
        """The places of paths that contain the letters in order, the shortest ``_LOOKED_AT`` of them.

        Where these are all, a longer query is looked for among them only.
        """
        from rapidfuzz import process
        from rapidfuzz.distance import LCSseq

        before, places = self._last
        among: Any = self.folded
        if before and folded.startswith(before):
            among = {at: self.folded[at] for at in places}
        hits = process.extract_iter(
            folded, among, scorer=LCSseq.similarity, score_cutoff=len(folded), processor=None
        )
        found = [at for _, _, at in islice(hits, _LOOKED_AT)]
        if len(found) < _LOOKED_AT:
            self._last = (folded, found)
        return found

    def _ranked(self, query: Query, places: Iterable[int], most: int) -> list[Rank]:
        ranks = (self._rank(query, at) for at in places)
        return heapq.nsmallest(most, (found for found in ranks if found is not None))

    def _rank(self, query: Query, at: int) -> Rank | None:
        return rank(query, self.paths[at], self.folded[at], self._boosts.get(at, 0))


def rank(query: Query, path: str, folded: str, boost: int = 0) -> Rank | None:
    """How well ``path`` answers ``query``; None where it does not contain its letters in order."""
    if not _in_order(query.folded, folded):
        return None
    if query.capitals and not _smart(query.composed, _composed(path), folded):
        return None
    tier, looseness = _tier(query.folded, path, folded)
    return tier, -boost, looseness, len(path), path


def fold(text: str) -> str:
    """``text`` in lower case and composed; each character stays one, so that places agree."""
    if text.isascii():
        return text.lower()
    composed = _composed(text)
    lower = composed.lower()
    if len(lower) == len(composed):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in composed)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _folded(paths: Sequence[str]) -> list[str]:
    """Each path folded; one that is so already is not kept twice."""
    return [path if (low := fold(path)) == path else low for path in paths]


def _in_order(letters: str, text: str) -> bool:
    at = -1
    for letter in letters:
        at = text.find(letter, at + 1)
        if at < 0:
            return False
    return True


def _smart(typed: str, path: str, folded: str) -> bool:
    """Whether the letters are there in order, the capitals as capitals."""
    at = -1
    for letter in typed:
        at = (folded if letter == fold(letter) else path).find(letter, at + 1)
        if at < 0:
            return False
    return True


def _tier(letters: str, path: str, folded: str) -> tuple[int, int]:
    """The kind of match, and within it how loose it is (0 is tight)."""
    body = folded.removesuffix("/")
    at = _name_at(body, letters.count("/"))
    name = folded[at:]
    if letters in (name, body[at:]) or f"/{folded}".endswith(f"/{letters}"):
        return EXACT, 0
    if name.startswith(letters):
        rest = name[len(letters) :]
        return (STEM if rest.startswith(".") and "." not in rest[1:] else PREFIX), 0
    if "/" in letters and folded.startswith(letters):
        return PREFIX, folded.count("/")
    in_name = _in_order(letters, name)
    starts = [found.start() for found in _STARTS.finditer(_composed(path))]
    if in_name and _starts_words(letters, folded, [start for start in starts if start >= at]):
        return NAME_WORDS, letters not in name
    if letters in name:
        return NAME_PART, 0
    if _starts_words(letters, folded, starts):
        return PATH_WORDS, letters not in folded
    if letters in folded:
        return PATH_PART, 0
    return (NAME_LETTERS if in_name else PATH_LETTERS), _span(letters, folded)


def _name_at(body: str, slashes: int) -> int:
    """Where the last ``slashes`` + 1 parts of a path begin."""
    at = len(body)
    for _ in range(slashes + 1):
        at = body.rfind("/", 0, at)
        if at < 0:
            return 0
    return at + 1


def _starts_words(letters: str, folded: str, starts: Sequence[int]) -> bool:
    """Whether the letters are found in pieces that each begin where a word starts."""
    ends = {at for at in starts if folded[at] == letters[0]}
    for letter in letters[1:]:
        if not ends:
            return False
        first = min(ends)
        going_on = {at + 1 for at in ends if folded.startswith(letter, at + 1)}
        ends = going_on.union([at for at in starts if at > first and folded[at] == letter])
    return bool(ends)


def _span(letters: str, folded: str) -> int:
    """Over how many characters the letters are strewn, taken as far back as they go."""
    at = last = folded.rfind(letters[-1])
    for letter in reversed(letters[:-1]):
        at = folded.rfind(letter, 0, at)
    return last - at + 1


def _word_pattern(letters: str) -> re.Pattern[str]:
    """A word of the path starts with the first letter, later ones with each of the others."""
    each = []
    for letter in letters:
        here, upper = re.escape(letter), re.escape(letter.upper())
        if letter.isalpha() and len(letter.upper()) == 1:
            each.append(rf"(?:(?<![^\W_])[{here}{upper}]|(?<![A-Z]){upper})")
        else:
            each.append(here)
    return re.compile("[^\n]*?".join(each))
