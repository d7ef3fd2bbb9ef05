from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kcode.config.paths import config_dir, state_dir
from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.safety.planted import planted

Sim = Callable[..., Simulator]
LOOK = """\
import glob, os
seen = [repr(dict(os.environ))]
for name in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen.append(open(name).read())
    except OSError:
        pass
open("seen.txt", "w").write("\\n".join(seen))
print("\\n".join(seen).replace("\\0", " "))
"""


def files_of(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.fixture
def at(k2sim: Sim, tmp_path: Path) -> Callable[..., tuple[Simulator, dict[str, str]]]:
    def started(*steps: object) -> tuple[Simulator, dict[str, str]]:
        sim = k2sim([*steps])
        return sim, {
            "KCODE_PROVIDER": "moonshot",
            "KCODE_BASE_URL": sim.base_url,
            "KCODE_API_KEY": TEST_KEY,
            "MOONSHOT_API_KEY": TEST_KEY,
            "KCODE_WIRE_LOG": str(tmp_path / "wire.log"),
        }

    return started


def test_a_whole_session_leaves_the_key_nowhere(
    kcode: Run, at: Callable[..., tuple[Simulator, dict[str, str]]], tmp_path: Path, own_home: Path
) -> None:
    sim, env = at(
        use(call("run_command", command="python3 look.py"), call("grep", pattern="KEY")),
        say("done"),
        say("again"),
    )
    work = tmp_path / "work"
    work.mkdir()
    (work / "look.py").write_text(LOOK)
    (work / "notes.txt").write_text("KEY of the tests\n")
    run = lambda *words: kcode(*words, env=env, cwd=work)  # noqa: E731
    said = f"look around; my key is {TEST_KEY}"
    done = kcode("-p", "-", "--mode", "auto", "--output", "stream-json", env=env, cwd=work, stdin=said)
    assert done.returncode == 0, done.stderr
    shown = [done.stdout, done.stderr]
    shown.append(run("-c", "-p", "and again").stdout)
    shown.append(run("config", "list").stdout)
    shown.append(run("doctor").stdout)
    session = json.loads(done.stdout.splitlines()[-1])["session_id"]
    assert run("session", "fork", session).returncode == 0
    for suffix in ("md", "json", "html"):
        assert run("session", "export", session, "--output", str(tmp_path / f"x.{suffix}")).returncode == 0
    assert [line for text in shown for line in text.splitlines() if TEST_KEY in line] == []
    holders = [path for path in files_of(own_home, tmp_path) if TEST_KEY.encode() in path.read_bytes()]
    assert holders == []
    assert "'PATH': " in (work / "seen.txt").read_text()
    bodies = json.dumps([request.json for request in sim.chats])
    assert TEST_KEY not in bodies
    assert all(request.headers["authorization"] == f"Bearer {TEST_KEY}" for request in sim.chats)


def test_what_kcode_keeps_is_for_the_user_alone(
    kcode: Run, at: Callable[..., tuple[Simulator, dict[str, str]]], tmp_path: Path
) -> None:
    _, env = at(use(call("write_file", path="a.txt", content="x")), say("done"), say("summary"), say("ok"))
    os.umask(0o022)
    run = lambda *words: kcode(*words, env=env)  # noqa: E731
    run("config", "set", "ui.theme", "dark")
    done = run("-p", "write", "--mode", "auto", "--output", "json")
    assert run("session", "fork", json.loads(done.stdout)["session_id"]).returncode == 0
    kept = [
        path for path in files_of(state_dir(), config_dir()) if path.suffix in (".jsonl", ".toml", ".key")
    ]
    assert {path.suffix for path in kept} == {".jsonl", ".toml", ".key"}
    assert sum(path.suffix == ".jsonl" for path in kept) >= 2
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
    assert [folder for folder in (state_dir(), config_dir()) if folder.stat().st_mode & 0o077] == []


def test_the_result_counts_what_was_masked(
    kcode: Run, at: Callable[..., tuple[Simulator, dict[str, str]]], tmp_path: Path
) -> None:
    sim, env = at(use(call("read_file", path="conf.ini")), say("seen"))
    text, secret = planted("GitHub token")
    (tmp_path / "conf.ini").write_text(text)
    done = kcode("-p", "look", "--output", "json", env=env)
    assert json.loads(done.stdout)["masked_secrets"] == 1
    assert "[info] secrets masked before they were sent: 1 GitHub token" in done.stderr
    assert secret not in json.dumps(sim.chats[-1].json)
