"""``@path`` in a message: the files, folders and places that it names are shown to the model with it.

``@kcode/ui/stage/prompt.py``, ``@kcode/ui/``, ``@"name with spaces.md"``, ``@file.py#Class.method`` and
``@file.py#L10-20``. What is not there stays text. In quotes ``\\"``, ``\\\\`` and octal bytes (``\\351``)
are understood, as git writes names. The content joins the message once, within a budget; where it does
not fit, or may not be sent, a line says so and the model can ask for it with ``read_file``.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.errors import KcodeError

if TYPE_CHECKING:
    from kcode.workspace.workspace import Workspace

SYMBOLS = ("symbol:", "#")  # after the @: a symbol is being looked for
MOST = 20  # mentions of one message
_LINES = 400  # of one file, as read_file shows at first
_LARGEST = 2_000_000  # bytes; of a larger file only its size is told
_ENTRIES = 200  # of a folder
_MENTION = re.compile(r'(?<![A-Za-z0-9._%+\-@/])@(?:"(?P<quoted>(?:[^"\n\\]|\\.)+)"|(?P<plain>[^\s"@]+))')
_LINE_RANGE = re.compile(r"L(\d{1,9})(?:-L?(\d{1,9}))?")
_OUTSIDE_PLAIN = re.compile(r"[^\w./+,:%=~#\[\]{}-]|\.$")
_ENDS = ".,;:!?)]}>'、。，；：！？）】》”’"


@dataclass(frozen=True, slots=True)
class Mention:
    """A path as the message names it, and the part of it that is meant (``""``: all)."""

    path: str
    part: str


def spell(path: str, *, open_end: bool = False) -> str:
    """``path`` as it is mentioned. ``open_end``: more of it will be typed."""
    if not _OUTSIDE_PLAIN.search(path) and path.isprintable():
        return f"@{path}"
    data = re.sub(r'(["\\])', r"\\\1", path)
    shown = "".join(char if char.isprintable() else _octal(char) for char in data)
    return f'@"{shown}' + ("" if open_end else '"')


def unescape(quoted: str) -> str:
    """What a text in quotes stands for, as the file system names it."""

    def meant(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() else code

    data = re.sub(rb"\\([0-7]{3}|.)", meant, quoted.encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "surrogateescape")


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def names(text: str) -> list[str]:
    """What ``text`` writes behind an ``@``, there or not."""
    found = _MENTION.finditer(text)
    return [match["plain"] if match["quoted"] is None else unescape(match["quoted"]) for match in found]


def mentions(text: str, workspace: Workspace) -> list[Mention]:
    """What ``text`` mentions and is there, each once, in its order."""
    found: dict[Mention, None] = {}
    for match in _MENTION.finditer(text):
        quoted = match["quoted"]
        names = [unescape(quoted)] if quoted is not None else _readings(match["plain"])
        for name in names:
            mention = _there(name, workspace)
            if mention is not None:
                found.setdefault(mention)
                break
    return [*found][:MOST]


def blocks(text: str, workspace: Workspace, room: int) -> list[str]:
    """The block for a message that mentions files, in at most about ``room`` characters; none for others.

    What is shown counts as seen by the model (:meth:`Workspace.saw`).
    """
    shown: list[str] = []
    for mention in mentions(text, workspace):
        block = _block(mention, workspace, room)
        room -= len(block)
        shown.append(block)
    if not shown:
        return []
    from kcode.config.prompts import load_prompt

    return ["\n".join([load_prompt("mentioned"), *shown])]


def _readings(typed: str) -> Iterator[str]:
    """What an unquoted mention may be: all of it, without the sentence's signs, up to where the script
    changes (``@src/a.py里的``)."""
    yield typed
    bare = typed.rstrip(_ENDS)
    if bare and bare != typed:
        yield bare
    for cut in re.finditer(r"(?<=[!-~])(?=[^!-~])", bare):
        yield bare[: cut.start()].rstrip(_ENDS)


def _there(name: str, workspace: Workspace) -> Mention | None:
    for path, part in ((name, ""), (name.rpartition("#")[0], name.rpartition("#")[2])):
        if not path or path == "/":
            continue
        try:
            if os.path.lexists(workspace.resolve(path)):
                return Mention(path, part)
        except (KcodeError, OSError, ValueError):
            continue
    return None


def _block(mention: Mention, workspace: Workspace, room: int) -> str:
    name = _shown(mention.path)
    try:
        body, attributes = _content(mention, workspace, room)
    except (KcodeError, OSError) as problem:
        why = problem.message if isinstance(problem, KcodeError) else str(problem.strerror)
        return f'<mentioned path="{name}">[not shown: {why}]</mentioned>'
    body = re.sub(r"<(?=/\s*mentioned\b)", "&lt;", body, flags=re.IGNORECASE)
    return f'<mentioned path="{name}"{attributes}>\n{body}\n</mentioned>'


def _content(mention: Mention, workspace: Workspace, room: int) -> tuple[str, str]:
    path = workspace.resolve(mention.path)
    if path.is_dir():
        return _listing(mention, workspace), ' kind="folder"'
    if why := workspace.sensitive(mention.path):
        return f"[not shown: {why}; read_file asks the user first]", ""
    size = path.stat().st_size
    if size > _LARGEST:
        return f"[not shown: {size:,} bytes; use grep, or read_file with start_line and line_count]", ""
    file = workspace.read(mention.path)  # refuses binaries, with the reason
    lines = [line.removesuffix("\r") for line in file.text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    first, last = _range(mention, file.text, len(lines))
    return _numbered(mention, workspace, file.text, lines, (first, last), room)


def _numbered(
    mention: Mention, workspace: Workspace, text: str, lines: list[str], wanted: tuple[int, int], room: int
) -> tuple[str, str]:
    from kcode.tools.bounds import RESULT_LIMIT, short_line
    from kcode.workspace.nearest import numbered

    first, last = wanted
    kept: list[str] = []
    left = min(room, RESULT_LIMIT)
    for line in map(short_line, lines[first - 1 : min(last, first - 1 + _LINES)]):
        left -= len(line) + 8
        if left < 0:
            break
        kept.append(line)
    if not kept:
        return f"[{len(lines):,} lines; not shown: {'no room left' if lines else 'the file is empty'}]", ""
    workspace.saw(mention.path, text)
    end = first + len(kept) - 1
    more = f"\n[read_file with start_line={end + 1} shows the rest]" if end < last else ""
    return numbered(first, kept) + more, f' lines="{first}-{end} of {len(lines)}"'


def _range(mention: Mention, text: str, count: int) -> tuple[int, int]:
    """The lines that are meant, from 1, both included: of a range, of a symbol, or all."""
    if found := _LINE_RANGE.fullmatch(mention.part):
        first = min(max(int(found[1]), 1), max(count, 1))
        return first, min(int(found[2] or found[1]), count)
    if mention.part:
        from kcode.codemap.asking import outline_apart
        from kcode.workspace.apart import NoAnswerError

        try:
            defined = outline_apart(mention.path, text.encode("utf-8", "replace")) or ()
        except NoAnswerError:  # its grammar fails: the whole file is shown
            defined = ()
        for each in defined:
            if each.full == mention.part:
                return _with_decorators(text, each.line), each.end
    return 1, count


def _with_decorators(text: str, line: int) -> int:
    """The line at which the decorators or annotations above ``line`` begin."""
    lines = text.splitlines()
    while line > 1 and line <= len(lines) and lines[line - 2].lstrip().startswith(("@", "#[")):
        line -= 1
    return line


def _listing(mention: Mention, workspace: Workspace) -> str:
    folder = workspace.resolve(mention.path)
    top = f"{mention.path.rstrip('/')}/"
    if folder == workspace.root:
        top = ""
    names = [name.removeprefix(top) for name in workspace.list_files() if name.startswith(top)]
    entries = sorted({name[: name.find("/") + 1] or name for name in names})
    if not entries:
        entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    more = f"\n[{len(entries) - _ENTRIES:,} more: list_dir]" if len(entries) > _ENTRIES else ""
    return ("\n".join(map(_shown, entries[:_ENTRIES])) or "(empty)") + more


def _shown(path: str) -> str:
    """A path in text for the model: bytes that are no text written as git does."""
    return html.escape("".join(char if char.isprintable() else _octal(char) for char in path), quote=True)
