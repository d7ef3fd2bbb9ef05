"""Whether a planned call may happen: allowed, asked about, or denied, and by which rule.

====================  =======  ==========  ==========  ==========
kind                  plan     ask         edits       auto
====================  =======  ==========  ==========  ==========
read, note            allow    allow       allow       allow
test                  deny     allow       allow       allow
edit                  deny     ask         allow       allow
command, only reads   deny     allow       allow       allow
other command         deny     ask         ask         allow
anything sensitive    ask/deny ask         ask         ask
====================  =======  ==========  ==========  ==========

Tests run without a question in ``ask`` mode although they execute the project's code: whoever asks for
a repair asks for its tests to be run, dozens of times. An answer "all" (``granted``) turns the ``ask``
of its kind into ``allow`` for the session, but never that of a sensitive call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from kcode.config.settings import Mode
from kcode.safety.commands import only_reads

Verdict = Literal["allow", "ask", "deny"]


class Planned(Protocol):
    """What is judged: :class:`kcode.tools.base.Intent`."""

    @property
    def kind(self) -> Literal["read", "edit", "command", "test", "note"]: ...
    @property
    def command(self) -> str: ...
    @property
    def sensitive(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """``why`` names the deciding rule, for the person who is asked and for the model that is denied."""

    verdict: Verdict
    why: str


def judge(intent: Planned, tool_read_only: bool, mode: Mode, granted: frozenset[str]) -> Judgement:
    """Judge one planned call. Pure. A tool that says it only reads is held to kinds that do."""
    looks_only = intent.kind in ("read", "note")
    if tool_read_only and not looks_only:
        return Judgement("ask", "a read-only tool planned a change")
    if mode == "plan" and not looks_only:
        return Judgement(
            "deny",
            "plan mode only reads: describe the change instead; the user can switch to another mode",
        )
    if intent.sensitive:
        return Judgement("ask", f"sensitive in every mode: {intent.sensitive}")
    if looks_only:
        return Judgement("allow", "reading is free")
    if intent.kind == "test":
        return Judgement("allow", "running the project's tests is allowed")
    if mode == "auto":
        return Judgement("allow", "auto mode")
    if intent.kind in granted:
        return Judgement("allow", f"you allowed every {intent.kind} in this session")
    if intent.kind == "edit":
        if mode == "edits":
            return Judgement("allow", "edits mode accepts edits")
        return Judgement("ask", "ask mode asks before files change")
    if only_reads(intent.command):
        return Judgement("allow", "a command that only reads")
    return Judgement("ask", f"{mode} mode asks before commands run")
