from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.k2sim import Call, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]


def test_status_tells_where_the_session_stands_and_how_calls_are_spelled(
    sit: Sit, k2sim: Any, repo: Path
) -> None:
    sim = k2sim([use(Call("list_dir", '{"depth": 1,}')), use(call("list_dir")), say("Seen.")])
    person = sit(sim, rows=60)
    person.type("look\r")
    person.see(r"Seen\.[\s\S]+❯")
    person.type("/status\r")
    text = person.see(r"schema accuracy +50\.0 % \(1 of 2 answers with calls; 1 repair, 0 calls\s+refused\)")
    assert "chat wire" in text
    assert "session " in text
