"""Which tools there are, and reading a model's call of one."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from kcode.providers.arguments import NotArguments, read_arguments
from kcode.tools.base import Arguments, Tool, ToolRefused
from kcode.tools.schema import declarations as declarations
from kcode.tools.schema import normalised

if TYPE_CHECKING:
    from kcode.config.settings import Settings


@cache
def _tools() -> dict[str, Tool[Any]]:
    from kcode.tools.command import CommandOutput, RunCommand
    from kcode.tools.edit import EditFile, WriteFile
    from kcode.tools.git import GitDiff, GitLog, GitShow, GitStatus
    from kcode.tools.grep import Grep
    from kcode.tools.listing import FindFiles, ListDir
    from kcode.tools.mapping import FindSymbol, Map, Outline, References
    from kcode.tools.move import DeletePath, MovePath
    from kcode.tools.patch import ApplyPatch
    from kcode.tools.read import ReadFile
    from kcode.tools.rename import RenameSymbol
    from kcode.tools.tests import RunTests
    from kcode.tools.todo import UpdateTodo

    tools: list[Tool[Any]] = [
        ApplyPatch(), CommandOutput(), DeletePath(), EditFile(), FindFiles(), FindSymbol(), GitDiff(),
        GitLog(), GitShow(), GitStatus(), Grep(), ListDir(), Map(), MovePath(), Outline(), ReadFile(),
        References(), RenameSymbol(), RunCommand(), RunTests(), UpdateTodo(), WriteFile(),
    ]  # fmt: skip
    return {tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}


def all_tools(settings: Settings | None = None) -> list[Tool[Any]]:
    """Every tool that can work with these settings, sorted by name; without any, those that always can."""
    servers = settings is not None and settings.diagnostics.servers
    return [tool for tool in _tools().values() if servers or tool.name != "rename_symbol"]


class ParsedCall(NamedTuple):
    """A call that can run. ``repairs`` says in words what was mended; empty for a call that was right."""

    tool: Tool[Any]
    args: Arguments
    repairs: tuple[str, ...] = ()


def parse_call(name: str, arguments_json: str, known: Collection[str] = ()) -> ParsedCall:
    """The tool and its checked arguments. ``known`` names tools beside ours, for the refusal's words.

    Raises :class:`ToolRefused` with a message that names what is wrong and what is allowed. Mended where
    only one thing can be meant: the slips of :mod:`kcode.providers.arguments`, ``"3"`` for 3, null for "not
    given", a list sent as JSON text, one item instead of a list of one, ``read-file`` for ``read_file``,
    ``file_path`` for a missing ``path``.
    """
    tool, repairs = _tool(name, known)
    try:
        given, _, slips = read_arguments(arguments_json)
    except NotArguments as problem:
        raise ToolRefused(f"the arguments of {tool.name} cannot be read: {problem}") from None
    repairs += slips
    given, renamed = _renamed(tool, _without_nulls(tool, given))
    repairs += renamed
    try:
        args = tool.arguments.model_validate(given)
    except ValidationError as problem:
        mended, fixes = _retyped(tool, given, problem)
        if not fixes:
            raise ToolRefused(_explained(tool, problem)) from None
        try:
            args = tool.arguments.model_validate(mended)
        except ValidationError:
            raise ToolRefused(_explained(tool, problem)) from None
        repairs += fixes
    return ParsedCall(tool, args, repairs)


def _tool(name: str, known: Collection[str]) -> tuple[Tool[Any], tuple[str, ...]]:
    tools = _tools()
    if name in tools:
        return tools[name], ()
    plain = _plain(name)
    if plain in tools and name not in known:
        return tools[plain], (f"the name {name!r} meant {plain}",)
    near = difflib.get_close_matches(name, tools, 1, 0.6)
    hint = f"did you mean {near[0]}? " if near else ""
    names = ", ".join([*(tool.name for tool in all_tools()), *known])
    raise ToolRefused(f"there is no tool {name!r}; {hint}The tools are: {names}")


def _plain(name: str) -> str:
    """``functions.Read-File:3`` and ``read_file`` are one name: case, hyphens and the id's parts aside."""
    name = name.strip().removeprefix("functions.").partition(":")[0]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")


def _without_nulls(tool: Tool[Any], given: dict[str, Any]) -> dict[str, Any]:
    fields = tool.arguments.model_fields
    return {key: value for key, value in given.items() if value is not None or key not in fields}


def _renamed(tool: Tool[Any], given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """One argument that is unknown and one that is required and missing, alike in name, are the same."""
    fields = tool.arguments.model_fields
    unknown = [key for key in given if key not in fields]
    missing = [key for key, field in fields.items() if field.is_required() and key not in given]
    if len(unknown) != 1 or len(missing) != 1 or not _alike(unknown[0], missing[0]):
        return given, ()
    old, new = unknown[0], missing[0]
    renamed = {new if key == old else key: value for key, value in given.items()}
    return renamed, (f"the argument {old!r} meant {new}",)


def _alike(given: str, wanted: str) -> bool:
    words = set(_plain(given).split("_"))
    return (
        bool(words & set(wanted.split("_"))) or difflib.SequenceMatcher(None, given, wanted).ratio() >= 0.75
    )


def _retyped(
    tool: Tool[Any], given: dict[str, Any], problem: ValidationError
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A value in the form the schema wants, where there is one way: JSON text read, one item listed."""
    properties = normalised(tool.arguments)["properties"]
    mended, fixes = dict(given), []
    for error in problem.errors(include_url=False, include_input=False):
        key = str(error["loc"][0]) if error["loc"] else ""
        wanted = properties.get(key, {}).get("type")
        value = mended.get(key)
        if len(error["loc"]) != 1 or wanted not in ("array", "object"):
            continue
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value, strict=False)
        if wanted == "array" and not isinstance(value, list):
            value = [value]
        if value != mended.get(key):
            mended[key] = value
            fixes.append(f"{key} was not {'an array' if wanted == 'array' else 'an object'}")
    return mended, tuple(fixes)


def _explained(tool: Tool[Any], problem: ValidationError) -> str:
    wrong = []
    for error in problem.errors(include_url=False, include_input=False)[:5]:
        place = ".".join(map(str, error["loc"])) or "arguments"
        if error["type"] == "missing":
            wrong.append(f"{place} is missing")
        elif error["type"] == "extra_forbidden":
            wrong.append(f"{place} is not an argument of {tool.name}")
        else:
            wrong.append(f"{place}: {error['msg']}")
    return f"{'; '.join(wrong)}. {tool.name} takes: {_signature(normalised(tool.arguments))}"


def _signature(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    parts = []
    for name, value in schema["properties"].items():
        kind = value["type"]
        if kind == "array" and value["items"].get("properties"):
            kind = f"array of {{{_signature(value['items'])}}}"
        parts.append(f"{name} ({kind}{'' if name in required else ', optional'})")
    return ", ".join(parts) or "no arguments"
