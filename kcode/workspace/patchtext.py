"""Changes written as text: a unified diff, ``*** Begin Patch``, or SEARCH/REPLACE blocks.

Read with the slips that models make: wrong counts in ``@@`` lines, a context line without its blank, a
fence around the whole, a missing first or last line. What is read is a list of changes of files; where the
lines are found in a file is the matter of :mod:`kcode.workspace.edits`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kcode.config.jsontext import read_json
from kcode.workspace.edits import Replacement
from kcode.workspace.errors import BadPatch


@dataclass(slots=True)
class FileChange:
    """One file of a patch. ``content`` is of a new file; ``to``: the path it is moved to, or empty."""

    path: str
    kind: Literal["update", "add", "delete"] = "update"
    replacements: list[Replacement] = field(default_factory=list)
    content: str = ""
    to: str = ""


_HUNK = re.compile(r"@@+ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@+(.*)")
_ANCHOR = re.compile(r"@@+ ?(.*?)(?: @@+)?")
_ENVELOPE = re.compile(r"\*\*\* (Update|Add|Create|Delete|Remove) File: *(.+?) *")
_SEARCH = re.compile(r"<{5,9} ?SEARCH>?\s*")
_DIVIDER = re.compile(r"={5,9}\s*")
_REPLACE = re.compile(r">{5,9} ?REPLACE\s*")
_FENCE = re.compile(r"\s*(```|~~~)[\w+-]*\s*")
_WRAPPED = re.compile(r"\s*(?:apply_patch\b.*|cat\b.*<<.*|EOF|PATCH|'''|\"\"\")\s*")


def is_patch(text: str) -> bool:
    """Whether a text is a patch and not the text of a file."""
    lines = _unwrapped(text)
    if not lines:
        return False
    if lines[0].startswith("*** Begin Patch") or _ENVELOPE.fullmatch(lines[0]):
        return True
    if any(map(_SEARCH.fullmatch, lines[:3])) and any(map(_REPLACE.fullmatch, lines)):
        return True
    start = next((at for at, line in enumerate(lines) if line.startswith("--- ")), -1)
    headed = 0 <= start < 8 and start + 1 < len(lines) and lines[start + 1].startswith("+++ ")
    return (headed or bool(_HUNK.fullmatch(lines[0]))) and any(_HUNK.match(line) for line in lines)


def as_text(value: object) -> object:
    """A patch that was sent as a list: its lines, or the words of a command whose last one it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            words = read_json(value, strict=False)
        except ValueError:
            return value
        return as_text(words)
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        return value
    if "apply_patch" in value[0] and len(value) <= 3:
        return value[-1]
    return "\n".join(each.removesuffix("\n") for each in value)


def read_patch(text: str, path: str = "") -> list[FileChange]:
    """The changes of a patch, those of one file together. ``path`` is the file of hunks that name none.

    Raises :class:`BadPatch`, which says how a patch looks.
    """
    if "\n" not in text.strip() and "\\n" in text:  # escaped once more than it should be
        text = text.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
    lines = _unwrapped(text)
    if any(line.startswith("*** ") for line in lines if _ENVELOPE.fullmatch(line) or "Begin Patch" in line):
        changes = _envelope(lines)
    elif any(map(_SEARCH.fullmatch, lines)):
        changes = _search_replace(lines, path)
    else:
        changes = _unified(lines, path)
    merged: dict[str, FileChange] = {}
    for change in changes:
        if not change.path:
            raise BadPatch("the patch does not say which file it changes", _HELP)
        known = merged.get(change.path)
        if known is None:
            merged[change.path] = change
        elif known.kind == change.kind == "update":
            known.replacements += change.replacements
            known.to = known.to or change.to
        else:
            raise BadPatch(f"{change.path} is there twice in the patch", "change each file once")
    if not merged:
        raise BadPatch("there is no change in the patch", _HELP)
    return list(merged.values())


_HELP = "give a unified diff with ---, +++ and @@ lines, or *** Begin Patch with *** Update File: PATH"


