# ruff: noqa: E501 - a shell command that is wrapped is another one
"""What somebody would try who wants out of the sandbox, tried for real in each kind that works here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kcode.safety.denied import places
from kcode.safety.process import Finished, child_environment, run_sync, spawn
from kcode.safety.sandbox import Confinement
from tests.safety.conftest import confinement

Place = tuple[Path, Path]


def sh(place: Place, script: str, *, network: bool = False, **variables: str) -> Finished:
    """``$1`` is the folder beside the workspace; ``$PY`` this Python."""
    inside, outside = place
    return run_sync(
        ["bash", "-c", script, "sh", str(outside)],
        cwd=inside,
        env=child_environment({"PY": sys.executable, **variables}),
        timeout_s=30,
        merge_stderr=True,
        confine=confinement(place, network=network),
    )


def python(place: Place, code: str, *, network: bool = False, **variables: str) -> Finished:
    (place[0] / "attempt.py").write_text(textwrap.dedent(code))
    return sh(place, '"$PY" attempt.py "$1"', network=network, **variables)


def untouched(place: Place) -> bool:
    return [(path.name, path.read_text()) for path in place[1].iterdir()] == [("theirs", "theirs")]


@pytest.mark.parametrize(
    "script",
    [
        "echo y > $1/new",
        "echo y > $1/theirs",
        ": > $1/theirs",
        "truncate -s 0 $1/theirs",
        "rm -f $1/theirs",
        "mv $1/theirs $1/moved",
        "mkdir $1/folder",
        "mkfifo $1/pipe",
        "cp /etc/hostname $1/copy",
        "ln -s /etc $1/link",
        "ln -s $1 way; echo y > way/theirs; echo y > way/new",
        "mkdir a; ln -s ../../outside a/b; echo y > a/b/theirs",
        'echo y > "/proc/self/cwd/../outside/theirs"',
        'echo y > "/proc/self/root$1/theirs"',
        'cd $1 && echo y > "/proc/$$/cwd/theirs"',
        'exec 7< $1/theirs; echo y > /proc/self/fd/7; echo y > /dev/fd/7',
        'exec 7< $1; echo y > /proc/self/fd/7/theirs',
        "ln $1/theirs hard && echo y > hard",
        "ln -L $1/theirs hard && echo y > hard",
        "cp -l $1/theirs hard && echo y > hard",
        'sh -c "sh -c \\"echo y > $1/theirs\\""',
        'env -i PATH="$PATH" bash --norc -c "echo y > $1/theirs"',
        "busybox sh -c 'echo y > $1/theirs' sh $1; perl -e 'open F, \">$ARGV[0]/theirs\"' $1",
        "unshare -Urm sh -c \"mount --bind . $1 && echo y > $1/theirs\"; unshare -r sh -c \"echo y > $1/theirs\"",
        "mount --bind . $1; mount -o remount,rw /; umount $1; chroot / sh -c \"echo y > $1/theirs\"",
        'git -c core.pager="sh -c \'echo y > $1/theirs\'" --paginate version',
        "EDITOR=\"sh -c 'echo y > $1/theirs'\" git var GIT_EDITOR; LESSOPEN=\"|echo y > $1/theirs\" less /etc/hostname",
        "tar cf a.tar attempt* 2>/dev/null; tar cf a.tar --checkpoint=1 --checkpoint-action=\"exec=echo y > $1/theirs\" .",
        "find . -maxdepth 0 -exec sh -c \"echo y > $1/theirs\" \\;",
        "awk -v o=$1/theirs 'BEGIN { print \"y\" > o }'; sed -n \"1w $1/theirs\" /etc/hostname; sort -o $1/theirs /etc/hostname",
        "mkdir bin; printf '#!/bin/sh\\necho y > %s/theirs\\n' $1 > bin/ls; chmod +x bin/ls; PATH=$PWD/bin:$PATH ls",
        "setsid sh -c \"sleep 0.2; echo y > $1/theirs\" & sleep 0.5",
    ],
)  # fmt: skip
def test_nothing_outside_the_workspace_is_written(confined: str, place: Place, script: str) -> None:
    sh(place, script)
    assert untouched(place)


def test_a_link_that_is_swapped_while_it_is_written_through_leads_nowhere(
    confined: str, place: Place
) -> None:
    python(
        place,
        """
        import os, sys, threading, time
        outside, until = sys.argv[1], time.monotonic() + 1
        os.mkdir("real")
        def swap():
            while time.monotonic() < until:
                os.symlink("real", "next"); os.replace("next", "way")
                os.symlink(outside, "next"); os.replace("next", "way")
        threading.Thread(target=swap).start()
        tried = 0
        while time.monotonic() < until:
            try:
                with open("way/theirs", "w") as file:
                    file.write("y")
                tried += 1
            except OSError:
                pass
        print(tried)
        """,
    )
    assert untouched(place)


def test_the_modes_and_times_outside_stay_under_bubblewrap(confined: str, place: Place) -> None:
    if confined == "landlock":
        pytest.skip("Landlock has no right for chmod, chown and utime (SECURITY.md)")
    before = (place[1] / "theirs").stat()
    sh(place, "chmod 777 $1/theirs; touch -d '2001-01-01' $1/theirs; chown 1 $1/theirs")
    after = (place[1] / "theirs").stat()
    assert (before.st_mode, before.st_mtime, before.st_uid) == (after.st_mode, after.st_mtime, after.st_uid)


def test_no_device_can_be_made_and_no_kernel_setting_changed(confined: str, place: Place) -> None:
    done = sh(
        place,
        "mknod disk b 8 0 && echo CREATED; mknod $PWD/mem c 1 1 && echo CREATED;"
        " now=$(cat /proc/sys/kernel/core_pattern); { echo $now > /proc/sys/kernel/core_pattern; } && echo CHANGED",
    )
    assert "CREATED" not in done.stdout
    assert "CHANGED" not in done.stdout


# --- other processes ---------------------------------------------------------------------------


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user outside the sandbox, with a secret in its environment and its memory."""
    code = "import sys; kept = bytearray(b'in-memory-9271'); print(id(kept), flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "NEIGHBOUR": "in-environment-9271"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_the_memory_and_the_environment_of_others_cannot_be_read(
    confined: str, place: Place, neighbour: subprocess.Popen[bytes]
) -> None:
    done = python(
        place,
        f"""
        import ctypes, os
        for name in ("environ", "maps", "mem", "root/etc/hostname", "cwd/theirs", "fd/0"):
            for pid in ({neighbour.pid}, {os.getpid()}):
                try:
                    with open(f"/proc/{{pid}}/{{name}}", "rb") as file:
                        print("READ", name, pid, file.read(20))
                except OSError:
                    pass
        libc = ctypes.CDLL(None)
        print("ATTACHED" if libc.ptrace(16, {neighbour.pid}, 0, 0) == 0 else "refused")
        print("SEIZED" if libc.ptrace(0x4206, {neighbour.pid}, 0, 0) == 0 else "refused")
        """,
    )
    assert "refused" in done.stdout
    assert not {"READ", "ATTACHED", "SEIZED"} & {*done.stdout.split()}


