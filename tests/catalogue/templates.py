"""What the code says to people in English by literals and f-strings, as templates with ``{places}``.

An error's message and remedy, a tool's brief and title, a judgement's reason, a notice: found by where the
text goes (:data:`_TAKES`, :data:`_NAMES`). A name is followed to what was assigned to it in the module, a
call to what the module's function returns, ``a if c else b`` gives both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

# The arguments, by position or name, that people read; those of errors are added.
_TAKES: dict[str, tuple[int | str, ...]] = {
    "ToolOutcome": (1, "brief"),
    "ToolResult": ("brief",),
    "OfficialResult": ("brief",),
    "Notice": (1, "text"),
    "Retrying": (2, "why"),
    "Judgement": (1, "why"),
    "Finding": (1, 2, "why", "sensitive", "says", "fix"),
    "Limit": (1, "words"),
    "Intent": ("sensitive",),
    "replace": ("brief", "why"),
    "RepairResult": ("message", "warning"),
    "say": (0,),
    "Stage": (1, 2),
    "_Stage": (0,),
    "Unwrapped": ("why",),
    "CommandEffect": (1,),
    "CallChecking": (1, "detail"),
    "Line": (2, "detail"),
    "Status": ("detail",),
}
_ERROR_TAKES: tuple[int | str, ...] = (0, 1, "message", "remedy")
# Variables and keywords whose values people read, functions that return such a text.
_NAMES = {
    "key_hint",
    "why",
    "brief",
    "remedy",
    "message",
    "hint",
    "problem",
    "warning",
    "sensitive",
    "refused",
}
_RETURN = _NAMES | {
    "plan_remedy",
    "successor",
    "address_remedy",
    "key_remedy",
    "title",
    "sensitive",
    "words",
    "described",
    "confinement",
}
# What these are given is a table of names, a pattern or a program's own words.
_NOT_SAID = ("names", "re.compile", "re.match", "re.search", "re.fullmatch", "re.sub", "os.environ.get")
_SIGNS = ("texts", "codes", "types")
_MOST = 12  # alternatives of one text

_PLACE = "\0"


def said(tree: ast.Module, errors: set[str], *, everything: bool, outer: bool) -> Iterator[str]:
    """The templates of one module, sorted by line; braces of the text itself are doubled."""
    reader = _Reader(tree)
    found: list[tuple[int, str]] = []
    for node, owner in reader.walk():
        for value in _heard(node, errors, everything, outer):
            found += [(value.lineno, text) for text in reader.alternatives(value, owner)]
    seen: set[str] = set()
    for _line, text in sorted(found):
        if text not in seen and _is_sentence(text):
            seen.add(text)
            yield text


def _heard(node: ast.AST, errors: set[str], everything: bool, outer: bool) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        name = _called_name(node)
        takes = _ERROR_TAKES if name in errors or name == "super().__init__" else _TAKES.get(name, ())
        if outer and name not in errors and name != "super().__init__":
            takes = ()
        yield from (arg for place, arg in enumerate(node.args) if place in takes)
        yield from (k.value for k in node.keywords if k.arg in takes)
        if not outer:
            yield from (k.value for k in node.keywords if k.arg in _NAMES and k.arg not in takes)
    if outer:
        return
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(each, ast.Name) and each.id.strip("_").lower() in _NAMES for each in targets):
            yield node.value
    if isinstance(node, ast.FunctionDef) and node.name.strip("_") in _RETURN:
        yield from _returned(node)
    if everything and isinstance(node, ast.Constant | ast.JoinedStr) and _is_phrase(node):
        yield node


def _is_phrase(node: ast.expr) -> bool:
    """Words as people write them, not a table of names or a pattern: all of it letters and light signs."""
    if isinstance(node, ast.JoinedStr):
        return True
    text = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(text, str) or " " not in text.strip() or "{" in text:
        return False
    return not re.search(r"[\\\[\]^|*]|(^|\s)-", text) and len(text.split()) < 40


def _called_name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return "super().__init__" if ast.unparse(node.func) == "super().__init__" else node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _returned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    return [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]


class _Reader:
    """A module's names: what functions return, what was assigned where."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._functions = {
            n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._assigned: dict[tuple[str, str], list[ast.expr]] = {}
        for node, owner in self.walk():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._assigned.setdefault((owner, target.id), []).append(node.value)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                self._assigned.setdefault((owner, node.target.id), []).append(node.value)

    def walk(self) -> Iterator[tuple[ast.AST, str]]:
        """Every node but docstrings, with the function it is in."""

        def below(node: ast.AST, owner: str) -> Iterator[tuple[ast.AST, str]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    continue
                if isinstance(child, ast.Call) and ast.unparse(child.func) in _NOT_SAID:
                    continue
                if isinstance(child, ast.keyword) and child.arg in _SIGNS:
                    continue
                yield child, owner
                inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else owner
                if not isinstance(child, ast.JoinedStr):
                    yield from below(child, inside)
                else:
                    for value in child.values:
                        if isinstance(value, ast.FormattedValue):
                            yield from below(value, inside)

        yield from below(self._tree, "")

    def alternatives(self, node: ast.expr, owner: str, depth: int = 0) -> list[str]:
        """The templates that ``node`` may be; a part that is not known is a place."""
        if depth > 6:
            return []
        if isinstance(node, ast.Constant):
            return [_doubled(node.value)] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            return [_numbered(text) for text in self._joined(node, owner, depth)]
        if isinstance(node, ast.IfExp):
            return self._several((node.body, node.orelse), owner, depth)
        if isinstance(node, ast.BoolOp):
            return self._several(node.values, owner, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self.alternatives(node.left, owner, depth + 1) or [_place_of(node.left)]
            right = self.alternatives(node.right, owner, depth + 1) or [_place_of(node.right)]
            return [_numbered(a + b) for a in left for b in right][:_MOST]
        if isinstance(node, ast.Tuple | ast.List):
            return self._several(node.elts, owner, depth)
        if isinstance(node, ast.Dict):
            return self._several(node.values, owner, depth)
        if isinstance(node, ast.Subscript):
            return self.alternatives(node.value, owner, depth + 1)
        if isinstance(node, ast.Name):
            values = self._assigned.get((owner, node.id)) or self._assigned.get(("", node.id), [])
            return self._several(values, owner, depth)
        if isinstance(node, ast.Await):
            return self.alternatives(node.value, owner, depth + 1)
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        return []

    def _called(self, node: ast.Call, depth: int) -> list[str]:
        if isinstance(node.func, ast.Name) and node.func.id in self._functions:
            function = self._functions[node.func.id]
            return self._several(_returned(function), function.name, depth)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and len(node.args) == 2:
            return self._several([node.func.value, node.args[1]], "", depth)
        return []

    def _several(self, nodes: object, owner: str, depth: int) -> list[str]:
        return [t for n in nodes for t in self.alternatives(n, owner, depth + 1)]  # type: ignore[attr-defined]

    def _joined(self, node: ast.JoinedStr, owner: str, depth: int) -> list[str]:
        texts = [""]
        for part in node.values:
            options = [""]
            if isinstance(part, ast.Constant):
                options = [_doubled(str(part.value))]
            elif isinstance(part, ast.FormattedValue):
                options = [_place_of(part.value)]
                if isinstance(part.value, ast.IfExp) and len(texts) < _MOST:
                    options = self._arms(part.value, owner, depth)
            texts = [text + option for text in texts for option in options][:_MOST]
        return texts

    def _arms(self, node: ast.IfExp, owner: str, depth: int) -> list[str]:
        found: list[str] = []
        for arm in (node.body, node.orelse):
            known = isinstance(arm, ast.Constant | ast.JoinedStr | ast.IfExp)
            found += (self.alternatives(arm, owner, depth + 1) if known else []) or [_place_of(arm)]
        return found


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _place_of(node: ast.expr) -> str:
    """``{name}`` after the last name in the expression."""
    names = [
        each
        for n in ast.walk(node)
        if (each := n.id if isinstance(n, ast.Name) else n.attr if isinstance(n, ast.Attribute) else "")
    ]
    if isinstance(node, ast.Call):
        names = [each for each in names if each not in ("join", "clean", "str", "len", "sorted", "one_line")]
    attributes = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    plain = attributes[0] if isinstance(node, ast.Attribute) else names[0] if names else "value"
    return "{" + plain.strip("_").lower() + "}"


def _numbered(text: str) -> str:
    """With each place's name once: ``{path} … {path2}``."""
    seen: dict[str, int] = {}

    def renamed(match: re.Match[str]) -> str:
        name = match[1].rstrip("0123456789") or "value"
        seen[name] = seen.get(name, 0) + 1
        return "{" + name + (str(seen[name]) if seen[name] > 1 else "") + "}"

    return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", renamed, text)


def _is_sentence(text: str) -> bool:
    """Not a bare name, sign or place: letters of at least one word that are no identifier's."""
    literal = re.sub(r"(?<!\{)\{\w+\}", "", text).strip()
    if re.search(r'^[{}\w]*[{}][{}\w]*$|<\||\(\w+ "|\(\w+ \d\)|\$1|^[\w{}]*[.:-][\w{}:-]*$', text):
        return False
    return bool(re.search(r"[A-Za-z]{2,}", literal)) and (" " in text or "{" in text or literal.isalpha())
