"""Files that the user attaches to a message: text is read here, documents by a provider that can.

An attachment is a block that is appended to the user's next message. It is never cut: what does not fit
the window is refused with its size in tokens, because an answer about a part would look like one about
the whole.
"""

from __future__ import annotations

import contextlib
import html
import re
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent.approval import Question
from kcode.config.paths import config_dir, data_dir, state_dir
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import User
from kcode.conversation.projection import project
from kcode.errors import UsageError
from kcode.providers.base import ContextOverflow, Request
from kcode.providers.moonshot.estimate import count
from kcode.providers.moonshot.files import can_extract, check_size, extract
from kcode.providers.moonshot.platform import PROFILES_THAT_CAN
from kcode.providers.profiles import PROFILES
from kcode.safety import secrets, sensitive
from kcode.tools.base import Intent
from kcode.workspace.encoding import decode, is_binary

if TYPE_CHECKING:
    from kcode.agent.session import Session

DOCUMENTS = frozenset(
    [
        *(".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".epub"),
        *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"),
    ]
)
_HEAD = 8192  # bytes looked at to tell text from a document
_BYTES_A_TOKEN = 3.6  # of English text and code
_MOST_BYTES_A_TOKEN = 16  # of any text worth reading: a larger file cannot fit
_SHARE = 0.8  # of the window, for one message: the session refuses more
_SHOWN_SECRETS = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Attachment:
    """``block`` is what is sent; ``tokens`` is its size, as the provider counts it where it can."""

    name: str
    block: str
    tokens: int


async def attach(session: Session, path: str, say: Say) -> Attachment:
    """Make the file at ``path`` a part of the next message; ``say`` tells the user what happens.

    A file that may hold secrets needs a yes. Raises UsageError for a file that cannot be attached or was
    declined, ContextOverflow for one that does not fit, ProviderError where its reading failed.
    """
    file = _regular(path)
    name = file.name
    await _permission(session, file)
    head = _read(file, _HEAD)
    if is_document(name, head):
        text = await _by_provider(session, file, say)
    else:
        text = _as_text(session, file, head)
    attachment = await _fitting(session, file, Attachment(name, session.secrets.text(block(name, text)), 0))
    session.attachments.append(attachment)
    say(f"{name}: about {attachment.tokens} tokens go to {_where(session)} with the next message")
    for warning in warnings(name, text):
        say(warning)
    return attachment


def is_document(name: str, head: bytes) -> bool:
    """Whether a file is one that has to be read by somebody else: by its beginning, then by its name."""
    if head.startswith(b"%PDF-"):
        return True
    return Path(name).suffix.lower() in DOCUMENTS and is_binary(head)


def block(name: str, text: str) -> str:
    """The attachment as it is sent. The text cannot end its own block."""
    body = re.sub(r"<(?=/\s*document\b)", "&lt;", text.replace("\r\n", "\n"), flags=re.IGNORECASE)
    shown = html.escape("".join(char if char.isprintable() else "?" for char in name))
    parts = {"{name}": shown, "{text}": body.strip("\n")}
    return re.sub(r"\{name\}|\{text\}", lambda found: parts[found.group()], load_prompt("attachment"))


def warnings(name: str, text: str) -> list[str]:
    """What looks like a secret in it: the user may not have known."""
    hits = secrets.find(text)
    told = [
        f"{name}, line {hit.line}: looks like a {hit.kind} ({hit.masked})" for hit in hits[:_SHOWN_SECRETS]
    ]
    if len(hits) > _SHOWN_SECRETS:
        told.append(f"{name}: {len(hits) - _SHOWN_SECRETS} more of the kind")
    return told


def paths_in(argument: str) -> list[str]:
    """The paths typed behind ``/attach``: the whole of it where that is a file, else its words."""
    with contextlib.suppress(OSError, ValueError):  # words too long or too odd for a path
        if _path(argument).is_file():
            return [argument]
    try:
        return shlex.split(argument)
    except ValueError:
        raise UsageError("a quote is not closed", '/attach "my report.pdf"') from None


# --- the file ----------------------------------------------------------------------------------


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # the home of a user that is not there
        return Path(text)


def _regular(path: str) -> Path:
    file = _path(path)
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise UsageError(f"{path} cannot be attached: {why}", "name a file that is there") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
        raise UsageError(f"{path} cannot be attached: it is {kind}", "name a file")
    return file


def _read(file: Path, most: int | None = None) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read() if most is None else stream.read(most)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", "is it yours to read?") from None


def _size(file: Path) -> int:
    return file.stat().st_size


async def _permission(session: Session, file: Path) -> None:
    why = _sensitive(file)
    if not why:
        return
    question = Question(
        "", "attach", f"attach {file}", Intent("read", sensitive=why), f"sensitive in every mode: {why}"
    )
    answer = await session.approver.ask(question)
    if answer.verdict == "no":
        raise UsageError(
            f"{file} was not attached: {answer.reason or 'declined'}",
            "in a session, /attach asks before it attaches such a file",
        )


def _sensitive(file: Path) -> str:
    """Why the file needs a yes, by the name it is called and by the one it really has."""
    real = file.resolve()
    for path in (file.absolute().as_posix(), real.as_posix()):
        if why := sensitive.reason(path):
            return f"{file}{why.removeprefix(path)}"
    own = any(real.is_relative_to(folder().resolve()) for folder in (config_dir, state_dir, data_dir))
    return f"{file}: kcode's own data" if own else ""


# --- its text ----------------------------------------------------------------------------------


async def _by_provider(session: Session, file: Path, say: Say) -> str:
    title = PROFILES[session.provider.name].title
    if not can_extract(session.provider):
        raise UsageError(
            f"{file.name} is a document, and {title} has no way to read one",
            f"documents are read by {PROFILES_THAT_CAN}; or attach its text",
        )
    check_size(file.name, _size(file))
    say(f"{file.name} is sent to {title} to be read, and deleted there afterwards")
    return await extract(session.provider, file.name, _read(file))


def _as_text(session: Session, file: Path, head: bytes) -> str:
    size = _size(file)
    if size > session.window * _MOST_BYTES_A_TOKEN:
        raise _too_large(session, file, round(size / _BYTES_A_TOKEN), _room(session))
    decoded = decode(_read(file)) if not is_binary(head) else None
    if decoded is None:
        raise UsageError(
            f"{file.name} is neither text nor a kind of document that can be read",
            f"text of any kind can be attached, and {', '.join(sorted(DOCUMENTS))}",
        )
    if not decoded.text.strip():
        raise UsageError(f"{file.name} is empty", "name a file with something in it")
    return decoded.text


# --- its size ----------------------------------------------------------------------------------


async def _fitting(session: Session, file: Path, attachment: Attachment) -> Attachment:
    """With its tokens. The provider is asked to count where the estimate leaves it open."""
    message = project([User(attachment.block)], session.provider.dialect)
    tokens, room = session.budget.estimate(message), _room(session)
    if room // 2 < tokens < room * 2:
        counted = await count(session.provider, Request(session.provider.model.id, b"", message.messages, 0))
        tokens = counted if counted is not None else tokens
    if tokens > room:
        raise _too_large(session, file, tokens, room)
    return Attachment(attachment.name, attachment.block, tokens)


def _room(session: Session) -> int:
    """Tokens that one more attachment may have."""
    pending = sum(attachment.tokens for attachment in session.attachments)
    spare = session.window // 50  # for the words of the message itself
    free = session.window - session.context_tokens() - session.answer_tokens() - pending - spare
    return max(0, min(free, int(session.window * _SHARE) - pending))


def _too_large(session: Session, file: Path, tokens: int, room: int) -> ContextOverflow:
    inside = file.resolve().is_relative_to(session.root)
    better = "ask about it by its path: kcode reads it in parts" if inside else "attach a part of it"
    return ContextOverflow(
        f"{file.name} has about {tokens} tokens, and the window of {session.window} has room for {room}",
        f"{better}; /clear and /compact make room, a model with a larger window has more",
    )


def _where(session: Session) -> str:
    profile = PROFILES[session.provider.name]
    return f"{profile.title} on this machine" if profile.embedded else profile.title