def test_others_cannot_be_ended(confined: str, place: Place, neighbour: subprocess.Popen[bytes]) -> None:
    sh(place, f"kill -9 {neighbour.pid}; kill -9 -{neighbour.pid}; kill -TERM {neighbour.pid}")
    time.sleep(0.1)
    assert neighbour.poll() is None


@pytest.fixture
def nap(tmp_path: Path) -> str:
    """Seconds that no other process sleeps for."""
    return f"7{os.getpid()}{abs(hash(tmp_path)) % 100_000:05}"


@pytest.mark.parametrize(
    "daemon",
    [
        "(setsid sleep @@ >/dev/null 2>&1 &)",
        "nohup setsid -f sleep @@ >/dev/null 2>&1",
        "(env -u KCODE_COMMAND setsid setsid sleep @@ >/dev/null 2>&1 &)",
        "trap '' TERM HUP; (setsid sh -c \"trap '' TERM; sleep @@; sleep @@\" >/dev/null 2>&1 &)",
        '"$PY" -c "import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0);'
        " os.execvpe('sleep', ['sleep', '@@'], {})\"",
    ],
)
def test_a_daemon_ends_with_its_command(confined: str, place: Place, nap: str, daemon: str) -> None:
    done = sh(place, f"{daemon}; echo started".replace("@@", nap))
    assert "started" in done.stdout
    assert not running(f"sleep\x00{nap}\x00")


