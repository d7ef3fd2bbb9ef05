"""What a slash command is, and what commands share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.look import figures

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kcode.agent.session import Session
    from kcode.ui.picker import Choice
    from kcode.ui.sitting import Sitting

T = TypeVar("T")


Group = Literal["conversation", "model", "looking", "files", "work", "setup", "own"]
"""How ``/help`` groups the commands; ``own`` are the user's and the project's from Markdown files."""


@dataclass(frozen=True, slots=True)
class Command:
    """``argument`` is how the argument is written in the help, ``""`` for none. ``while_working``: it only
    looks, so it may be run while the model works. ``example`` is what ``/help NAME`` shows; ``choices`` are
    what completion offers for the argument: it asks no server and reads little."""

    name: str
    argument: str
    help: str
    run: Callable[[Sitting, Session, str], Awaitable[None]]
    group: Group = "work"
    example: str = ""
    while_working: bool = False
    choices: Callable[[Sitting], Sequence[tuple[str, str]]] | None = (
        None  # of the argument, with a word on each
    )


async def interruptible(sitting: Sitting, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None where the user interrupted it."""
    task = asyncio.ensure_future(work)

    async def wait() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})

    await sitting.during(wait, task.cancel)
    return None if task.cancelled() else task.result()


async def choose(
    sitting: Sitting, choices: Sequence[Choice], *, title: str, start: int = 0, search: bool = False
) -> int | None:
    """The index of the row that the person picked, None where they left."""
    from kcode.ui.picker import pick

    return await sitting.aside(lambda: pick(choices, sitting.look, title=title, start=start, search=search))


def words_of(argument: str, most: int, form: str) -> list[str]:
    """The words behind a command, quotes read as a shell does. Raises UsageError for more than ``most`` of
    them, or for a quote that is not closed; ``form`` is the right way to write it."""
    import shlex

    try:
        words = shlex.split(argument)
    except ValueError:
        raise UsageError(_("a quote is not closed"), form) from None
    if len(words) > most:
        raise not_known(words[most], form)
    return words


def not_known(word: str, form: str) -> UsageError:
    """The error for an argument that a command does not take."""
    command = form.split(" ", 1)[0]
    return UsageError(_("{command} does not know {word!r}").format(command=command, word=word), form)


def table(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Two columns: what, and a dimmed word on it."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim", overflow="fold")
    for left, right in rows:
        grid.add_row(figures.one_line(left) if not left.startswith(" ") else left, figures.one_line(right))
    return grid
