"""Commands about git: committing with a drafted message, reviewing a change."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _commit(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.committing import Wanted, commit
    from kcode.ui.desk import SessionDesk

    outcome = await commit(SessionDesk(sitting), session, Wanted(hint=argument))
    if outcome.commit:
        from kcode.agent.told import news

        subject = outcome.message.partition("\n")[0]
        session.tell(news(f"The user committed {', '.join(outcome.files[:20])}: {outcome.commit} {subject}"))


async def _review(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.agent.memory import ACT
    from kcode.agent.narrow import is_narrow
    from kcode.agent.reviewing import Review, review, told
    from kcode.agent.told import news
    from kcode.conversation.ledger import Note
    from kcode.githooks.offline import checks_only
    from kcode.ui import reviewing
    from kcode.ui.committing import no_repository
    from kcode.ui.desk import SessionDesk
    from kcode.workspace.ranges import named_change
    from kcode.workspace.unidiff import parse

    if not session.workspace.is_git:
        raise no_repository(session.root)
    words = _words(argument, "/review [RANGE] [PATH…]")
    staged = "--staged" in words
    change = await named_change(
        session.root, [word for word in words if word != "--staged"], staged=staged, start=session.root
    )
    files = parse(change.diff)
    desk = SessionDesk(sitting)
    if not files:
        sitting.say(
            _("there is nothing to look at: no file differs ({what})").format(what=change.what), "dim"
        )
        return

    def progress(done: int, all_: int) -> None:
        if done < all_:
            sitting.say(_("{done} of {all} parts looked at").format(done=done, all=all_), "dim")

    result: Review | None
    if is_narrow(session):
        result = checks_only(files)
    else:
        work = review(session, files, change.what, withheld=session.workspace.withheld, on_progress=progress)
        result = await desk.during(_("reviewing…"), work)
    if result is None:
        sitting.say(_("interrupted: nothing came of the review"), "yellow")
        return
    sitting.say()
    for block in reviewing.findings(result):
        sitting.say(block)
    for line in reviewing.summary(result, change.what, change.whole):
        sitting.say(line, "dim")
    if result.findings:
        session.record(Note(ACT, "review"))
        applied = await reviewing.offer(desk, session.workspace, result)
        session.record(Note(ACT, "done"))
        if applied:
            session.tell(news(f"The user applied what the review suggests to {', '.join(applied[:20])}."))
        sitting.say(_('the model knows them: "fix 2" means the second'), "dim")
        session.tell(news(told(result, change.what)))


async def _resolve(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.agent.memory import ACT
    from kcode.agent.told import news
    from kcode.conversation.ledger import Note
    from kcode.ui.desk import SessionDesk
    from kcode.ui.resolving import Wanted, resolve

    words = _words(argument, "/resolve [PATH…]")
    options = {"--yes", "--no-tests", "--continue"} & set(words)
    paths = tuple(word.removeprefix("./").rstrip("/") for word in words if word not in options)
    wanted = Wanted(
        paths, "--yes" in options, tests="--no-tests" not in options, go_on="--continue" in options
    )

    async def opened() -> Session:
        return session

    session.record(Note(ACT, "resolve"))
    outcome = await resolve(SessionDesk(sitting), session.workspace, session.settings, opened, wanted)
    session.record(Note(ACT, "done"))
    added = [file.path for file in outcome.files if file.state == "added"]
    if added:
        left = f" Still in conflict: {', '.join(outcome.left[:20])}." if outcome.left else ""
        session.tell(news(f"The user resolved the conflicts in {', '.join(added[:20])}.{left}"))


def _words(argument: str, form: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError:
        raise UsageError(_("a quotation mark is not closed"), form) from None


COMMANDS = (
    Command(
        "commit",
        "[HINT]",
        "draft a message for what is staged, and commit it",
        _commit,
        example="/commit closes the race in the queue",
    ),
    Command(
        "resolve",
        "[PATH…]",
        "resolve merge conflicts hunk by hunk",
        _resolve,
        example="/resolve src/cart.py",
    ),
    Command(
        "review",
        "[RANGE|PATH…]",
        "look for bugs in a change: uncommitted, staged, a range",
        _review,
        example="/review main...HEAD",
    ),
)
