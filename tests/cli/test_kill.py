from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.cli import killing

KILLS = 15


def test_killed_at_any_moment_a_session_resumes_with_all_that_was_acknowledged(
    k2sim: Any, tmp_path: Path
) -> None:
    sim = k2sim(killing.answer)
    whole = killing.run_whole(sim, killing.make_project(tmp_path / "whole"))
    chance = random.Random(20)
    outcomes = []
    for number in range(KILLS):  # one moment in each part of the session: its beginning, its steps, its end
        after = (number + chance.random()) / KILLS * whole
        project = killing.make_project(tmp_path / f"p{number}")
        outcomes.append(killing.kill_and_resume(sim, project, after))
    assert any(outcome.begun for outcome in outcomes)
