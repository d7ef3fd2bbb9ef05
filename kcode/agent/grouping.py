"""A changelog without a model: the log's own subjects, sorted under the usual headings.

A type of Conventional Commits decides, else the first word of the subject; nothing is made up and nothing is
reworded. What only concerns developers is left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("Added", "Changed", "Fixed", "Removed", "Security")
_TYPE = re.compile(r"^(?P<type>[A-Za-z]+)(?:\((?P<scope>[^)]+)\))?(?P<breaking>!)?: (?P<text>\S.*)$")
_TYPES = {
    "feat": "Added", "feature": "Added", "fix": "Fixed", "bugfix": "Fixed", "hotfix": "Fixed",
    "perf": "Changed", "change": "Changed", "improve": "Changed", "deprecate": "Changed", "revert": "Removed",
    "remove": "Removed", "security": "Security", "sec": "Security",
}  # fmt: skip
_INTERNAL = frozenset(
    [
        "docs",
        "doc",
        "test",
        "tests",
        "chore",
        "build",
        "ci",
        "style",
        "refactor",
        "release",
        "deps",
        "dev",
        "wip",
        "types",
        "typo",
        "lint",
        "format",
        "bump",
    ]
)
_WORDS = (
    ("Security", r"security|cve-\d|vulnerab|安全|漏洞"),
    (
        "Fixed",
        r"fix|mend|correct|repair|resolve|avoid|prevent|handle|stop|don't|do not|no longer|restore"
        r"|work ?around|修复|修正|解决|避免|防止",
    ),
    (
        "Added",
        r"add|introduce|implement|support|allow|new |create|enable|provide|expose"
        r"|新增|添加|增加|支持|引入|实现",
    ),
    ("Removed", r"remove|drop|delete|revert|删除|移除|去掉|去除|回退"),
)
_FIRST = tuple((name, re.compile(rf"^({words})", re.IGNORECASE)) for name, words in _WORDS)
_DEVELOPERS = re.compile(
    r"^(bump|merge|wip|fixup!|squash!|amend!|release|version|typo|lint|format|reformat|refactor|clean ?up"
    r"|tests?\b|add (a |some |more )?(unit )?tests?\b"
    r"|update (\w+ )?(dependencies|deps|requirements|lock ?files?)\b"
    r"|update (the )?(docs?|documentation|readme|changelog|copyright|tests?)\b"
    r"|start version|prepare (for )?(the )?(next|release)|ci\b|文档|测试|重构|格式化)"
    r"|\[(ci skip|skip ci)\]",
    re.IGNORECASE,
)
_BREAKING = re.compile(r"^BREAKING[ -]CHANGE: *(\S.*)$", re.MULTILINE)
_REVERTED = re.compile(r"^This reverts commit ([0-9a-f]{7,64})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit: its full and its short id, subject and body."""

    full: str
    short: str
    subject: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Grouped:
    """``text`` is Markdown; ``left_out`` commits only concern developers, or were taken back in the range."""

    text: str
    left_out: int


def grouped(commits: Sequence[Logged]) -> Grouped:
    """The changelog of ``commits``, newest first."""
    gone = _taken_back(commits)
    entries: dict[str, list[str]] = {name: [] for name in HEADINGS}
    broken: dict[str, list[str]] = {name: [] for name in HEADINGS}
    left = 0
    for commit in commits:
        heading, line, breaking = _entry(commit)
        if commit.full in gone or not heading:
            left += 1
            continue
        (broken if breaking else entries)[heading].append(f"- {line} ({commit.short})")
    parts = [
        f"### {name}\n\n" + "\n".join([*broken[name], *entries[name]])
        for name in HEADINGS
        if broken[name] or entries[name]
    ]
    return Grouped("\n\n".join(parts), left)


def _taken_back(commits: Sequence[Logged]) -> set[str]:
    """Commits of the range that another one of it reverts, and those that revert them."""
    gone: set[str] = set()
    for commit in commits:  # newest first: what reverts a revert counts before it
        if commit.full in gone or not (match := _REVERTED.search(commit.body)):
            continue
        for other in commits:
            if other.full.startswith(match[1]):
                gone |= {commit.full, other.full}
    return gone


def _entry(commit: Logged) -> tuple[str, str, bool]:
    """Heading (empty: left out), line without its hash, whether it breaks something."""
    match = _TYPE.match(commit.subject)
    kind = match["type"].lower() if match else ""
    known = kind in _TYPES or kind in _INTERNAL
    told = _BREAKING.search(commit.body)
    breaking = bool(told) or bool(match and match["breaking"])
    text = match["text"] if match and known else commit.subject
    if match and known and match["scope"]:
        text = f"**{match['scope']}:** {text}"
    if breaking:
        text = f"**Breaking:** {text}" + (f": {told[1]}" if told else "")
        return _TYPES.get(kind, "Changed"), text, True
    if known:
        return _TYPES.get(kind, ""), text, False
    if _DEVELOPERS.search(commit.subject):
        return "", text, False
    words = match["text"] if match else commit.subject
    return next((name for name, form in _FIRST if form.match(words)), "Changed"), text, False
