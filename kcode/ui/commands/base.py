"""What a slash command is, and what commands share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kcode.ui import figures

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

T = TypeVar("T")


Group = Literal["conversation", "model", "looking", "files", "work", "setup", "own"]
"""How ``/help`` groups the commands; ``own`` are the user's and the project's from Markdown files."""


@dataclass(frozen=True, slots=True)
class Command:
    """``argument`` is how the argument is written in the help, ``""`` for none. ``while_working``: it only
    looks, so it may be run while the model works. ``example`` is one that ``/help NAME`` shows."""

    name: str
    argument: str
    help: str
    run: Callable[[Sitting, Session, str], Awaitable[None]]
    group: Group = "work"
    example: str = ""
    while_working: bool = False


async def interruptible(sitting: Sitting, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None where the user interrupted it."""
    task = asyncio.ensure_future(work)

    async def wait() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})

    await sitting.during(wait, task.cancel)
    return None if task.cancelled() else task.result()


def table(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Two columns: what, and a dimmed word on it."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim", overflow="fold")
    for left, right in rows:
        grid.add_row(figures.one_line(left) if not left.startswith(" ") else left, figures.one_line(right))
    return grid
