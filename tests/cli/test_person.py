from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.cli.terminal import converse
from tests.cli.test_fix import BUGGY, project
from tests.k2sim import TEST_KEY, Simulator, call, say, use

__all__ = ["project"]


def test_the_first_run_offers_the_model_with_its_size_and_takes_a_no(tmp_path: Path) -> None:
    code, seen = converse([], {"[Y/n]": "n\n"}, tmp_path, {"KCODE_PROVIDER": "embedded"})
    assert code == ExitCode.ENVIRONMENT
    assert "(1.09 GB)" in seen
    assert "kcode models pull" in seen


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1)])
def test_a_patch_is_applied_only_after_a_yes(
    project: Path, k2sim: Callable[..., Simulator], answer: str, code: int
) -> None:
    edit = {"old_text": "result -= number", "new_text": "result += number"}
    sim = k2sim(
        [
            use(call("read_file", path="sums.py"), reasoning="look"),
            use(call("edit_file", path="sums.py", edits=[edit]), reasoning="a sign"),
            say("The sign was wrong.", reasoning="done"),
        ]
    )
    env = {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY}
    ended, seen = converse(["fix"], {"Apply this patch? [y/N]": answer}, project, env)
    assert ended == code, seen
    assert ((project / "sums.py").read_text() == BUGGY) is (code != 0)
