"""``kcode -p``: one task without a person, answer on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.cli.root import Flags

_LARGEST_INPUT = 2_000_000  # bytes of standard input; more cannot fit any model's window


def run(flags: Flags) -> int:
    prompt = whole_prompt(flags.prompt or "")
    from kcode.cli.start import begin, open_session
    from kcode.ui.headless import run_headless

    start = begin(flags)
    return run_headless(open_session(start, flags), prompt, flags.output or "text")


def whole_prompt(prompt: str) -> str:
    """The prompt, and standard input behind it where that is not a terminal. ``-`` is input alone."""
    piped = ""
    if sys.stdin is not None and not sys.stdin.isatty():
        data = sys.stdin.buffer.read(_LARGEST_INPUT + 1)
        if len(data) > _LARGEST_INPUT:
            raise UsageError(
                "more than 2 MB came on standard input", "give the file's name in the prompt instead"
            )
        piped = data.decode("utf-8", errors="replace")
    if prompt == "-":
        prompt = ""
    whole = f"{prompt}\n\n{piped}" if prompt and piped.strip() else prompt or piped
    if not whole.strip():
        raise UsageError("the prompt is empty", 'kcode -p "what to do"')
    return whole
