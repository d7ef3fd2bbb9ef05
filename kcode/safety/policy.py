"""Whether a planned call may happen: allowed, asked about, or denied, and by which rule of which layer.

===========================  =======  =======  =======  =======
kind                         plan     ask      edits    auto
===========================  =======  =======  =======  =======
read, note                   allow    allow    allow    allow
test                         deny     allow    allow    allow
edit                         deny     ask      allow    allow
command, only reads          deny     allow    allow    allow
command, builds or tests     deny     allow    allow    allow
other command                deny     ask      ask      allow
command not understood       deny     ask      ask      ask
command that is dangerous    deny     ask      ask      ask
command that ruins a system  deny     deny     deny     deny
anything sensitive           ask      ask      ask      ask
===========================  =======  =======  =======  =======

(In plan mode what is sensitive and changes something is denied.) Tests and builds run without a question in
``ask`` mode although they execute the project's code: whoever asks for a repair asks for its tests to be
run, dozens of times. An answer "all" (``granted``) turns the ``ask`` of its kind into ``allow`` for the
session, but never that of what is sensitive, dangerous or not understood.

Rules (:mod:`kcode.safety.rules`) come on top, part by part of a command; the strictest part decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from kcode.config.settings import Mode
from kcode.safety.commands import assess
from kcode.safety.findings import EFFECTS, Finding
from kcode.safety.rules import BUILT_IN, Layer, Rule, Subject, Verdict, deciding, hosts_in

UNCONFINED = "no sandbox works on this machine"
SEVERITY: tuple[Verdict, ...] = ("allow", "ask", "deny")


class Changed(Protocol):
    @property
    def path(self) -> str: ...


class Planned(Protocol):
    """What is judged: :class:`kcode.tools.base.Intent`."""

    @property
    def kind(self) -> Literal["read", "edit", "command", "test", "note"]: ...
    @property
    def edits(self) -> Sequence[Changed]: ...
    @property
    def command(self) -> str: ...
    @property
    def sensitive(self) -> str: ...
    @property
    def paths(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """``why`` names the deciding rule, for the person who is asked and for the model that is denied.

    ``rule`` is the rule as it is written, or the built-in one in words; ``part`` the part of a command
    that decided.
    """

    verdict: Verdict
    why: str
    rule: str = ""
    layer: Layer = BUILT_IN
    part: str = ""

    @property
    def named(self) -> str:
        """The rule in words, also where it is a built-in one."""
        return self.rule or self.why


def judge(
    intent: Planned,
    tool_read_only: bool,
    mode: Mode,
    granted: frozenset[str],
    *,
    tool: str = "",
    rules: Sequence[Rule] = (),
    root: Path | None = None,
    more: Sequence[Path] = (),
    confined: bool = True,
) -> Judgement:
    """Judge one planned call. Pure. A tool that says it only reads is held to kinds that do.

    ``root`` is the workspace's real path, ``more`` those of folders added to it: absolute paths below them
    count as inside. Not ``confined``: no sandbox holds what a command does, so that auto mode asks too.
    """
    looks_only = intent.kind in ("read", "note")
    paths = (*(edit.path for edit in intent.edits), *intent.paths)
    by_rule = deciding(rules, Subject(tool=tool, paths=paths))
    if by_rule is not None and by_rule.verdict == "deny":
        return _by(by_rule)
    if tool_read_only and not looks_only:
        return Judgement("ask", "a read-only tool planned a change")
    if mode == "plan" and not looks_only:
        return _PLAN
    if intent.sensitive:
        judged = parts(
            intent.command, mode, granted, tool=tool, rules=rules, root=root, more=more, confined=confined
        )
        harsher = [one for _, one in judged]
        denied = next((one for one in harsher if one.verdict == "deny"), None)
        return denied or Judgement("ask", f"sensitive in every mode: {intent.sensitive}")
    if intent.kind == "command":
        return judge_command(
            intent.command, mode, granted, tool=tool, rules=rules, root=root, more=more, confined=confined
        )
    if by_rule is not None:
        return _by(by_rule)
    if looks_only:
        return Judgement("allow", "reading is free")
    if intent.kind == "test":
        return Judgement("allow", "running the project's tests is allowed")
    if mode == "auto":
        return Judgement("allow", "auto mode")
    if intent.kind in granted:
        return _granted(intent.kind)
    if mode == "edits":
        return Judgement("allow", "edits mode accepts edits")
    return Judgement("ask", "ask mode asks before files change")


def judge_command(
    command: str,
    mode: Mode,
    granted: frozenset[str],
    *,
    tool: str = "",
    rules: Sequence[Rule] = (),
    root: Path | None = None,
    more: Sequence[Path] = (),
    confined: bool = True,
) -> Judgement:
    """Judge a shell command: the strictest of its parts decides, the worst of the strictest is shown."""
    judged = parts(command, mode, granted, tool=tool, rules=rules, root=root, more=more, confined=confined)
    if not judged:  # an empty command; :func:`assess` finds something in every other
        return Judgement("ask", "there is no command")
    _, decided = max(
        judged, key=lambda pair: (SEVERITY.index(pair[1].verdict), bool(pair[0].sensitive), _badness(pair[0]))
    )
    if decided.verdict == "deny" or mode != "plan":
        return decided
    return _PLAN


def parts(
    command: str,
    mode: Mode,
    granted: frozenset[str],
    *,
    tool: str = "",
    rules: Sequence[Rule] = (),
    root: Path | None = None,
    more: Sequence[Path] = (),
    confined: bool = True,
) -> list[tuple[Finding, Judgement]]:
    """Each part of ``command`` with the judgement of it alone; empty for an empty text."""
    if not command:
        return []
    found = assess(
        command, root.as_posix() if root is not None else "", *(folder.as_posix() for folder in more)
    )
    return [(finding, _part(finding, mode, granted, tool, rules, confined)) for finding in found]


def strictest(judgements: Iterable[Judgement]) -> Judgement:
    return max(judgements, key=lambda judgement: SEVERITY.index(judgement.verdict))


_PLAN = Judgement(
    "deny", "plan mode only reads: describe the change instead; the user can switch to another mode"
)


def _part(
    finding: Finding, mode: Mode, granted: frozenset[str], tool: str, rules: Sequence[Rule], confined: bool
) -> Judgement:
    own = finding.command if finding.target == "command" else ""
    subject = Subject(tool, finding.paths, own, hosts_in(finding.command))
    rule = deciding(rules, subject)
    if rule is not None and rule.verdict == "deny":
        return _by(rule, finding.command)
    if finding.effect == "ruin":
        return Judgement("deny", f"never: {finding.why}", part=finding.command)
    if finding.sensitive:
        return Judgement("ask", f"sensitive in every mode: {finding.sensitive}", part=finding.command)
    if finding.effect == "unknown":
        return Judgement("ask", f"not understood: {finding.why}", part=finding.command)
    if rule is not None and (rule.verdict == "ask" or finding.effect != "danger" or rule.exact):
        return _by(rule, finding.command)
    if finding.effect == "danger":
        return Judgement("ask", f"dangerous in every mode: {finding.why}", part=finding.command)
    if finding.effect == "read":
        return Judgement("allow", "a command that only reads", part=finding.command)
    if finding.effect == "test":
        return Judgement("allow", "building and testing the project is allowed", part=finding.command)
    if mode == "auto" and confined:
        return Judgement("allow", "auto mode", part=finding.command)
    if "command" in granted:
        return _granted("command", finding.command)
    if mode == "auto":
        return Judgement("ask", f"auto mode, but {UNCONFINED}: {finding.why}", part=finding.command)
    return Judgement("ask", f"{mode} mode asks before commands run: {finding.why}", part=finding.command)


def _by(rule: Rule, part: str = "") -> Judgement:
    said = {"allow": "allowed", "ask": "asked about", "deny": "denied"}[rule.verdict]
    return Judgement(rule.verdict, f"{said} by the rule {rule} ({rule.layer})", str(rule), rule.layer, part)


def _granted(kind: str, part: str = "") -> Judgement:
    return Judgement("allow", f"you allowed every {kind} in this session", layer="session", part=part)


def _badness(finding: Finding) -> int:
    return EFFECTS.index(finding.effect)
