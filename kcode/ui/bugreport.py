"""``/bug``: a report that can be given away. Written to a file; nothing is sent."""

from __future__ import annotations

import locale
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kcode import __version__
from kcode.config.paths import make_private, state_dir
from kcode.errors import EnvironmentProblem
from kcode.i18n import _
from kcode.ui import redaction

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.conversation.ledger import Entry
    from kcode.conversation.records import Record
    from kcode.ui.look.terminal import Look

EVENTS = 60  # of the session, the last
DEFECTS = 5
_TRACE = 6_000  # characters of one trace
_VARIABLES = ("TERM", "COLORTERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORFGBG", "LANG", "LC_ALL")
_SET = ("TMUX", "STY", "SSH_CONNECTION", "NO_COLOR", "WSL_DISTRO_NAME", "CI", "VTE_VERSION", "WT_SESSION")
_HIDDEN = ("provider.api_key", "provider.base_url")  # settings that are told as set or not


def write(session: Session, look: Look, *, full: bool) -> Path:
    """The report's file, mode 600. ``full`` adds the conversation. Raises EnvironmentProblem."""
    text = report(session, look, redaction.of_this_machine(_own_keys(session), session.root), full=full)
    path = state_dir() / "reports" / time.strftime("kcode-%Y%m%d-%H%M%S.md")
    try:
        make_private(path.parent)
        number = 1
        while path.exists():
            number += 1
            path = path.with_name(f"{path.stem.split('_')[0]}_{number}.md")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
    except OSError as error:
        raise EnvironmentProblem(
            _("{file} cannot be written: {why}").format(file=path, why=error.strerror),
            _("check the folder, its permissions and the disk"),
        ) from error
    return path


def report(session: Session, look: Look, redact: Callable[[str], str], *, full: bool) -> str:
    """The report, in English for whoever reads it: facts, events and traces; no words of the conversation
    unless ``full``."""
    from kcode.conversation.journal import load

    header, records = load(session.journal.path)
    parts = [
        "# kcode report",
        _list("kcode", _machine()),
        _list("terminal", _terminal(look)),
        _list("provider", _provider(session)),
        _list("settings", _settings(session)),
        _list("session", _statistics(session)),
        _fenced("last events", "\n".join(_events(records))),
    ]
    parts += [_fenced("defect", trace) for trace in _defects(session.ledger)]
    if full:
        from kcode.conversation.export import as_markdown

        parts.append("## conversation\n\n" + as_markdown(header, records, redact))
    return redact("\n".join(parts))


def _own_keys(session: Session) -> list[str]:
    endpoint = getattr(session.provider, "endpoint", None)  # the embedded provider has none
    return [session.settings.provider.api_key, getattr(endpoint, "api_key", "")]


def _machine() -> Iterator[tuple[str, str]]:
    yield "kcode", __version__
    yield "python", f"{platform.python_implementation()} {platform.python_version()}"
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "time", time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _terminal(look: Look) -> Iterator[tuple[str, str]]:
    from kcode.ui.look.terminal import size_of

    columns, rows = size_of(sys.stdout)
    yield "size", f"{columns} x {rows}"
    yield "encoding", f"{getattr(sys.stdout, 'encoding', '')}, {locale.getpreferredencoding(False)}"
    yield "look", ", ".join(f"{name} {getattr(look, name)}" for name in look.__dataclass_fields__)
    for name in _VARIABLES:
        if value := os.environ.get(name, ""):
            yield name, value
    yield "set", ", ".join(name for name in _SET if os.environ.get(name)) or "none of those looked for"


def _provider(session: Session) -> Iterator[tuple[str, str]]:
    model = session.provider.model
    endpoint = getattr(session.provider, "endpoint", None)
    yield "name", session.provider.name
    yield "model", f"{model.id} ({model.status}), window {session.window}"
    if endpoint is not None:
        yield "wire", endpoint.dialect.wire
        own = endpoint.base_url == endpoint.profile.base_url
        yield "address", "its own" if own else "another one, not told"
        yield "key", "there" if endpoint.api_key else "none"


def _settings(session: Session) -> Iterator[tuple[str, str]]:
    """What is not a default."""
    from kcode.config.keys import flatten
    from kcode.config.settings import Settings

    defaults = flatten(Settings())
    for key, value in flatten(session.settings).items():
        if key in _HIDDEN:
            yield key, "set" if value else "not set"
        elif value != defaults[key]:
            yield key, repr(value)


def _statistics(session: Session) -> Iterator[tuple[str, str]]:
    from kcode.safety.sandbox import status

    cost = session.cost
    kinds = Counter(type(entry).__name__ for entry in session.ledger)
    yield "entries", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    yield "requests", f"{cost.requests}, {cost.prompt} tokens in, {cost.cached} cached, {cost.completion} out"
    yield "cost", cost.text()
    yield "context", f"{session.context_tokens()} of {session.window} tokens"
    yield "schema accuracy", session.accuracy().text()
    yield "mode", session.mode
    yield "git", "yes" if session.workspace.is_git else "no"
    yield "sandbox", status().detail if session.settings.safety.sandbox != "off" else "off"


def _events(records: list[Record]) -> Iterator[str]:
    """What happened, without what was said: kinds, sizes, names of tools, reasons of epochs."""
    for record in records[-EVENTS:]:
        at = time.strftime("%H:%M:%S", time.localtime(record.at)) if record.at else "--:--:--"
        yield f"{at} {_event(record.entry)}"


def _event(entry: Entry) -> str:
    from kcode.conversation import ledger

    match entry:
        case ledger.User():
            return f"user, {len(entry.typed)} characters typed, {len(entry.text)} sent"
        case ledger.Assistant():
            calls = ", ".join(call.name for call in entry.calls)
            said = f"assistant, {len(entry.content)} characters, {entry.finish}"
            return f"{said}; calls {calls}" if calls else said
        case ledger.ToolResult():
            return f"result of {entry.name}, {'ok' if entry.ok else 'not ok'}, {len(entry.text)} characters"
        case ledger.UsageEntry():
            tokens = f"{entry.prompt} in, {entry.cached} cached, {entry.completion} out"
            return f"usage, {tokens}, {entry.seconds:.1f} s"
        case ledger.Epoch():
            return f"epoch, {entry.reason}"
        case ledger.Approval():
            return f"approval, {entry.answer}"
        case ledger.Note() if entry.kind == "retry":
            return f"note, retry: {' '.join(entry.text.split())[:200]}"
        case ledger.Note():
            return f"note, {entry.kind}"
        case _:
            return type(entry).__name__.lower()


def _defects(entries: list[Entry]) -> list[str]:
    """Traces of this session, and of kcode's last crashes."""
    from kcode.conversation.ledger import Note

    found = [e.text[-_TRACE:] for e in entries if isinstance(e, Note) and e.kind == "defect"]
    try:
        crashes = sorted((state_dir() / "crash").glob("*.txt"))[-DEFECTS:]
        found += [f"{path.name}\n{path.read_text('utf-8', 'replace')[-_TRACE:]}" for path in crashes]
    except OSError:  # what cannot be read is not part of it
        pass
    return found[-DEFECTS:]


def _list(title: str, rows: Iterator[tuple[str, str]]) -> str:
    return f"## {title}\n\n" + "".join(f"- {name}: {' '.join(value.split())}\n" for name, value in rows)


def _fenced(title: str, text: str) -> str:
    fence = "~~~~" if "~~~" in text else "~~~"
    return f"## {title}\n\n{fence}\n{text.rstrip()}\n{fence}\n"
