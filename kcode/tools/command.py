"""run_command and command_output: shell commands of the model's choosing, confined where the machine can."""

from __future__ import annotations

import asyncio
import codecs
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from kcode.safety import temporary
from kcode.safety.buildcaches import folder_for
from kcode.safety.limits import Limits
from kcode.safety.process import Finished, child_environment, run
from kcode.safety.sandbox import Confinement, looks_confined, way_out
from kcode.tools.background import BackgroundTask
from kcode.tools.base import Arguments, Intent, Progress, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded

_OUTPUT = 200_000  # bytes kept of the output before it is cut for the model
_SHOWN = 16_000  # characters
_LONGEST_S = 3600.0
_FIRST_WORDS_S = 1.0  # a background command that fails at once is told as failed
_TAIL = 4_000  # characters of live output shown at a time


class RunCommandArguments(Arguments):
    command: str = Field(min_length=1)
    timeout_s: float | None = Field(None, gt=0, le=_LONGEST_S)
    background: bool = False


class RunCommand(Tool[RunCommandArguments]):
    name = "run_command"
    arguments = RunCommandArguments

    def title(self, args: RunCommandArguments) -> str:
        first, *more = args.command.strip().splitlines() or [""]
        return f"$ {first}" + (" ..." if more else "") + (" (in the background)" if args.background else "")

    async def plan(self, args: RunCommandArguments, context: ToolContext) -> Intent:
        if "\0" in args.command:
            raise ToolRefused("the command has a NUL character")
        from kcode.safety.commands import touches_sensitive  # with its tables: not before the first request

        why = await asyncio.to_thread(touches_sensitive, args.command, context.workspace.root)
        why = why or context.workspace.kept_out_in(args.command)
        return Intent("command", command=args.command, sensitive=why)

    async def run(self, args: RunCommandArguments, context: ToolContext) -> ToolOutcome:
        scratch = scratch_folder(context)
        confine = await asyncio.to_thread(_for_command, args.command, context, confinement(context, scratch))
        if args.background:
            return await _left_running(args, context, scratch, confine)
        limit = args.timeout_s or context.settings.safety.command_timeout_s
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        done = await run(
            shell(args.command),
            cwd=context.workspace.root,
            env=_environment(scratch),
            timeout_s=limit,
            max_output=_OUTPUT,
            merge_stderr=True,
            on_output=lambda chunk: context.progress(Progress(decoder.decode(chunk)[-_TAIL:])),
            confine=confine,
        )
        return ToolOutcome(
            _text(done, limit, confine),
            _brief(done),
            ok=done.code == 0 and not done.timed_out,
            payload=done,
            confined=_by_sandbox(done, confine),
        )


class CommandOutputArguments(Arguments):
    id: str = Field(min_length=1)
    wait_s: float | None = Field(None, ge=0, le=600)
    stop: bool = False


class CommandOutput(Tool[CommandOutputArguments]):
    name = "command_output"
    read_only = True  # of the user's files; it ends only what kcode itself has left running
    arguments = CommandOutputArguments

    def title(self, args: CommandOutputArguments) -> str:
        return f"stop {args.id}" if args.stop else f"output of {args.id}"

    async def plan(self, args: CommandOutputArguments, context: ToolContext) -> Intent:
        return Intent("note")

    async def run(self, args: CommandOutputArguments, context: ToolContext) -> ToolOutcome:
        if context.background is None:
            raise ToolRefused("no command runs in the background")
        if args.stop:
            await context.background.stop(args.id)
        task, text, log = await context.background.read(args.id, args.wait_s or 0.0)
        return _told(task, text, log)


async def _left_running(
    args: RunCommandArguments, context: ToolContext, scratch: Path, confine: Confinement
) -> ToolOutcome:
    if context.background is None:
        raise ToolRefused("commands cannot be left running here: run it without background")
    task = context.background.start(
        shell(args.command),
        args.command,
        cwd=context.workspace.root,
        env=_environment(scratch),
        scratch=scratch,
        confine=confine,
        timeout_s=args.timeout_s,
    )
    return _told(*await context.background.read(task.id, _FIRST_WORDS_S))


