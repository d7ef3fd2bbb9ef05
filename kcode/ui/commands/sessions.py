"""Commands about sessions as a whole: resuming another one, exporting this one, copying an answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _, n_
from kcode.ui.commands.base import Command, choose, not_known, words_of
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.conversation.ledger import Entry
    from kcode.conversation.sessions import Summary
    from kcode.ui.sitting import Sitting

_SHOWN = 12  # rows of the last answer of a session that is resumed
_CELLS = 100


# --- resume ------------------------------------------------------------------------------------


async def _resume(sitting: Sitting, session: Session, argument: str) -> None:
    chosen = await _chosen(sitting, session, argument)
    if chosen is None:
        return sitting.say(_("this session goes on"), "dim")
    path = await _free(sitting, chosen.path, session.root)
    if path is None:
        return sitting.say(_("this session goes on"), "dim")
    now = await asyncio.to_thread(_open, session, path)
    await take(sitting, now)
    sitting.say(
        _("this is {id} now: {title}").format(id=now.id, title=figures.one_line(chosen.title, _CELLS))
    )
    _show_end(sitting, now)
    return None


async def take(sitting: Sitting, now: Session) -> None:
    """Go on in ``now``; the present session is closed, its journal is whole."""
    before = sitting.session
    now.mode = sitting.mode  # type: ignore[assignment]  # a mode, as the sitting checked
    sitting.session = now
    sitting.details.reset()
    sitting.refresh_status()
    if before is not None:
        await before.close()


async def _chosen(sitting: Sitting, session: Session, words: str) -> Summary | None:
    from kcode.conversation.sessions import matching, summaries
    from kcode.ui.picker import of_session

    found = [each for each in await asyncio.to_thread(summaries, session.root) if each.id != session.id]
    if words:
        found = matching(found, words)
    if not found:
        what = _("no other session fits {words!r}").format(words=words) if words else ""
        raise UsageError(
            what or _("there is no other session of this project"),
            _("/resume lists them; /fork copies this one"),
        )
    if words and len(found) == 1:
        return found[0]
    choices = [of_session(each) for each in found]
    picked = await choose(sitting, choices, title=_("Resume which session?"), search=True)
    return None if picked is None else found[picked]


async def _free(sitting: Sitting, path: Path, root: Path) -> Path | None:
    """The journal to open: the session's own, or that of a copy where another kcode has it open."""
    from kcode.conversation.journal import SessionBusy, fork, held
    from kcode.ui.picker import Choice

    try:
        with held(path):
            return path
    except SessionBusy:
        choices = [
            Choice(_("go on in a copy of it"), _("the other kcode keeps the original")),
            Choice(_("stay here")),
        ]
        title = _("Another kcode has that session open")
        if await choose(sitting, choices, title=title) != 0:
            return None
    return await asyncio.to_thread(fork, path, root)


def _open(session: Session, path: Path) -> Session:
    """The session of ``path`` with a provider of its own, opened as this one's is."""
    from kcode.agent.session import Session as Kind
    from kcode.ui.switching import opened

    now = Kind.open(session.start, session.settings, opened(session.settings), resume=path.stem)
    now.flag_rules = session.flag_rules  # what the command line denied stays denied
    return now


def _show_end(sitting: Sitting, session: Session) -> None:
    """The last exchange, so that a person knows where they are."""
    from kcode.conversation.ledger import Assistant, User, live_entries

    entries = live_entries(session.ledger)
    typed = next((e.typed for e in reversed(entries) if isinstance(e, User) and e.typed), "")
    said = next((e.content for e in reversed(entries) if isinstance(e, Assistant) and e.content.strip()), "")
    if typed:
        sitting.say(f"❯ {figures.one_line(typed, _CELLS)}" if sitting.look.unicode else f"> {typed}", "dim")
    rows = [row for row in said.strip().splitlines() if row.strip()]
    for row in rows[-_SHOWN:]:
        sitting.say(f"  {figures.one_line(row, _CELLS)}", "dim")


