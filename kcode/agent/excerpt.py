"""A diff in a bounded number of characters: every file by name, the most telling hunks in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kcode.safety.secrets import redact
from kcode.workspace.unidiff import DiffFile, DiffHunk

LONGEST_LINE = 400  # characters; minified code says nothing to anybody
_LEAST_PART = 400  # characters of a hunk: less of it tells nothing
_MADE = re.compile(
    r"(^|/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|poetry\.lock|uv\.lock|pdm\.lock"
    r"|Pipfile\.lock|Cargo\.lock|composer\.lock|Gemfile\.lock|go\.sum|flake\.lock)$"
    r"|\.(min\.(js|css)|map|snap|svg|lock)$|(^|/)(node_modules|vendor|dist|third_party)/",
)
_TRIVIAL = re.compile(r"[)\]}>;,]*|import .*|from .* import .*|#include .*|use .*;|//.*|#.*")

Withheld = Callable[[str], str]
"""Why a path's content is not sent, or ``""``."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``text`` for the model; ``shown`` of ``hunks`` hunks are in it. ``apart`` are files of which only the
    name and the size are, with why."""

    text: str
    shown: int
    hunks: int
    apart: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> bool:
        return self.shown == self.hunks and not self.apart


def made_by_a_program(path: str) -> bool:
    """Lock files, minified and vendored code: what nobody wrote by hand."""
    return _MADE.search(path) is not None


def excerpt(
    files: Sequence[DiffFile],
    limit: int,
    withheld: Withheld = lambda path: "",
    spelled: Callable[[DiffHunk], str] | None = None,
) -> Excerpt:
    """At most about ``limit`` characters of ``files``; what looks like a secret is masked.

    Room is shared fairly: a file that needs little leaves the rest to the others; within one, hunks that
    change more of what somebody wrote go first. The order of the files and hunks is kept.
    """
    spell = spelled or plain
    apart = {file.path: why for file in files if (why := _why_apart(file, withheld))}
    heads = [head(file, apart.get(file.path, "")) for file in files]
    named = _fitting(heads, limit // 2)
    written = {
        file.path: [redact(spell(hunk)) for hunk in file.hunks] if file.path not in apart else []
        for file in files[:named]
    }
    chosen = _chosen(files[:named], written, max(0, limit - sum(map(len, heads[:named]))))
    parts, shown = [], 0
    for file, line in zip(files[:named], heads, strict=False):
        texts = chosen[file.path]
        shown += len(texts)
        parts += [line, *(texts[number] for number in sorted(texts))]
        if missing := len(written[file.path]) - len(texts):
            parts.append(f"[{missing} of {len(file.hunks)} hunks left out for length]\n")
    if rest := files[named:]:
        sizes = f"+{sum(file.added for file in rest)} -{sum(file.removed for file in rest)}"
        parts.append(f"[{len(rest)} more files, not shown for length: {sizes}]\n")
    total = sum(len(file.hunks) for file in files if file.path not in apart)
    return Excerpt("".join(parts), shown, total, tuple(apart.items()))


def _fitting(texts: Sequence[str], limit: int) -> int:
    """How many of ``texts`` fit together."""
    used = 0
    for number, text in enumerate(texts):
        used += len(text)
        if used > limit:
            return number
    return len(texts)


def head(file: DiffFile, why_apart: str = "") -> str:
    """The line above a file's hunks."""
    name = f"{file.was} -> {file.path}" if file.was else file.path
    words = [file.status, f"+{file.added} -{file.removed}", "binary" if file.binary else ""]
    note = f" [content not shown: {why_apart}]" if why_apart else ""
    return f"=== {name} ({', '.join(filter(None, words))}){note}\n"


def plain(hunk: DiffHunk) -> str:
    """A hunk as git prints it, with its function for a header."""
    lines = [f"@@ {hunk.header}".rstrip(), *(line.sign + shortened(line.text) for line in hunk.lines)]
    return "\n".join(lines) + "\n"


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} [... {len(text)} characters]"


def _why_apart(file: DiffFile, withheld: Withheld) -> str:
    if why := withheld(file.path) or (withheld(file.was) if file.was else ""):
        return why
    return "made by a program" if file.hunks and made_by_a_program(file.path) else ""


def _chosen(files: Sequence[DiffFile], written: dict[str, list[str]], room: int) -> dict[str, dict[int, str]]:
    """The texts of the hunks that fit, by file and number: small files first, each at most its fair share of
    what is left. Of a hunk that is larger than that the beginning is taken."""
    need = {file.path: sum(map(len, written[file.path])) for file in files}
    chosen: dict[str, dict[int, str]] = {file.path: {} for file in files}
    waiting = sorted(files, key=lambda file: need[file.path])
    for place, file in enumerate(waiting):
        share = room // (len(waiting) - place)
        texts = written[file.path]
        for number in sorted(range(len(texts)), key=lambda n: -_weight(file.hunks[n])):
            text = texts[number] if len(texts[number]) <= share else _beginning(texts[number], share)
            if text:
                chosen[file.path][number] = text
                share, room = share - len(text), room - len(text)
    return chosen


def _beginning(text: str, room: int) -> str:
    """Whole lines of ``text`` in ``room`` characters, or ``""`` where that would say nothing."""
    if room < _LEAST_PART:
        return ""
    kept = text[: room - 40].rpartition("\n")[0]
    return f"{kept}\n[{text.count(chr(10)) - kept.count(chr(10))} more lines]\n" if kept else ""


def _weight(hunk: DiffHunk) -> int:
    """How much a hunk tells: its changed lines that are more than a bracket, an import or a comment."""
    return sum(line.sign != " " and not _TRIVIAL.fullmatch(line.text.strip()) for line in hunk.lines)
