"""run_command: a shell command of the model's choosing, confined where the machine can."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from pydantic import Field

from kcode.safety.process import Finished, child_environment, run
from kcode.safety.sandbox import Confinement, looks_confined, status
from kcode.tools.base import Arguments, Intent, Tool, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.bounds import bounded

_OUTPUT = 200_000  # bytes kept of the output before it is cut for the model
_SHOWN = 16_000  # characters
_LONGEST_S = 3600.0


class RunCommandArguments(Arguments):
    command: str = Field(min_length=1)
    timeout_s: float | None = Field(None, gt=0, le=_LONGEST_S)


class RunCommand(Tool[RunCommandArguments]):
    name = "run_command"
    arguments = RunCommandArguments

    def title(self, args: RunCommandArguments) -> str:
        first, *more = args.command.strip().splitlines() or [""]
        return f"$ {first}" + (" ..." if more else "")

    async def plan(self, args: RunCommandArguments, context: ToolContext) -> Intent:
        if "\0" in args.command:
            raise ToolRefused("the command has a NUL character")
        from kcode.safety.commands import touches_sensitive  # with its tables: not before the first request

        return Intent("command", command=args.command, sensitive=touches_sensitive(args.command))

    async def run(self, args: RunCommandArguments, context: ToolContext) -> ToolOutcome:
        scratch = _scratch(context)
        confine = _confinement(context, scratch)
        limit = args.timeout_s or context.settings.safety.command_timeout_s
        done = await run(
            _shell(args.command),
            cwd=context.workspace.root,
            env=_environment(scratch),
            timeout_s=limit,
            max_output=_OUTPUT,
            merge_stderr=True,
            on_output=lambda chunk: context.progress(chunk.decode("utf-8", "replace")),
            confine=confine,
        )
        return ToolOutcome(
            _text(done, limit, confine), _brief(done), ok=done.code == 0 and not done.timed_out, payload=done
        )


def _shell(command: str) -> list[str]:
    if sys.platform == "win32":
        return ["cmd", "/d", "/s", "/c", command]
    return [shutil.which("bash") or "/bin/sh", "-c", command]


def _scratch(context: ToolContext) -> Path:
    """The session's private folder for temporary files and caches, made when first needed."""
    if context.scratch is None:
        context.scratch = Path(tempfile.mkdtemp(prefix="kcode-"))
    for name in ("tmp", "cache"):
        (context.scratch / name).mkdir(parents=True, exist_ok=True)
    return context.scratch


def _confinement(context: ToolContext, scratch: Path) -> Confinement | None:
    safety = context.settings.safety
    if safety.sandbox == "off":
        return None
    return Confinement((context.workspace.root, scratch), network=safety.network)


def _environment(scratch: Path) -> dict[str, str]:
    """No pager, no editor, no colour: nobody sits in front of it."""
    return child_environment(
        {
            "TMPDIR": str(scratch / "tmp"),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "PAGER": "cat",
            "GIT_PAGER": "cat",
            "GIT_TERMINAL_PROMPT": "0",
            "TERM": "dumb",
            "NO_COLOR": "1",
        }
    )


def _text(done: Finished, limit: float, confine: Confinement | None) -> str:
    text = bounded(done.stdout.rstrip("\n"), _SHOWN, "redirect to a file and read parts of it")
    notes = []
    if done.timed_out:
        notes.append(f"stopped after {limit:g} s; what it had printed is above")
    elif done.signal:
        notes.append(f"killed by signal {done.signal}")
    else:
        notes.append(f"exit code {done.code}")
    if confine is not None and done.code and status().holds and looks_confined(done.stdout):
        net = "" if confine.network else " and has no network"
        notes.append(
            f"perhaps because of the sandbox: a command writes only in the workspace and $TMPDIR{net}; "
            "the user can change safety.sandbox or safety.network"
        )
    return f"{text}\n[{'; '.join(notes)}]" if text else f"[{'; '.join(notes)}]"


def _brief(done: Finished) -> str:
    if done.timed_out:
        return f"timed out after {done.seconds:.0f} s"
    return f"exit {done.code}, {done.seconds:.1f} s"
