"""The HTTP server: HTTP/1.1 with keep-alive on loopback; it plays the programs it is given."""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.k2sim import wire

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator

_POLL_S = 0.02


class _ClientLeft(Exception):
    """The client closed its side while an answer was under way."""


class Server:
    """A listening socket from construction on; requests are served between ``start`` and ``stop``."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.stopping = threading.Event()
        handler = type("BoundHandler", (_Handler,), {"simulator": simulator, "stopping": self.stopping})
        self._http = _HTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": _POLL_S}, name="k2sim", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.close_all()
        self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def close_all(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that resets its connection is not news; anything else is printed by the base class."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    simulator: Simulator
    stopping: threading.Event

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the log on disk tells more."""

    def version_string(self) -> str:
        return "k2sim"

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        record = self.simulator.receive(self.command, self.path, headers, self._read_body())
        program = self.simulator.respond(record)
        try:
            self._play(program, record)
        except (_ClientLeft, ConnectionError):
            record.client_left = True
            self.close_connection = True
        finally:
            self.simulator.finish(record)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _play(self, program: wire.Program, record: Record) -> None:
        chunked = False
        for action in program:
            match action:
                case wire.Begin():
                    chunked = action.length is None
                    self._begin(action, record)
                case wire.Send(data=data):
                    self._check_client()
                    record.sent += data
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                case wire.Wait(seconds=seconds):
                    self._wait(seconds)
                case wire.End():
                    self._end(chunked, record)
                case wire.Hangup():
                    self.close_connection = True
                case wire.Reset():
                    self._reset()

    def _begin(self, action: wire.Begin, record: Record) -> None:
        record.status = action.status
        framing = ("Transfer-Encoding", "chunked")
        self._promised = action.length
        if action.length is not None:
            framing = ("Content-Length", str(action.length))
        record.answer_headers = [*action.headers, framing]
        self.send_response(action.status)
        for name, value in record.answer_headers:
            self.send_header(name, value)
        self.end_headers()

    def _end(self, chunked: bool, record: Record) -> None:
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        elif self._promised is not None and len(record.sent) < self._promised:
            self.close_connection = True

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check_client()
            if self.stopping.wait(min(left, _POLL_S)):
                raise _ClientLeft
        self._check_client()

    def _check_client(self) -> None:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise _ClientLeft

    def _reset(self) -> None:
        """Close the descriptor itself: the base class would send a proper FIN first."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        os.close(self.connection.detach())
