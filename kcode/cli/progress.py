"""A download's progress on stderr: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from kcode.i18n import _

Progress = Callable[[int, int, str], None]
_PLAIN_EVERY_S = 5.0


@contextlib.contextmanager
def downloading(title: str) -> Iterator[Progress]:
    """Yields what is called with bytes done, bytes in all, and the source's name."""
    if sys.stderr.isatty():
        with _bar(title) as progress:
            yield progress
    else:
        yield _lines(title)


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)

        def update(done: int, total: int, source: str) -> None:
            bars.update(task, completed=done, total=total or None, description=f"{title} ({source})")

        yield update


def _lines(title: str) -> Progress:
    last_shown = time.monotonic() - _PLAIN_EVERY_S
    last_done = -1

    def update(done: int, total: int, source: str) -> None:
        nonlocal last_shown, last_done
        now = time.monotonic()
        finished = bool(total) and done >= total and last_done < total
        if finished or (now - last_shown >= _PLAIN_EVERY_S and done != last_done):
            share = f" ({100 * done // total} %)" if total else ""
            print(
                _("{title}: {done} of {total}{share} from {source}").format(
                    title=title, done=size(done), total=size(total), share=share, source=source
                ),
                file=sys.stderr,
                flush=True,
            )
            last_shown, last_done = now, done

    return update


def size(count: int) -> str:
    """Bytes for people, in decimal units as disks and downloads are sold."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.2f} GB"
    if count >= 1_000_000:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e3:.0f} kB"
