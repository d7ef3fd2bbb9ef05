"""What a model on this machine's own cores is asked beside the conversation: little, for a person waits.

Two cores read about 80 tokens of a prompt a second and write about 20: what a hosted model reads in a second
takes minutes here. So the material is short, the answer is short, and what a model of this size does badly
(reviewing, dividing a change) is not asked at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.errors import ExitCode, KcodeError
from kcode.providers.profiles import PROFILES
from kcode.workspace.unidiff import DiffHunk

if TYPE_CHECKING:
    from kcode.agent.session import Session

MATERIAL = 2_400  # characters, about 900 tokens: some 12 s of two idle cores
ANSWER_TOKENS = 220
_LINE = 140  # characters of a line of a diff
_CONTEXT = 1  # lines around what changed


class TooSmall(KcodeError):
    """The embedded model is not asked for this: what it would answer is worse than nothing."""

    exit_code = ExitCode.USAGE


def is_narrow(session: Session) -> bool:
    """Whether this session's model runs on this machine's own cores, inside kcode."""
    profile = PROFILES.get(session.provider.name)
    return profile is not None and profile.embedded


def brief(hunk: DiffHunk) -> str:
    """A hunk with one line around what changed and long lines cut: what a short question can carry."""
    lines = hunk.lines
    near = {
        other
        for number, line in enumerate(lines)
        if line.sign != " "
        for other in range(number - _CONTEXT, number + _CONTEXT + 1)
    }
    rows = [f"@@ {hunk.header}".rstrip()]
    rows += [line.sign + line.text[:_LINE].rstrip() for number, line in enumerate(lines) if number in near]
    return "\n".join(rows) + "\n"


def whole_sentences(text: str) -> str:
    """``text`` up to its last full sentence or line: a short answer may have been cut."""
    text = text.rstrip()
    if text.endswith((".", "!", "?", "。", "！", "？", "`", ":", "|")):
        return text
    ends = [text.rfind(sign) + len(sign) for sign in (". ", ".\n", "。", "!\n", "?\n") if sign in text]
    return text[: max(ends)].rstrip() if ends else text
