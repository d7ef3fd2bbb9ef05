"""Moonshot's endpoints beside chat: files, Formula tools, and what `$web_search` may not be sent with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.k2sim import wire
from tests.k2sim.route import Route
from tests.k2sim.shapes import Refusal

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.models import SimModel
    from tests.k2sim.simulator import Simulator

PURPOSES = ("file-extract", "image", "video", "batch")
EXTRACTABLE = (
    ".pdf", ".docx", ".doc", ".xlsx", ".xls", ".pptx", ".ppt", ".epub", ".png", ".jpg", ".jpeg", ".gif",
    ".webp", ".bmp", ".txt", ".md", ".csv", ".html",
)  # fmt: skip
ENCRYPTED = "----MOONSHOT ENCRYPTED BEGIN----c2VhbGVk----MOONSHOT ENCRYPTED END----"


@dataclass
class StoredFile:
    id: str
    name: str
    purpose: str
    data: bytes
    status: str = "ok"


@dataclass
class PlatformState:
    """What a simulator holds of it. ``texts`` is what is read in a document, by its name; ``wrapped`` sends
    it as an object; ``upload_delay_s`` holds the answer to an upload back.

    ``fibers`` is what a function's fiber ends as, by its name: a fiber's fields, or an output. ``retired``
    are Formulas that are not there any more, ``functions`` replaces what a Formula declares.
    """

    files: dict[str, StoredFile] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    wrapped: bool = False
    unreadable: set[str] = field(default_factory=set)
    upload_delay_s: float = 0.0
    content_delay_s: float = 0.0
    largest: int = 100_000_000
    fibers: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    functions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: count(1))


# --- files ---------------------------------------------------------------------------------------


def _upload(sim: Simulator, record: Record) -> wire.Program:
    parts = _form(record)
    unknown = set(parts) - {"file", "purpose"}
    if unknown:
        raise Refusal("invalid", f"unknown field '{sorted(unknown)[0]}'")
    for name in ("file", "purpose"):
        if name not in parts:
            raise Refusal("invalid", f"{name} is required", name)
    name, data = parts["file"]
    purpose = parts["purpose"][1].decode("utf-8", "replace")
    state = sim.platform
    if purpose not in PURPOSES:
        raise Refusal("invalid", f"purpose {purpose!r} is not one of {', '.join(PURPOSES)}", "purpose")
    if not name:
        raise Refusal("invalid", "file has no name", "file")
    if not data:
        raise Refusal("invalid", "file is empty", "file")
    if len(data) > state.largest:
        raise Refusal("invalid", f"file size exceeds {state.largest // 1_000_000} MB", "file")
    if purpose == "file-extract":
        if not name.lower().endswith(EXTRACTABLE):
            raise Refusal("invalid", f"unsupported file type of {name}", "file")
        if name in state.unreadable:
            raise Refusal("invalid", f"extract {name} failed: the document is protected", "file")
    stored = StoredFile(f"file-{next(state.numbers):06d}", name, purpose, data)
    state.files[stored.id] = stored
    answer = wire.json_program(200, _row(stored))
    return [wire.Wait(state.upload_delay_s), *answer] if state.upload_delay_s else answer


def _list(sim: Simulator, record: Record) -> wire.Program:
    return wire.json_program(
        200, {"object": "list", "data": [_row(stored) for stored in sim.platform.files.values()]}
    )


def _get(sim: Simulator, record: Record) -> wire.Program:
    return wire.json_program(200, _row(_stored(sim, record)))


def _delete(sim: Simulator, record: Record) -> wire.Program:
    stored = _stored(sim, record)
    del sim.platform.files[stored.id]
    return wire.json_program(200, {"id": stored.id, "object": "file", "deleted": True})


def _content(sim: Simulator, record: Record) -> wire.Program:
    stored, state = _stored(sim, record), sim.platform
    if stored.purpose != "file-extract":
        raise Refusal("invalid", f"a file of purpose {stored.purpose} has no extracted content")
    text = state.texts.get(stored.name, f"the text of {stored.name}")
    body = wire.dumps({"content": text, "file_type": "text", "filename": stored.name, "type": "file"})
    answer = (
        wire.plain_program(200, body, "application/json")
        if state.wrapped
        else wire.plain_program(200, text.encode(), "text/plain; charset=utf-8")
    )
    return [wire.Wait(state.content_delay_s), *answer] if state.content_delay_s else answer


def _stored(sim: Simulator, record: Record) -> StoredFile:
    identity = record.path.partition("?")[0].split("/files/")[1].split("/")[0]
    if identity not in sim.platform.files:
        raise Refusal("path_not_found", f"file {identity} not found")
    return sim.platform.files[identity]


def _row(stored: StoredFile) -> dict[str, Any]:
    return {
        "id": stored.id,
        "object": "file",
        "bytes": len(stored.data),
        "created_at": 1_790_000_000,
        "filename": stored.name,
        "purpose": stored.purpose,
        "status": stored.status,
        "status_details": "",
    }


def _form(record: Record) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart form: name -> (file name, bytes)."""
    kind = record.headers.get("content-type", "")
    found = re.match(r'multipart/form-data;\s*boundary="?([^";]+)', kind)
    if found is None:
        raise Refusal("invalid", f"request Content-Type isn't multipart/form-data: {kind!r}")
    parts: dict[str, tuple[str, bytes]] = {}
    for piece in record.raw.split(b"--" + found.group(1).encode())[1:-1]:
        head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        words = head.decode("utf-8", "replace")
        name = re.search(r'\bname="([^"]*)"', words)
        if name is None:
            raise Refusal("invalid", "a part of the form has no name")
        if name.group(1) in parts:
            raise Refusal("invalid", f"{name.group(1)} is given twice", name.group(1))
        file_name = re.search(r'filename="([^"]*)"', words)
        parts[name.group(1)] = (file_name.group(1) if file_name else "", body.removesuffix(b"\r\n"))
    return parts


