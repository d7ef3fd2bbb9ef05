"""What was found out about one part of a command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kcode.safety.reach import Reach

Effect = Literal["read", "test", "write", "unknown", "danger", "ruin"]
EFFECTS: tuple[Effect, ...] = ("read", "test", "write", "unknown", "danger", "ruin")
"""From the mildest to the worst. ``test`` runs the project's own code to build or check it; ``write`` is any
other command; ``unknown`` was not understood; ``danger`` reaches beyond the workspace or hides what it runs;
``ruin`` destroys a system or a home."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``command`` is the simple command (or redirect, or assignment) as rules match it and people read it.

    ``sensitive`` names why a yes is needed in every mode, or is empty. ``reaches`` are the searches it makes.
    """

    effect: Effect
    why: str
    command: str
    sensitive: str = ""
    target: Literal["command", "redirect", "variable"] = "command"
    paths: tuple[str, ...] = ()
    reaches: tuple[Reach, ...] = ()


def worst(found: Iterable[Finding]) -> Effect:
    """``read`` where nothing was found."""
    return max((finding.effect for finding in found), key=EFFECTS.index, default="read")


def leads_away(word: str) -> bool:
    """Whether a word, or the value of an option, names a place outside the workspace."""
    if re.fullmatch(r"/dev/(null|stdin|stdout|stderr|fd/\d+)", word):
        return False
    value = re.sub(r"^\w+:(?=[/~])", "", word.rpartition("=")[2]) if word.startswith("-") else word
    if word.startswith("-") and re.match(r"-[A-Za-z][/~]", word):
        return True
    return (
        value.startswith(("/", "~"))
        or ".." in re.split(r"[/\\]", value)
        or bool(re.match(r"[A-Za-z]:[/\\]", value))
    )
