"""The hooks about a commit's message: a draft where none was given, and a look at the one that is there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import EnvironmentProblem, UsageError
from kcode.githooks.place import find_place
from kcode.githooks.run import Opened, say, settings_here
from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.config.settings import Settings

_SCISSORS = re.compile(r"^\S+ -{3,} *>8 *-{3,}$")
_MARKER = re.compile(r"^(<{7}|>{7}|\|{7})(?: .*)?$")
_GITS_OWN = re.compile(r"^(Merge |Revert \"|Reapply \"|fixup! |squash! |amend! )")
_TYPES = "feat, fix, docs, refactor, test, chore"


def prepare(arguments: list[str], opened: Opened | None) -> int:
    """``prepare-commit-msg FILE [SOURCE [COMMIT]]``: put a drafted message in front of what git wrote.

    Only where nobody gave a message: not for ``-m``, ``-F``, a template, a merge, a squash or an amended
    commit, and not into a file that already says something. Never stops a commit unless
    ``hooks.fail_closed`` says so.
    """
    file = _file(arguments)
    source = arguments[1] if len(arguments) > 1 else os.environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE", "")
    place = find_place(Path.cwd())
    if source or opened is None or place.unfinished:
        return 0
    content = file.read_text(encoding="utf-8", errors="surrogateescape")
    if _words(content, comment_sign(place.top)):
        return 0
    from kcode.agent.committing import Draft, draft, style_of, with_trailer
    from kcode.agent.session import Session
    from kcode.githooks.asking import bounded, staged_diff
    from kcode.workspace.staging import Draftable

    diff, stat = staged_diff(place.top)
    if not diff.strip():
        return 0
    settings = settings_here()

    async def ask(session: Session) -> str:
        change = Draftable("", diff, stat, None)
        found: Draft = await draft(session, change, style_of(place.top), withheld=session.workspace.withheld)
        return await with_trailer(place.top, found.message, settings.commit.trailer)

    say(_("kcode hook: drafting the message…"))
    message = bounded(place.top, settings, opened, ask)
    if message:
        sign = comment_sign(place.top)
        note = _("kcode drafted this message; without one there is no commit.")
        text = f"{message}\n\n{sign} {note}\n{content.lstrip(chr(10))}"
        _replace(file, text)
    return 0


def check(arguments: list[str]) -> int:
    """``commit-msg FILE``: length, form and leftovers. 1 where the message should be written again."""
    file = _file(arguments)
    place = find_place(Path.cwd())
    if place.unfinished and not settings_here().hooks.while_merging:
        return 0
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    wrong = problems(text, comment_sign(place.top), place.top, settings_here())
    if not wrong:
        return 0
    say(_("kcode hook: the message stopped the commit"))
    for problem in wrong:
        say(f"  {problem}")
    say(_('The message is kept: git commit -e -F "{file}"').format(file=_shortest(file, place.top)))
    say(_("To commit anyway: KCODE_HOOKS=0 git commit … (or --no-verify)."))
    return 1


def problems(text: str, sign: str, top: Path, settings: Settings) -> list[str]:
    """What is wrong with a message, a sentence each. A message without words is git's to refuse."""
    from kcode.workspace.logstyle import CONVENTIONAL, Style, style_of

    lines = _words(text, sign)
    if not lines:
        return []
    subject, found = lines[0], []
    wants, most = settings.hooks.conventional, settings.hooks.subject_length
    asked = wants == "auto" or not most
    style = style_of(top) if asked and not _GITS_OWN.match(subject) else Style()
    most = most or style.limit
    if not _GITS_OWN.match(subject):
        if len(subject) > most:
            found.append(
                _("the subject has {count} characters, {most} is the most").format(
                    count=len(subject), most=most
                )
            )
        if (wants == "on" or (wants == "auto" and style.conventional)) and not CONVENTIONAL.match(subject):
            types = ", ".join(style.types) or _TYPES
            found.append(_("the subject has no type, such as one of: {types}").format(types=types))
    if len(lines) > 1 and lines[1].strip():
        found.append(_("the second line is not empty: it parts the subject from the body"))
    if any(_MARKER.match(line) for line in lines):
        found.append(_("a conflict marker is left in it"))
    if any(_SCISSORS.match(line) for line in lines):
        found.append(_("a scissors line is left in it"))
    return found


def comment_sign(top: Path) -> str:
    """What begins a line that git takes out of a message: ``core.commentChar``, ``#`` where it is auto."""
    from kcode.workspace import repo

    done = repo.git_sync(top, "config", "core.commentChar")
    said = done.stdout.strip()
    return said if done.code == 0 and said and said != "auto" else "#"


def _words(text: str, sign: str) -> list[str]:
    """The lines of a message without comments and what git itself put below its scissors."""
    lines = []
    every = text.split("\n")
    for number, line in enumerate(every):
        if line.startswith(sign):
            if (
                _SCISSORS.match(line)
                and every[number + 1 : number + 2][:1]
                and every[number + 1].startswith(sign)
            ):
                break
            if _SCISSORS.match(line):
                lines.append(line)
            continue
        lines.append(line.rstrip())
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _file(arguments: list[str]) -> Path:
    if not arguments:
        raise UsageError(_("git gives this hook the message's file"), "kcode hook run commit-msg FILE")
    file = Path(arguments[0])
    if not file.is_file():
        raise EnvironmentProblem(f"{file} is no file", "git gives this hook the message's file")
    return file


def _replace(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))


def _shortest(path: Path, top: Path) -> str:
    try:
        return path.absolute().relative_to(top).as_posix()
    except ValueError:
        return str(path)
