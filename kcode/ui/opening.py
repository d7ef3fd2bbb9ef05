"""Opening the session behind the prompt, while the first message is typed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

from kcode.errors import KcodeError

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings

# What the first turn needs is imported now, while the user still types.
_NEEDED = ("kcode.ui.approval.approve", "kcode.ui.output.render", "rich.markdown", "rich.syntax")


MAP_AFTER_S = 1.0  # the first seconds belong to whoever types: the code map can wait that long


class Opening:
    """``opened`` gets the session as soon as it is there, ``failed`` what opening raised; both in the event
    loop. ``notice`` tells what came up while it was prepared, with a style."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        *,
        opened: Callable[[Session], object],
        failed: Callable[[BaseException], object],
        notice: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._open_session = open_session
        self._on_opened = opened
        self._on_failed = failed
        self._notice = notice
        self._task: asyncio.Task[Session] | None = None
        self._preparing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Open it in a thread, unless that was begun before."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(asyncio.to_thread(self._open))
            self._task.add_done_callback(self._done)

    async def result(self) -> Session:
        """The session, waiting for it. Raises what opening raised; cancelled, the opening goes on."""
        self.begin()
        assert self._task is not None
        await asyncio.wait({self._task})
        return self._task.result()

    async def close(self) -> Session | None:
        """End what goes on; the session that has to be closed, None where there is none."""
        if self._preparing is not None:
            self._preparing.cancel()
        if self._task is None:
            return None
        await asyncio.wait({self._task})
        return None if self._task.exception() is not None else self._task.result()

    def _open(self) -> Session:
        session = self._open_session()
        for module in _NEEDED:
            import_module(module)
        return session

    def _done(self, task: asyncio.Task[Session]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._on_failed(error)
            return
        session = task.result()
        self._on_opened(session)
        self._preparing = asyncio.create_task(self._prepare(session, session.settings))

    async def _prepare(self, session: Session, settings: Settings) -> None:
        from kcode.providers.base import Preparable

        endpoint = getattr(session.provider, "endpoint", None)  # the embedded model has none
        if endpoint is not None and endpoint.notice:
            await self._notice(endpoint.notice, "dim")
        if isinstance(session.provider, Preparable):
            with contextlib.suppress(KcodeError):  # the first request meets the same trouble and says it
                await session.provider.prepare()
        from kcode.providers.moonshot.balance import hint

        if low := await hint(session.provider, settings):
            await self._notice(low, "yellow")
        from kcode.agent.orientation import prepare

        await asyncio.sleep(MAP_AFTER_S)
        prepare(session)
