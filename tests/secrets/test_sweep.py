"""kcode's own key and a secret of the repository, through every place that prints or keeps something."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kcode.config.paths import config_dir, data_dir, state_dir, user_config_file
from kcode.safety.placeholders import PLACEHOLDER
from tests.cli.conftest import Run
from tests.cli.conftest import kcode as kcode
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.safety.planted import planted
from tests.ui.conftest import environment
from tests.ui.conftest import repo as repo
from tests.ui.conftest import sit as sit
from tests.ui.sitting import KCODE, Sitting

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]
TEXT, SECRET = planted("AWS secret key")
PLANTED = (TEST_KEY, SECRET)
READY = r"kimi-k2-0905"


def files_of(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def holders(*folders: Path) -> list[str]:
    """The files with a planted secret. Checkpoints keep the user's files as they are, as SECURITY.md says."""
    return [
        str(path)
        for path in files_of(*folders)
        if any(secret.encode() in path.read_bytes() for secret in PLANTED) and "checkpoints" not in path.parts
    ]


def sent(sim: Simulator) -> str:
    return json.dumps([request.json for request in sim.chats], ensure_ascii=False)


def typed(sitting: Sitting, line: str, then: str) -> None:
    sitting.type(line)
    sitting.settle(0.3)
    sitting.type("\r")
    sitting.see(then)


def test_a_sitting_with_every_report_shows_and_keeps_neither(
    k2sim: Sim, sit: Sit, repo: Path, own_home: Path, tmp_path: Path
) -> None:
    (repo / "settings.ini").write_text(f"{TEXT}\nkey_of_kcode = {TEST_KEY}\nDEBUG = 1\n")
    show = "cat settings.ini; cat settings.ini >&2"
    sim = k2sim(
        [
            use(call("read_file", path="settings.ini"), call("grep", pattern="key")),
            use(call("run_command", command=show), call("write_file", path="new.txt", content="x\n")),
            say(f"the key is {TEST_KEY}, I was told"),
        ]
    )
    with sit(sim, "--mode", "auto", rows=60, columns=150) as sitting:
        sitting.see(READY)
        typed(sitting, "look around", "I was told")
        for suffix in ("md", "json", "html"):
            typed(sitting, f"/export {tmp_path}/out.{suffix}", rf"written to \S+/out\.{suffix}")
        typed(sitting, "/bug full", "What goes into the report")
        sitting.type("\x1b[B\r")  # with the conversation
        sitting.see(r"kcode-\d+-\d+\.md")
        typed(sitting, "/status", "masked")
        screen = sitting.settle()
        sitting.type("/exit\r")
        sitting.end()
    shown = screen.replace("\n", "")
    assert SECRET not in shown
    assert TEST_KEY not in shown.replace(f"the key is {TEST_KEY}", "")  # what the model says by itself
    assert not any(secret in sent(sim) for secret in PLANTED[1:])
    assert TEST_KEY not in sent(sim).replace(f"the key is {TEST_KEY}", "")
    assert "KCODE_SECRET_" in sent(sim)
    (tmp_path / "shop" / "settings.ini").unlink()
    for suffix in ("md", "json", "html"):
        written = (tmp_path / f"out.{suffix}").read_text()
        assert "look around" in written
        assert not any(secret in written for secret in PLANTED)
    (report,) = (state_dir() / "reports").iterdir()
    assert not any(secret in report.read_text() for secret in PLANTED)
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in files_of(own_home))


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_headless_output_of_any_form_has_neither(
    k2sim: Sim, kcode: Run, repo: Path, own_home: Path, output: str
) -> None:
    (repo / "settings.ini").write_text(f"{TEXT}\nkey = {TEST_KEY}\n")
    sim = k2sim(
        [
            use(call("read_file", path="settings.ini"), call("run_command", command="cat settings.ini")),
            say("done"),
        ]
    )
    env = environment(sim)
    done = kcode("-p", "look", "--mode", "auto", "--output", output, cwd=repo, env=env)
    assert done.returncode == 0, done.stderr
    (repo / "settings.ini").unlink()
    assert not any(secret in done.stdout + done.stderr for secret in PLANTED)
    assert holders(own_home, repo) == []


