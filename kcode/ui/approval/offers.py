"""What "always" may mean for a question: rules that would answer it from now on, in words. Pure."""

from __future__ import annotations

import glob
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kcode.agent.approval import Question, Scope
from kcode.i18n import _
from kcode.safety.commands import assess
from kcode.safety.findings import Finding
from kcode.safety.policy import judge
from kcode.safety.rules import Kind, Layer, Rule
from kcode.tools.base import Intent

LONGEST = 200  # characters of a command that still makes a rule to read
MOST_RULES = 4  # parts of one command that each need a rule

# Programs whose first word says what is done, and the words where the rest is detail.
_SUBCOMMANDS = {
    "git": "add commit stash switch merge rebase cherry-pick fetch apply mv",
    "npm": "install ci update",
    "pnpm": "install add update",
    "yarn": "install add upgrade",
    "bun": "install add",
    "pip": "install",
    "uv": "sync lock add",
    "poetry": "install add lock update",
    "cargo": "run add update generate-lockfile fmt fix",
    "go": "run get mod generate fmt install",
    "bundle": "install update",
    "composer": "install update require",
    "dotnet": "add restore run",
    "mix": "deps.get format",
    "alembic": "upgrade downgrade revision",
}
_SCRIPT_RUNNERS = ("npm", "pnpm", "yarn", "bun")


@dataclass(frozen=True, slots=True)
class Offer:
    """``words`` say what is allowed and how long; ``rules`` do it. Without rules: the whole kind, in this
    session (the answer ``all``)."""

    words: str
    scope: Scope = "session"
    rules: tuple[Rule, ...] = ()


def offers_for(question: Question) -> list[Offer]:
    """The offers that would allow the same call the next time; empty for what is always asked about."""
    intent = question.intent
    if not question.lasting or intent.sensitive:
        return []
    if intent.kind == "edit":
        found = list(_for_edits(intent))
    elif intent.kind == "command":
        found = list(_for_command(question))
    elif intent.hosts:
        named = ", ".join(intent.hosts)
        rules: list[tuple[Kind, str]] = [("host", _plain(host)) for host in intent.hosts]
        found = list(_both(_("connections to {hosts}").format(hosts=named), rules))
    else:
        found = list(_both(_("the tool {tool}").format(tool=question.tool), [("tool", question.tool)]))
    return [offer for offer in found if _decides(offer, question)]


def _for_edits(intent: Intent) -> Iterator[Offer]:
    yield Offer(_("edits of files, in this session"))
    paths = [edit.path for edit in intent.edits]
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths]) if paths else ""
    if folder and ".." not in folder.split("/") and not folder.startswith("/"):
        yield from _both(_("edits below {folder}/").format(folder=folder), [("path", f"{_plain(folder)}/*")])
    elif len(paths) == 1:  # a rule allows what it matches as a whole: files here and there have none
        yield from _both(_("edits of {file}").format(file=paths[0]), [("path", _plain(paths[0]))])


def _for_command(question: Question) -> Iterator[Offer]:
    root = question.root.as_posix() if question.root is not None else ""
    asked = [
        f for f in assess(question.intent.command, root) if f.sensitive or f.effect not in ("read", "test")
    ]
    if not asked or any(finding.sensitive or finding.effect != "write" for finding in asked):
        return
    if exact := _exact(asked):
        named = "; ".join(_unplain(pattern) for _kind, pattern in exact)
        words = _("this command: {named}") if len(exact) == 1 else _("these parts: {named}")
        yield from _both(words.format(named=named), exact)
    if prefix := _prefix(asked):
        words = _("{command} with anything behind it").format(command=prefix)
        yield from _both(words, [("command", f"{_plain(prefix)} *")])
    yield Offer(_("every command that is understood and not dangerous, in this session"))


def _exact(asked: Sequence[Finding]) -> list[tuple[Kind, str]]:
    """One rule for each part that is asked about; none where a part cannot be named."""
    rules: dict[tuple[Kind, str], None] = {}
    for finding in asked:
        if finding.target == "redirect" and finding.paths:
            rules |= dict.fromkeys(("path", _plain(re.sub(r"^(\./)+", "", path))) for path in finding.paths)
        elif finding.target == "command" and "$" not in finding.command:
            rules["command", _plain(finding.command)] = None
        else:
            return []
    short = all(len(pattern) <= LONGEST and pattern.isprintable() for _kind, pattern in rules)
    return list(rules) if short and len(rules) <= MOST_RULES else []


def _prefix(asked: Sequence[Finding]) -> str:
    """The beginning of the one command that is asked about, where it says what the command does."""
    commands = {finding.command for finding in asked}
    if len(commands) != 1 or any(finding.target != "command" for finding in asked):
        return ""
    words = commands.pop().split(" ")
    if words[0] in _SCRIPT_RUNNERS and len(words) > 3 and words[1] == "run" and _is_name(words[2]):
        return " ".join(words[:3])
    known = words[1:2] and words[1] in _SUBCOMMANDS.get(words[0], "").split()
    return " ".join(words[:2]) if known and len(words) > 2 else ""


def _both(words: str, rules: Sequence[tuple[Kind, str]]) -> Iterator[Offer]:
    """For this session, and for this project from now on."""
    scopes: tuple[tuple[Scope, Layer, str], ...] = (
        ("session", "session", _("{what}, in this session")),
        ("folder", "folder", _("{what}, in this project from now on")),
    )
    for scope, layer, told in scopes:
        made = tuple(Rule("allow", kind, pattern, layer) for kind, pattern in rules)
        yield Offer(told.format(what=words), scope, made)


def _decides(offer: Offer, question: Question) -> bool:
    """Whether the same call would run without a question: an offer that changes nothing is none."""
    granted = frozenset() if offer.rules else frozenset({question.intent.kind})
    verdict = judge(
        question.intent, False, "ask", granted, tool=question.tool, rules=offer.rules, root=question.root
    ).verdict
    return verdict == "allow"


def _is_name(word: str) -> bool:
    return bool(re.fullmatch(r"[\w:.-]+", word))


def _plain(text: str) -> str:
    """As a pattern that stands for nothing but itself."""
    return glob.escape(text)


def _unplain(pattern: str) -> str:
    return re.sub(r"\[([*?\[])\]", r"\1", pattern)
