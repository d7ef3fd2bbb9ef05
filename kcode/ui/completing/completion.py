"""What the menu under the input offers: commands, their arguments, files, folders, symbols, shell words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as Row
from prompt_toolkit.layout import CompletionsMenu, Dimension, Window
from prompt_toolkit.utils import get_cwidth

from kcode.agent.mentions import SYMBOLS, names, spell, unescape
from kcode.i18n import _
from kcode.safety.sanitize import clean
from kcode.ui.completing.fuzzy import Query, fold, rank

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.document import Document
    from prompt_toolkit.layout import Layout

    from kcode.ui.completing.fileindex import FileIndex
    from kcode.ui.completing.symbols import SymbolSource
    from kcode.ui.sitting import Sitting

MENU_ROWS = 8  # that are seen at once
MOST = 50  # that are offered
_REMEMBERED = 50  # earlier messages whose mentions are offered first
_POLL_S = 0.05  # while files are being read
_MENTION = re.compile(r'(?<![A-Za-z0-9._%+\-@/])@(?:"(?P<quoted>(?:[^"\n\\]|\\.)*)|(?P<plain>[^\s"]*))$')
_UNSAFE = re.compile(r"([^\w./+,:@%=-])")  # what a shell would not read as itself
_PATH_WORDS = re.compile(r"\b(?:FILE|PATH|FOLDER|DIR)\b")


class Offered(Protocol):
    """What completion needs to know of a slash command (:class:`kcode.ui.commands.base.Command`)."""

    @property
    def name(self) -> str: ...
    @property
    def argument(self) -> str: ...
    @property
    def help(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands before the cursor: ``text`` is to be completed, its last ``length`` characters replaced."""

    kind: Literal["command", "argument", "path", "symbol", "shell"]
    text: str
    length: int
    command: str = ""  # of an argument


