"""What goes on around a command of the model's: its limits, what it leaves running, what it planted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from kcode.safety import leftovers
from kcode.safety.limits import Watch
from kcode.safety.planted import ASIDE, Guard

if TYPE_CHECKING:
    from kcode.safety.sandbox import Confinement


class Oversight:
    """``stop`` ends the command; it is called from a thread, at most once."""

    def __init__(
        self,
        confine: Confinement,
        start: Callable[[dict[str, str]], subprocess.Popen[bytes]],
        stop: Callable[[], None],
    ) -> None:
        """Start the command: ``start`` gets variables for its environment. Raises what it raises."""
        self._stop = stop
        self._limits = confine.limits
        self._why = ""
        self._printed = 0
        self._guard = Guard(confine.writable) if confine.holds else None
        try:
            self.process = leftovers.start(start)
        except BaseException:
            if self._guard is not None:
                self._guard.put_back()
            raise
        self._watch = Watch(self.process.pid, confine.limits, self._end)

    def heard(self, chunk: bytes) -> None:
        self._printed += len(chunk)
        if self._limits.output and self._printed > self._limits.output:
            self._end(f"it printed more than {self._limits.output // 1_000_000:,} MB")

    def members(self) -> list[int]:
        return leftovers.family(self.process.pid)

    def close(self) -> tuple[str, ...]:
        """After the command has ended: what was done about it, in words."""
        self._watch.close()
        notes = [f"kcode ended it: {self._why}"] if self._why else []
        if count := leftovers.sweep(self.process.pid):
            notes.append(f"kcode ended {count} process{'es' if count > 1 else ''} that it left running")
        if undone := self._guard.put_back() if self._guard is not None else []:
            said = f"kcode put back what git would run or obey: {', '.join(undone)}"
            notes.append(f"{said} (what was there now ends in {ASIDE}; if it is wanted, the user does it)")
        return tuple(notes)

    def _end(self, why: str) -> None:
        if not self._why:
            self._why = why
            self._stop()