def _told(task: BackgroundTask, output: str, log: Path) -> ToolOutcome:
    state = "runs in the background" if task.running else f"ended with exit code {task.code}"
    brief = f"{task.id} {'running' if task.running else f'exit {task.code}'}"
    text = bounded(output.rstrip("\n"), _SHOWN, f"all of it: {log}") or "(nothing new was printed)"
    return ToolOutcome(f"{text}\n[{task.id} {state}]", brief, ok=task.running or task.code == 0, payload=task)


def shell(command: str) -> list[str]:
    """The program and arguments that run ``command`` as a person's shell would."""
    if sys.platform == "win32":
        return ["cmd", "/d", "/s", "/c", command]
    return [shutil.which("bash") or "/bin/sh", "-c", command]


def scratch_folder(context: ToolContext) -> Path:
    """The session's private folder for temporary files and caches, made when first needed."""
    if context.scratch is None:
        context.scratch = Path(os.path.realpath(temporary.made()))
    for name in ("tmp", "cache"):
        (context.scratch / name).mkdir(parents=True, exist_ok=True)
    return context.scratch


def confinement(context: ToolContext, scratch: Path) -> Confinement:
    """What a command of the model's may do: in auto mode confined always, else as the settings say."""
    safety = context.settings.safety
    wanted = safety.sandbox != "off" or context.always_confined
    caches = folder_for(context.workspace.root)
    return Confinement(
        (*context.workspace.roots, scratch, *([caches] if caches else [])),
        network=safety.network,
        free=context.outside or not wanted,
        limits=Limits(memory=safety.memory_mb * 1_000_000, processes=safety.processes),
        temporary=scratch / "tmp",
        gate=context.gate,
        caches=caches,
    )


def _for_command(command: str, context: ToolContext, confine: Confinement) -> Confinement:
    """All its programs are told of the way to allowed hosts, and see nothing that rules deny; but where it
    builds or tests: a project's tests may behave differently where they find a proxy, or miss a file."""
    from kcode.safety.commands import assess
    from kcode.safety.denied import places
    from kcode.safety.findings import worst

    root = context.workspace.root
    effect = worst(assess(command, root.as_posix()))
    hidden = () if effect == "test" else places(root, context.denied())
    return replace(confine, told=effect not in ("read", "test"), hidden=hidden)


def quiet_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """No pager, no editor, no colour, no keys of kcode's: nobody sits in front of it."""
    return child_environment(
        {
            "PAGER": "cat",
            "GIT_PAGER": "cat",
            "GIT_TERMINAL_PROMPT": "0",
            "TERM": "dumb",
            "NO_COLOR": "1",
            **(more or {}),
        }
    )


def _environment(scratch: Path) -> dict[str, str]:
    return quiet_environment({"TMPDIR": str(scratch / "tmp"), "XDG_CACHE_HOME": str(scratch / "cache")})


def _text(done: Finished, limit: float, confine: Confinement) -> str:
    text = bounded(done.stdout.rstrip("\n"), _SHOWN, "redirect to a file and read parts of it")
    notes = []
    if done.timed_out:
        notes.append(f"stopped after {limit:g} s; what it had printed is above")
    elif done.signal:
        notes.append(f"killed by signal {done.signal}")
    else:
        notes.append(f"exit code {done.code}")
    if _by_sandbox(done, confine):
        net = "" if confine.network else " and has no network"
        if net and confine.gate is not None and way_out():
            net = " and reaches only hosts that the user allows"
        notes.append(
            f"perhaps because of the sandbox: a command writes only in the workspace and $TMPDIR{net}; "
            "the user can change safety.sandbox or safety.network"
        )
    return f"{text}\n[{'; '.join(notes)}]" if text else f"[{'; '.join(notes)}]"


def _by_sandbox(done: Finished, confine: Confinement) -> bool:
    """Whether the sandbox may be why it failed."""
    planted = any("put back" in note for note in done.notes)
    return confine.holds and (planted or (bool(done.code) and looks_confined(done.stdout)))


def _brief(done: Finished) -> str:
    """How it ended; how long it took is told of every call."""
    return "timed out" if done.timed_out else f"exit {done.code}"
