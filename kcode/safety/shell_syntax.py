"""A shell command as its syntax tree tells it: every simple command in it, with words, redirects, variables.

Pipes, lists, loops, functions, substitutions and here-documents are all walked. What a word will be is
worked out where it is written down (quotes, braces, variables the command itself sets) and marked unknown
where it is not. What this module does not know of is one of :attr:`Script.problems`, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from kcode.safety.shell_words import (
    Part,
    Redirect,
    Script,
    Simple,
    Word,
    ansi_c,
    braces,
    in_quotes,
    names,
    unescaped,
)

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_LONGEST = 20_000  # characters of a command that are looked into
_DEEPEST = 60  # levels of nesting
_VALUES = 32  # combinations of variables' values that are told apart

# The shell takes these for ordinary characters or ignores them, the grammar or the eye does not.
_ODD = re.compile(r"[^\S \t\n]|[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_TRANSPARENT = names(
    "program list pipeline subshell compound_statement do_group if_statement elif_clause else_clause "
    "while_statement case_item negated_command redirected_statement command_substitution "
    "process_substitution heredoc_body heredoc_content comment heredoc_start heredoc_end case_statement "
    "expansion string concatenation array"
)
_LEAVES = names(
    "word number raw_string ansi_c_string string_content variable_name special_variable_name "
    "simple_expansion file_descriptor extglob_pattern regex test_operator"
)
_PARAMETER = re.compile(r"\$\{#?\w+\}|\$\{\w+(?::?[-+?]|##?|%%?|//?|\^\^?|,,?)[^`$]*\}", re.DOTALL)
_SPECIAL = frozenset("?#$!0")
_EVALUATES = re.compile(r"(?<![\w-])-(?:eq|ne|lt|le|gt|ge|v|R)(?![\w-])")


@lru_cache(maxsize=256)
def parse(command: str) -> Script:
    """The simple commands of ``command``, in the order they are written. Never raises."""
    if len(command) > _LONGEST:
        return Script((), frozenset(), (f"longer than {_LONGEST} characters",))
    if found := _ODD.search(command):
        return Script((), frozenset(), (f"holds the character U+{ord(found[0]):04X}",))
    try:
        source = command.encode()
    except UnicodeEncodeError:
        return Script((), frozenset(), ("holds characters that are no text",))
    tree = _parser().parse(source)
    walk = _Walk()
    if tree.root_node.has_error:
        walk.problems.append("not valid shell, as far as can be seen")
    walk.visit(tree.root_node, _Around())
    return Script(tuple(walk.commands), frozenset(walk.functions), tuple(dict.fromkeys(walk.problems)))


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a node: its redirects, whether a pipe feeds it, whether it is left running."""

    redirects: tuple[Redirect, ...] = ()
    fed: bool = False
    text: str | None = None
    background: bool = False
    depth: int = 0


