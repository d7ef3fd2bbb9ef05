"""What a word of a shell command will be, as far as the command itself says so."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from kcode.safety.shell_words import Part, Redirect, Word, ansi_c, in_quotes, names, unescaped

if TYPE_CHECKING:
    from tree_sitter import Node

_PARAMETER = re.compile(r"\$\{#?\w+\}|\$\{\w+(?::?[-+?]|##?|%%?|//?|\^\^?|,,?)[^`$]*\}", re.DOTALL)
_SPECIAL = frozenset("?#$!0")
_VALUES = 32  # combinations of variables' values that are told apart
WORDS = names(
    "word number raw_string ansi_c_string string concatenation simple_expansion expansion "
    "command_substitution process_substitution arithmetic_expansion translated_string brace_expression"
)


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a node: its redirects, whether a pipe feeds it, whether it is left running."""

    redirects: tuple[Redirect, ...] = ()
    fed: bool = False
    text: str | None = None
    background: bool = False
    behind: tuple[Node, ...] = ()
    depth: int = 0
    source: tuple[Word, ...] = ()


@dataclass
class Reader(ABC):
    """Reads words. ``values`` are those the command gives to variables (None: not known), ``problems`` what
    was not understood. :meth:`visit` judges the commands inside a substitution.
    """

    problems: list[str] = field(default_factory=list)
    values: dict[str, list[str | None]] = field(default_factory=dict)

    @abstractmethod
    def visit(self, node: Node, around: Around) -> None:
        """Judge the commands inside ``node``."""

    def substitutions(self, node: Node, around: Around) -> None:
        for child in node.named_children:
            if child.type in ("command_substitution", "process_substitution"):
                self.visit(child, replace(around, redirects=(), fed=False, text=None))
            elif child.type in ("expansion", "arithmetic_expansion"):
                self.word(child, {}, around)
            else:
                self.substitutions(child, around)

    def combinations(self, *nodes: Node) -> Iterator[dict[str, str | None]]:
        """The values of the variables used in ``nodes``, as far as the command itself sets them."""
        names = sorted({name for node in nodes for name in variables(node) if name in self.values})
        choices = [list(dict.fromkeys(self.values[name])) for name in names]
        total = 1
        for choice in choices:
            total *= len(choice)
        if total > _VALUES:
            yield dict.fromkeys(names)
            return
        for chosen in product(*choices):
            yield dict(zip(names, chosen, strict=True))

    def word(self, node: Node, values: dict[str, str | None], around: Around) -> Word:
        return Word(tuple(self._parts(node, values, around, quoted=False)))

    def _parts(
        self, node: Node, values: dict[str, str | None], around: Around, *, quoted: bool
    ) -> Iterator[Part]:
        kind, text = node.type, text_of(node)
        if kind in ("word", "number", "extglob_pattern", "regex", "test_operator", "variable_name"):
            for part in unescaped(text):
                if not part.quoted:
                    self.unseen(part.text)
                    if re.search(r"[\s;|&<>()]", part.text):  # the grammar swallows a line's end before \rm
                        self.problems.append("a word that goes on over a sign")
                yield part
            self.substitutions(node, around)
        elif kind == "raw_string":
            yield Part(text[1:-1], quoted=True)
        elif kind == "ansi_c_string":
            yield ansi_c(text[2:-1])
        elif kind in ("string", "translated_string"):
            yield from self._string(node, values, around)
        elif kind == "concatenation":
            for child in node.children:
                yield from self._parts(child, values, around, quoted=quoted)
        elif kind in ("simple_expansion", "expansion"):
            yield self._variable(node, values, around, quoted=quoted)
        elif kind in ("command_substitution", "process_substitution"):
            self.visit(node, replace(around, redirects=(), fed=False, text=None))
            file = kind == "process_substitution"
            yield Part("/dev/fd/63" if file else "", known=file, quoted=True)
        elif kind == "array":
            for child in node.named_children:
                for part in self._parts(child, values, around, quoted=quoted):
                    yield replace(part, known=False)
        elif kind == "arithmetic_expansion" and re.fullmatch(r"[\d\s()$*/%+<>-]*", text):
            yield Part("0", known=False)
        elif not node.is_named:
            yield Part(text, quoted=quoted)
        else:
            self.problems.append(f"a word that is not understood ({kind.replace('_', ' ').lower()})")
            self.substitutions(node, around)
            yield Part("", known=False)

    def unseen(self, text: str) -> None:
        """The grammar does not see every substitution: one left in plain text is a problem."""
        if re.search(r"`|\$\(", re.sub(r"\\.", "", text, flags=re.DOTALL)):
            self.problems.append("a substitution that is not understood")

    def _string(self, node: Node, values: dict[str, str | None], around: Around) -> Iterator[Part]:
        """The gaps between a string's children are text too: the grammar leaves out blanks there."""
        yield Part("", quoted=True)
        source, at = node.text or b"", 1
        for child in node.children:
            begin, end = child.start_byte - node.start_byte, child.end_byte - node.start_byte
            if child.type == '"':
                continue
            if begin > at:
                yield Part(in_quotes(source[at:begin].decode()), quoted=True)
            if child.type == "string_content":
                self.unseen(text_of(child))
                yield Part(in_quotes(text_of(child)), quoted=True)
            else:
                yield from self._parts(child, values, around, quoted=True)
            at = end
        if len(source) - 1 > at:
            yield Part(in_quotes(source[at:-1].decode()), quoted=True)

    def _variable(self, node: Node, values: dict[str, str | None], around: Around, *, quoted: bool) -> Part:
        text = text_of(node)
        name = text.strip("${}")
        plain = node.type == "simple_expansion" or bool(re.fullmatch(r"\$\{(\w+|[?#$!@*-])\}", text))
        if not plain:
            if not _PARAMETER.fullmatch(text):
                self.problems.append(f"an expansion that is not understood ({text[:40]})")
            self.substitutions(node, around)
            return Part("", known=False, quoted=quoted, name=next(iter(variables(node)), ""))
        if name in _SPECIAL:
            return Part("0", known=False, quoted=True, name=name)
        value = values.get(name)
        if value is None and name not in values and name == "HOME":
            value = "~"
        elif value is None and name not in values and name == "PWD":
            value = "."
        if value is None or (not quoted and re.search(r"[\s*?\[{]", value)):
            return Part(value or "", known=False, quoted=quoted, name=name)
        return Part(value, quoted=True if value != "~" else quoted, name=name)