# --- Formula tools -------------------------------------------------------------------------------


def _function(name: str, description: str, **properties: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": kind} for key, kind in properties.items()},
                "required": list(properties),
            },
        },
    }


FORMULAS: Mapping[str, list[dict[str, Any]]] = {
    "web-search": [_function("web_search", "Search the web.", query="string")],
    "convert": [_function("convert", "Convert units.", value="number", to="string")],
    "rethink": [_function("rethink", "Order your thoughts.", thought="string")],
    "random-choice": [_function("random_choice", "Choose one at random.", candidates="string")],
    "mew": [_function("mew", "Meow.", mood="string")],
    "memory": [_function("memory", "Remember things.", action="string")],
    "excel": [
        _function("read_sheet", "Read a sheet.", file="string"),
        _function("list_sheets", "List the sheets.", file="string"),
    ],
    "date": [_function("date", "Work with dates.", operation="string")],
    "base64": [_function("base64", "Encode or decode.", data="string")],
    "fetch": [_function("fetch", "Fetch a page as Markdown.", url="string")],
    "quickjs": [_function("quickjs", "Run JavaScript.", code="string")],
    "code-runner": [_function("code_runner", "Run Python.", code="string")],
}


def _formula_tools(sim: Simulator, record: Record) -> wire.Program:
    return wire.json_program(200, {"object": "list", "tools": _declared(sim, record)})


def _formula_fibers(sim: Simulator, record: Record) -> wire.Program:
    declared = {tool["function"]["name"]: tool["function"] for tool in _declared(sim, record)}
    body = record.json
    if not isinstance(body, dict) or set(body) != {"name", "arguments"}:
        raise Refusal("invalid", "fibers takes name and arguments")
    if body["name"] not in declared:
        raise Refusal("invalid", f"function {body['name']!r} is not one of {', '.join(declared)}", "name")
    arguments = _object(body["arguments"])
    required = declared[body["name"]]["parameters"]["required"]
    missing = [key for key in required if key not in arguments]
    if missing:
        raise Refusal("invalid", f"arguments: {missing[0]} is required", "arguments")
    ending = sim.platform.fibers.get(body["name"], f"{body['name']} ran")
    fields = {"context": {"output": ending}} if isinstance(ending, str) else ending
    fiber = {"id": f"fiber-{record.number}", "object": "fiber", "status": "succeeded", **fields}
    fiber["context"] = {"input": body["arguments"], **fiber.get("context", {})}
    return wire.json_program(200, fiber)


def _declared(sim: Simulator, record: Record) -> list[dict[str, Any]]:
    found = re.search(r"/formulas/moonshot/([a-z0-9-]+):latest/", record.path)
    name = found.group(1) if found else ""
    if name not in FORMULAS or name in sim.platform.retired:
        raise Refusal("path_not_found", f"formula moonshot/{name}:latest not found")
    return sim.platform.functions.get(name, FORMULAS[name])


def _object(arguments: Any) -> dict[str, Any]:
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal("invalid", "arguments must be a string that holds a JSON object", "arguments")
    return value


# --- `$web_search` in a chat request ---------------------------------------------------------------


def check_web_search(body: Mapping[str, Any], model: SimModel) -> None:
    """Raise where the builtin search is declared beside thinking on a model that takes only one of the two,
    where a builtin function is not the search, and where its result is not its arguments, verbatim."""
    declared = any(tool.get("type") == "builtin_function" for tool in body.get("tools") or ())
    thinking = (body.get("thinking") or {}).get("type", "enabled") == "enabled" and model.thinking != "no"
    if declared and thinking and not model.search_while_thinking:
        raise Refusal("invalid", "builtin function $web_search is not supported when thinking is enabled")
    asked: dict[str, str] = {}
    for position, message in enumerate(body["messages"]):
        for call in message.get("tool_calls") or ():
            if call["type"] == "builtin_function":
                if call["function"]["name"] != "$web_search":
                    raise Refusal("invalid", f"builtin function {call['function']['name']!r} is not known")
                asked[call["id"]] = call["function"]["arguments"]
        given = asked.get(message.get("tool_call_id", ""))
        if given is not None and message.get("content") != given:
            where = f"messages[{position}]"
            raise Refusal("invalid", f"{where}: the result of $web_search must be its arguments", where)


_Handler = Callable[["Simulator", "Record"], wire.Program]
_FILE = r"/v1/files/[^/]+"
_FORMULA = r"/v1/formulas/moonshot/[^/]+"
_TABLE: tuple[tuple[str, str, _Handler], ...] = (
    ("POST", r"/v1/files", _upload),
    ("GET", r"/v1/files", _list),
    ("GET", _FILE, _get),
    ("DELETE", _FILE, _delete),
    ("GET", rf"{_FILE}/content", _content),
    ("GET", rf"{_FORMULA}/tools", _formula_tools),
    ("POST", rf"{_FORMULA}/fibers", _formula_fibers),
)
ROUTES: tuple[Route, ...] = tuple(Route(*row[:2], ("moonshot",), row[2]) for row in _TABLE)
