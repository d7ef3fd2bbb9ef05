"""Repositories in conflict, as people get into them."""

from __future__ import annotations

import json
from typing import Any

from tests.gitwork.conftest import Project
from tests.k2sim import Answer, say

BASE = 'def total(prices):\n    return sum(prices)\n\n\ndef name():\n    return "shop"\n'
OURS = BASE.replace("sum(prices)", "round(sum(prices), 2)")
THEIRS = BASE.replace("sum(prices)", "sum(prices) * 1.19")
BOTH = "    return round(sum(prices) * 1.19, 2)\n"
TEST = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3.57\n"


def branches(project: Project, name: str, base: Any, ours: Any, theirs: Any) -> None:
    """``name`` as it was, as ``main`` and as ``feature`` made it (None: deleted); ``main`` is checked out."""
    put(project, name, base, "base")
    project.git("switch", "-qc", "feature")
    put(project, name, theirs, "Add the tax")
    project.git("switch", "-q", "main")
    put(project, name, ours, "Round totals to cents")


def put(project: Project, name: str, content: Any, message: str) -> None:
    if content is None:
        project.git("rm", "-q", "--ignore-unmatch", "--", name)
    else:
        project.stage(name, content)
    project.git("commit", "-qm", message, "--allow-empty")


def merge(project: Project, *more: str) -> None:
    done = project.git("merge", "-q", "feature", *more, check=False)
    assert project.git("ls-files", "--unmerged"), done


def shop(project: Project) -> Project:
    """A merge that stopped in ``shop.py``."""
    branches(project, "shop.py", BASE, OURS, THEIRS)
    merge(project)
    return project


def proposed(resolution: str = BOTH, *, sure: bool = True, why: str = "Tax, then cents.") -> Answer:
    return say(json.dumps({"resolution": resolution, "why": why, "sure": sure}))
