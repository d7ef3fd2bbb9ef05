"""What language servers found after an edit."""

from __future__ import annotations

from dataclasses import dataclass

from kcode.diagnostics.problem import Problem


@dataclass(frozen=True, slots=True)
class FoundByServers:
    """What is new, notes about servers that could not be used, and the names of those that were."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


NOTHING = FoundByServers()
