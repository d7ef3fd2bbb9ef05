"""AGENTS.md: the guidance that a project, its folders and the user have written down for whoever works there.

The user's own is given first, then those from the workspace's root down to the folder kcode was started in;
one deeper in the tree follows when its folder is first entered. Each is given once in an epoch and again
where it has changed on disk. Together they stay within ``agent.guide_tokens``; nearer ones go first.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kcode.config.paths import config_dir
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Entry, Note, live_entries
from kcode.conversation.tokens import shape
from kcode.errors import KcodeError
from kcode.safety.sanitize import clean
from kcode.workspace.files import read_text

if TYPE_CHECKING:
    from kcode.agent.session import Session

NAMES = ("AGENTS.md", "KIMI.md", "CLAUDE.md")  # the first that a folder has counts
_KIND = "guide"
_SMALLEST = 100  # tokens: less of a guide is not worth giving, it is only named
_SHARE_OF_WINDOW = 6  # all guides together: at most this part of the window

Scope = Literal["user", "project", "folder"]
Blocks = tuple[list[str], list[Note]]


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide that the model has. ``tokens`` are those it was given (estimated), ``characters`` the whole
    file's; ``cut`` tells that they are not all of it. ``scope``: the user's own, of the way from the root to
    the folder kcode was started in, of a folder entered later."""

    path: str
    scope: Scope
    characters: int
    tokens: int
    cut: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """A guide on disk. ``problem`` says why there is no text."""

    path: str
    scope: Scope
    text: str
    problem: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.text}\0{self.problem}".encode("utf-8", "replace")).hexdigest()[:32]


def opening(session: Session) -> Blocks:
    """The user's own guide, then those from the root down to where kcode was started."""
    found = _opening_files(session)
    shares: dict[str, int] = {}
    left = _budget(session)
    for each in reversed(found):  # the nearest first, the user's own last
        shares[each.path] = left
        left -= _given_tokens(each, left)
    return _as_given(found, shares)


def entered(session: Session, paths: Iterable[str]) -> Blocks:
    """The guides of the folders that ``paths`` lie in and that this epoch has not given."""
    known = _notes(session.ledger)
    found: dict[str, _Found] = {}
    for path in paths:
        for each in _on_the_way(session, path):
            if each.path not in known:
                found.setdefault(each.path, each)
    return _within(session, list(found.values()), known.values())


def changed(session: Session) -> Blocks:
    """Guides that are others on disk than the model knows, the ones that are gone, and new ones."""
    known = _notes(session.ledger)
    now = {each.path: each for each in _opening_files(session)}
    for path, note in known.items():
        if path not in now and (again := _again(session, path, _scope(note))) is not None:
            now[path] = again
    blocks, notes, anew = [], [], []
    for path, note in known.items():
        if path not in now and note.data["digest"]:
            blocks.append(f"<news>The guide {path} is not there any more.</news>")
            notes.append(_note(_Found(path, _scope(note), ""), 0, cut=False, digest=""))
    for path, each in now.items():
        before = known.get(path)
        if before is not None and before.data["digest"] == each.digest:
            continue
        if before is not None and _seen(session, each):  # it made the change itself, or has read it since
            notes.append(_note(each, int(before.data["tokens"]), before.data["cut"] == "yes"))
        else:
            anew.append(each)
    more_blocks, more_notes = _within(
        session, anew, [note for path, note in known.items() if path not in {each.path for each in anew}]
    )
    return [*blocks, *more_blocks], [*notes, *more_notes]


def given(session: Session) -> tuple[Guide, ...]:
    """The guides of this epoch; before its first message, those that it will carry."""
    notes = list(_notes(session.ledger).values()) or opening(session)[1]
    return tuple(
        Guide(
            note.text,
            _scope(note),
            int(note.data["characters"]),
            int(note.data["tokens"]),
            note.data["cut"] == "yes",
        )
        for note in notes
        if note.data["digest"]
    )


def took_note(session: Session, path: str) -> None:
    """The model hears of a change to the guide at ``path`` in other words: do not give it again."""
    before = _notes(session.ledger).get(path)
    again = _again(session, path, "project")
    if before is not None and again is not None:
        session.record(_note(again, int(before.data["tokens"]), before.data["cut"] == "yes"))


def guide_of(session: Session, folder: Path) -> Path:
    """The file that holds a folder's guide, or the one to be made."""
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    return folder / NAMES[0]


# --- finding -------------------------------------------------------------------------------------


def _opening_files(session: Session) -> list[_Found]:
    own = config_dir() / NAMES[0]
    found = [_read(own, str(own), "user")] if own.is_file() else []
    for folder in _chain(session.root, session.start):
        if (each := _in_folder(session, folder, "project")) is not None:
            found.append(each)
    return [each for each in found if each.text or each.problem]


