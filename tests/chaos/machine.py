"""How the machine fails, and how it is mended: clock, disk, journal, repository."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import Turn
from tests.chaos.speaker import RAN

DAY_S = 86_400
_CLOCK = '''"""A clock that jumps: the file that CHAOS_CLOCK names says by how many seconds it is wrong."""

import os
import time

_real, _real_ns = time.time, time.time_ns


def _off() -> float:
    try:
        with open(os.environ["CHAOS_CLOCK"]) as file:
            return float(file.read() or 0)
    except (OSError, KeyError, ValueError):
        return 0.0


time.time = lambda: _real() + _off()
time.time_ns = lambda: _real_ns() + int(_off() * 1e9)
'''
_JUMPS = {"clock a day on": DAY_S, "clock ten years back": -3650 * DAY_S, "clock ten years on": 3650 * DAY_S}


@dataclass
class Machine:
    """Folders of one session below ``base``. ``pid`` is the kcode that runs."""

    base: Path
    pid: int = 0
    ran: list[str] = field(default_factory=list)  # what was run in repositories that are gone
    _mend: list[Callable[[], None]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.base / "shop"

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def clock(self) -> Path:
        return self.base / "site" / "off"

    @property
    def journals(self) -> list[Path]:
        return sorted((self.home / "state").rglob("sessions/**/*.jsonl"))

    def make(self) -> None:
        self.home.mkdir(parents=True)
        (self.home / ".gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.invalid\n")
        self.clock.parent.mkdir()
        (self.clock.parent / "sitecustomize.py").write_text(_CLOCK)
        self.project.mkdir()
        (self.project / "notes.txt").write_text("notes\n" * 20)
        (self.project / "other.txt").write_text("other\n" * 20)
        (self.project / ".gitignore").write_text(f"{RAN}\n")
        for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "start"]):
            subprocess.run(["git", *argv], cwd=self.project, env=self.environment(), check=True)
        shutil.copytree(self.project, self.base / "kept", symlinks=True)

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KCODE_", "XDG_", "MOONSHOT_"))}
        folders = {f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
        return {
            **kept,
            **folders,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "PYTHONPATH": str(self.clock.parent),
            "CHAOS_CLOCK": str(self.clock),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    # --- failing -----------------------------------------------------------------------------------

    def before_start(self, turn: Turn) -> None:
        """Before the kcode of this turn is started."""
        if turn.suffers("journal unwritable from the start"):
            self._journals_gone_for_now()

    def while_waiting(self, turn: Turn, step: int, attempt: int) -> None:
        """While kcode waits for the answer of a step."""
        if step != turn.at or attempt > 1:
            return
        for row in turn.rows:
            if row.name in _JUMPS:
                self.clock.write_text(str(_JUMPS[row.name]))
            elif row.name == "disk full in the turn":
                self._limit_files()
            elif row.name == "a file system that is full":
                self._fill()
            elif row.name == "journal deleted in the turn":
                shutil.rmtree(self.home / "state", ignore_errors=True)
            elif row.name == "repository deleted in the turn":
                self._delete_project()

    def mend(self) -> None:
        """After the turn everything is as it should be again; the clock stays wrong."""
        while self._mend:
            self._mend.pop()()

    def _journals_gone_for_now(self) -> None:
        state, aside = self.home / "state", self.base / "aside"
        if state.exists():
            state.rename(aside)
        state.write_text("this is a file\n")

        def back() -> None:
            state.unlink()
            if aside.exists():
                aside.rename(state)

        self._mend.append(back)

    def _limit_files(self) -> None:
        """No file of kcode's may grow beyond what its journal has now, and a little."""
        pid = self.pid
        size = max((path.stat().st_size for path in self.journals), default=0)
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 40, hard))

        def lift() -> None:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

        self._mend.append(lift)

    def _fill(self) -> None:
        filler = self.base / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        self._mend.append(filler.unlink)

    def _delete_project(self) -> None:
        self.ran += self._lines()
        shutil.rmtree(self.project, ignore_errors=True)

        def back() -> None:
            self.ran += self._lines()
            shutil.rmtree(self.project, ignore_errors=True)
            shutil.copytree(self.base / "kept", self.project, symlinks=True)

        self._mend.append(back)

    # --- what happened -----------------------------------------------------------------------------

    def all_ran(self) -> list[str]:
        """``turn.step`` of every command that ran, as often as it ran."""
        return [*self.ran, *self._lines()]

    def _lines(self) -> list[str]:
        try:
            return (self.project / RAN).read_text(errors="replace").split()
        except OSError:
            return []


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "48m") -> Iterator[None]:
    """A file system of its own at ``folder``, where one may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "chaos", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