def _unwrapped(text: str) -> list[str]:
    """The lines without a fence, a shell's here-document or blank lines around them."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and (not lines[0].strip() or _FENCE.fullmatch(lines[0]) or _WRAPPED.fullmatch(lines[0])):
        del lines[0]
    while lines and (not lines[-1].strip() or _FENCE.fullmatch(lines[-1]) or _WRAPPED.fullmatch(lines[-1])):
        del lines[-1]
    return lines


# --- *** Begin Patch -------------------------------------------------------------------------


def _envelope(lines: Sequence[str]) -> list[FileChange]:
    changes: list[FileChange] = []
    body: list[str] = []
    for line in [*lines, "*** End Patch"]:
        named = _ENVELOPE.fullmatch(line)
        if named or line.startswith(("*** End Patch", "*** Begin Patch")):
            if changes:
                _fill(changes[-1], body)
            body = []
            if named:
                kind, path = named[1], named[2].strip("\"'`")
                if kind == "Update":
                    changes.append(FileChange(path))
                else:
                    changes.append(FileChange(path, "add" if kind in ("Add", "Create") else "delete"))
            elif changes and line.startswith("*** End Patch"):
                break
        elif changes and line.startswith("*** Move to: "):
            changes[-1].to = line.removeprefix("*** Move to: ").strip()
        else:
            body.append(line)
    return changes


def _fill(change: FileChange, body: list[str]) -> None:
    if change.kind == "add":
        signed = all(line.startswith("+") for line in body if line)
        kept = [line[1:] if signed else line for line in body]
        change.content = "".join(line + "\n" for line in kept)
    elif change.kind == "update":
        change.replacements = _hunks(body)
        if not change.replacements and not change.to:
            raise BadPatch(
                f"nothing is changed in {change.path}", "begin lines that go with - and new ones with +"
            )


def _hunks(body: Sequence[str]) -> list[Replacement]:
    """Hunks of either form: ``@@ -1,2 +1,3 @@`` tells a line, ``@@ def f`` what comes before."""
    found: list[Replacement] = []
    anchors: list[str] = []
    lines: list[str] = []
    place: re.Match[str] | None = None
    at_end = False

    def close() -> None:
        nonlocal at_end, lines
        made = _replacement(lines, place, tuple(anchors), at_end)
        if made is not None:
            found.append(made)
            anchors.clear()
        lines, at_end = [], False

    for line in body:
        if line.startswith("@@"):
            close()
            place = _HUNK.fullmatch(line)
            anchor = _ANCHOR.fullmatch(line)
            if not place and anchor and anchor[1].strip():
                anchors.append(anchor[1])
        elif line.startswith("*** End of File"):
            at_end = True
        else:
            lines.append(line)
    close()
    return found


def _replacement(
    lines: list[str], place: re.Match[str] | None, anchors: tuple[str, ...], at_end: bool
) -> Replacement | None:
    """One hunk as a replacement, or None where it changes nothing."""
    while lines and not lines[-1]:
        lines = lines[:-1]  # the blank line before the next header
    if not any(line[:1] in ("+", "-") for line in lines):
        return None
    old: list[str] = []
    new: list[str] = []
    bare_old = bare_new = False
    sign = ""
    for line in lines:
        if line.startswith("\\"):
            bare_old, bare_new = bare_old or sign != "+", bare_new or sign != "-"
            continue
        sign = line[:1] if line[:1] in ("+", "-") else " "
        text = line[1:] if line[:1] in ("+", "-", " ") else line
        if sign != "+":
            old.append(text + "\n")
        if sign != "-":
            new.append(text + "\n")
    was, becomes = _joined(old, bare_old), _joined(new, bare_new)
    line_number = None
    if place:
        line_number = int(place[3]) + (place[4] == "0")
        if not was:
            return Replacement("", becomes, line=max(line_number, 1), lines=0)
    if not was and anchors:
        return Replacement(anchors[-1] + "\n", anchors[-1] + "\n" + becomes, after=anchors[:-1])
    at_end = at_end or bare_old or bare_new or not was
    return Replacement(was, becomes, line=line_number, after=anchors, at_end=at_end)


def _joined(lines: list[str], bare: bool) -> str:
    text = "".join(lines)
    return text.removesuffix("\n") if bare else text


# --- unified diff ----------------------------------------------------------------------------


def _unified(lines: Sequence[str], path: str) -> list[FileChange]:
    changes: list[FileChange] = []
    body: list[str] = []
    old = ""

    def close() -> None:
        if changes:
            _finish(changes[-1], body)
        body.clear()

    at = 0
    while at < len(lines):
        line = lines[at]
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if line.startswith("diff --git "):
            close()
            old = ""
            renamed = _git_header(lines[at + 1 : at + 10])
            if renamed:
                changes.append(FileChange(renamed[0], to=renamed[1]))
                old = renamed[0]
        elif line.startswith("--- ") and following.startswith("+++ "):
            if not old:
                close()
                changes.append(_headed(_named(line), _named(following)))
            at += 1
        elif line.startswith("@@") or (body and not _EXTENDED.match(line)):
            if not changes:
                changes.append(FileChange(path))
            body.append(line)
        at += 1
    close()
    return changes


_EXTENDED = re.compile(
    r"(index [0-9a-f]+\.\.|(old|new|deleted file|new file) mode |similarity index |rename )"
)


def _git_header(lines: Sequence[str]) -> tuple[str, str] | None:
    source = next((line[12:] for line in lines if line.startswith("rename from ")), "")
    target = next((line[10:] for line in lines if line.startswith("rename to ")), "")
    return (source.strip(), target.strip()) if source and target else None


def _named(header: str) -> str:
    """The path of a ``---`` or ``+++`` line, without a time stamp."""
    name = header[4:].partition("\t")[0].strip().strip('"')
    return "" if name == "/dev/null" else name


def _headed(old: str, new: str) -> FileChange:
    if old.startswith("a/") and (new.startswith("b/") or not new):
        old = old[2:]
    if new.startswith("b/"):
        new = new[2:]
    if not old:
        return FileChange(new, "add")
    if not new:
        return FileChange(old, "delete")
    return FileChange(new) if old in (new, f"{new}.orig") or old == f"a/{new}" else FileChange(old, to=new)


def _finish(change: FileChange, body: Sequence[str]) -> None:
    if change.kind == "add":
        added = [replacement.new for replacement in _hunks(body)]
        change.content = "".join(added)
    elif change.kind == "update":
        change.replacements += _hunks(body)


# --- SEARCH/REPLACE --------------------------------------------------------------------------


def _search_replace(lines: Sequence[str], path: str) -> list[FileChange]:
    changes: list[FileChange] = []
    parts: dict[str, list[str]] = {}
    state = ""
    for number, line in enumerate(lines):
        if _SEARCH.fullmatch(line):
            path = _path_above(lines[:number]) or path
            parts, state = {"old": [], "new": []}, "old"
        elif state == "old" and _DIVIDER.fullmatch(line):
            state = "new"
        elif state == "new" and _REPLACE.fullmatch(line):
            old, new = ("".join(text + "\n" for text in parts[side]) for side in ("old", "new"))
            if old.strip():
                changes.append(FileChange(path, replacements=[Replacement(old, new)]))
            else:
                changes.append(FileChange(path, "add", content=new))
            state = ""
        elif state:
            parts[state].append(line)
    if state:
        raise BadPatch("a SEARCH block is not closed", "end it with ======= and >>>>>>> REPLACE")
    return changes


def _path_above(lines: Sequence[str]) -> str:
    """The file name on the line above a block, a fence between them or not."""
    for line in reversed(lines[-3:]):
        if _REPLACE.fullmatch(line):
            return ""
        if line.strip() and not _FENCE.fullmatch(line):
            name = line.strip().strip("`*#: ")
            return name if not name.count(" ") > 3 else ""
    return ""
