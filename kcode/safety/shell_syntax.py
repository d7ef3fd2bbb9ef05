"""A shell command as its syntax tree tells it: every simple command in it, with words, redirects, variables.

Pipes, lists, loops, functions, substitutions and here-documents are all walked. What a word will be is
worked out where it is written down (quotes, braces, variables the command itself sets) and marked unknown
where it is not. What this module does not know of is one of :attr:`Script.problems`, never left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from kcode.safety.shell_reading import (
    WORDS,
    Around,
    Reader,
    document,
    is_quoted,
    text_of,
    written,
)
from kcode.safety.shell_words import Part, Redirect, Script, Simple, Word, braces, names

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_LONGEST = 20_000  # characters of a command that are looked into
_DEEPEST = 60  # levels of nesting

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
    walk.visit(tree.root_node, Around())
    return Script(tuple(walk.commands), frozenset(walk.functions), tuple(dict.fromkeys(walk.problems)))


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@dataclass
class _Hanging:
    """What hangs on a command: its redirects, whether one feeds it and with which text, words that stand
    behind a redirect, and commands that stand behind a here-document's mark."""

    redirects: list[Redirect] = field(default_factory=list)
    fed: bool = False
    text: str | None = None
    words: list[Node] = field(default_factory=list)
    later: list[Node] = field(default_factory=list)


