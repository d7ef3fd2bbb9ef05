"""What a confined command reaches of other machines: what is allowed, through a proxy, nothing beside it."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kcode.safety import rooms, sandbox, wayout
from kcode.safety.hosts import NoWay, Passage, addresses, by_rules, is_near, literal, plain_name
from kcode.safety.process import Finished, child_environment, run_sync, spawn
from kcode.safety.rules import Rule, rule_from
from kcode.safety.sandbox import Confinement
from tests.safety.conftest import confinement

Place = tuple[Path, Path]
YES, NO = Passage(True, "allowed", near=True), Passage(False, "a rule says no")


class Gate:
    """Answers from a table, and remembers what it was asked."""

    def __init__(self, answers: dict[str, Passage]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Passage:
        self.asked.append((host, port))
        return self.answers.get(host, NO)

    def waited_s(self) -> float:
        return 0.0


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    """At an address of the loopback that programs do not take for this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"served {self.path} to {self.headers['Host']} {sorted(self.headers)}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        found = http.server.ThreadingHTTPServer(("127.0.0.2", 0), Handler)
    except OSError:
        pytest.skip("this system's loopback has one address only")
    with found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture(params=["a room", "one port"])
def way(
    request: pytest.FixtureRequest, plainly_confined: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Both ways out, each in the sandboxes that have it."""
    private = place[0].parent / "private"
    private.mkdir()
    if request.param == "one port":
        if plainly_confined != "landlock" or not sandbox._one_port():
            pytest.skip("only Landlock confines connections to a port, and only in newer kernels")
        monkeypatch.setattr(wayout, "room_for", lambda temporary, writable: None)
    elif rooms.room_for(private, (place[0], private)) is None:
        pytest.skip("no namespaces can be made here")
    return str(request.param)


def confined_by(place: Place, gate: Gate | None, *, told: bool = True) -> Confinement:
    private = place[0].parent / "private"
    return Confinement((place[0], private), temporary=private, gate=gate, told=told)


def python(place: Place, gate: Gate | None, code: str, *, told: bool = True, **variables: str) -> Finished:
    (place[0] / "attempt.py").write_text(textwrap.dedent(code))
    return run_sync(
        [sys.executable, "attempt.py"],
        cwd=place[0],
        env=child_environment(variables),
        timeout_s=30,
        merge_stderr=True,
        confine=confined_by(place, gate, told=told),
    )


FETCH = """
import sys, urllib.request
for address in {addresses}:
    try:
        print(urllib.request.urlopen(address, timeout=10).read().decode())
    except urllib.error.HTTPError as problem:
        print(problem.code, problem.read().decode())
    except OSError as problem:
        print("failed:", problem)
"""


def test_an_allowed_host_is_reached_and_no_other(
    way: str, place: Place, server: http.server.HTTPServer
) -> None:
    gate = Gate({"127.0.0.2": YES})
    there = f"http://127.0.0.2:{server.server_port}/a?b=c"
    done = python(place, gate, FETCH.format(addresses=[there, "http://other.test/"]))
    assert f"served /a?b=c to 127.0.0.2:{server.server_port}" in done.stdout
    assert "Proxy" not in done.stdout  # the other side is told nothing of it
    assert "403 kcode: other.test is not reached from the sandbox: a rule says no" in done.stdout
    assert gate.asked == [("127.0.0.2", server.server_port), ("other.test", 80)]


def test_beside_the_proxy_nothing_is_reached(way: str, place: Place, server: http.server.HTTPServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.2", 0))
        datagrams.settimeout(0.2)
        done = python(
            place,
            Gate({"127.0.0.2": YES}),
            f"""
            import socket
            def attempt(name, call):
                try:
                    call()
                    print("REACHED", name)
                except OSError as problem:
                    print("no", name, problem)
            there = ("127.0.0.2", {server.server_port})
            attempt("tcp", lambda: socket.create_connection(there, 3))
            attempt("mapped", lambda: socket.create_connection(("::ffff:127.0.0.2", there[1]), 3))
            attempt("fast open", lambda: socket.socket().sendto(b"x", 0x20000000, there))
            attempt("multipath", lambda: socket.socket(socket.AF_INET, 1, 262).connect(there))
            attempt("name", lambda: socket.getaddrinfo("example.test", 80))
            try:
                other = ("127.0.0.2", {datagrams.getsockname()[1]})
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", other)
            except OSError:
                pass
            """,
        )
        with pytest.raises(TimeoutError):
            datagrams.recv(10)
    assert "REACHED" not in done.stdout, done.stdout
    assert done.stdout.count("no ") >= 5


def test_a_tunnel_goes_to_allowed_hosts_only(way: str, place: Place, server: http.server.HTTPServer) -> None:
    done = python(
        place,
        Gate({"127.0.0.2": YES}),
        f"""
        import base64, os, socket, urllib.parse
        proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
        known = base64.b64encode(f"{{proxy.username}}:{{proxy.password}}".encode()).decode()
        def tunnel(target):
            with socket.create_connection((proxy.hostname, proxy.port), 10) as end:
                head = f"CONNECT {{target}} HTTP/1.1\\r\\nProxy-Authorization: Basic {{known}}"
                end.sendall(head.encode() + b"\\r\\n\\r\\n")
                print(end.recv(1000).split(b"\\r\\n")[0])
                end.sendall(b"GET /through HTTP/1.0\\r\\n\\r\\n")
                data = b""
                while chunk := end.recv(1000):
                    data += chunk
                print(data)
        tunnel("127.0.0.2:{server.server_port}")
        tunnel("evil.test:443")
        """,
    )
    assert "200 Connection established" in done.stdout
    assert "served /through" in done.stdout
    assert "403 Forbidden" in done.stdout


def test_what_a_sandbox_of_one_port_lets_through_is_for_its_commands_only(
    way: str, place: Place, server: http.server.HTTPServer
) -> None:
    done = python(place, Gate({"127.0.0.2": YES}), "import os; print(os.environ['HTTP_PROXY'])")
    proxy = done.stdout.strip()
    if way == "a room":
        assert "@" not in proxy
        port = int(proxy.rpartition(":")[2])
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 3):
            pass
        return
    port = int(proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 3) as end:
        end.sendall(f"GET http://127.0.0.2:{server.server_port}/ HTTP/1.1\r\n\r\n".encode())
        assert end.recv(1000).startswith(b"HTTP/1.1 407 ")


def test_nothing_listens_for_the_outside(way: str, place: Place) -> None:
    done = python(
        place,
        Gate({}),
        """
        import socket
        end = socket.socket()
        try:
            end.listen()
            socket.create_connection(("127.0.0.1", end.getsockname()[1]), 3)
            print("own loopback")
        except OSError as problem:
            print("no", problem)
        """,
    )
    assert done.stdout.startswith("own loopback" if way == "a room" else "no")


def test_a_server_of_one_command_is_reached_by_the_next(place: Place, confined: str) -> None:
    confine = confinement(place)
    if confine.temporary is None:
        pytest.skip("without a room each command is alone")
    code = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8123, bind='127.0.0.1')"
    (place[0] / "index.html").write_text("the page")
    child = spawn([sys.executable, "-c", code], cwd=place[0], confine=confine, stderr=subprocess.DEVNULL)
    try:
        assert child.process.stdout is not None
        wait = (
            "import time, urllib.request as u\n"
            "for _ in range(200):\n"
            "    try:\n        print(u.urlopen('http://localhost:8123/').read()); break\n"
            "    except OSError: time.sleep(0.05)\n"
        )
        done = run_sync([sys.executable, "-c", wait], cwd=place[0], timeout_s=30, confine=confine)
    finally:
        child.kill_group()
    assert "the page" in done.stdout


def test_tmp_is_the_sessions_own(place: Place, confined: str) -> None:
    confine = confinement(place)
    if confine.temporary is None:
        pytest.skip("without a room it is everybody's")
    name = f"kcode-test-{os.getpid()}-{place[0].parent.name}"
    run_sync(["sh", "-c", f"echo mine > /tmp/{name}"], cwd=place[0], timeout_s=20, confine=confine)
    again = run_sync(["cat", f"/tmp/{name}"], cwd=place[0], timeout_s=20, confine=confine)
    assert again.stdout == "mine\n"
    assert not Path("/tmp", name).exists()
    assert (confine.temporary / name).read_text() == "mine\n"


# --- what programs are told --------------------------------------------------------------------


def test_tests_are_not_told_of_the_proxy_and_package_managers_are(way: str, place: Place) -> None:
    show = "import os; print(sorted(n for n in os.environ if 'proxy' in n.lower()))"
    done = python(place, Gate({}), show, told=False, HTTP_PROXY="http://10.0.0.1:3128", no_proxy="x")
    assert "'PIP_PROXY'" in done.stdout and "'CARGO_HTTP_PROXY'" in done.stdout
    assert "HTTP_PROXY'" not in done.stdout.replace("CARGO_HTTP_PROXY'", "").replace("YARN_HTTP_PROXY'", "")
    told = python(place, Gate({}), show)
    assert "'HTTP_PROXY'" in told.stdout and "'https_proxy'" in told.stdout


def test_without_a_network_package_managers_do_not_try_for_long(place: Place) -> None:
    found = wayout.variables({"PATH": "/bin", "HTTPS_PROXY": "x"}, wayout.NO_WAY, told=True, network=False)
    assert found["npm_config_fetch_retries"] == found["PIP_RETRIES"] == found["CARGO_NET_RETRY"] == "0"
    assert "HTTPS_PROXY" not in found
    assert wayout.variables({"HTTPS_PROXY": "x"}, wayout.NO_WAY, told=True, network=True) == {
        "HTTPS_PROXY": "x"
    }
    mine = wayout.variables({"PIP_RETRIES": "7"}, wayout.NO_WAY, told=True, network=False)
    assert mine["PIP_RETRIES"] == "7"


# --- names and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Example.TEST.", "example.test"),
        ("[::1]", "::1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_has_one_spelling(written: str, plain: str) -> None:
    assert plain_name(written) == plain


@pytest.mark.parametrize("written", ["", " ", "a..b", "a b", "a/b", "x" * 300, "a@b", "-", "a\nb", "*"])
def test_what_is_no_host_is_refused(written: str) -> None:
    with pytest.raises(NoWay):
        plain_name(written)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.1.1", "169.254.169.254", "100.64.1.1", "0.0.0.0",
     "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::a9fe:a9fe",
     "224.0.0.1", "ff02::1"],
)  # fmt: skip
def test_addresses_that_are_near(address: str) -> None:
    found = literal(address)
    assert found is not None and is_near(found)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_that_are_not(address: str) -> None:
    found = literal(address)
    assert found is not None and not is_near(found)


def test_an_allowed_name_that_leads_to_this_machine_needs_a_rule_that_names_it() -> None:
    with pytest.raises(NoWay, match=r"`allow host: localhost`"):
        addresses("localhost", 80, Passage(True, "a rule with a star"))
    assert addresses("localhost", 80, Passage(True, "named", near=True))


def test_rules_over_hosts_decide_over_connections() -> None:
    def rules(**lists: str) -> list[Rule]:
        return [rule_from(f"host: {text}", verdict, "user", "here") for verdict, text in lists.items()]  # type: ignore[arg-type]

    assert by_rules("a.example.test", [])[0] == "ask"
    verdict, passage = by_rules("a.example.test", rules(allow="*.example.test"))
    assert (verdict, passage.allowed, passage.near) == ("allow", True, False)
    assert by_rules("a.example.test", rules(allow="a.example.test"))[1].near
    assert by_rules("a.example.test", rules(allow="*", deny="*.example.test"))[0] == "deny"
    assert by_rules("a.example.test", rules(ask="*.example.test", allow="*"))[0] == "ask"
    assert by_rules("a.example.test", [rule_from("tool: *", "deny", "user", "here")])[0] == "ask"
