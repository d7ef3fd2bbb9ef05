"""``kcode -p``: one task without a person, answer on stdout."""

from __future__ import annotations

import contextlib
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from kcode.errors import UsageError
from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.cli.root import Flags
    from kcode.ui.headless import Output

_LARGEST_INPUT = 2_000_000  # bytes of standard input; more cannot fit any model's window
_PATIENCE_S = 3.0  # before saying that standard input is being waited for


def run(flags: Flags) -> int:
    import asyncio

    with _failure_told(flags):
        prompt = whole_prompt(flags.prompt or "")
    return asyncio.run(_one_turn(flags, prompt))


async def _one_turn(flags: Flags, prompt: str) -> int:
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.resume import settle
    from kcode.cli.start import begin, open_session
    from kcode.ui.headless import run_headless

    with _failure_told(flags):
        start = begin(flags)
        flags = settle(flags, start.root, person=False)
        ensure_model(start.settings)
        session = open_session(start, flags)
    try:
        with _failure_told(flags):
            await _attach(session, flags.attach or [])
            return await run_headless(session, prompt, _output(flags))
    finally:
        await session.close()


@contextlib.contextmanager
def _failure_told(flags: Flags) -> Iterator[None]:
    """Scripts that asked for JSON get a result whatever happens; the door tells people."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # outer door
        from kcode.ui.headless import write_failure

        write_failure(_output(flags), error)
        raise


def _output(flags: Flags) -> Output:
    return cast("Output", flags.output or "text")


async def _attach(session: Session, paths: list[str]) -> None:
    """What is attached and where it goes is told on stderr; stdout is the answer's."""
    if not paths:
        return
    from kcode.agent.attach import attach
    from kcode.safety.sanitize import clean

    for path in paths:
        await attach(
            session, path, lambda text: print(f"[{_('info')}] {clean(from_below(text))}", file=sys.stderr)
        )


def whole_prompt(prompt: str) -> str:
    """The prompt, and standard input behind it where that is not a terminal. ``-`` is input alone."""
    piped = ""
    if sys.stdin is not None and not sys.stdin.isatty():
        data = read_all(sys.stdin.buffer)
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


def read_all(stream: BinaryIO) -> bytes:
    """All of it; a pipe that stays open and silent is waited for, with a word about it."""
    try:
        ready = select.select([stream], [], [], _PATIENCE_S)[0]
    except (OSError, ValueError):  # a file, or a platform that selects on sockets only
        ready = [stream]
    if not ready:
        print(_("kcode: waiting for standard input; to go without it: kcode … < /dev/null"), file=sys.stderr)
    try:
        return stream.read(_LARGEST_INPUT + 1)
    except OSError:  # a closed or half-made descriptor: there is no input
        return b""