def test_a_daemon_of_a_command_that_was_stopped_ends_too(confined: str, place: Place, nap: str) -> None:
    child = spawn(
        ["bash", "-c", f"(setsid sleep {nap} >/dev/null 2>&1 &); sleep 60"],
        cwd=place[0],
        confine=Confinement((place[0],)),
    )
    until = time.monotonic() + 20
    while not running(f"sleep\x00{nap}\x00") and time.monotonic() < until:
        time.sleep(0.02)
    child.kill_group()
    assert not running(f"sleep\x00{nap}\x00")


def test_the_daemon_of_one_command_does_not_end_that_of_another(
    confined: str, place: Place, nap: str
) -> None:
    other = spawn(
        ["bash", "-c", f"(setsid sleep {nap} >/dev/null 2>&1 &); sleep 60"],
        cwd=place[0],
        confine=Confinement((place[0],)),
    )
    until = time.monotonic() + 20
    while not running(f"sleep\x00{nap}\x00") and time.monotonic() < until:
        time.sleep(0.02)
    sh(place, f"(setsid sleep {nap}1 >/dev/null 2>&1 &)")
    assert running(f"sleep\x00{nap}\x00")
    assert not running(f"sleep\x00{nap}1\x00")
    other.kill_group()


def running(command_line: str) -> bool:
    """Whether a process with this command line, its words joined by NUL, is there."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().decode(errors="replace").startswith(command_line):
                    return True
            except OSError:
                continue
    return False


# --- secrets -----------------------------------------------------------------------------------


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Not below /tmp, which bubblewrap hides as a whole."""
    home = Path(tempfile.mkdtemp(prefix="kcode-home-", dir="/var/tmp"))
    for path in (".ssh/id_rsa", ".aws/credentials", ".config/gcloud/x", ".config/kcode/credentials.toml",
                 ".local/state/kcode/sessions/a.jsonl", ".netrc", ".kube/config", ".docker/config.json",
                 ".config/other/fine", ".cargo/credentials.toml", ".cargo/config.toml"):  # fmt: skip
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text("content-5512" if "fine" in path or "config.toml" in path else "secret-5512")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "KCODE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    yield home
    shutil.rmtree(home)


def test_secrets_below_the_home_folder_cannot_be_read(confined: str, place: Place, home: Path) -> None:
    (home / "way").symlink_to(".ssh")
    done = sh(
        place,
        "for file in ~/.ssh/id_rsa ~/.aws/credentials ~/.config/gcloud/x ~/.config/kcode/credentials.toml"
        " ~/.local/state/kcode/sessions/a.jsonl ~/.netrc ~/.kube/config ~/.docker/config.json ~/way/id_rsa"
        " ~/.cargo/credentials.toml /proc/self/root$HOME/.ssh/id_rsa; do cat $file; cp $file copy; cat copy; done;"
        " ln ~/.netrc hard; cat hard; tar cf - -C ~ .ssh | cat; find ~ -type f | xargs cat; grep -r 5512 ~/.ssh",
    )
    assert "secret-5512" not in done.stdout
    assert done.stdout.count("content-5512") == 2