class Completion(Completer):
    """Completes the input of a sitting. ``choices`` are what a command offers for its argument, with a word
    on each; ``earlier`` are the messages sent before, newest last.

    Searching happens in a thread; what the next key makes out of date is thrown away.
    """

    def __init__(
        self,
        root: Path,
        commands: Callable[[], Sequence[Offered]],
        files: FileIndex,
        symbols: SymbolSource,
        *,
        choices: Callable[[str], Sequence[tuple[str, str]]] = lambda command: (),
        earlier: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self._root = root
        self._commands = commands
        self._files = files
        self._symbols = symbols
        self._choices = choices
        self._earlier = earlier
        self._begun = self._remembers = False
        self._following: asyncio.Task[None] | None = None
        self._asked_at: Document | None = None
        self._had_rows = False
        self._seen = (0, 0)  # the versions of files and symbols in the menu

    def wanted(self, document: Document) -> bool:
        """Whether the menu comes by itself while this is typed."""
        if not self._begun:  # somebody types: the input is painted, and a mention may come
            self._begun = True
            self._files.start()
        self._remember()
        asked = asked_for(document.text_before_cursor)
        return asked is not None and asked.kind != "shell"

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Row]:
        asked = asked_for(document.text_before_cursor)
        if asked is not None:
            yield from self._rows(asked, get_app().output.get_size().columns)

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Row, None]:
        asked = asked_for(document.text_before_cursor)
        if asked is None:
            return
        app = get_app()
        columns = app.output.get_size().columns
        self._asked_at, self._seen = document, self._version()
        if asked.kind in ("command", "argument"):  # these ask the session, which belongs to this thread
            rows = [*self._rows(asked, columns)]
        else:
            rows = await asyncio.to_thread(lambda: [*self._rows(asked, columns)])
        self._had_rows = bool(rows)
        if asked.kind in ("path", "symbol") and (self._following is None or self._following.done()):
            self._following = app.create_background_task(self._follow(app))
        for row in rows:
            yield row

    def _remember(self) -> None:
        """Offer first what earlier messages mentioned, as soon as the history has been read."""
        if not self._remembers and (said := [*self._earlier()]):
            self._remembers = True
            self._files.mention(name for text in said[-_REMEMBERED:] for name in names(text))

    def _version(self) -> tuple[int, int]:
        return self._files.version, self._symbols.version

    async def _follow(self, app: Application[object]) -> None:
        """While files are being read, show what comes in the menu that is open for it."""
        reading = True
        while reading:
            reading = self._files.reading or self._symbols.reading  # asked first: the last news counts too
            self._remember()
            if self._version() != self._seen:
                self._seen = self._version()
                self._show_again(app.current_buffer)
            await asyncio.sleep(_POLL_S)

    def _show_again(self, buffer: Buffer) -> None:
        """Not over a choice that was begun, and not where the menu was closed."""
        state = buffer.complete_state
        choosing = state is not None and state.current_completion is not None
        closed = state is None and self._had_rows
        if buffer.document == self._asked_at and not choosing and not closed:
            buffer.complete_state = None
            buffer.start_completion()

    def _rows(self, asked: Asked, columns: int) -> Iterator[Row]:
        if asked.kind == "command":
            return self._command_rows(asked)
        if asked.kind == "argument":
            return self._argument_rows(asked)
        if asked.kind == "shell":
            return self._shell_rows(asked)
        return self._path_rows(asked, columns) if asked.kind == "path" else self._symbol_rows(asked, columns)

    # --- commands ------------------------------------------------------------------------------

    def _command_rows(self, asked: Asked) -> Iterator[Row]:
        commands = {command.name: command for command in self._commands()}
        for name in ranked(asked.text, list(commands)):
            yield Row(f"/{name}", -asked.length, display_meta=_one_line(_(commands[name].help)))

    def _argument_rows(self, asked: Asked) -> Iterator[Row]:
        command = next((each for each in self._commands() if each.name == asked.command), None)
        if command is None:
            return
        offered = dict(self._choices(command.name)) or dict.fromkeys(written_choices(command.argument), "")
        for value in ranked(asked.text, list(offered))[:MOST]:
            yield Row(value, -asked.length, display=_one_line(value), display_meta=_one_line(offered[value]))
        if _PATH_WORDS.search(command.argument):
            yield from self._listed(asked.text.rpartition(" ")[2])

    # --- files and symbols ---------------------------------------------------------------------

    def _path_rows(self, asked: Asked, columns: int) -> Iterator[Row]:
        haystack = self._files.current()
        for path in haystack.search(asked.text, MOST) if haystack is not None else ():
            yield Row(
                spell(path, open_end=path.endswith("/")) + ("" if path.endswith("/") else " "),
                -asked.length,
                display=tail(path, columns * 3 // 5),
                display_meta=self._about(path),
            )

    def _about(self, path: str) -> str:
        """A folder, or a file's size and whether git sees it as changed."""
        if path.endswith("/"):
            return _("folder")
        try:
            size = (self._root / path).stat().st_size
        except (OSError, ValueError):
            return ""
        shown = (
            f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
        )
        return f"{shown} · {_('changed')}" if path in self._files.changed else shown

    def _symbol_rows(self, asked: Asked, columns: int) -> Iterator[Row]:
        found = self._symbols.search(asked.text, MOST)
        for each in found.definitions:
            yield Row(
                spell(f"{each.path}#{each.name}") + " ",
                -asked.length,
                display=tail(each.name, columns // 2),
                display_meta=tail(f"{_(each.kind)}  {each.path}:{each.line}", columns // 2 - 4),
            )
        if found.missing:
            told = _("files read so far: {count}").format(count=found.missing)
            yield Row(asked.text, -len(asked.text), display="…", display_meta=told)

    # --- the shell -----------------------------------------------------------------------------

    def _shell_rows(self, asked: Asked) -> Iterator[Row]:
        if asked.command == "first":
            typed = "!" + asked.text
            before = [each for each in self._earlier() if each.startswith(typed) and "\n" not in each]
            for line in list(dict.fromkeys(reversed(before)))[:MENU_ROWS]:
                yield Row(line[1:], -asked.length, display=_one_line(line[1:]), display_meta=_("earlier"))
        yield from self._listed(asked.text)

    def _listed(self, word: str) -> Iterator[Row]:
        """What lies on the disk behind a word that is a path, as a shell would list it."""
        plain = re.sub(r"\\(.)", r"\1", word)
        folder, slash, begun = plain.rpartition("/")
        try:
            place = self._root / Path(folder + slash).expanduser()
            entries = sorted(place.iterdir(), key=lambda entry: entry.name)
        except (OSError, ValueError, RuntimeError):
            return
        kept = [each for each in entries if each.name.startswith(begun) and each.name.isprintable()]
        visible = [each for each in kept if begun.startswith(".") or not each.name.startswith(".")]
        for entry in visible[:MOST]:
            end = "/" if entry.is_dir() else ""
            name = _UNSAFE.sub(r"\\\1", entry.name)
            yield Row(folder_of(word) + name + end, -len(word), display=_one_line(entry.name) + end)


def folder_of(word: str) -> str:
    """A word up to its last slash, as it was typed."""
    return word[: word.rfind("/") + 1]


def completion_of(sitting: Sitting) -> Completion:
    """The completion of a sitting. Its files begin to be read when it is first asked."""
    from kcode.ui.commands import table
    from kcode.ui.completing.fileindex import FileIndex
    from kcode.ui.completing.symbols import SymbolIndex

    def choices(name: str) -> Sequence[tuple[str, str]]:
        command = next((each for each in table.COMMANDS if each.name == name), None)
        return () if command is None or command.choices is None else command.choices(sitting)

    def added() -> Sequence[Path]:
        return () if sitting.session is None else tuple(sitting.session.workspace.added)

    files = FileIndex(sitting.root, added=added)
    known = partial(table.commands_of, sitting.root)

    def earlier() -> Iterable[str]:
        return sitting.stage.prompt.session.history.get_strings()

    return Completion(sitting.root, known, files, SymbolIndex(sitting.root), choices=choices, earlier=earlier)


def keep_small(layout: Layout) -> None:
    """The menu of ``layout`` does not cover more than it needs to."""
    for container in layout.walk():
        if isinstance(container, CompletionsMenu) and isinstance(container.content, Window):
            container.content.height = Dimension(min=1, max=MENU_ROWS)


def asked_for(before: str) -> Asked | None:
    """What the text before the cursor asks to complete; None for nothing."""
    if before.startswith("!"):
        words = re.split(r"(?<!\\)[\s;|&<>()]+", before[1:])
        first = "first" if len(words) == 1 else ""
        return Asked("shell", words[-1], len(words[-1]), first)
    if found := _MENTION.search(before):
        quoted = found["quoted"]
        text = found["plain"] if quoted is None else unescape(quoted)
        length = len(before) - found.start()
        for sign in SYMBOLS:
            if quoted is None and text.startswith(sign):
                return Asked("symbol", text.removeprefix(sign), length)
        return Asked("path", text.removeprefix("./"), length)
    if before.startswith("/") and "\n" not in before:
        name, blank, argument = before[1:].partition(" ")
        if not blank:
            return None if "/" in name else Asked("command", name, len(before))
        return Asked("argument", argument, len(argument), name)
    return None


def ranked(typed: str, names: Sequence[str]) -> list[str]:
    """The names that ``typed`` may stand for, best first; among equals as they are listed."""
    if not typed:
        return [*names]
    query = Query(typed)
    found = [(rank(query, name, fold(name)), at) for at, name in enumerate(names)]
    return [names[at] for _rank, at in sorted((each[0], at) for each, at in found if each is not None)]


def written_choices(argument: str) -> list[str]:
    """The words that a command's help writes out: ``[plan|ask|edits|auto]``."""
    inside = re.sub(r"[\[\]]", "", argument)
    words = [word.strip() for word in inside.split("|")]
    return [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]


def tail(text: str, columns: int) -> str:
    """``text`` fit for the menu: its end, where it is wider than ``columns``."""
    shown = _one_line(text)
    if get_cwidth(shown) <= columns:
        return shown
    while shown and get_cwidth(shown) > columns - 1:
        shown = shown[1:]
    return "…" + shown


def _one_line(text: str) -> str:
    return " ".join(clean(text.encode("utf-8", "replace").decode()).split())