def _on_the_way(session: Session, path: str) -> list[_Found]:
    """The guides from the root (or an added folder) down to what ``path`` names."""
    try:
        real = session.workspace.resolve(path)
    except KcodeError:
        return []
    folder = real if real.is_dir() else real.parent
    top = next((top for top in session.workspace.roots if folder.is_relative_to(top)), None)
    if top is None:
        return []
    found = [_in_folder(session, each, "folder") for each in _chain(top, folder)]
    return [each for each in found if each is not None and (each.text or each.problem)]


def _again(session: Session, path: str, scope: Scope) -> _Found | None:
    if scope == "user":
        return None
    real = session.root / path
    return _in_folder(session, real.parent, scope, (real.name,))


def _chain(top: Path, folder: Path) -> list[Path]:
    """The folders from ``top`` down to ``folder``."""
    if not folder.is_relative_to(top):
        return [top]
    return [each for each in reversed((folder, *folder.parents)) if each.is_relative_to(top)]


def _in_folder(session: Session, folder: Path, scope: Scope, names: Sequence[str] = NAMES) -> _Found | None:
    for name in names:
        path = folder / name
        if not os.path.lexists(path):
            continue
        shown = os.path.relpath(path, session.root).replace(os.sep, "/")
        if not folder.is_relative_to(session.root):
            shown = path.as_posix()
        workspace = session.workspace
        try:
            real = workspace.resolve(str(path))
        except KcodeError as error:
            return _Found(shown, scope, "", f"{error.message}; it was not read")
        if why := workspace.sensitive(str(path)):
            return _Found(shown, scope, "", f"it was not read ({why})")
        if real.is_file():
            return _read(real, shown, scope)
    return None


def _read(path: Path, shown: str, scope: Scope) -> _Found:
    try:
        return _Found(shown, scope, clean(read_text(path, shown).text).strip())
    except KcodeError as error:
        return _Found(shown, scope, "", error.message)


def _seen(session: Session, each: _Found) -> bool:
    if each.scope == "user":
        return False
    try:
        last = session.workspace.last_seen(each.path)
    except KcodeError:
        return False
    return last is not None and clean(last).strip() == each.text


# --- giving --------------------------------------------------------------------------------------


def _budget(session: Session) -> int:
    return min(session.settings.agent.guide_tokens, session.window // _SHARE_OF_WINDOW)


def _within(session: Session, found: list[_Found], known: Iterable[Note]) -> Blocks:
    """``found`` in what is left of the budget, the deepest first."""
    left = _budget(session) - sum(int(note.data["tokens"]) for note in known)
    shares = {}
    for each in reversed(found):
        shares[each.path] = left
        left -= _given_tokens(each, left)
    return _as_given(found, shares)


def _as_given(found: list[_Found], shares: dict[str, int]) -> Blocks:
    blocks, notes = [], []
    for each in found:
        text, cut = _fitting(each, shares[each.path])
        tag = "user-guide" if each.scope == "user" else "project-guide"
        text = text.replace(f"</{tag}", f"&lt;/{tag}")
        frame = load_prompt(tag.replace("-", "_"))
        blocks.append(frame.replace("{file}", each.path.replace('"', "'")).replace("{text}", text))
        notes.append(_note(each, round(shape(text).total), cut))
    return blocks, notes


def _given_tokens(each: _Found, share: int) -> int:
    return round(shape(_fitting(each, share)[0]).total)


def _fitting(each: _Found, share: int) -> tuple[str, bool]:
    """As much of the text as ``share`` tokens hold, whole lines, and whether that is not all of it."""
    if each.problem:
        return f"[{each.problem}]", True
    tokens = shape(each.text).total
    if tokens <= share:
        return each.text, False
    rest = "" if each.scope == "user" else "; read_file shows it"
    if share < _SMALLEST:
        return f"[not shown for length: {len(each.text):,} characters{rest}]", True
    kept = each.text[: int(len(each.text) * share / tokens)]
    kept = kept[: kept.rfind("\n") + 1] or kept
    return f"{kept}[cut: it has {len(each.text):,} characters{rest}]", True


# --- the ledger ----------------------------------------------------------------------------------


def _notes(ledger: Sequence[Entry]) -> dict[str, Note]:
    """The last note of each guide that the live conversation has, by path."""
    return {
        entry.text: entry for entry in live_entries(ledger) if isinstance(entry, Note) and entry.kind == _KIND
    }


def _note(each: _Found, tokens: int, cut: bool, digest: str | None = None) -> Note:
    facts = {
        "scope": each.scope,
        "characters": str(len(each.text)),
        "tokens": str(tokens),
        "cut": "yes" if cut else "",
        "digest": each.digest if digest is None else digest,
    }
    return Note(_KIND, each.path, facts)


def _scope(note: Note) -> Scope:
    scope = note.data["scope"]
    return "user" if scope == "user" else "project" if scope == "project" else "folder"