def test_a_workspace_that_is_the_home_folder_hides_its_secrets_too(
    confined: str, place: Place, home: Path
) -> None:
    (home / "mine").write_text("mine-5512")
    done = sh((home, place[1]), "cat mine .ssh/id_rsa .netrc; echo y > new && echo written")
    assert "secret-5512" not in done.stdout
    assert "mine-5512" in done.stdout
    assert "written" in done.stdout


def test_what_rules_deny_is_not_seen(confined: str, place: Place) -> None:
    confine = confinement(place)
    if confined == "landlock" and (confine.temporary is None or os.geteuid() != 0):
        pytest.skip("without mounts of its own nothing below the workspace can be hidden")
    inside, _ = place
    for name in ("plans/a/b", "keys/one.secret", "kept"):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_text("content-4471" if name == "kept" else "denied-4471")
    found = places(inside.resolve(), ["./plans/*", "*.secret", "missing", "../outside/*"])
    assert found == (inside / "plans", inside / "keys/one.secret")
    done = run_sync(
        ["bash", "-c", "grep -r 4471 .; cat */* plans/a/b; echo y >> kept; rm -rf plans; cat kept"],
        cwd=inside,
        timeout_s=20,
        merge_stderr=True,
        confine=replace(confine, hidden=found),
    )
    assert "denied-4471" not in done.stdout
    assert "content-4471" in done.stdout
    assert (inside / "plans/a/b").read_text() == "denied-4471"


def test_credentials_and_agents_are_not_in_the_environment(confined: str, place: Place) -> None:
    done = sh(
        place, "env", AWS_SECRET_ACCESS_KEY="v-771", GITHUB_TOKEN="v-771", SSH_AUTH_SOCK="/v-771", LANG="C",
        DOCKER_HOST="unix:///v-771", DBUS_SESSION_BUS_ADDRESS="unix:path=/v-771", DATABASE_URL="kept-771",
    )  # fmt: skip
    assert "v-771" not in done.stdout
    assert "kept-771" in done.stdout


# --- the network -------------------------------------------------------------------------------


def test_no_way_to_the_network(confined: str, place: Place) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(0.2)
        done = python(
            place,
            f"""
            import ctypes, socket
            def attempt(name, call):
                try:
                    call()
                    print("REACHED", name)
                except OSError as problem:
                    print("no", name, problem)
            port, other = {four.getsockname()[1]}, {datagrams.getsockname()[1]}
            attempt("tcp", lambda: socket.create_connection(("127.0.0.1", port), 2))
            attempt("mapped", lambda: socket.create_connection(("::ffff:127.0.0.1", port), 2))
            attempt("name", lambda: socket.getaddrinfo("example.com", 80))
            def datagram():
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.sendto(b"out", ("127.0.0.1", other))
            try:
                datagram()
            except OSError:
                pass
            attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).sendto(b"x", ("127.0.0.1", 0)))
            attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).bind(("lo", 0)))
            attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 22)))
            fd = ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(256))
            print("REACHED uring" if fd >= 0 else "no uring")
            """,
        )
        with pytest.raises(TimeoutError):
            datagrams.recv(10)
    assert "REACHED" not in done.stdout, done.stdout
    assert "no tcp" in done.stdout


