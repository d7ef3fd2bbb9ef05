"""A commit's first line from a small model: a short question, and a grammar that holds the answer to the form
that the repository's log has.

Earlier subjects are not shown to the model: one of this size copies them. What they have in common (types,
scopes, case, language, length) is in the grammar instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kcode.agent.aside import ask_text, filled
from kcode.agent.excerpt import Excerpt, Withheld, excerpt
from kcode.agent.narrow import MATERIAL, brief
from kcode.config.prompts import load_prompt
from kcode.safety.sanitize import clean
from kcode.workspace.logstyle import CONVENTIONAL, LONGEST_SUBJECT, Style
from kcode.workspace.unidiff import DiffFile

if TYPE_CHECKING:
    from kcode.agent.session import Session

ANSWER_TOKENS = 60
_SHORTEST = 8  # characters of a subject behind its type
_DOCS = re.compile(r"(^|/)docs?/|\.(md|rst|txt|adoc)$|(^|/)(README|CHANGELOG|LICENSE|AUTHORS)", re.IGNORECASE)
_TESTS = re.compile(r"(^|/)(tests?|specs?|__tests__)/|(^|/)test_|[._-](test|spec)\.[a-z]+$")
_CI = re.compile(r"^\.(github|gitlab|circleci)/|^\.(gitlab-ci|travis)\.yml$|(^|/)Jenkinsfile$")
_ONLY = (("docs", _DOCS), ("test", _TESTS), ("tests", _TESTS), ("ci", _CI))
_OF_CODE = ("feat", "feature", "fix", "bugfix", "perf", "refactor", "revert")
_SCOPE = re.compile(r"^[A-Za-z0-9_/-]{2,24}$")
_VALUE = re.compile(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)')
_HANGING = re.compile(
    r"[\s,;:(]+(?:(and|or|of|the|a|an|to|for|with|in|on|by|from|that|which|when|if|as|is|it)[\s,;:(]*)*$",
    re.IGNORECASE,
)


async def subject(
    session: Session, files: Sequence[DiffFile], style: Style, hint: str, withheld: Withheld
) -> tuple[str, Excerpt]:
    """One line and what of the change the model saw. Raises ProviderError, LimitReached."""
    seen = excerpt(files, MATERIAL, withheld, brief)
    note = f"\nThe author says: {hint[:200]}" if hint else ""
    language = " Write it in Chinese." if style.chinese else ""
    part = filled(load_prompt("commit_short_change"), diff=seen.text, hint=note)
    system = filled(load_prompt("commit_short"), language=language)
    paths = [file.path for file in files]
    answer = await ask_text(session, "commit", system, part, reserve=ANSWER_TOKENS, shape=shape(style, paths))
    return read(answer, longest(style)), seen


def shape(style: Style, paths: Sequence[str]) -> Mapping[str, Any]:
    """The JSON schema of the answer; its pattern becomes a grammar."""
    field = {"type": "string", "pattern": f"^{pattern(style, paths)}$"}
    return {
        "type": "object",
        "properties": {"message": field},
        "required": ["message"],
        "additionalProperties": False,
    }


def longest(style: Style) -> int:
    """Characters that a drafted subject may have."""
    return min(style.limit, LONGEST_SUBJECT)


def pattern(style: Style, paths: Sequence[str]) -> str:
    """A regular expression for the subject, of the few forms that a grammar is made from."""
    first = "" if style.chinese else "[a-z]" if style.lower else "[A-Z]"
    before, room = "", longest(style)
    if style.conventional:
        types, found = fitting_types(style.types, paths), scopes(style.subjects, paths)
        before = f"({'|'.join(types)})" + (rf"(\(({'|'.join(found)})\))?" if found else "") + ": "
        room -= max(map(len, types)) + 2 + max((len(name) + 2 for name in found), default=0)
    return rf'{before}{first}[^"\\\n]{{{_SHORTEST},{room - bool(first)}}}'


def fitting_types(types: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The types of the log that a change of these files can have: of documents alone ``docs``; else those of
    code, and names of modules (``net: …``) that are part of a path."""
    for name, kind in _ONLY:
        if name in types and paths and all(kind.search(path) for path in paths):
            return [name]
    parts = _parts(paths)
    return [name for name in types if name in _OF_CODE or name in parts] or list(types)


def scopes(subjects: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Scopes that the log uses and that name a part of one of the paths."""
    parts = _parts(paths)
    used = [match["scope"] for line in subjects if (match := CONVENTIONAL.match(line)) and match["scope"]]
    return [name for name in dict.fromkeys(used) if name in parts and _SCOPE.match(name)]


def _parts(paths: Sequence[str]) -> set[str]:
    """Names of folders and files, without their suffixes too."""
    return {part for path in paths for part in (*PurePosixPath(path).parts, PurePosixPath(path).stem)}


def read(answer: str, limit: int) -> str:
    """The subject in an answer, also in one that was cut; no full stop, no word left hanging."""
    try:
        value = json.loads(answer)
        text, cut = str(value["message"]), False
    except (ValueError, KeyError, TypeError):
        match = _VALUE.search(answer)
        text, cut = (match[1] if match else answer.strip().partition("\n")[0]), match is not None
    text = " ".join(clean(text).replace("`", "").split())
    if cut or len(text) >= limit - 1:
        text = text[:limit].rpartition(" ")[0] if " " in text else text[:limit]
        text = _HANGING.sub("", f"{text} ")
    return text.rstrip(" .,;:")
