"""A session as a document: Markdown, JSON or HTML. What the conversation is now, and how it came to be.

Every text goes through ``redact`` first, so that no key leaves with it.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kcode.config.jsontext import read_json
from kcode.conversation.cost import SessionCost
from kcode.conversation.ledger import (
    Approval,
    Assistant,
    Call,
    Epoch,
    ToolResult,
    User,
    live_positions,
)
from kcode.conversation.records import Header, Record

SCHEMA = "kcode.session/1"
Redact = Callable[[str], str]
_EPOCHS = {
    "compaction": "the conversation was compacted",
    "model": "another model went on",
    "tools": "the tools changed",
    "clear": "a new conversation began",
    "rewind": "the conversation went back",
}


def as_json(header: Header, records: Sequence[Record], redact: Redact) -> str:
    """One object of schema ``kcode.session/1`` with every entry; ``live`` tells whether it counts today."""
    live = {position for position, _ in live_positions([record.entry for record in records])}
    entries = [
        {
            "type": _snake(type(record.entry).__name__),
            **_redacted(asdict(record.entry), redact),
            "at": record.at,
            "live": position in live,
        }
        for position, record in enumerate(records)
    ]
    cost = SessionCost.of(record.entry for record in records)
    whole = {
        "schema": SCHEMA,
        "session_id": header.session,
        "root": header.root,
        "created": header.created,
        "parent": header.parent,
        "cost": [{"amount": str(sum_), "currency": name} for name, sum_ in sorted(cost.money.items())],
        "entries": entries,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def as_markdown(header: Header, records: Sequence[Record], redact: Redact) -> str:
    """What was said and done, in order; reasoning and long results folded away are left whole here."""
    parts = [f"# {_title(records, redact)}\n"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in _facts(header, records)) + "\n")
    for kind, title, text, language in _blocks(records, redact):
        if kind == "note":
            parts.append(f"*{title}*\n")
        elif language is None:
            parts.append(f"## {title}\n\n{text}\n")
        else:
            fence = "`" * max(3, _longest_run(text, "`") + 1)
            parts.append(f"**{title}**\n\n{fence}{language}\n{text}\n{fence}\n")
    return "\n".join(parts)


def as_html(header: Header, records: Sequence[Record], redact: Redact) -> str:
    """One page that needs nothing else: no script, no file, no address."""
    rows = []
    for kind, title, text, language in _blocks(records, redact):
        name, body = html.escape(title), html.escape(text)
        if kind == "note":
            rows.append(f'<p class="note">{name}</p>')
        elif language is None:
            rows.append(f'<section class="{kind}"><h2>{name}</h2><div>{body}</div></section>')
        else:
            rows.append(f'<details class="{kind}"><summary>{name}</summary><pre>{body}</pre></details>')
    facts = "".join(f"<dt>{html.escape(n)}</dt><dd>{html.escape(v)}</dd>" for n, v in _facts(header, records))
    title = html.escape(_title(records, redact))
    return _PAGE.format(title=title, facts=facts, rows="\n".join(rows))


_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
section div {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
section.user {{ border-left: 4px solid #07a; padding-left: 1rem; }}
pre {{ background: #8881; padding: .7rem; overflow-x: auto; }}
h1 {{ font-size: 1.4rem; }} h2 {{ font-size: 1rem; }} dt {{ float: left; min-width: 6rem; opacity: .7; }}
.note {{ opacity: .7; font-style: italic; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #ddd; }} }}
</style></head><body>
<h1>{title}</h1>
<dl>{facts}</dl>
{rows}
</body></html>
"""


def _blocks(records: Sequence[Record], redact: Redact) -> Iterator[tuple[str, str, str, str | None]]:
    """Kind, title, text, and the language of a listing (None: prose)."""
    titles: dict[str, str] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, User) and entry.typed:
            yield "user", f"You, {_when(record.at)}", redact(entry.typed), None
        elif isinstance(entry, Assistant):
            if entry.reasoning:
                yield "reasoning", "Reasoning", redact(entry.reasoning), ""
            if entry.content.strip():
                yield "assistant", "kcode", redact(entry.content), None
            titles.update((call.id, _call(call)) for call in entry.calls)
        elif isinstance(entry, ToolResult):
            title = redact(titles.get(entry.call_id, entry.name))
            brief = redact(" ".join(entry.brief.split()))
            yield "tool", f"{title}: {brief}" if brief else title, redact(entry.text), ""
        elif isinstance(entry, Approval):
            because = f" ({redact(entry.reason)})" if entry.reason else ""
            said = "you accepted a part" if entry.answer == "part" else f"you said {entry.answer}"
            yield "note", f"{said}{because}", "", None
        elif isinstance(entry, Epoch) and entry.reason in _EPOCHS:
            yield "note", _EPOCHS[entry.reason], "", None


def _call(call: Call) -> str:
    try:
        given = read_json(call.arguments or "{}")
    except ValueError:
        return call.name
    if not isinstance(given, dict):
        return call.name
    shown = next((str(given[key]) for key in ("path", "command", "pattern", "target") if given.get(key)), "")
    return f"{call.name} {' '.join(shown.split())[:100]}".rstrip()


def _title(records: Sequence[Record], redact: Redact) -> str:
    typed = (r.entry.typed for r in records if isinstance(r.entry, User) and r.entry.typed)
    return " ".join(redact(next(typed, "an empty session")).split())[:100]


def _facts(header: Header, records: Sequence[Record]) -> list[tuple[str, str]]:
    cost = SessionCost.of(record.entry for record in records)
    facts = [("session", header.session), ("begun", _when(header.created)), ("requests", str(cost.requests))]
    if cost.requests:
        facts.append(("cost", cost.text()))
    if header.parent:
        facts.append(("fork of", header.parent))
    return facts


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else "at an unknown time"


def _redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: _arguments(each, redact) if key == "arguments" else _redacted(each, redact)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(each, redact) for each in value]
    return value


def _arguments(text: Any, redact: Redact) -> Any:
    """A call's arguments are JSON in a string: a quoted key in them is found only when it is read."""
    try:
        plain = read_json(text)
    except (ValueError, TypeError):
        return _redacted(text, redact)
    masked = _redacted(plain, redact)
    return redact(text) if masked == plain else redact(json.dumps(masked, ensure_ascii=False))


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _longest_run(text: str, char: str) -> int:
    longest = run = 0
    for one in text:
        run = run + 1 if one == char else 0
        longest = max(longest, run)
    return longest