@dataclass
class _Walk(Reader):
    commands: list[Simple] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)

    def visit(self, node: Node, around: Around) -> None:
        if around.depth > _DEEPEST:
            self.problems.append("nested too deeply")
            return
        around = replace(around, depth=around.depth + 1)
        if node.type in ("command", "redirected_statement", "declaration_command", "file_redirect"):
            self._gaps(node)
        handler = getattr(self, f"on_{node.type}", None)
        if handler is not None:
            handler(node, around)
        elif node.type in _TRANSPARENT:
            self._inside(node, around)
        elif node.is_named and node.type not in _LEAVES:
            self.problems.append(f"a part that is not understood ({node.type.replace('_', ' ').lower()})")
            self._inside(node, around)

    def _gaps(self, node: Node) -> None:
        """The grammar takes a line's end before a backslash for a blank, the shell for the end."""
        source, at = node.text or b"", 0
        for child in node.children:
            gap = source[at : child.start_byte - node.start_byte].replace(b"\\\n", b"")
            if gap.strip(b" \t"):
                self.problems.append("a command that goes on over a line's end")
            at = child.end_byte - node.start_byte

    def _inside(self, node: Node, around: Around) -> None:
        children = node.children
        for place, child in enumerate(children):
            after = children[place + 1] if place + 1 < len(children) else None
            left = after is not None and after.type == "&"
            if child.type in (";;", ";&", ";;&"):
                self.problems.append(f"a {child.type} that is not understood")
            self.visit(child, replace(around, background=around.background or left))

    def on_pipeline(self, node: Node, around: Around) -> None:
        first = True
        source: tuple[Word, ...] = ()
        for child in node.named_children:
            known = len(self.commands)
            self.visit(child, around if first else replace(around, fed=True, text=None, source=source))
            added = self.commands[known:]
            alone = child.type == "command" and len(added) == 1 and not added[0].redirects
            source = added[0].words if alone else ()
            first = first and child.type == "comment"

    def on_redirected_statement(self, node: Node, around: Around) -> None:
        body = node.child_by_field_name("body")
        redirects = [child for child in node.named_children if child.type.endswith("_redirect")]
        hung = self._hanging(redirects, around)
        inner = replace(
            around,
            redirects=(*around.redirects, *hung.redirects),
            fed=around.fed or hung.fed,
            text=hung.text if hung.fed else around.text,
            behind=tuple(hung.words),
        )
        if hung.words and (body is None or body.type != "command"):
            self.problems.append("words behind a redirect")
        if body is None:
            self._add(Simple((), (), inner.redirects))
        else:
            self.visit(body, inner)
        for child in hung.later:
            self.visit(child, replace(around, fed=child.type == "pipeline" or around.fed, behind=()))

    def _hanging(self, nodes: list[Node], around: Around) -> _Hanging:
        hung = _Hanging()
        for node in nodes:
            if node.type == "file_redirect":
                self._file_redirect(node, around, hung)
            elif node.type == "herestring_redirect":
                hung.fed = True
                word = self.word(node.named_children[-1], {}, around)
                hung.text = word.text if word.known else None
            else:
                self._document(node, around, hung)
        return hung

    def _document(self, node: Node, around: Around, hung: _Hanging) -> None:
        """A here-document; the grammar hangs what stands behind its mark on it too."""
        hung.fed, hung.text = True, document(node)
        for child in node.named_children:
            if child.type == "file_redirect":
                self._file_redirect(child, around, hung)
            elif child.type == "heredoc_body":
                if not is_quoted(node):
                    self.unseen(written(child))
                self._inside(child, replace(around, redirects=(), fed=False, text=None, behind=()))
            elif child.type in WORDS:
                hung.words.append(child)
            elif child.type not in ("heredoc_start", "heredoc_end", "file_descriptor"):
                hung.later.append(child)

    def _file_redirect(self, node: Node, around: Around, hung: _Hanging) -> None:
        operator = next((child.type for child in node.children if not child.is_named), ">")
        targets = [child for child in node.named_children if child.type != "file_descriptor"]
        if operator in ("<&-", ">&-"):
            hung.words.extend(targets)
            return
        if not targets:
            self.problems.append("a redirect without a target")
        for values in self.combinations(*targets[:1]) if targets else ():
            hung.redirects.append(Redirect(operator, self.word(targets[0], values, around)))
        hung.words.extend(targets[1:])  # words of the command that stand behind the redirect
        hung.fed = hung.fed or "<" in operator

    def on_command(self, node: Node, around: Around) -> None:
        own = [child for child in node.named_children if child.type.endswith("_redirect")]
        hung = self._hanging(own, around)
        rest = [child for child in node.named_children if not child.type.endswith("_redirect")]
        settings = [child for child in rest if child.type == "variable_assignment"]
        parts = [child for child in rest if child.type not in ("variable_assignment", "comment")]
        parts += [*hung.words, *around.behind]
        around = replace(around, behind=())
        assignments = tuple(self._assigned(child, around, keep=False) for child in settings)
        for values in self.combinations(*parts):
            words: list[Word] = []
            for part in parts:
                inner = (
                    part.named_children[0] if part.type == "command_name" and part.named_children else part
                )
                words.extend(braces(self.word(inner, values, around)))
            if any(not child.is_named and child.type not in ("=~", "==") for child in node.children):
                self.problems.append("a command that is not understood")
            self._add(
                Simple(
                    tuple(words),
                    assignments,
                    (*around.redirects, *hung.redirects),
                    around.fed or hung.fed,
                    hung.text if hung.fed else around.text,
                    around.background,
                    () if hung.fed else around.source,
                )
            )
        for child in hung.later:
            self.visit(child, replace(around, fed=child.type == "pipeline" or around.fed, behind=()))

    def _add(self, command: Simple) -> None:
        if command not in self.commands:
            self.commands.append(command)
        if command.words and command.words[0].text in ("read", "mapfile", "readarray", "getopts", "printf"):
            for word in command.words[1:]:
                if re.fullmatch(r"\w+", word.text):
                    self.values.setdefault(word.text, []).append(None)

    def on_variable_assignment(self, node: Node, around: Around) -> None:
        self._add(Simple((), (self._assigned(node, around, keep=True),), background=around.background))

    def on_variable_assignments(self, node: Node, around: Around) -> None:
        for child in node.named_children:
            self.visit(child, around)

    def _assigned(self, node: Node, around: Around, *, keep: bool) -> tuple[str, Word]:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and name.type != "variable_name":
            self.problems.append("an assignment to an element")
        combinations = list(self.combinations(value)) if value is not None else [{}]
        text = text_of(name) if name is not None else ""
        if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
            self.problems.append("an assignment that is not understood")
        words = [self.word(value, values, around) if value is not None else Word() for values in combinations]
        one = len(words) == 1 and not any(child.type == "+=" for child in node.children)
        word = words[0] if one else Word((Part("", known=False),))
        if keep:
            self.values.setdefault(text, []).append(word.text if word.known else None)
        return text, word

    def on_declaration_command(self, node: Node, around: Around) -> None:
        words = [Word((Part(text_of(node.children[0])),))]
        assignments = []
        for child in node.named_children:
            if child.type == "variable_assignment":
                assignments.append(self._assigned(child, around, keep=True))
            else:
                words.append(self.word(child, {}, around))
        self._add(Simple(tuple(words), tuple(assignments), around.redirects, background=around.background))

    on_unset_command = on_declaration_command

    def on_for_statement(self, node: Node, around: Around) -> None:
        variable = node.child_by_field_name("variable")
        body = node.child_by_field_name("body")
        listed = [child for child in node.named_children if child not in (variable, body)]
        values: list[str | None] = []
        for child in listed:
            if child.type == "comment":
                continue
            for chosen in self.combinations(child):
                for word in braces(self.word(child, chosen, around)):
                    values.append(word.text if word.known else None)
        if variable is not None:
            self.values.setdefault(text_of(variable), []).extend(values or [None])
            self._add(Simple((), ((text_of(variable), Word((Part("", known=False),))),)))
        if body is not None:
            self.visit(body, around)

    def on_function_definition(self, node: Node, around: Around) -> None:
        name = node.child_by_field_name("name")
        self.functions.add(text_of(name) if name is not None else "")
        for child in node.named_children:
            if child != name:
                self.visit(child, around)

    def on_case_statement(self, node: Node, around: Around) -> None:
        for child in node.named_children:
            if child.type == "case_item":
                for part in child.named_children:
                    self.visit(part, around)
            else:
                self.word(child, {}, around)

    def on_test_command(self, node: Node, around: Around) -> None:
        if _EVALUATES.search(text_of(node)) or node.children[0].type == "((":
            self.problems.append("arithmetic, which can run commands")
        self.substitutions(node, around)

    def on_expansion(self, node: Node, around: Around) -> None:
        self.word(node, {}, around)

    def on_heredoc_redirect(self, node: Node, around: Around) -> None:
        self._inside(node, around)
