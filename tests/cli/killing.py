"""A scripted session that is killed at some moment, resumed, and compared with what its journal says."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcode.agent.rewind import moments, plan_files, rewind
from kcode.agent.session import Session
from kcode.config.settings import Settings
from kcode.conversation.journal import find_session, load
from kcode.conversation.ledger import Assistant, Checkpoint, Entry, ToolResult, User
from kcode.errors import UsageError
from kcode.providers.registry import open_provider, resolve
from kcode.workspace.checkpoints import fingerprint
from kcode.workspace.files import Stored, read_stored
from kcode.workspace.workspace import Workspace
from tests.cli.conftest import KCODE
from tests.k2sim import TEST_KEY, Answer, Call, ChatRequest, Simulator, call, extends, say, use

STEPS = 30


@dataclass(frozen=True)
class Outcome:
    """What one kill came upon: entries in the journal; ``begun`` is False before its first message."""

    begun: bool
    entries: int = 0
    open_calls: int = 0
    litter: int = 0


def answer(request: ChatRequest) -> Answer:
    """One scripted piece of work after the other: edits, commands, moves, parallel calls."""
    if request.last_user.startswith("what"):
        return say("that is what there is")
    done = sum(message["role"] == "assistant" for message in request.body["messages"])
    return say("done") if done >= STEPS else use(*_calls(done), text=f"step {done}")


def _calls(step: int) -> list[Call]:
    log = call("run_command", command=f"echo {step} >> log.txt")
    return [
        [call("write_file", path=f"made/{step}.txt", content=f"{step}\n" * 50)],
        [log],
        [
            call("write_file", path=f"made/{step}a.txt", content="a"),
            call("read_file", path="notes.txt"),
            call("write_file", path=f"made/{step}b.txt", content="b"),
        ],
        [call("move_path", path=f"made/{step - 3}.txt", to=f"moved/{step}.txt")],
        [call("delete_path", path=f"made/{step - 2}a.txt"), log],
    ][step % 5]


def make_project(root: Path) -> Path:
    root.mkdir(parents=True)
    (root / "notes.txt").write_text("notes\n" * 20)
    (root / "data.bin").write_bytes(bytes(range(256)))
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    return root


def environment(sim: Simulator) -> dict[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_SAFETY__SANDBOX": "off",
    }


def run_whole(sim: Simulator, project: Path) -> float:
    """Seconds that the session takes where nobody kills it."""
    started = time.monotonic()
    done = subprocess.run(_argv("-p", "work"), cwd=project, env=_env(sim), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return time.monotonic() - started


def kill_and_resume(sim: Simulator, project: Path, after_s: float) -> Outcome:
    """Start, kill after ``after_s`` seconds, check the disk, resume, check the request that comes."""
    seen = len(sim.answered)
    before = _files(project)
    process = subprocess.Popen(
        _argv("-p", "work"),
        cwd=project,
        env=_env(sim),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after_s)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    requests = sim.answered[seen:]
    try:
        path = find_session(project.resolve())
    except UsageError:
        assert not requests, "a request was sent for a session that is not on the disk"
        return Outcome(False)
    entries = [record.entry for record in load(path)[1]]
    if not any(isinstance(entry, User) for entry in entries):
        assert not requests
        assert _files(project) == before
        return Outcome(False)
    _files_are_as_the_journal_says(project, entries)
    answered = {entry.call_id for entry in entries if isinstance(entry, ToolResult)}
    calls = [c for entry in entries if isinstance(entry, Assistant) for c in entry.calls]
    litter = sum(1 for each in project.rglob(".*.kcode"))

    done = subprocess.run(
        _argv("-c", "-p", "what is there?"), cwd=project, env=_env(sim), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    resumed = sim.answered[-1]
    if requests:
        assert extends(requests[-1].raw, resumed.raw), "the resumed session has lost something"
    roles = [message["role"] for message in resumed.json["messages"]]
    assert roles.count("tool") == sum(
        len(m.get("tool_calls", [])) for m in resumed.json["messages"] if m["role"] == "assistant"
    )
    assert not list(project.rglob(".*.kcode")), "a temporary file was left behind"
    _rewind_to_the_beginning(sim, project)
    assert _files(project) == before, "the rewind did not bring the files back"
    return Outcome(True, len(entries), len([c for c in calls if c.id not in answered]), litter)


def _files_are_as_the_journal_says(project: Path, entries: list[Entry]) -> None:
    """Every path is as its last change left it; where the kill forestalled the result, before or after."""
    workspace = Workspace.open(project)
    states: dict[str, set[str]] = {}
    results = 0
    for position, entry in enumerate(entries):
        if isinstance(entry, ToolResult):
            results += entry.name == "run_command" and entry.ok
        if not isinstance(entry, Checkpoint):
            continue
        certain = any(isinstance(later, ToolResult) for later in entries[position:])
        for each in workspace.checkpoints.load(entry.id).entries:
            states[each.path] = {each.after} if certain else {each.before, each.after}
    for path, allowed in states.items():
        real = project / path
        now: Stored | None = read_stored(real, path) if os.path.lexists(real) else None
        assert fingerprint(now) in allowed, path
    log = (project / "log.txt").read_text().splitlines() if (project / "log.txt").exists() else []
    assert results <= len(log) <= results + 1


def _rewind_to_the_beginning(sim: Simulator, project: Path) -> None:
    settings = Settings.model_validate(
        {
            "provider": {
                "name": "moonshot",
                "model": "kimi-k2-0905-preview",
                "base_url": sim.base_url,
                "api_key": TEST_KEY,
            }
        }
    )

    async def rewind_all() -> None:
        provider = open_provider(resolve(settings, {}), settings)
        session = Session.open(project, settings, provider, resume=True)
        position = moments(session.ledger)[0].position
        await rewind(session, position, "both", await plan_files(session, position), force=True)
        await session.close()

    asyncio.run(rewind_all())


def _files(project: Path) -> Mapping[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def _argv(*arguments: str) -> list[str]:
    return [str(KCODE), "--mode", "auto", *arguments]


def _env(sim: Simulator) -> dict[str, str]:
    return {**os.environ, **environment(sim)}
