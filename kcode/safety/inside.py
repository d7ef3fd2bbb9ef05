"""Absolute paths of a command that lie in the workspace, as paths relative to it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from kcode.safety import sensitive
from kcode.safety.shell_words import Part, Redirect, Simple, Word, literal

_NO_WORKSPACE = re.compile(r"/*|(/[^/]*)")  # the whole system, or one of its top folders: never "inside"

_HERE = "./"  # so that a file of the workspace is never taken for the system's program of that name


def within(simple: Simple, root: str, *, added: bool = False) -> Simple:
    """``simple`` with absolute paths below ``root`` (a real path, forward slashes) written relative to it.

    Those below a folder that was ``added`` keep their whole name, as :func:`inside_of` spells it. What is
    sensitive keeps its spelling, and so do paths with ``..``: they are judged as they stand.
    """
    if not root.startswith("/") or _NO_WORKSPACE.fullmatch(root):
        return simple
    word = partial(_word, root=root, added=added)
    return replace(
        simple,
        words=tuple(map(word, simple.words)),
        assignments=tuple((name, word(value)) for name, value in simple.assignments),
        redirects=tuple(Redirect(one.operator, word(one.target)) for one in simple.redirects),
    )


def inside_of(folder: str) -> str:
    """How a path of an added folder is spelled: it leads nowhere else, and is none of the workspace's own."""
    return _HERE + folder.lstrip("/")


def _word(word: Word, root: str, added: bool) -> Word:
    """Only a beginning that is written out can say where a path leads; a ``$x`` behind it stays unknown."""
    if not word.parts or not word.parts[0].known:
        return word
    first, rest = word.parts[0], word.parts[1:]
    if first.text.startswith("-"):
        option, sign, value = first.text.partition("=")
        return Word((replace(first, text=option + sign + _path(value, root, added)), *rest)) if sign else word
    if any(not part.known for part in rest):
        return word
    whole = word.text
    inside = _path(whole, root, added)
    if inside == whole:
        return word
    return _without(word, len(whole) - len(inside) + len(_HERE)) if inside.startswith(_HERE) else literal(".")


def _without(word: Word, cut: int) -> Word:
    """The word from character ``cut`` on, from here; what is quoted stays quoted."""
    parts = [Part(_HERE, quoted=True)]
    for part in word.parts:
        parts.append(replace(part, text=part.text[cut:]))
        cut = max(0, cut - len(part.text))
    return Word(tuple(part for part in parts if part.text))


def _path(text: str, root: str, added: bool) -> str:
    if text != root and not text.startswith(f"{root}/"):
        return text
    inside = text[len(root) :].lstrip("/")
    if ".." in inside.split("/") or sensitive.reason(text):
        return text
    if added:
        return inside_of(text)
    return _HERE + inside if inside else "."