# --- export ------------------------------------------------------------------------------------


async def _export(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.exporting import format_of

    named = words_of(argument, 1, "/export [FILE.md|FILE.json|FILE.html]")
    name = named[0] if named else f"kcode-{session.id}.md"
    target, size = await asyncio.to_thread(_written, session, name, format_of(name))
    sitting.say(
        _("{size} written to {file}; keys in it are masked").format(
            size=_size(size), file=figures.one_line(str(target))
        )
    )


def _written(session: Session, name: str, format: str) -> tuple[Path, int]:
    """The new file and its size in bytes."""
    from kcode.ui.exporting import document, redactor, write_new

    key = getattr(getattr(session.provider, "endpoint", None), "api_key", "")
    text = document(session.journal.path, format, redactor(session.root, [key]))
    target = Path.cwd() / Path(name).expanduser()
    write_new(target, text)
    return target, len(text.encode())


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{max(count / 1e3, 0.1):.1f} kB"


# --- copy --------------------------------------------------------------------------------------


async def _copy(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.clipboard import copy

    form = "/copy [N|code]"
    words = words_of(argument, 1, form)
    answers = answers_of(session.ledger)
    if not answers:
        raise UsageError(_("there is no answer to copy yet"), _("ask something first"))
    if words == ["code"]:
        text = _last_code(answers)
    elif words and not (words[0].isascii() and words[0].isdigit() and int(words[0])):
        raise not_known(words[0], form)
    else:
        number = int(words[0]) if words else 1
        if number > len(answers):
            raise UsageError(
                n_("there is {count} answer", "there are {count} answers", len(answers)).format(
                    count=len(answers)
                ),
                _("/copy 1 is the last one"),
            )
        text = answers[-number]
    done = await copy(text, sys.stdout)
    ways = [done.program] if done.program else []
    ways += [_("the terminal (OSC 52)")] if done.terminal else []
    lines = len(text.splitlines())
    sitting.say(
        n_(
            "copied {characters} characters, {lines} line, by {ways}",
            "copied {characters} characters, {lines} lines, by {ways}",
            lines,
        ).format(characters=len(text), lines=lines, ways=_(" and ").join(ways))
    )
    if not done.program:
        hint = _("a terminal does not say whether it took it; if not: /export FILE")
        sitting.say(hint, "dim")


def answers_of(ledger: Sequence[Entry]) -> list[str]:
    """The last words of each turn that counts today, in order."""
    from kcode.conversation.ledger import Assistant, User, live_entries

    answers: list[str] = []
    new = True
    for entry in live_entries(ledger):
        if isinstance(entry, User) and entry.typed:
            new = True
        elif isinstance(entry, Assistant) and entry.content.strip():
            if new:
                answers.append("")
            answers[-1], new = entry.content.strip(), False
    return answers


def _last_code(answers: Sequence[str]) -> str:
    """The last code block of the latest answer that has one, without its fences."""
    from markdown_it import MarkdownIt

    for answer in reversed(answers):
        blocks = [t.content for t in MarkdownIt().parse(answer) if t.type in ("fence", "code_block")]
        if blocks:
            return blocks[-1]
    raise UsageError(_("no answer has a code block"), _("/copy copies the whole answer"))


COMMANDS = (
    Command(
        "resume",
        "[WORDS]",
        "go on with another session of this project",
        _resume,
        "conversation",
        "/resume login bug",
    ),
    Command(
        "export",
        "[FILE]",
        "write the conversation to a file: .md, .json or .html",
        _export,
        "conversation",
        "/export talk.md",
        while_working=True,
    ),
    Command(
        "copy",
        "[N|code]",
        "the last answer, the Nth last, or the last code block to the clipboard",
        _copy,
        "conversation",
        "/copy code",
        while_working=True,
    ),
)
