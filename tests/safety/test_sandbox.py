from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from kcode.safety import bwrap, sandbox
from kcode.safety.process import Finished, run_sync
from kcode.safety.sandbox import Confinement
from tests.safety.conftest import confinement


def sh(place: tuple[Path, Path], script: str, network: bool = False) -> Finished:
    inside, outside = place
    return run_sync(
        ["sh", "-c", script, "sh", str(outside)],
        cwd=inside,
        timeout_s=30,
        confine=confinement(place, network=network),
    )


def test_writing_works_inside_and_nowhere_else(confined: str, place: tuple[Path, Path]) -> None:
    done = sh(
        place, "mkdir a && echo x > a/b && mv a/b c && rm c && echo fine; echo y > $1/new; echo y > $1/theirs"
    )
    assert done.stdout == "fine\n"
    assert not (place[1] / "new").exists()
    assert (place[1] / "theirs").read_text() == "theirs"


def test_what_is_outside_cannot_be_removed_or_reached_through_a_link(
    confined: str, place: tuple[Path, Path]
) -> None:
    sh(place, "rm -f $1/theirs; ln -s $1 link; echo y > link/theirs; echo y > link/new")
    assert (place[1] / "theirs").read_text() == "theirs"
    assert not (place[1] / "new").exists()


def test_the_system_can_be_read_and_programs_run(confined: str, place: tuple[Path, Path]) -> None:
    done = sh(
        place, f"cat /etc/passwd > copy && {sys.executable} -c 'print(1)' && echo x > /dev/null && echo fine"
    )
    assert done.stdout == "1\nfine\n"


def test_no_network_means_none(confined: str, place: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        done = sh(place, f'{sys.executable} -c "{code}"')
    assert "connected" not in done.stdout
    assert done.code != 0


def test_with_network_a_connection_works(confined: str, place: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        assert sh(place, f'{sys.executable} -c "{code}"', network=True).stdout == "connected\n"


def test_a_nested_shell_is_as_confined(confined: str, place: tuple[Path, Path]) -> None:
    sh(place, 'sh -c "sh -c \\"echo y > $1/new\\""; nohup setsid sh -c "echo y > $1/late" >/dev/null 2>&1')
    assert sorted(path.name for path in place[1].iterdir()) == ["theirs"]


def test_the_parent_stays_free(confined: str, place: tuple[Path, Path]) -> None:
    sh(place, "true")
    (place[1] / "ours").write_text("x")
    with socket.create_server(("127.0.0.1", 0)):
        pass
    assert run_sync(["sh", "-c", "echo x > free"], cwd=place[1], timeout_s=20).code == 0


def test_a_missing_program_is_still_named_or_fails(confined: str, place: tuple[Path, Path]) -> None:
    try:
        done = run_sync(["no-such-program"], cwd=place[0], timeout_s=20, confine=Confinement((place[0],)))
    except sandbox.EnvironmentProblem as problem:
        assert "no-such-program" in problem.message
    else:
        assert done.code != 0


def test_git_hooks_and_config_are_read_only_under_bubblewrap(confined: str, place: tuple[Path, Path]) -> None:
    if confined != "bubblewrap":
        pytest.skip("Landlock cannot carve a hole into a writable folder")
    run_sync(["git", "init", "-q"], cwd=place[0], timeout_s=20)
    sh(
        place,
        "echo evil > .git/hooks/pre-commit; echo evil >> .git/config; touch a; git add a",
    )
    assert not (place[0] / ".git/hooks/pre-commit").exists()
    assert "evil" not in (place[0] / ".git/config").read_text()


def test_status_tells_people_what_holds() -> None:
    sandbox.status.cache_clear()
    found = sandbox.status()
    assert found.detail
    assert found.holds == (found.kind != "none")


@pytest.mark.parametrize(
    "said",
    [
        "touch: cannot touch '/x': Permission denied",
        "error: gpg failed to sign the data\nfatal: failed to write commit object",
        "wget: unable to resolve host address 'example.org'",
        "go: example.org/x@v1: dial tcp: lookup proxy.golang.org on 127.0.0.53:53: read: connection refused",
        "failed to lookup address information",
        "Unknown host repo.example.org",
        "java.net.UnknownHostException: repo.example.org",
        "failed to connect to the docker API at unix:///var/run/docker.sock",
        "Error connecting to agent: No such file or directory",
        "Could not determine a usable local IP for this machine.",
        "curl: (6) Could not resolve host: example.test",
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        "OSError: [Errno 101] Network is unreachable",
        "PermissionError: [Errno 13] Permission denied: '/srv/x'",
        "npm error request to https://example.test/x failed, reason: getaddrinfo EAI_AGAIN",
        "Error: EROFS: read-only file system, open '/srv/x'",
        "Error: connect ENETUNREACH 192.0.2.1:443 - Local (0.0.0.0:0)",
        "  [6] Couldn't resolve host name (Could not resolve host: index.example.test)",
        'Os { code: 13, kind: PermissionDenied, message: "Permission denied" }',
        "dial tcp: lookup example.test: no such host",
        "dial udp 192.0.2.1:53: connect: network is unreachable",
        "open /srv/x: operation not permitted",
        "java.nio.file.AccessDeniedException: /srv/x",
        "java.net.SocketException: Operation not permitted",
        "java.io.FileNotFoundException: /srv/x (Read-only file system)",
        "fatal: unable to access 'https://example.test/x/': Could not resolve host: example.test",
        "error: could not lock config file .git/config: Device or resource busy",
        "System.UnauthorizedAccessException: Access to the path '/srv/x' is denied.",
        "Temporary failure resolving 'deb.example.test'",
        "touch: cannot touch '/tmp/made/x': No such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: '/run/postgresql/x'",
        "Error: connect ECONNREFUSED 127.0.0.1:5432",
        "could not connect to server: Connection refused (port 5432)",
        "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
        "Could not open a connection to your authentication agent.",
    ],
)
def test_a_denial_is_recognised(said: str) -> None:
    assert sandbox.looks_confined(said)


@pytest.mark.parametrize(
    "said",
    [
        "AssertionError: 1 != 2",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "no such host key",
        "connect ECONNREFUSED 127.0.0.1:3000",
        "error TS5432: x",
        "assert 5432 == 6379",
        "lookup table: no such row",
        "cat: src/tmp/a: No such file or directory",
    ],
)
def test_an_ordinary_failure_is_no_denial(said: str) -> None:
    assert not sandbox.looks_confined(said)


def test_bubblewrap_leaves_the_system_that_is_below_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resolv.conf").symlink_to("/run/netconfig/resolv.conf")
    monkeypatch.setattr(bwrap, "_RESOLVER", tmp_path / "resolv.conf")
    words = bwrap.argv((tmp_path,), (), (), network=True, resolver=True, filter_fd=None)
    for kept in ("/run/current-system", "/run/netconfig/resolv.conf"):
        assert words.index(kept) > words.index("/run")
    alone = bwrap.argv((tmp_path,), (), (), network=False, resolver=False, filter_fd=None)
    assert "/run/current-system" in alone
    assert "/run/netconfig/resolv.conf" not in alone