class Echo(BaseHTTPRequestHandler):
    """Refuses, and says to whom."""

    def do_POST(self) -> None:
        key = self.headers["authorization"]
        body = json.dumps(
            {"error": {"message": f"{key} is not known", "type": "invalid_authentication_error"}}
        )
        self.send_response(401)
        self.send_header("x-request-id", f"r-{key}")
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_server_that_repeats_the_key_in_its_refusal_is_not_repeated(
    echo: str, kcode: Run, repo: Path, own_home: Path
) -> None:
    env = {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": echo, "KCODE_API_KEY": TEST_KEY}
    for arguments in (["-p", "hi"], ["-p", "hi", "--output", "json"], ["--debug", "-p", "hi"]):
        done = kcode(*arguments, cwd=repo, env=env)
        assert done.returncode != 0
        assert "is not known" in done.stdout + done.stderr
        assert TEST_KEY not in done.stdout + done.stderr
    assert holders(own_home) == []


def test_commands_about_kcode_itself_do_not_tell_the_key(k2sim: Sim, kcode: Run, repo: Path) -> None:
    env = environment(k2sim([]))
    for command in (
        ["doctor"], ["config", "list"], ["config", "list", "--output", "json"],
        ["config", "get", "provider.api_key"],
        ["provider", "list"], ["session", "list"], ["cost"], ["models", "list"], ["balance"],
    ):  # fmt: skip
        done = kcode(*command, cwd=repo, env=env)
        assert TEST_KEY not in done.stdout + done.stderr, command


def test_a_defect_that_speaks_of_a_key_is_kept_without_it(tmp_path: Path) -> None:
    code = (
        "import kcode.cli.config as c\n"
        f"class App:\n    def __getattr__(self, name): raise LookupError('sent {TEST_KEY} and {SECRET}')\n"
        f"    def __call__(self, *a, **k): raise LookupError('sent {TEST_KEY} and {TEXT}')\n"
        "c.app = App()\n"
        "import sys\nfrom kcode.cli.entry import main\nsys.exit(main(sys.argv[1:]))"
    )
    for more in ((), ("--debug",)):
        done = subprocess.run(
            [sys.executable, "-c", code, "config", "path", *more],
            cwd=tmp_path,
            env={**os.environ, "KCODE_API_KEY": TEST_KEY},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "defect of kcode: LookupError" in done.stderr
        assert TEST_KEY not in done.stderr
    kept = "".join(path.read_text() for path in (state_dir() / "crash").iterdir())
    assert "LookupError" in kept
    assert not any(secret in kept for secret in PLANTED)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_no_process_is_given_the_key_as_an_argument_or_a_command_in_its_environment(
    k2sim: Sim, repo: Path
) -> None:
    (repo / "wait.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path('env.txt').write_text(repr(dict(os.environ)))\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\n"
    )
    sim = k2sim([use(call("run_command", command="python3 wait.py")), say("done")])
    process = subprocess.Popen(
        [KCODE, "-p", "wait", "--mode", "auto"], cwd=repo, env=environment(sim), stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (repo / "env.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    (repo / "go").write_text("")
    process.communicate(timeout=60)
    assert any("wait.py" in line for line in lines)
    assert [line for line in lines if TEST_KEY in line] == []
    seen = (repo / "env.txt").read_text()
    assert "'PATH'" in seen
    assert TEST_KEY not in seen
    assert "KCODE_API_KEY" not in seen


def test_what_is_rewritten_stays_for_the_user_alone(kcode: Run, repo: Path) -> None:
    os.umask(0o022)
    user_config_file().parent.mkdir(parents=True, exist_ok=True)
    user_config_file().write_text('[provider]\nname = "moonshot"\n')
    user_config_file().chmod(0o644)
    user_config_file().parent.chmod(0o755)
    assert kcode("config", "set", "ui.theme", "dark", cwd=repo).returncode == 0
    assert kcode("config", "set", "provider.model", "kimi-k2-0905-preview", cwd=repo).returncode == 0
    assert stat.S_IMODE(user_config_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(user_config_file().parent.stat().st_mode) == 0o700
    assert kcode("permissions", "trust", cwd=repo).returncode == 0
    open_ones = [
        str(path)
        for folder in (config_dir(), state_dir(), data_dir())
        for path in folder.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_ones == []


def test_a_commit_that_the_hook_refuses_tells_the_place_and_not_the_secret(kcode: Run, repo: Path) -> None:
    assert kcode("hook", "install", "pre-commit", cwd=repo).returncode == 0
    text, secret = planted("GitHub token")
    (repo / "deploy.py").write_text(f'TOKEN = "{text}"\n')
    subprocess.run(["git", "add", "-A"], cwd=repo, check=True)
    done = subprocess.run(
        ["git", "commit", "-qm", "x"], cwd=repo, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert re.search(r"deploy\.py:1", done.stdout + done.stderr)
    assert secret not in done.stdout + done.stderr


def test_a_checkpoint_is_named_without_the_secret(k2sim: Sim, kcode: Run, repo: Path) -> None:
    (repo / "settings.ini").write_text(f"{TEXT}\nDEBUG = 1\n")
    sim = k2sim([use(call("write_file", path="a.txt", content="x\n")), say("done")])
    done = kcode("-p", f"my key is {SECRET}, write a file", "--mode", "auto", cwd=repo, env=environment(sim))
    assert done.returncode == 0, done.stderr
    said = [
        path.read_text("utf-8", "replace")
        for path in files_of(state_dir(), data_dir())
        if path.suffix in (".json", ".jsonl", ".toml", ".md")
    ]
    assert not any(SECRET in text for text in said)
    assert any(PLACEHOLDER.search(text) for text in said)
