from __future__ import annotations

from pathlib import Path

import pytest

from kcode.safety import bwrap, landlock, sandbox

_STARTERS = {"landlock": sandbox._start_landlock, "bubblewrap": sandbox._start_bubblewrap}


@pytest.fixture(params=list(_STARTERS))
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of sandbox that works on this machine, as if it were the strongest there is."""
    kind = request.param
    if kind == "landlock" and not landlock.version():
        pytest.skip("no Landlock in this kernel")
    if kind == "bubblewrap" and not bwrap.program():
        pytest.skip("no bubblewrap here")
    found = sandbox._probe(kind, kind, _STARTERS[kind])
    if found is None:
        pytest.skip(f"{kind} is not allowed to work here")
    monkeypatch.setattr(sandbox, "status", lambda: found)
    return kind


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """The workspace, and a folder beside it with a file of somebody's."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "theirs").write_text("theirs")
    return inside, outside
