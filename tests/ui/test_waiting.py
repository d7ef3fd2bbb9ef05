from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from kcode.errors import ExitCode
from tests.k2sim import Simulator, fail, say
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]


@pytest.mark.parametrize("key", ["\x1b", "\x03"])
def test_esc_and_ctrl_c_cancel_the_wait_for_another_attempt(
    sit: Callable[..., Sitting], k2sim: Sim, key: str
) -> None:
    sim = k2sim([fail("engine_overloaded", retry_after="90"), say("Here again.")])
    person = sit(sim)
    person.type("hello\r")
    person.see(r"trying again in \d+s .* Esc cancels")
    person.type(key)
    person.see("interrupted")
    person.type("and now?\r")
    person.see("Here again")
    roles = [m["role"] for m in sim.chats[-1].json["messages"]]
    assert roles.count("user") == 2
    assert "assistant" not in roles


def test_each_retry_is_one_line_on_stderr(
    kcode: Callable[..., subprocess.CompletedProcess[str]], k2sim: Sim
) -> None:
    sim = k2sim([fail("server_error"), fail("cut"), say("whole")])
    ended = kcode(sim, "-p", "hello")
    assert ended.returncode == ExitCode.OK
    assert ended.stdout == "whole\n"
    lines = [line for line in ended.stderr.splitlines() if line.startswith("[retry]")]
    assert len(lines) == 2
    assert all("trying again" in line for line in lines)