@dataclass
class _Walk:
    commands: list[Simple] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    values: dict[str, list[str | None]] = field(default_factory=dict)

    def visit(self, node: Node, around: _Around) -> None:
        if around.depth > _DEEPEST:
            self.problems.append("nested too deeply")
            return
        around = replace(around, depth=around.depth + 1)
        handler = getattr(self, f"on_{node.type}", None)
        if handler is not None:
            handler(node, around)
        elif node.type in _TRANSPARENT:
            self._inside(node, around)
        elif node.is_named and node.type not in _LEAVES:
            self.problems.append(f"a part that is not understood ({node.type.replace('_', ' ').lower()})")
            self._inside(node, around)

    def _inside(self, node: Node, around: _Around) -> None:
        children = node.children
        for place, child in enumerate(children):
            after = children[place + 1] if place + 1 < len(children) else None
            left = after is not None and after.type == "&"
            if child.type in (";;", ";&", ";;&"):
                self.problems.append(f"a {child.type} that is not understood")
            self.visit(child, replace(around, background=around.background or left))

    def on_pipeline(self, node: Node, around: _Around) -> None:
        first = True
        for child in node.named_children:
            self.visit(child, around if first else replace(around, fed=True, text=None))
            first = first and child.type == "comment"

    def on_redirected_statement(self, node: Node, around: _Around) -> None:
        body = node.child_by_field_name("body")
        redirects = [child for child in node.named_children if child.type.endswith("_redirect")]
        found, fed, text, later = self._redirects(redirects, around)
        inner = replace(around, redirects=(*around.redirects, *found), fed=around.fed or fed, text=text)
        if body is None:
            self._add(Simple((), (), inner.redirects))
        else:
            self.visit(body, inner)
        for child in later:
            self.visit(child, replace(around, fed=child.type == "pipeline" or around.fed))

    def _redirects(
        self, nodes: list[Node], around: _Around
    ) -> tuple[list[Redirect], bool, str | None, list[Node]]:
        """The redirects, whether one feeds, the text fed, and commands that hang on a here-document."""
        found: list[Redirect] = []
        fed, text, later = False, None, []
        for node in nodes:
            if node.type == "file_redirect":
                found.extend(self._file_redirect_parts(node, around))
                fed = fed or any("<" in redirect.operator for redirect in found)
            elif node.type == "herestring_redirect":
                fed = True
                word = self._word(node.named_children[-1], {}, around)
                text = word.text if word.known else None
            else:
                fed = True
                text = _document(node)
                for child in node.named_children:
                    if child.type == "file_redirect":
                        found.extend(self._file_redirect_parts(child, around))
                    elif child.type == "heredoc_body":
                        if not _quoted(node):
                            self._unseen(_written(child))
                        self._inside(child, replace(around, redirects=(), fed=False, text=None))
                    elif child.type not in ("heredoc_start", "heredoc_end", "file_descriptor"):
                        later.append(child)
        return found, fed, text, later

    def _file_redirect_parts(self, node: Node, around: _Around) -> Iterator[Redirect]:
        operator = next((child.type for child in node.children if not child.is_named), ">")
        targets = [child for child in node.named_children if child.type != "file_descriptor"]
        if not targets and operator not in ("<&-", ">&-"):
            self.problems.append("a redirect without a target")
        for target in targets:
            for values in self._combinations(target):
                yield Redirect(operator, self._word(target, values, around))

    def on_command(self, node: Node, around: _Around) -> None:
        own = [child for child in node.named_children if child.type.endswith("_redirect")]
        found, fed, text, later = self._redirects(own, around)
        rest = [child for child in node.named_children if not child.type.endswith("_redirect")]
        settings = [child for child in rest if child.type == "variable_assignment"]
        parts = [child for child in rest if child.type not in ("variable_assignment", "comment")]
        assignments = tuple(self._assigned(child, around, keep=False) for child in settings)
        for values in self._combinations(*parts):
            words: list[Word] = []
            for part in parts:
                inner = (
                    part.named_children[0] if part.type == "command_name" and part.named_children else part
                )
                words.extend(braces(self._word(inner, values, around)))
            if any(not child.is_named and child.type not in ("=~", "==") for child in node.children):
                self.problems.append("a command that is not understood")
            self._add(
                Simple(
                    tuple(words),
                    assignments,
                    (*around.redirects, *found),
                    around.fed or fed,
                    text if fed else around.text,
                    around.background,
                )
            )
        for child in later:
            self.visit(child, replace(around, fed=child.type == "pipeline" or around.fed))

    def _add(self, command: Simple) -> None:
        if command not in self.commands:
            self.commands.append(command)
        if command.words and command.words[0].text in ("read", "mapfile", "readarray", "getopts", "printf"):
            for word in command.words[1:]:
                if re.fullmatch(r"\w+", word.text):
                    self.values.setdefault(word.text, []).append(None)

    def on_variable_assignment(self, node: Node, around: _Around) -> None:
        self._add(Simple((), (self._assigned(node, around, keep=True),), background=around.background))

    def on_variable_assignments(self, node: Node, around: _Around) -> None:
        for child in node.named_children:
            self.visit(child, around)

    def _assigned(self, node: Node, around: _Around, *, keep: bool) -> tuple[str, Word]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and name.type != "variable_name":
            self.problems.append("an assignment to an element")
        combinations = list(self._combinations(value)) if value is not None else [{}]
        text = _text(name) if name is not None else ""
        if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
            self.problems.append("an assignment that is not understood")
        words = [
            self._word(value, values, around) if value is not None else Word() for values in combinations
        ]
        one = len(words) == 1 and not any(child.type == "+=" for child in node.children)
        word = words[0] if one else Word((Part("", known=False),))
        if keep:
            self.values.setdefault(text, []).append(word.text if word.known else None)
        return text, word

    def on_declaration_command(self, node: Node, around: _Around) -> None:
        words = [Word((Part(_text(node.children[0])),))]
        assignments = []
        for child in node.named_children:
            if child.type == "variable_assignment":
                assignments.append(self._assigned(child, around, keep=True))
            else:
                words.append(self._word(child, {}, around))
        self._add(Simple(tuple(words), tuple(assignments), around.redirects, background=around.background))

    on_unset_command = on_declaration_command

    def on_for_statement(self, node: Node, around: _Around) -> None:
        variable = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        listed = [child for child in node.named_children if child not in (variable, body)]
        values: list[str | None] = []
        for child in listed:
            if child.type == "comment":
                continue
            for chosen in self._combinations(child):
                for word in braces(self._word(child, chosen, around)):
                    values.append(word.text if word.known else None)
        if variable is not None:
            self.values.setdefault(_text(variable), []).extend(values or [None])
            self._add(Simple((), ((_text(variable), Word((Part("", known=False),))),)))
        if body is not None:
            self.visit(body, around)

    def on_function_definition(self, node: Node, around: _Around) -> None:
        name = node.child_by_field_name("name")
        self.functions.add(_text(name) if name is not None else "")
        for child in node.named_children:
            if child != name:
                self.visit(child, around)

    def on_case_statement(self, node: Node, around: _Around) -> None:
        for child in node.named_children:
            if child.type == "case_item":
                for part in child.named_children:
                    self.visit(part, around)
            else:
                self._word(child, {}, around)

    def on_test_command(self, node: Node, around: _Around) -> None:
        if _EVALUATES.search(_text(node)) or node.children[0].type == "((":
            self.problems.append("arithmetic, which can run commands")
        self._substitutions(node, around)

    def on_expansion(self, node: Node, around: _Around) -> None:
        self._word(node, {}, around)

    def on_heredoc_redirect(self, node: Node, around: _Around) -> None:
        self._inside(node, around)

    def _substitutions(self, node: Node, around: _Around) -> None:
        for child in node.named_children:
            if child.type in ("command_substitution", "process_substitution"):
                self.visit(child, replace(around, redirects=(), fed=False, text=None))
            elif child.type in ("expansion", "arithmetic_expansion"):
                self._word(child, {}, around)
            else:
                self._substitutions(child, around)

    def _combinations(self, *nodes: Node) -> Iterator[dict[str, str | None]]:
        """The values of the variables used in ``nodes``, as far as the command itself sets them."""
        names = sorted({name for node in nodes for name in _variables(node) if name in self.values})
        choices = [list(dict.fromkeys(self.values[name])) for name in names]
        total = 1
        for choice in choices:
            total *= len(choice)
        if total > _VALUES:
            yield dict.fromkeys(names)
            return
        for chosen in product(*choices):
            yield dict(zip(names, chosen, strict=True))

    def _word(self, node: Node, values: dict[str, str | None], around: _Around) -> Word:
        return Word(tuple(self._parts(node, values, around, quoted=False)))

    def _parts(
        self, node: Node, values: dict[str, str | None], around: _Around, *, quoted: bool
    ) -> Iterator[Part]:
        kind, text = node.type, _text(node)
        if kind in ("word", "number", "extglob_pattern", "regex", "test_operator", "variable_name"):
            for part in unescaped(text):
                if not part.quoted:
                    self._unseen(part.text)
                yield part
            self._substitutions(node, around)
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
            self._substitutions(node, around)
            yield Part("", known=False)

    def _unseen(self, text: str) -> None:
        """The grammar does not see every substitution: one left in plain text is a problem."""
        if re.search(r"`|\$\(", re.sub(r"\\.", "", text, flags=re.DOTALL)):
            self.problems.append("a substitution that is not understood")

    def _string(self, node: Node, values: dict[str, str | None], around: _Around) -> Iterator[Part]:
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
                self._unseen(_text(child))
                yield Part(in_quotes(_text(child)), quoted=True)
            else:
                yield from self._parts(child, values, around, quoted=True)
            at = end
        if len(source) - 1 > at:
            yield Part(in_quotes(source[at:-1].decode()), quoted=True)

    def _variable(self, node: Node, values: dict[str, str | None], around: _Around, *, quoted: bool) -> Part:
        text = _text(node)
        name = text.strip("${}")
        plain = node.type == "simple_expansion" or bool(re.fullmatch(r"\$\{(\w+|[?#$!@*-])\}", text))
        if not plain:
            if not _PARAMETER.fullmatch(text):
                self.problems.append(f"an expansion that is not understood ({text[:40]})")
            self._substitutions(node, around)
            return Part("", known=False, quoted=quoted, name=next(iter(_variables(node)), ""))
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


def _document(node: Node) -> str | None:
    """The text of a here-document, or None where something in it is worked out when it runs."""
    body = next((child for child in node.named_children if child.type == "heredoc_body"), None)
    if body is None:
        return ""
    if any(child.type != "heredoc_content" for child in body.named_children):
        return None
    text = _text(body)
    return text if _quoted(node) or not re.search(r"[\\$`]", text) else None


def _quoted(node: Node) -> bool:
    """Whether a here-document is taken as it is written."""
    start = next((child for child in node.named_children if child.type == "heredoc_start"), None)
    return start is not None and bool(re.search(r"['\"\\]", _text(start)))


def _written(body: Node) -> str:
    """The text of a here-document without the substitutions that the grammar sees."""
    source, at, found = body.text or b"", 0, []
    for child in body.named_children:
        if child.type != "heredoc_content":
            found.append(source[at : child.start_byte - body.start_byte])
            at = child.end_byte - body.start_byte
    return b" ".join([*found, source[at:]]).decode("utf-8", "replace")


def _variables(node: Node) -> set[str]:
    if node.type in ("command_substitution", "process_substitution"):
        return set()
    found = {_text(node)} if node.type == "variable_name" else set()
    return found.union(*(_variables(child) for child in node.named_children))


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