@pytest.mark.parametrize("network", [False, True])
def test_abstract_unix_sockets_of_others_cannot_be_reached(
    confined: str, place: Place, network: bool
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        name = f"\0kcode-test-{os.getpid()}"
        server.bind(name)
        server.listen()
        done = python(
            place,
            f"""
            import socket
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect({name!r})
                print("REACHED")
            """,
            network=network,
        )
    assert "REACHED" not in done.stdout
    assert "Error" in done.stdout


@pytest.mark.parametrize("network", [False, True])
def test_an_agent_by_its_socket_cannot_be_reached(
    confined: str, place: Place, network: bool, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        path = home / "agent.sock"
        server.bind(str(path))
        server.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        done = python(
            place,
            f"""
            import socket
            a, b = socket.socketpair()
            a.send(b"x")
            print("pairs work" if b.recv(1) == b"x" else "")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect({str(path)!r})
                print("REACHED")
            """,
            network=network,
        )
    assert "pairs work" in done.stdout
    assert "REACHED" not in done.stdout
    assert "Error" in done.stdout


def test_sockets_of_the_project_itself_work(confined: str, place: Place) -> None:
    done = python(
        place,
        """
        import socket
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind("own.sock")
        server.listen()
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect("own.sock")
        print("connected")
        """,
    )
    if confined == "landlock" and "Operation not permitted" in done.stdout:
        pytest.skip("an agent or a container service listens here, so Landlock has to forbid unix sockets")
    assert "connected" in done.stdout


# --- git ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "printf '#!/bin/sh\\ntouch %s/owned\\n' $1 > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout",
        "rm -rf .git/hooks; mkdir -p hooks; ln -s ../hooks .git/hooks; printf '#!/bin/sh\\ntouch %s/owned\\n' $1"
        " > hooks/post-checkout; chmod +x hooks/post-checkout",
        "git config core.fsmonitor \"touch $1/owned;\"",
        "git config core.hooksPath hooks; mkdir hooks; printf '#!/bin/sh\\ntouch %s/owned\\n' $1"
        " > hooks/post-checkout; chmod +x hooks/post-checkout",
        "git config filter.x.smudge \"touch $1/owned; cat\"; git config filter.x.clean \"touch $1/owned; cat\";"
        " echo '* filter=x' > .gitattributes; touch tracked",
        "git config diff.external \"touch $1/owned;\"; echo more >> tracked",
        "git config alias.status \"!touch $1/owned\"; git config pager.status \"touch $1/owned\"",
        "printf '[include]\\n\\tpath = ../evil\\n' >> .git/config;"
        " printf '[core]\\n\\tfsmonitor = touch %s/owned;\\n' $1 > evil",
        "printf '[CORE]\\n\\tFsMonitor=touch %s/owned;\\n' $1 >> .git/config",
        "cp .git/config c; printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 >> c; mv c .git/config",
        "printf '[core] fsmonitor = touch %s/owned;\\n' $1 >> .git/config",
        "printf '[core]\\nfsmoni\\\\\\ntor = touch %s/owned;\\n' $1 >> .git/config;"
        " printf '[core]\\n fsmonitor = \\\\\\n touch %s/owned;\\n' $1 >> .git/config",
        "mv .git real; cp -r real evil; printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 >> evil/config;"
        " echo 'gitdir: evil' > .git",
        "mv .git real; cp -r real evil; printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 >> evil/config;"
        " ln -s evil .git",
        "cp -r .git evil; printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 >> evil/config;"
        " echo ../evil > .git/commondir",
        "git worktree list; git config extensions.worktreeConfig true;"
        " printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 > .git/config.worktree",
    ],
)  # fmt: skip
def test_git_outside_runs_nothing_that_was_planted(confined: str, place: Place, script: str) -> None:
    inside, _ = place
    git(inside, "init", "-q")
    (inside / "tracked").write_text("x\n")
    git(inside, "add", "tracked")
    git(inside, "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-qm", "x")
    sh(place, script)
    for words in (["status"], ["diff"], ["checkout", "-q", "-f"], ["stash", "list"]):
        git(inside, *words)
    assert untouched(place)


