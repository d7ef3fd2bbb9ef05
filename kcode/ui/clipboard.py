"""Text to the clipboard: by the terminal itself (OSC 52, also over ssh) and by a program of this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from kcode.errors import EnvironmentProblem
from kcode.i18n import _

OSC52_LIMIT = 74_994  # bytes of text: what xterm and its kin take in one sequence
PATIENCE_S = 5.0  # for the program to read the text
_SCREEN_PIECE = 700  # bytes: GNU screen cuts longer strings
_SILENT = ("dumb", "unknown", "linux", "")  # TERM of terminals that have no clipboard, or print the sequence


@dataclass(frozen=True, slots=True)
class Copied:
    """``terminal``: the sequence was sent, which no terminal confirms. ``program`` took it, or is ``""``."""

    terminal: bool
    program: str


async def copy(text: str, stream: TextIO, environ: Mapping[str, str] | None = None) -> Copied:
    """Copy ``text`` in every way that there is here. Raises EnvironmentProblem where there is none."""
    env = os.environ if environ is None else environ
    program, trouble = await asyncio.to_thread(by_program, text, env)
    sequence = sequence_for(text, env) if stream.isatty() else ""
    if sequence:
        stream.write(sequence)
        stream.flush()
    if sequence or program:
        return Copied(bool(sequence), program)
    if len(text.encode()) > OSC52_LIMIT and stream.isatty() and _takes_sequences(env):
        raise EnvironmentProblem(
            _("{count} bytes are too many for the terminal's clipboard{trouble}").format(
                count=len(text.encode()), trouble=trouble
            ),
            _("/export FILE writes the conversation to a file"),
        )
    raise EnvironmentProblem(
        _("nothing here has a clipboard: not this terminal (TERM={term}), and no program{trouble}").format(
            term=env.get("TERM", ""), trouble=trouble
        ),
        _("install wl-clipboard, xclip or xsel; or /export FILE writes the conversation to a file"),
    )


def sequence_for(text: str, env: Mapping[str, str]) -> str:
    """What makes the terminal copy ``text``, wrapped for tmux and screen; ``""`` where it cannot."""
    data = text.encode("utf-8", "replace")
    if not _takes_sequences(env) or len(data) > OSC52_LIMIT:
        return ""
    plain = f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
    if env.get("TMUX"):
        return "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if env.get("STY"):
        pieces = (plain[at : at + _SCREEN_PIECE] for at in range(0, len(plain), _SCREEN_PIECE))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain


def program_for(env: Mapping[str, str], which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The command that copies its standard input here; empty where there is none."""
    candidates: list[list[str]] = []
    if env.get("TMUX"):  # its buffer, and with -w the terminal's clipboard, whatever passes through tmux
        candidates.append(["tmux", "load-buffer", "-w", "-"])
    if sys.platform == "darwin":
        candidates.append(["pbcopy"])
    elif sys.platform == "win32" or env.get("WSL_DISTRO_NAME"):
        candidates.append(["clip.exe"])
    if env.get("WAYLAND_DISPLAY"):
        candidates.append(["wl-copy"])
    if env.get("DISPLAY"):
        candidates += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
    if env.get("TERMUX_VERSION"):
        candidates.append(["termux-clipboard-set"])
    return next((command for command in candidates if which(command[0])), [])


def by_program(text: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The name of the program that took ``text``, or ``""`` and why not, for the middle of a sentence.

    X11 and Wayland keep no copy: their program stays in the background as the owner of the text, so it is
    not ended with its group as a command of the model's is.
    """
    from kcode.safety.process import spawn

    command = program_for(env)
    if not command:
        return "", ""
    try:
        # No pipes: the copy that stays in the background would hold them open.
        child = spawn(command, cwd=Path.home(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except EnvironmentProblem as problem:
        return "", f" ({problem.message})"
    with contextlib.suppress(OSError):
        assert child.process.stdin is not None
        encoding = "utf-16-le" if command[0] == "clip.exe" else "utf-8"
        child.process.stdin.write(text.encode(encoding, "replace"))
        child.process.stdin.close()
    try:
        code = child.process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill_group()
        return "", " " + _("({program} did not take the text)").format(program=command[0])
    if code != 0:
        return "", " " + _("({program} ended with code {code})").format(program=command[0], code=code)
    return command[0], ""


def _takes_sequences(env: Mapping[str, str]) -> bool:
    if env.get("TERM", "") in _SILENT:
        return False
    return env.get("TERM_PROGRAM") != "Apple_Terminal"
