"""Every regular expression of kcode, as ``re`` is given it: ``python -m tests.fuzz.expressions`` prints JSON.

A process of its own, because what is compiled at import is seen only at the first one.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_CALLS = frozenset({"compile", "match", "search", "sub", "subn", "fullmatch", "split", "findall", "finditer"})


def compiled_at_import() -> dict[tuple[str, int], str]:
    """Pattern and flags -> the module that has it compiled."""
    found: dict[tuple[str, int], str] = {}
    original = re._compile  # type: ignore[attr-defined]

    def told(pattern: Any, flags: Any) -> Any:
        if isinstance(pattern, str):
            frame: FrameType | None = sys._getframe(2)
            for _ in range(3):
                name = frame.f_globals.get("__name__", "") if frame else ""
                if name.startswith("kcode."):
                    found.setdefault((pattern, int(flags)), name)
                frame = frame.f_back if frame else None
        return original(pattern, flags)

    re._compile = told  # type: ignore[attr-defined]
    import kcode

    for module in pkgutil.walk_packages(kcode.__path__, "kcode."):
        if ".inside." not in module.name:  # run by other interpreters, and act when imported
            importlib.import_module(module.name)
    _made_on_use()
    return found


def _made_on_use() -> None:
    from kcode.safety import secretforms, secretnames

    for form in secretforms.FORMS:
        secretforms.compiled(form.pattern)
    for name in ("_ASSIGNED", "_OPTION", "_KEY_OF", "_ONLY_ABOUT_IT"):
        secretnames._pattern(getattr(secretnames, name))


def written_in_functions() -> Iterator[tuple[str, int, str]]:
    """Constant patterns of calls such as ``re.sub("…", …)``."""
    import kcode

    root = Path(kcode.__file__).parent
    for path in sorted(root.rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "re." in text else ():
            if isinstance(node, ast.Call) and node.args and _of_re(node.func):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, 0, path.relative_to(root).as_posix()


def _of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _CALLS
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
    )


def main() -> None:
    found = compiled_at_import()
    known = {pattern for pattern, _ in found}
    for pattern, flags, where in written_in_functions():
        if pattern not in known:
            found[pattern, flags] = where
    json.dump([[pattern, flags, where] for (pattern, flags), where in found.items()], sys.stdout)


if __name__ == "__main__":
    main()
