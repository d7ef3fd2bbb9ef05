"""Who imports whom: Python from its syntax trees, other languages from the words of their imports."""

from __future__ import annotations

import ast
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from kcode.testrun.adapter import text_of
from kcode.testrun.importnames import Named

_SCRIPTS = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts")
_OTHERS = (".go", ".java", ".kt", ".rb", ".php", ".cs", ".rs", ".c", ".cc", ".cpp")
SUFFIXES = (".py", *_SCRIPTS, *_OTHERS)
_IMPORT = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*|\bmock\s*\(\s*)(?P<q>['"])(?P<path>\.{1,2}/[^'"\n]*|\.{1,2})(?P=q)"""
)
_TEST = re.compile(
    r"(?:^|/)(?:test_[^/]*\.py|[^/]*_test\.(?:py|go|rb|c|cc|cpp)|[^/]*_spec\.rb|test_[^/]*\.rb"
    r"|[^/]*[.-](?:test|spec)\.[cm]?[jt]sx?|__tests__/.*\.[cm]?[jt]sx?"
    r"|[^/]*(?:Test|Tests|IT|Spec)\.(?:java|kt|php|cs)|Test[A-Z][^/]*\.java)$"
)
_LARGEST = 1_000_000  # characters


def is_test(path: str) -> bool:
    """Whether a file's name is that of a test in its language."""
    return bool(_TEST.search(path))


def importers(root: Path, files: Sequence[str], changed: Iterable[str]) -> list[str]:
    """``changed`` and all files that import them, directly or through others, nearest first. A changed
    ``conftest.py`` is imported by all tests below its folder."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    known = set(files) | set(changed)
    modules = _modules(path for path in known if path.endswith(".py"))
    named = Named(root, known)
    for path in files:
        for used in (*_imports(root, path, known, modules), *named.used(path)):
            users[used].add(path)
    for path in known:
        if path.rpartition("/")[2] == "conftest.py":
            folder = path.rpartition("/")[0]
            below = (
                one for one in files if one.endswith(".py") and (not folder or one.startswith(f"{folder}/"))
            )
            users[path].update(one for one in below if is_test(one))
    reached = dict.fromkeys(changed)
    queue = list(reached)
    for path in queue:
        for user in sorted(users[path]):
            if user not in reached:
                reached[user] = None
                queue.append(user)
    return [path for path in reached if (root / path).is_file()]


def _imports(root: Path, path: str, known: set[str], modules: dict[str, list[str]]) -> Iterator[str]:
    if path.endswith(".py"):
        for name in _python_names(text_of(root / path, _LARGEST), path):
            yield from modules.get(name, ())
    elif path.endswith(_SCRIPTS):
        folder = posixpath.dirname(path)
        for match in _IMPORT.finditer(text_of(root / path, _LARGEST)):
            target = posixpath.normpath(posixpath.join(folder, match["path"]))
            found = next((one for one in _script_files(target) if one in known), None)
            if found:
                yield found


def _script_files(target: str) -> Iterator[str]:
    """The files that an import without a suffix, or with the compiled one, can mean."""
    yield target
    stem, suffix = posixpath.splitext(target)
    if suffix in (".js", ".jsx", ".mjs", ".cjs"):
        yield from (f"{stem}{other}" for other in (".ts", ".tsx", ".mts", ".cts"))
    yield from (f"{target}{other}" for other in _SCRIPTS)
    yield from (f"{target}/index{other}" for other in _SCRIPTS)


def _modules(paths: Iterable[str]) -> dict[str, list[str]]:
    """Files by every dotted name that they can be imported as: below the root, ``src``, any other folder."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        parts = PurePosixPath(path).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        for start in range(min(len(parts), 4)):
            found[".".join(parts[start:])].append(path)
    return found


def _python_names(source: str, path: str) -> set[str]:
    """The dotted names that a module imports, those of functions' bodies included; a package's own
    ``__init__`` is imported with any of its modules."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    package = PurePosixPath(path).parent.parts
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            first = node.args[0] if node.args else None
            if name in ("import_module", "importorskip", "patch") and isinstance(first, ast.Constant):
                dotted = str(first.value)
                found.update({dotted, dotted.rpartition(".")[0]})
    for name in list(found):
        parts = name.split(".")
        found.update(".".join(parts[:end]) for end in range(1, len(parts)))
    return found - {""}
