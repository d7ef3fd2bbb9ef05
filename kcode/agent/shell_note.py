"""``!command``: the user's own command, run where they started kcode; its output goes to the model with the
next message.

It is the user's act: nobody is asked and nothing confines it, but it has no keys of kcode's, its process
group ends with it, and what it prints reaches the model bounded and framed as data.
"""

from __future__ import annotations

import asyncio
import codecs
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.agent.told import COMMAND, quoted
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Note
from kcode.errors import UsageError
from kcode.safety.output import HeadTail
from kcode.safety.process import Finished, run
from kcode.safety.sanitize import clean
from kcode.tools.bounds import bounded
from kcode.tools.command import quiet_environment, shell
from kcode.workspace.snapshots import SnapshotProblem

if TYPE_CHECKING:
    from kcode.agent.session import Session

SHOWN = 16_000  # characters of its output that the model gets
_OUTPUT = 200_000  # bytes of it that are kept
_INTERRUPTED = 130  # what shells answer for a command ended by Ctrl-C


@dataclass(frozen=True, slots=True)
class ShellRun:
    """How it ended. ``code`` is the exit code, 130 where it was interrupted; ``output`` is head and tail."""

    command: str
    code: int
    output: str
    seconds: float


async def run_shell(session: Session, command: str, on_output: Callable[[str], None]) -> ShellRun:
    """Run ``command`` to its end, without a time limit; ``on_output`` gets what it prints, as it comes.

    Cancelled, it ends the command and returns what was printed until then, with 130 as its code. Raises
    UsageError for no command, EnvironmentProblem where no shell can be started.
    """
    if not command.strip() or "\0" in command:
        raise UsageError("there is no command", "type it behind the exclamation mark: !git status")
    await _snapshot(session, command)
    heard, decoder = HeadTail(_OUTPUT), codecs.getincrementaldecoder("utf-8")("replace")

    def hear(chunk: bytes) -> None:
        heard.add(chunk)
        on_output(decoder.decode(chunk))

    began = time.monotonic()
    try:
        done = await run(
            shell(command),
            cwd=session.start,
            env=quiet_environment(),
            timeout_s=threading.TIMEOUT_MAX,
            max_output=_OUTPUT,
            merge_stderr=True,
            on_output=hear,
        )
    except asyncio.CancelledError:
        text = f"{heard.text()}\n[interrupted by the user]"
        ran = ShellRun(command, _INTERRUPTED, text, time.monotonic() - began)
    else:
        ran = ShellRun(command, _code(done), done.stdout, done.seconds)
    _keep(session, ran)
    return ran


def _code(done: Finished) -> int:
    return 128 + done.signal if done.signal else done.code


def _keep(session: Session, ran: ShellRun) -> None:
    output = bounded(clean(ran.output).rstrip("\n"), SHOWN, "ask the user to run it again with less output")
    block = (
        load_prompt("user_command")
        .replace("{exit}", str(ran.code))
        .replace("{command}", quoted(ran.command.strip(), COMMAND))
        .replace("{output}", quoted(output or "(no output)", COMMAND))
    )
    facts = {"command": ran.command, "code": str(ran.code), "seconds": f"{ran.seconds:.2f}"}
    session.record(Note(COMMAND, block, facts))


async def _snapshot(session: Session, command: str) -> None:
    """Record the files as they are before it, so that a rewind knows what it changed from what kcode did."""
    from kcode.safety.commands import assess  # with its tables: not before a command is typed

    if not session.files.enabled or session.busy or all(part.effect == "read" for part in assess(command)):
        return
    try:
        await session.files.record_now("start")
    except SnapshotProblem:
        return
