from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kcode.errors import EnvironmentProblem
from kcode.providers.embedded.models import KnownModel
from kcode.providers.embedded.store import ModelStore


class Hub(ThreadingHTTPServer):
    """A server of one file: with ranges or without, and cutting answers short where told to."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.ranges = True
        self.status = 0
        self.cut_after = 0
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append((self.path, wanted))
        if self.server.status:
            self.send_error(self.server.status)
            return
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        body = self.server.content[begin:]
        self.send_response(206 if wanted and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cut_after:
            body = body[: self.server.cut_after]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(model_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub(model_bytes)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
    monkeypatch.setenv("KCODE_MODEL_SOURCES", "huggingface")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shelf(tmp_path: Path, tiny: KnownModel) -> ModelStore:
    return ModelStore(tmp_path / "data", (tiny,))


def test_a_hub_of_the_usual_layout_serves_the_file(shelf: ModelStore, hub: Hub, model_bytes: bytes) -> None:
    assert shelf.pull("tiny-model").read_bytes() == model_bytes
    assert hub.asked == [("/someone/tiny-gguf/resolve/main/tiny-q4.gguf", "")]


def test_a_broken_connection_is_continued_where_it_broke(
    shelf: ModelStore, hub: Hub, model_bytes: bytes
) -> None:
    hub.cut_after = len(model_bytes) // 2 + 1
    assert shelf.pull("tiny-model").read_bytes() == model_bytes
    assert [wanted for _, wanted in hub.asked] == ["", f"bytes={hub.cut_after}-"]


def test_what_one_pull_left_the_next_one_continues(shelf: ModelStore, hub: Hub, model_bytes: bytes) -> None:
    begun = shelf.folder / ".tiny-model.partial" / "download.gguf"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(model_bytes[:1000])
    assert shelf.pull("tiny-model").read_bytes() == model_bytes
    assert hub.asked[0][1] == "bytes=1000-"


def test_a_server_without_ranges_starts_again(shelf: ModelStore, hub: Hub, model_bytes: bytes) -> None:
    hub.ranges = False
    begun = shelf.folder / ".tiny-model.partial" / "download.gguf"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"x" * 1000)
    assert shelf.pull("tiny-model").read_bytes() == model_bytes


def test_wrong_bytes_are_deleted_and_the_next_source_is_asked(
    shelf: ModelStore, hub: Hub, model_bytes: bytes, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.content = b"y" * len(model_bytes)
    monkeypatch.setenv("KCODE_MODEL_SOURCES", "huggingface,modelscope,folder")
    monkeypatch.setenv("KCODE_MODEL_DIR", str(wheels))
    assert shelf.pull("tiny-model").read_bytes() == model_bytes
    assert [path.split("/")[1] for path, _ in hub.asked] == ["someone", "models"]


def test_a_refusal_names_source_and_status(shelf: ModelStore, hub: Hub) -> None:
    hub.status = 404
    with pytest.raises(EnvironmentProblem, match=r"Hugging Face: HTTP status 404"):
        shelf.pull("tiny-model")


def test_no_server_is_an_error_and_keeps_what_there_is(
    shelf: ModelStore, model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("KCODE_MODEL_SOURCES", "huggingface")
    monkeypatch.setattr("kcode.providers.embedded.hub._TRIES", 1)
    begun = shelf.folder / ".tiny-model.partial" / "download.gguf"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(model_bytes[:1000])
    with pytest.raises(EnvironmentProblem, match="1000 of"):
        shelf.pull("tiny-model")
    assert begun.read_bytes() == model_bytes[:1000]
