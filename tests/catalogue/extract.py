"""The interface's words, found in the source: what the catalogue has to translate.

Three kinds. What ``ui``, ``cli`` and hooks say by ``_("…")`` and ``n_("…", "…", n)``; the texts of help
tables and parsers, which are translated where the help is shown; and what lower layers say in English to
people, as templates: ``f"no key for {name}"`` is ``no key for {name}`` here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.catalogue import templates

REPOSITORY = Path(__file__).parents[2]
OUTER = ("cli", "ui", "githooks")
HELP_TABLES = ("kcode/cli/table.py", "kcode/cli/examples.py", "kcode/ui/commands/table.py")
# Modules below whose phrases are all meant for people, in tables and returned pairs.
FOR_PEOPLE = (
    "kcode/providers/probes.py",
    "kcode/agent/allowance.py",
    "kcode/config/keys.py",
    "kcode/providers/check.py",
    "kcode/providers/registry.py",
    "kcode/safety/gitcommands.py",
    "kcode/safety/invocations.py",
    "kcode/safety/outreach.py",
    "kcode/safety/programs.py",
    "kcode/safety/sandbox.py",
    "kcode/safety/sensitive.py",
    "kcode/safety/wrappers.py",
)
DESCRIBED = "kcode/config/settings.py"
# Texts that the code puts together of parts, as templates.
PUT_TOGETHER = {
    "kcode/cli/cost.py": ("model", "project", "day"),
    "kcode/tools/bounds.py": (
        *("1 line", "{count} lines", "1 match", "{count} matches", "1 file", "{count} files"),
        *("1 change", "{count} changes", "1 entry", "{count} entries", "1 symbol", "{count} symbols"),
        *(
            "1 definition",
            "{count} definitions",
            "1 reference",
            "{count} references",
            "1 use",
            "{count} uses",
        ),
    ),
    "kcode/testrun/summary.py": (
        *("{count} passed", "{count} failed", "{count} errors", "{count} skipped"),
        *("{counts} in {seconds} s", "{count} flaky", "exit {code}, {seconds} s"),
    ),
    "kcode/cli/doctor.py": (
        *("python", "terminal", "git", "settings", "provider", "keys", "network", "online", "runtime"),
        *("model", "sandbox", "disk", "editor", "clipboard", "completion", "grammars"),
    ),
    "kcode/cli/provider.py": (
        *("key", "no key", "no key needed", "inside kcode", "yours: provider.base_url"),
    ),
    "kcode/codemap/tags.py": (
        *("class", "constant", "enum", "extension", "function", "heading", "id", "index", "interface", "key"),
        *("macro", "method", "module", "property", "prototype", "rule", "struct", "table", "trait"),
        *("trigger", "type", "variable", "view"),
    ),
    "kcode/agent/compaction.py": (
        "would never pay for itself",
        "would pay for itself only after {count} requests",
    ),
    "kcode/conversation/budget.py": ("tools", "system", "user", "assistant", "reasoning", "calls", "results"),
    "kcode/repair/present.py": (
        "{subject} did not come to an end.",
        "{subject} gave another result than {value}.",
        "{subject} raised {kind}.",
        "{subject} did not hold: {value}.",
        "In {place} {change}.",
        "a line was missing: {line}",
        "a line was one too many: {line}",
        "{line} becomes {line2}",
        "{count} lines become {count2}",
        "The test",
    ),
    "kcode/agent/resolving.py": (
        "{placeholder} is the placeholder of a secret, not its value",
        "it looks like it holds a secret ({kind})",
        "it holds what looks like a secret, or is one of the environment",
    ),
    "kcode/repair/agentic.py": (
        "files that are no text changed too and are left out: {files}",
        "the model also changed test files, which is refused: {files}",
        "the patch decides by {value}, a value of the test itself: it may only imitate the test",
        "the patch weakens tests: {what}",
        "the patch changes how the tests are run: {files}",
        "the model changed nothing that could be tested",
        "Nothing fails: the tests of the log pass here ({counts}).",
        "Nothing fails: the tests pass ({counts}).",
        "Nothing fails: {aim} passes ({counts}).",
    ),
    "kcode/repair/honesty.py": (
        "the patch weakens tests: {path} is deleted",
        "the patch weakens tests: {path} loses {names}",
        "the patch weakens tests: {path} skips more",
        "the patch weakens tests: {path} asserts less",
    ),
    "kcode/repair/by_search.py": ("`{command}` was given", "they are run by {runner}"),
    "kcode/repair/result.py": (
        "no proved patch: {why}",
        "a proved patch of {count} lines",
        "a proved patch of {count} lines ({why})",
        "a proved patch of 1 line",
        "a proved patch of 1 line ({why})",
    ),
    "kcode/repair/verify.py": (
        "1 failing test now passes ({name})",
        "1 failing test now passes ({name}), {count} times in a row",
        "{count} failing tests now pass",
        "{count} failing tests now pass, {count2} times in a row",
        "the whole suite: before {counts}; after {counts2}",
        "the whole suite: before {counts}; after {counts2}; nothing that passed before fails",
        "the test files concerned: before {counts}; after {counts2}",
        "the test files concerned: before {counts}; after {counts2}; nothing that passed before fails",
        "the tests that the change can reach: {counts}",
        "the whole suite was not run to its end within the time limit",
        "failing before and after: {tests}",
        "still failing: {tests}",
        "broken by the patch: {tests}",
        "passed before, and skipped or gone now: {tests}",
        "passes only sometimes: {tests}",
        "passed only when run again: {tests}",
    ),
    "kcode/testrun/affected.py": (
        "git does not say what has changed here",
        "nothing differs from the last commit",
        "1 changed file; no test imports them",
        "{count} changed files; no test imports them",
    ),
    "kcode/workspace/repo.py": (
        "the repository belongs to another user: git config --global --add safe.directory FOLDER",
        "the index is damaged, your files are not: rm .git/index; git reset",
        "there is a .git that git does not take for one: git fsck, or clone anew",
        "this repository needs a newer git",
    ),
    "kcode/safety/policy.py": ("no sandbox works on this machine",),
    "kcode/safety/rules.py": ("built in", "user", "project", "folder", "session", "command line"),
    "kcode/config/keys.py": (
        "one of {choices}",
        "a whole number, at least {bound}",
        "a whole number, at least {bound}, at most {bound2}",
        "a number, at least {bound}",
        "a number, more than {bound}",
        "a number, at least {bound}, at most {bound2}",
    ),
    "kcode/providers/http_errors.py": ("no reason given",),
    "kcode/safety/sandbox.py": ("commands run unconfined: {why}; {why2}",),
}
# Found by the rules, and read by a model or a program only, or a part of a text that is there as a whole.
NOT_FOR_PEOPLE = (
    *("The repository has no commits yet:", "Style of this repository.", "\nThe user says", "[interrupted:"),
    *(
        "Report one number.",
        "the number",
        "one, two, three,",
        "confined start",
        ".env.",
        " Lines left out as",
    ),
    *("one of ", "at least", "more than", "at most", "less than", " is not known to only build or test"),
    *("{successor}", "commands run unconfined: "),
)
_LONG = tuple(text for text in NOT_FOR_PEOPLE if text[-1] in ".:y" or text[:1] in "\n {")
HTTP_ERRORS = "kcode/providers/http_errors.py"


@dataclass
class Message:
    """One entry of the catalogue: ``plural`` is empty where there is none; ``below`` marks a template."""

    text: str
    plural: str = ""
    below: bool = False
    places: list[str] = field(default_factory=list)  # "kcode/ui/repl.py", in order

    @property
    def key(self) -> tuple[bool, str]:
        return self.below, self.text


def messages() -> dict[tuple[bool, str], Message]:
    """All messages of the package by their keys, in the order of files and lines."""
    found: dict[tuple[bool, str], Message] = {}

    def add(text: str, where: str, plural: str = "", below: bool = False) -> None:
        if not text or text in NOT_FOR_PEOPLE or text.startswith(_LONG):
            return
        message = found.setdefault((below, text), Message(text, plural, below))
        message.plural = message.plural or plural
        if where not in message.places:
            message.places.append(where)

    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    errors = _error_classes(modules.values())
    for path, tree in modules.items():
        where = path.relative_to(REPOSITORY).as_posix()
        outer = where.split("/")[1] in OUTER
        if where == DESCRIBED:
            for text in _descriptions(tree):
                add(text, where)
        if where == HTTP_ERRORS:
            for text in _http_errors(tree):
                add(text, where, below="{" in text)
        for text in PUT_TOGETHER.get(where, ()):
            add(text, where, below="{" in text)
        if outer:
            for text, plural in _called(tree):
                add(text, where, plural)
            for text in _help_texts(tree, where):
                add(text, where)
        for text in templates.said(tree, errors, everything=where in FOR_PEOPLE, outer=outer):
            has_places = "{" in text.replace("{{", "")
            plain = text if has_places else text.replace("{{", "{").replace("}}", "}")
            add(plain, where, below=has_places)
    return found


def _sources() -> list[Path]:
    found = sorted((REPOSITORY / "kcode").rglob("*.py"))
    return [path for path in found if "inside" not in path.parts and path.name != "i18n.py"]


def _error_classes(trees: object) -> set[str]:
    bases = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for tree in trees  # type: ignore[attr-defined]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"KcodeError"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def _called(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id == "_" and (text := _literal(node.args[0])):
                yield text, ""
            if node.func.id == "n_" and (text := _literal(node.args[0])):
                yield text, _literal(node.args[1])


def _literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _help_texts(tree: ast.Module, where: str) -> Iterator[str]:
    """What parsers and tables show: ``help=``, docstrings of commands, the words of the tables."""
    if where in HELP_TABLES:
        yield from _table_texts(tree, where)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (text for k in node.keywords if k.arg == "help" and (text := _literal(k.value)))
            if isinstance(node.func, ast.Name) and node.func.id == "Command" and len(node.args) > 2:
                yield from filter(None, [_literal(node.args[2])])
        if isinstance(node, ast.FunctionDef) and "/cli/" in where and _is_command(node):
            yield from filter(None, [ast.get_docstring(node)])


def _is_command(node: ast.FunctionDef) -> bool:
    words = [ast.unparse(each) for each in node.decorator_list]
    return any(".command(" in each or ".callback(" in each for each in words)


def _table_texts(tree: ast.Module, where: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            position = {"OptionRow": 3, "CommandRow": 2}.get(node.func.id)
            if position is not None:
                yield _literal(node.args[position])
            elif node.func.id == "say":
                yield _literal(node.args[0])
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = target.id if isinstance(target, ast.Name) else ""
            if name in ("SUMMARY", "GROUPS", "OPTION_GROUPS", "SHARED", "EXAMPLES"):
                yield from _values(node.value, last=name in ("SHARED", "EXAMPLES"))


def _values(node: ast.expr, last: bool) -> Iterator[str]:
    """The strings of a table's values; of a pair of them only the last where ``last`` says so."""
    if isinstance(node, ast.Dict):
        for value in node.values:
            yield from _values(value, last)
    elif isinstance(node, ast.Tuple):
        chosen = node.elts
        if last and all(isinstance(each, ast.Constant) for each in chosen):
            chosen = chosen[-1:]
        for each in chosen:
            yield from _values(each, last)
    elif text := _literal(node):
        yield text


def _descriptions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (text for k in node.keywords if k.arg == "description" and (text := _literal(k.value)))


def _http_errors(tree: ast.Module) -> Iterator[str]:
    """A provider's refusal is put together of its label, what happened, and the server's own words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_HAPPENED":
            assert isinstance(node.value, ast.Dict)
            for kind, happened in zip(node.value.keys, node.value.values, strict=True):
                model = " `{model}`" if kind is not None and ast.unparse(kind) == "ModelNotFound" else ""
                yield f"{{label}} {_literal(happened)}{model}: {{said}}"
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_Rule", "_error"):
            given = node.args
        if isinstance(node, ast.Tuple):
            given = node.elts
        if isinstance(node, ast.Assign):
            given = [node.value]
        for text in (_literal(each).removeprefix("{successor}") for each in given):
            if text.endswith(".") and " " in text:
                yield text
