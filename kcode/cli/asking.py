"""One question on the command line: the flags it takes, and its answer on standard output."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kcode.agent.explaining import Material
    from kcode.cli.root import Flags


def flags_with(above: Flags, model: str | None, provider: str | None, base_url: str | None) -> Flags:
    """The flags before the command, with those behind it."""
    return replace(
        above,
        model=model or above.model,
        provider=provider or above.provider,
        base_url=base_url or above.base_url,
    )


async def answered(work: Coroutine[Any, Any, str], material: Material) -> int:
    """Print the answer: as it is into a pipe, as Markdown for a person. Returns the exit code."""
    from kcode.i18n import _
    from kcode.ui.desk import ConsoleDesk
    from kcode.ui.look.terminal import look_at, make_console, tolerate

    desk = ConsoleDesk()
    if not material.whole:
        desk.say(_("it is large: only a part of it was shown to the model"), "yellow")
    answer = await desk.during(_("asking…"), work) or ""
    tolerate(sys.stdout)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        make_console(sys.stdout, look_at(sys.stdout)).print(Markdown(answer))
    else:
        print(answer)
    return 0
