"""A language server for a language of two words: ``def NAME`` and ``use NAME``, as a real process.

It holds its client to the protocol: what breaks it is written to the file of the first argument. The words
after it make it misbehave (``crash``, ``hang``, ``garbage``, ``silent``) or choose how it speaks (``pull``,
``utf-8``, ``utf-16``, ``changes``).
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOG = Path(sys.argv[1])
WAYS = set(sys.argv[2:])
WORD = re.compile(r"(?<!\w)(def|use) (\w+)")


def note(kind: str, text: object) -> None:
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{kind}: {text}\n")


class Toy:
    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, str]] = {}
        self.root = Path()
        self.stage = "new"
        self.units = "utf-16"
        self.waiting: set[int] = set()
        self.number = 0

    def run(self) -> None:
        while True:
            message = self.read()
            if message is None:
                note("end", "input closed")
                return
            self.take(message)

    def read(self) -> dict[str, Any] | None:
        length = -1
        while True:
            line = sys.stdin.buffer.readline()
            if not line:
                return None
            if not line.endswith(b"\r\n"):
                note("BROKEN", f"header line {line!r}")
            if line == b"\r\n":
                break
            name, _, value = line.partition(b":")
            if name == b"Content-Length":
                length = int(value)
        body = sys.stdin.buffer.read(length)
        message = json.loads(body.decode("utf-8"))
        if message.get("jsonrpc") != "2.0":
            note("BROKEN", f"no jsonrpc in {message}")
        return dict(message)

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
        data = b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n" % len(
            body
        )
        for at in range(0, len(data + body), 7):  # in pieces, as pipes give them
            sys.stdout.buffer.write((data + body)[at : at + 7])
            sys.stdout.buffer.flush()

    def take(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params")
        if method is None:
            if message.get("id") not in self.waiting:
                note("BROKEN", f"an answer to nothing: {message}")
            self.waiting.discard(message.get("id", -1))
            note("answer", json.dumps(message.get("result", message.get("error"))))
            return
        if self.stage == "new" and method != "initialize":
            note("BROKEN", f"{method} before initialize")
        if self.stage == "asked" and method != "initialized":
            note("BROKEN", f"{method} before initialized")
        answer = getattr(self, "on_" + re.sub(r"\W", "_", method), None)
        if answer is None:
            if "id" in message:
                note("BROKEN", f"{method} was not declared")
            return
        result = answer(params)
        if "id" in message:
            kind = "error" if isinstance(result, dict) and "code" in result else "result"
            self.send({"id": message["id"], kind: result})
            if method == "initialize":
                self.stage = "asked"

    def request(self, method: str, params: Any) -> None:
        self.number += 1
        self.waiting.add(self.number)
        self.send({"id": self.number, "method": method, "params": params})

    # --- life ---

    def on_initialize(self, params: Any) -> Any:
        note("start", os.getpid())
        note("key", os.environ.get("MOONSHOT_API_KEY", "none"))
        self.root = path_of(params["rootUri"])
        if "hang" in WAYS:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1000)
        if "garbage" in WAYS:
            sys.stdout.write("Welcome to Toy 1.0!\n" * 400)
            sys.stdout.flush()
        if "crash-at-once" in WAYS:
            sys.exit("toy: no licence")
        offered = params["capabilities"]["general"]["positionEncodings"]
        can: dict[str, Any] = {"textDocumentSync": 1, "renameProvider": "no-rename" not in WAYS}
        for units in ("utf-8", "utf-16", "utf-32"):
            if units in WAYS:
                assert units in offered
                can["positionEncoding"] = self.units = units
        if "pull" in WAYS:
            can["diagnosticProvider"] = {"interFileDependencies": True, "workspaceDiagnostics": False}
        return {"capabilities": can}

    def on_initialized(self, params: Any) -> None:
        self.stage = "ready"
        self.request("workspace/configuration", {"items": [{"section": "toy"}]})
        self.request("client/registerCapability", {"registrations": []})
        self.request("toy/unheardOf", {})

    def on_shutdown(self, params: Any) -> None:
        self.stage = "down"

    def on_exit(self, params: Any) -> None:
        note("end", "exit" if self.stage == "down" else "exit without shutdown")
        sys.exit(0)

    # --- documents ---

    def on_textDocument_didOpen(self, params: Any) -> None:
        item = params["textDocument"]
        if item["uri"] in self.documents:
            note("BROKEN", f"opened twice: {item['uri']}")
        if item["languageId"] != "toy":
            note("BROKEN", f"language {item['languageId']}")
        self.documents[item["uri"]] = (item["version"], item["text"])
        note("open", f"{item['uri'].rpartition('/')[2]} {item['text']!r}")
        self.changed(item["uri"])

    def on_textDocument_didChange(self, params: Any) -> None:
        named = params["textDocument"]
        version, _ = self.documents[named["uri"]]
        if named["version"] <= version:
            note("BROKEN", f"version {named['version']} after {version}")
        (change,) = params["contentChanges"]
        self.documents[named["uri"]] = (named["version"], change["text"])
        note("change", f"{named['uri'].rpartition('/')[2]} {change['text']!r}")
        if "crash-once" in WAYS and not LOG.with_suffix(".crashed").exists():
            LOG.with_suffix(".crashed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "crash" in WAYS:
            sys.exit("toy: out of order")
        self.changed(named["uri"])

    def on_textDocument_didClose(self, params: Any) -> None:
        del self.documents[params["textDocument"]["uri"]]
        note("close", params["textDocument"]["uri"].rpartition("/")[2])

    def on_textDocument_didSave(self, params: Any) -> None:
        if params["textDocument"]["uri"] not in self.documents:
            note("BROKEN", "saved, not open")

    def on_workspace_didChangeWatchedFiles(self, params: Any) -> None:
        for change in params["changes"]:
            note("watched", f"{change['uri'].rpartition('/')[2]} {change['type']}")

    # --- what it knows ---

    def texts(self) -> dict[str, str]:
        found = {
            file.as_uri(): file.read_bytes().decode("utf-8", "replace") for file in self.root.rglob("*.toy")
        }
        return found | {uri: text for uri, (_, text) in self.documents.items()}

    def problems(self, uri: str) -> list[dict[str, Any]]:
        defined = {
            found[2] for text in self.texts().values() for found in WORD.finditer(text) if found[1] == "def"
        }
        items = []
        for line, text in enumerate(self.documents[uri][1].splitlines()):
            for found in WORD.finditer(text):
                place = {
                    "start": {"line": line, "character": self.count(text[: found.start(2)])},
                    "end": {"line": line, "character": self.count(text[: found.end(2)])},
                }
                if found[1] == "use" and found[2] not in defined:
                    items.append(
                        {"range": place, "severity": 1, "code": "T1", "message": f"{found[2]} is not defined"}
                    )
                items.append({"range": place, "severity": 4, "message": "a hint"})
        return items

    def count(self, text: str) -> int:
        if self.units == "utf-8":
            return len(text.encode())
        return len(text) if self.units == "utf-32" else len(text.encode("utf-16-le")) // 2

    def changed(self, uri: str) -> None:
        if "silent" in WAYS or "pull" in WAYS:
            return
        for each in self.documents:
            body = {"uri": each.replace("file:///", "file:/%2f/") if "odd" in WAYS else each}
            self.send(
                {
                    "method": "textDocument/publishDiagnostics",
                    "params": {
                        **body,
                        "version": self.documents[each][0],
                        "diagnostics": self.problems(each),
                    },
                }
            )

    def on_textDocument_diagnostic(self, params: Any) -> Any:
        if self.number < 6:
            self.number += 1
            return {"code": -32802, "message": "not yet"}
        return {"kind": "full", "items": self.problems(params["textDocument"]["uri"])}

    def on_textDocument_rename(self, params: Any) -> Any:
        uri, place, new = params["textDocument"]["uri"], params["position"], params["newName"]
        if not new.isidentifier():
            return {"code": -32602, "message": f"{new!r} is no name"}
        name = self.name_at(self.documents[uri][1].splitlines()[place["line"]], place["character"])
        if not name:
            return None
        edits: dict[str, list[Any]] = {}
        for each, text in self.texts().items():
            for line, words in enumerate(text.splitlines()):
                for found in WORD.finditer(words):
                    if found[2] == name:
                        start, end = self.count(words[: found.start(2)]), self.count(words[: found.end(2)])
                        edits.setdefault(each, []).append(
                            {
                                "range": {
                                    "start": {"line": line, "character": start},
                                    "end": {"line": line, "character": end},
                                },
                                "newText": new,
                            }
                        )
        if "outside" in WAYS:
            edits[(self.root.parent / "other.toy").as_uri()] = next(iter(edits.values()))
        if "overlap" in WAYS:
            edits[uri] *= 2
        if "changes" in WAYS:
            return {"changes": edits}
        return {
            "documentChanges": [
                {
                    "textDocument": {"uri": each, "version": self.documents.get(each, (None,))[0]},
                    "edits": changes,
                }
                for each, changes in edits.items()
            ]
        }

    def name_at(self, line: str, character: int) -> str:
        for found in WORD.finditer(line):
            if self.count(line[: found.start(2)]) <= character <= self.count(line[: found.end(2)]):
                return found[2]
        return ""


def path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


if __name__ == "__main__":
    Toy().run()