@pytest.mark.parametrize(
    ("begin", "script", "where"),
    [
        ("git init -q a/b", "git -C a/b config core.fsmonitor \"touch $1/owned;\"", "a/b"),
        ("true", "git init -q a/b; git -C a/b config core.fsmonitor \"touch $1/owned;\"", "a/b"),
        ("git init -q sub && git -C sub -c user.name=a -c user.email=a@b.test commit -q --allow-empty -m x"
         " && git -c protocol.file.allow=always submodule --quiet add ./sub inner",
         "printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 >> .git/modules/inner/config", "inner"),
        ("git worktree add -q tree", "mkdir .git/worktrees/tree/hooks; git config extensions.worktreeConfig true;"
         " printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1 > .git/worktrees/tree/config.worktree", "tree"),
        ("git worktree add -q tree", "cp -r .git evil; printf '[core]\\nfsmonitor=touch %s/owned;\\n' $1"
         " >> evil/config; echo \"gitdir: $PWD/evil\" > tree/.git", "tree"),
    ],
)  # fmt: skip
def test_repositories_in_the_repository_run_nothing_either(
    confined: str, place: Place, begin: str, script: str, where: str
) -> None:
    inside, _ = place
    git(inside, "init", "-q")
    git(inside, "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-q", "--allow-empty", "-m", "x")
    made = run_sync(["sh", "-c", begin], cwd=inside, timeout_s=20, merge_stderr=True)
    assert made.code == 0, made.stdout
    sh(place, script)
    for words in (["status"], ["diff"], ["stash", "list"]):
        git(inside / where, *words)
    assert untouched(place)


def test_a_clone_and_a_worktree_that_a_command_makes_work_afterwards(confined: str, place: Place) -> None:
    inside, _ = place
    git(inside, "init", "-q")
    git(inside, "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-q", "--allow-empty", "-m", "x")
    done = sh(place, "git clone -q . a/clone && git worktree add -q a/tree")
    assert "put back" not in done.stdout
    assert git(inside / "a/clone", "remote") == "origin\n"
    assert "nothing to commit" in git(inside / "a/tree", "status")


def test_a_repository_that_a_command_makes_is_no_trap(confined: str, place: Place) -> None:
    sh(
        place,
        'git init -q; git config core.fsmonitor "touch $1/owned;"; cp /bin/true .git/hooks/post-checkout',
    )
    git(place[0], "status")
    assert untouched(place)
    assert not (place[0] / ".git/hooks/post-checkout").exists()
    assert (place[0] / ".git/HEAD").exists()


def test_what_is_put_back_is_set_aside_because_it_may_have_been_somebody_elses(
    confined: str, place: Place
) -> None:
    inside, _ = place
    done = sh(
        place,
        "git init -q; echo '# mine' > .git/hooks/pre-commit; git config remote.origin.url https://example.org/x;"
        " mkdir .git/hooks/post-merge.kcode-put-aside; cp /bin/true .git/hooks/post-merge",
    )
    assert (inside / ".git/hooks/pre-commit.kcode-put-aside").read_text() == "# mine\n"
    assert "example.org" in (inside / ".git/config.kcode-put-aside").read_text()
    assert not (inside / ".git/hooks/pre-commit").exists()
    assert not (inside / ".git/hooks/post-merge").exists()
    assert ".kcode-put-aside" in done.stdout
    again = sh(place, "git status --short")
    assert "put back" not in again.stdout


def test_everyday_git_works_and_its_harmless_settings_stay(confined: str, place: Place) -> None:
    inside, _ = place
    git(inside, "init", "-q", "-b", "main")
    done = sh(
        place,
        "git config user.name a; git config user.email a@b.test; echo x > a; git add a; git commit -qm x;"
        " git checkout -q -b other; echo y >> a; git stash -q; git stash pop -q; git diff --stat; git log --oneline",
        GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b.test", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b.test",
    )  # fmt: skip
    assert "1 file changed" in done.stdout
    assert git(inside, "branch", "--show-current") == "other\n"


def git(folder: Path, *words: str) -> str:
    done = run_sync(["git", *words], cwd=folder, timeout_s=20, merge_stderr=True)
    return done.stdout
