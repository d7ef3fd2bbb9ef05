"""A conversation with one language server: its documents are kept as the files are, its problems are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kcode import __version__
from kcode.diagnostics.lsp.known import ServerCommand, language_of
from kcode.diagnostics.lsp.link import Link, ServerError, ServerGone
from kcode.diagnostics.lsp.positions import Lines, Units
from kcode.diagnostics.problem import Problem
from kcode.diagnostics.room import Room

QUIET_S = 0.4  # without news: then a server that was told of a change has said what it has to say
SILENT_S = 4.0  # without any word: then nothing changed for it
MOST_OPEN = 40  # documents
_AGAIN_S = 0.2
_RETRY = (-32801, -32802)  # the content changed meanwhile; the server cancelled
_CREATED, _CHANGED, _DELETED = 1, 2, 3

_CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-32", "utf-16", "utf-8"]},
    "window": {"workDoneProgress": True},
    "workspace": {
        "configuration": True,
        "workspaceFolders": True,
        "workspaceEdit": {"documentChanges": True, "resourceOperations": []},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "diagnostics": {"refreshSupport": True},
    },
    "textDocument": {
        "synchronization": {"didSave": True},
        "publishDiagnostics": {"versionSupport": True, "relatedInformation": False},
        "diagnostic": {"relatedDocumentSupport": True},
        "rename": {"prepareSupport": True},
    },
}


@dataclass(slots=True)
class _Document:
    text: str
    version: int
    heard: bool = False  # the server has spoken of it since it was changed
    heard_version: int | None = None


class Server:
    """Not for use from several tasks at once. ``start`` before all else; ``close`` ends the process."""

    def __init__(self, command: ServerCommand, program: str, room: Room, python: str = "") -> None:
        self.command = command
        self._program, self._room, self._python = program, room, python
        self._root = room.workspace.root
        self._link: Link | None = None
        self._units: Units = "utf-16"
        self._pulls = False
        self._renames = False
        self._documents: dict[str, _Document] = {}  # by path, the last used last
        self._found: dict[str, list[Any]] = {}  # diagnostics by uri
        self._progress: set[str] = set()
        self._news = 0.0  # when it last spoke of problems
        self._wake: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def units(self) -> Units:
        """How it counts characters in a line."""
        return self._units

    @property
    def renames(self) -> bool:
        return self._renames

    def version_of(self, path: str) -> int | None:
        document = self._documents.get(path)
        return document.version if document else None

    async def start(self) -> None:
        """Raises :class:`ServerGone`, :class:`ServerError`, EnvironmentProblem."""
        self._link = Link(
            [self._program, *self.command.words[1:]],
            cwd=self._root,
            env=self._room.environment(),
            confine=self._room.confinement(),
            scratch=self._room.cache("lsp"),
            on_notice=self._noticed,
            on_request=self._asked,
        )
        folder = {"uri": self._root.as_uri(), "name": self._root.name}
        answer = await self.ask(
            "initialize",
            {
                "processId": None,  # in a namespace of its own it would not find us, and end
                "clientInfo": {"name": "kcode", "version": __version__},
                "rootPath": str(self._root),
                "rootUri": folder["uri"],
                "workspaceFolders": [folder],
                "capabilities": _CAPABILITIES,
            },
        )
        can = answer.get("capabilities") if isinstance(answer, dict) else None
        can = can if isinstance(can, dict) else {}
        units = can.get("positionEncoding")
        self._units = units if units in ("utf-8", "utf-16", "utf-32") else "utf-16"
        self._pulls = bool(can.get("diagnosticProvider"))
        self._renames = bool(can.get("renameProvider"))
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings()})

    async def ask(self, method: str, params: Any) -> Any:
        if self._link is None:
            raise ServerGone("it was not started")
        return await asyncio.wrap_future(self._link.request(method, params))

    async def close(self) -> None:
        """Ask it to end, then make it."""
        link, self._link = self._link, None
        if link is None:
            return
        with suppress(ServerGone, ServerError, TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(link.request("shutdown", None)), 1.0)
            link.notify("exit", None)
            await asyncio.sleep(0.05)
        await asyncio.to_thread(link.end)

    # --- documents -----------------------------------------------------------------------------

    def put(self, path: str, text: str) -> bool:
        """Let it know this file with this text; False where it does already."""
        document = self._documents.pop(path, None)
        uri = self.uri(path)
        if document is None:
            document = _Document(text, 1)
            item = {"uri": uri, "languageId": language_of(path), "version": 1, "text": text}
            self._documents[path] = document
            self._tell("textDocument/didOpen", {"textDocument": item})
            return True
        self._documents[path] = document
        if document.text == text:
            return False
        document.text, document.version = text, document.version + 1
        document.heard = False
        named = {"uri": uri, "version": document.version}
        self._tell("textDocument/didChange", {"textDocument": named, "contentChanges": [{"text": text}]})
        return True

    def forget(self, path: str) -> None:
        if self._documents.pop(path, None) is not None:
            self._tell("textDocument/didClose", {"textDocument": {"uri": self.uri(path)}})
            self._found.pop(self.uri(path), None)

    def written(self, before: Mapping[str, str | None], now: Mapping[str, str | None]) -> None:
        """Tell it that these files were changed on disk."""
        changes = []
        for path, text in now.items():
            was = before.get(path)
            kind = _DELETED if text is None else _CREATED if was is None else _CHANGED
            changes.append({"uri": self.uri(path), "type": kind})
            if text is not None and path in self._documents:
                self._tell("textDocument/didSave", {"textDocument": {"uri": self.uri(path)}})
        self._tell("workspace/didChangeWatchedFiles", {"changes": changes})

    def refresh(self, read: Callable[[str], str | None], but: Iterable[str] = ()) -> list[str]:
        """Let it know documents that others changed, but for these; the longest unused are let go. Returns
        those that were changed."""
        for path in list(self._documents)[: max(len(self._documents) - MOST_OPEN, 0)]:
            self.forget(path)
        changed = []
        for path in sorted(set(self._documents) - set(but)):
            text = read(path)
            if text is None:
                self.forget(path)
            elif text != self._documents[path].text:
                self.put(path, text)
                changed.append(path)
        return changed

    # --- problems ------------------------------------------------------------------------------

    async def settled(self, paths: Iterable[str], seconds: float) -> bool:
        """Wait until it has spoken of these documents as they are, or has nothing to say about them; False
        where it was still busy after ``seconds``."""
        until = time.monotonic() + seconds
        if self._pulls:
            for path in list(self._documents):
                await self._pull(path, until)
            return True
        wanted = {path: self._documents[path].version for path in paths if path in self._documents}
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(news.set)

        self._wake = wake
        began = time.monotonic()
        try:
            while (now := time.monotonic()) < until:
                if self._link is not None and self._link.gone:
                    raise ServerGone(self._link.gone)
                told = all(self._has_told(path, version) for path, version in wanted.items())
                quiet_from = max(self._news, began)
                wait = quiet_from + (QUIET_S if told else SILENT_S) - now
                if wait <= 0 and not self._progress:
                    return True
                news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), min(max(wait, _AGAIN_S), until - now))
            return False
        finally:
            self._wake = lambda: None

    def problems(self) -> list[Problem]:
        """All that it finds wrong in files of the workspace: errors and warnings."""
        found = []
        for uri, items in list(self._found.items()):
            path = self.path_of(uri)
            if path is None:
                continue
            document = self._documents.get(path)
            lines = Lines(document.text, self._units) if document and items else None
            found += [each for item in items if (each := self._problem(path, item, lines)) is not None]
        return found

    def _has_told(self, path: str, version: int) -> bool:
        document = self._documents[path]
        return document.heard and (document.heard_version is None or document.heard_version >= version)

    async def _pull(self, path: str, until: float) -> None:
        while True:
            try:
                answer = await self.ask("textDocument/diagnostic", {"textDocument": {"uri": self.uri(path)}})
                break
            except ServerError as error:
                if error.code not in _RETRY or time.monotonic() + _AGAIN_S > until:
                    raise
                await asyncio.sleep(_AGAIN_S)
        if not isinstance(answer, dict):
            return
        related = answer.get("relatedDocuments")
        reports = {self.uri(path): answer, **(related if isinstance(related, dict) else {})}
        for uri, report in reports.items():
            if isinstance(report, dict) and isinstance(report.get("items"), list):
                self._found[uri] = report["items"]

    def _problem(self, path: str, item: Any, lines: Lines | None) -> Problem | None:
        try:
            if item.get("severity", 1) not in (1, 2):
                return None
            start = item["range"]["start"]
            line, column = int(start["line"]), int(start["character"])
            if lines is not None and self._units != "utf-32":
                column = lines.column(start)
            code = item.get("code", "")
            code = code.get("value", "") if isinstance(code, dict) else code
            return Problem(path, line + 1, column + 1, str(code or ""), str(item["message"]), self.name)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None  # not as the protocol has it: passed over like a line that is not understood

    # --- what comes, on the reading thread -----------------------------------------------------

    def _noticed(self, method: str, params: Any) -> None:
        if not isinstance(params, dict):
            return
        if method == "textDocument/publishDiagnostics":
            items, version = params.get("diagnostics"), params.get("version")
            uri = _plain(str(params.get("uri", "")))
            self._found[uri] = items if isinstance(items, list) else []
            document = self._documents.get(self.path_of(uri) or "")
            if document is not None:
                document.heard_version = version if isinstance(version, int) else None
                document.heard = True
            self._news = time.monotonic()
        elif method == "$/progress" and isinstance(value := params.get("value"), dict):
            (self._progress.add if value.get("kind") != "end" else self._progress.discard)(
                str(params.get("token"))
            )
            self._news = time.monotonic()
        self._wake()

    def _asked(self, method: str, params: Any) -> Any:
        if method == "workspace/configuration":
            items = params.get("items", []) if isinstance(params, dict) else []
            return [self._settings().get(str(each.get("section"))) for each in items]
        if method == "workspace/workspaceFolders":
            return [{"uri": self._root.as_uri(), "name": self._root.name}]
        if method == "workspace/applyEdit":
            return {"applied": False, "failureReason": "files are changed by their own people only"}
        if method in (
            "client/registerCapability",
            "client/unregisterCapability",
            "window/workDoneProgress/create",
            "window/showMessageRequest",
            "workspace/diagnostic/refresh",
        ):
            return None
        raise KeyError(method)

    def _settings(self) -> dict[str, Any]:
        """The project's own interpreter, for servers that ask which one it is."""
        if not self._python:
            return {}
        return {
            "python": {"pythonPath": self._python},
            "pylsp": {"plugins": {"jedi": {"environment": self._python}}},
        }

    # --- names ---------------------------------------------------------------------------------

    def uri(self, path: str) -> str:
        return _plain((self._root / path).as_uri())

    def path_of(self, uri: str) -> str | None:
        """The workspace's name of a file; None for what is not a file of it."""
        file = file_of(uri)
        if file is None or not file.is_relative_to(self._root):
            return None
        return file.relative_to(self._root).as_posix()

    def _tell(self, method: str, params: Any) -> None:
        if self._link is not None:
            self._link.notify(method, params)


def file_of(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if path[2:3] == ":":  # /C:/folder
        path = path[1:]
    return Path(path)


def _plain(uri: str) -> str:
    """One spelling: servers differ in what they escape, and in the case of drive letters."""
    file = file_of(uri)
    return file.as_uri() if file is not None and file.is_absolute() else uri