def document(node: Node) -> str | None:
    """The text of a here-document, or None where something in it is worked out when it runs."""
    body = next((child for child in node.named_children if child.type == "heredoc_body"), None)
    if body is None:
        return ""
    if any(child.type != "heredoc_content" for child in body.named_children):
        return None
    text = text_of(body)
    return text if is_quoted(node) or not re.search(r"[\\$`]", text) else None


def is_quoted(node: Node) -> bool:
    """Whether a here-document is taken as it is written."""
    start = next((child for child in node.named_children if child.type == "heredoc_start"), None)
    return start is not None and bool(re.search(r"['\"\\]", text_of(start)))


def written(body: Node) -> str:
    """The text of a here-document without the substitutions that the grammar sees."""
    source, at, found = body.text or b"", 0, []
    for child in body.named_children:
        if child.type != "heredoc_content":
            found.append(source[at : child.start_byte - body.start_byte])
            at = child.end_byte - body.start_byte
    return b" ".join([*found, source[at:]]).decode("utf-8", "replace")


def variables(node: Node) -> set[str]:
    if node.type in ("command_substitution", "process_substitution"):
        return set()
    found = {text_of(node)} if node.type == "variable_name" else set()
    return found.union(*(variables(child) for child in node.named_children))


def text_of(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
