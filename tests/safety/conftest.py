from __future__ import annotations

from pathlib import Path

import pytest

from kcode.safety import bwrap, landlock, rooms, sandbox
from kcode.safety.sandbox import Confinement

_STARTERS = {"landlock": sandbox._start_landlock, "bubblewrap": sandbox._start_bubblewrap}


@pytest.fixture(params=[*_STARTERS, *(f"{kind} in a room" for kind in _STARTERS)])
def confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Each kind of sandbox that works on this machine, as if it were the strongest there is; in a room of its
    own too, for which there is a folder beside the workspace."""
    kind, _, room = request.param.partition(" ")
    _use(kind, monkeypatch)
    if room:
        (tmp_path / "private").mkdir()
        (tmp_path / "inside").mkdir(exist_ok=True)
        confine = confinement((tmp_path / "inside", tmp_path / "outside"))
        if rooms.room_for(confine.temporary, confine.writable) is None:
            pytest.skip("no namespaces can be made here")
    return str(kind)


@pytest.fixture(params=list(_STARTERS))
def plainly_confined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of sandbox that works on this machine, without a room."""
    _use(request.param, monkeypatch)
    return str(request.param)


def _use(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "landlock" and not landlock.version():
        pytest.skip("no Landlock in this kernel")
    if kind == "bubblewrap" and not bwrap.program():
        pytest.skip("no bubblewrap here")
    found = sandbox._probe(kind, kind, _STARTERS[kind])
    if found is None:
        pytest.skip(f"{kind} is not allowed to work here")
    monkeypatch.setattr(sandbox, "status", lambda: found)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """The workspace, and a folder beside it with a file of somebody's."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir(exist_ok=True)
    outside.mkdir()
    (outside / "theirs").write_text("theirs")
    return inside, outside


def confinement(place: tuple[Path, Path], *, network: bool = False) -> Confinement:
    """That of a workspace; with a room where :func:`confined` made a folder for one."""
    private = place[0].parent / "private"
    if not private.is_dir():
        return Confinement((place[0],), network=network)
    return Confinement((place[0], private), network=network, temporary=private)
