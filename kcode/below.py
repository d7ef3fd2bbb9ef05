"""What lower layers said in English, recognized by its template and put into the interface's language.

A lower layer makes ``no session fits 'login'`` of ``no session fits {wanted}``; the catalogue has the
template (context ``below``) and its translation, with the same places. A text is translated where one
template fits it best; what stands in the places is kept to the letter, except where a place says a reason
in words, which is a text of its own. Everything else stays English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PLACE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
_BETWEEN = re.compile(r"(?<=[.!?])\s+(?=[A-Z`/])")
_NUMBER = re.compile(r"count\d*")
_LISTED = re.compile(r", ")
_DEPTH = 4  # of reasons within reasons
_LONGEST = 4000  # characters: nothing that is said to people is longer
# What stands in these places is said by a layer below that layer: it is translated as well.
_SAID = re.compile(
    r"(why|reasons?|message|remedy|hint|problem|said|what|words|detail|text|brief|change|subject|not_run|plural|counts|when|resets|sensitive|known"
    r"|known_in|title|kind|done|error|better|instead|elsewhere|escape|smaller|ending|key_hint|without_key"
    r"|description|expected|plural|origin|layer|noted|mode|found|plan|more|held|unconfined)\d*"
)


@dataclass(frozen=True, slots=True)
class Template:
    """``literal`` is the longest part between places; ``weight`` the characters outside of all places."""

    source: str
    target: str
    literal: str
    weight: int
    pattern: re.Pattern[str]


def compiled(source: str, target: str) -> Template | None:
    """None for a template that has too little of its own to be recognized by."""
    parts = _PLACE.split(source)
    literals = [_plain(part) for part in parts[::2]]
    if not re.search(r"[A-Za-z]{2}", "".join(literals)):
        return None
    pattern = re.escape(literals[0])
    for name, literal in zip(parts[1::2], literals[1:], strict=True):
        what = r"\d[\d,.]*\+?" if _NUMBER.fullmatch(name) else ".*?"
        pattern += f"(?P<{name}>{what})" + re.escape(literal)
    weight = sum(map(len, literals))
    return Template(source, target, max(literals, key=len), weight, re.compile(pattern, re.DOTALL))


class Below:
    """All templates of a language, and the exact texts by ``exact`` (which gives a text back unchanged where
    it has none)."""

    def __init__(self, templates: Iterable[tuple[str, str]], exact: Callable[[str], str]) -> None:
        found = (compiled(source, target) for source, target in templates)
        self._templates = sorted((t for t in found if t), key=lambda t: (-t.weight, t.source))
        self._exact = exact

    def translated(self, text: str, depth: int = 0) -> str:
        """``text`` in the language; unchanged where no template fits, or several fit equally well."""
        if not text.strip() or len(text) > _LONGEST or depth > _DEPTH:
            return text
        exact = self._exact(text)
        if exact != text:
            return exact
        best: list[tuple[Template, re.Match[str]]] = []
        for template in self._templates:
            if best and template.weight < best[0][0].weight:
                break
            if template.literal in text and (match := template.pattern.fullmatch(text)):
                best.append((template, match))
        said = {self._filled(template, match, depth) for template, match in best}
        return said.pop() if len(said) == 1 else text if said else self._by_sentences(text, depth)

    def _by_sentences(self, text: str, depth: int) -> str:
        """A text may be put together of whole sentences, or be a list: all parts are known, or it stays."""
        for between, joint in ((_BETWEEN, ""), (_LISTED, "，")):
            parts = between.split(text)
            if len(parts) > 1:
                said = [self.translated(each, depth + 1) for each in parts]
                if all(a != b for a, b in zip(said, parts, strict=True)):
                    return joint.join(said)
        if text.endswith(".") and (said_ := self.translated(text[:-1], depth + 1)) != text[:-1]:
            return f"{said_}。"
        return text

    def _filled(self, template: Template, match: re.Match[str], depth: int) -> str:
        def value(place: re.Match[str]) -> str:
            given = match[place[1]]
            return self.translated(given, depth + 1) if _SAID.fullmatch(place[1]) else given

        parts = _PLACE.split(template.target)
        places = iter(_PLACE.finditer(template.target))
        return "".join(_plain(p) if n % 2 == 0 else value(next(places)) for n, p in enumerate(parts))


def _plain(literal: str) -> str:
    return literal.replace("{{", "{").replace("}}", "}")
