"""A session for a command that asks beside any conversation: its cost counts, nothing else stays."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.cli.root import Flags
    from kcode.config.settings import Settings


@contextlib.asynccontextmanager
async def errand(
    flags: Flags, name: str, start: Path, settings: Settings | None = None
) -> AsyncIterator[Session]:
    """Open the provider and a session of its own in ``start``; what it cost is said on stderr at the end.

    ``settings`` are those of :func:`kcode.cli.start.begin` where the command has read them already.
    """
    from kcode.agent.session import Session
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.start import begin, open_provider
    from kcode.i18n import _

    settings = settings or begin(flags).settings
    ensure_model(settings)
    session = Session.open(start, settings, open_provider(settings), errand=name)
    try:
        yield session
    finally:
        if session.cost.requests:
            print(_("cost: {cost}").format(cost=session.cost.text()), file=sys.stderr)
        await session.close()
