"""Which session ``-c`` and ``--resume`` mean, decided before anything is opened."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import Interrupted, UsageError
from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from kcode.cli.root import Flags


def settle(flags: Flags, root: Path, *, person: bool) -> Flags:
    """The flags with the full id of the session that is meant; unchanged where a new one is wanted.

    ``person`` tells that somebody can choose: a bare ``--resume`` then shows a list, and a session that is
    open elsewhere can be forked. Raises UsageError where there is no such session, or nobody to choose.
    """
    if flags.resume is None and not flags.continue_:
        return flags
    from kcode.conversation.journal import find_session
    from kcode.conversation.sessions import choose

    if flags.resume is None:
        path = find_session(root)
    elif flags.resume.strip():
        path = choose(root, flags.resume.strip())
    else:
        path = _picked(root, person)
    if person:
        path = _forked_if_open(path, root)
    return replace(flags, continue_=False, resume=path.stem)


def _picked(root: Path, person: bool) -> Path:
    from kcode.conversation.sessions import summaries

    found = summaries(root)
    if not found:
        raise UsageError(f"no session to resume for {root}", "start one with `kcode`")
    if not person:
        from kcode.cli.session import print_list

        print_list(found)
        raise UsageError("--resume needs an id or search words where nobody can choose", "kcode --resume ID")
    import asyncio

    from kcode.ui.look.terminal import look_at
    from kcode.ui.picker import of_session, pick

    choices = [of_session(each) for each in found]
    chosen = asyncio.run(pick(choices, look_at(sys.stdout), title=_("Resume which session?"), search=True))
    if chosen is None:
        raise Interrupted("no session was chosen")
    return found[chosen].path


def _forked_if_open(path: Path, root: Path) -> Path:
    from kcode.conversation.journal import SessionBusy, fork, held

    try:
        with held(path):
            return path
    except SessionBusy as busy:
        print(_("{message}.").format(message=from_below(busy.message)), file=sys.stderr)
        try:
            answer = input(_("Go on in a copy of it? [Y/n] "))
        except EOFError:
            answer = "n"
        if answer.strip().lower() not in ("", "y", "yes"):
            raise
    return fork(path, root)
