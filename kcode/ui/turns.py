"""What becomes of a message: a turn, a command, a shell command, or a note."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from kcode.agent.events import BackgroundEnded, Event, UsageReported
from kcode.errors import KcodeError
from kcode.i18n import _
from kcode.safety.sanitize import clean
from kcode.ui.commands import table as commands
from kcode.ui.look import figures
from kcode.ui.stage.prompt import kind_of, sign_of

if TYPE_CHECKING:
    from kcode.agent.approval import Answer, Approver, Question
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def answer(sitting: Sitting, message: str) -> None:
    """Do what ``message`` says. Raises KcodeError where that cannot be done."""
    kind = kind_of(message)
    session = await sitting.ready()
    session.on_event = partial(between_turns, sitting)
    echo(sitting, message)
    if kind == "shell":
        from kcode.ui.shellview import run_shell

        await run_shell(sitting, session, message[1:].strip())
    elif kind == "note":
        path = session.remember(message[1:].strip())
        sitting.say(_("noted in {path}").format(path=figures.one_line(path)), sitting.theme.dim)
        sitting.say()
    elif kind == "command" and commands.looks_like_command(message):
        await _command(sitting, session, message)
        sitting.say()
    else:
        await take_turn(sitting, session, message)


async def _command(sitting: Sitting, session: Session, message: str) -> None:
    try:
        await commands.run(sitting, message)
    except KcodeError:
        raise
    except Exception as error:  # outer door: a defect in one command must not end the session
        session.defect(error)
        what = _("kcode: this is a defect of kcode: {kind}: {words}")
        raise KcodeError(
            what.format(kind=type(error).__name__, words=error), _("/bug writes a report that shows where")
        ) from error


def between_turns(sitting: Sitting, event: Event) -> None:
    """Show what happens while no turn runs."""
    if isinstance(event, BackgroundEnded):
        from kcode.ui.output import words

        sitting.say(
            words.background_ended(event), sitting.theme.dim if event.code == 0 else sitting.theme.warn
        )
        sitting.refresh_status()


def for_the_model(message: str) -> bool:
    """Whether ``message`` is one to the model: no command, no shell command, no note."""
    kind = kind_of(message)
    return kind == "message" or (kind == "command" and not commands.looks_like_command(message))


def only_looks(message: str) -> bool:
    """Whether ``message`` is a command that may run while the model works."""
    name = message[1:].partition(" ")[0]
    named = (command for command in commands.COMMANDS if command.name == name)
    return message.startswith("/") and any(command.while_working for command in named)


def echo(sitting: Sitting, message: str) -> None:
    """Write the message to the scrollback as it stood in the input."""
    if sitting.look.plain:
        return  # there the prompt itself stays
    from rich.text import Text

    shown = clean(sitting.stage.prompt.folds.refold(message))
    sign = {"shell": "! ", "note": "# "}.get(kind_of(message), sign_of(sitting.look))
    if kind_of(message) in ("shell", "note"):
        shown = shown[1:].lstrip()
    text = Text(sign, style=sitting.theme.prompt)
    text.append(shown.replace("\n", "\n" + " " * len(sign)), style=sitting.theme.user)
    sitting.say(text)


async def take_turn(sitting: Sitting, session: Session, message: str) -> None:
    """Run one turn and show it."""
    from kcode.ui.output.notify import turn_ended
    from kcode.ui.output.render import make_renderer, show

    renderer = make_renderer(
        sys.stdout,
        sitting.look,
        show_reasoning=sitting.settings.ui.show_reasoning,
        typed=sitting.stage.typed,
        region=sitting.stage.region,
        details=sitting.details,
    )
    session.approver = asking(sitting, session, renderer.paused)
    sitting.say()
    events = _watched(sitting, session.turn(message))
    began = time.monotonic()
    await sitting.during(lambda: show(events, renderer), session.interrupt)
    if unanswered := session.unanswered():
        sitting.stage.put("\n".join(unanswered))
    turn_ended(
        sitting.stage.terminal,
        sitting.look,
        time.monotonic() - began,
        sitting.settings,
        sitting.focused,
        project=sitting.root.name,
    )
    sitting.say()
    if session.mode == "plan":
        from kcode.ui.commands.planning import offer

        await offer(sitting, session)


def asking(
    sitting: Sitting,
    session: Session,
    pause: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> Approver:
    """Who asks the person before something happens: the stage steps aside for the question."""
    from kcode.ui.approval.approve import TerminalApprover

    class Aside:
        async def ask(self, question: Question) -> Answer:
            asker = TerminalApprover(
                sitting.stage.terminal,
                sitting.look,
                pause=pause,
                on_interrupt=session.interrupt,
                keep=sitting.stage.keep,
                layout=sitting.settings.ui.diff,
            )
            return await sitting.aside(lambda: asker.ask(question))

    return Aside()


async def _watched(sitting: Sitting, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The events of a turn; the status line follows them."""
    async with contextlib.aclosing(events) as inner:  # type: ignore[type-var]  # an async generator
        async for event in inner:
            yield event
            if isinstance(event, UsageReported):
                sitting.refresh_status()
