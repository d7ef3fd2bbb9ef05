"""What a measurement on mutants found so far, in a file of JSON lines that the next run goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Record:
    """``rows`` are the repairs that were measured, by mutant. Without a file nothing is kept."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._noticed: dict[str, bool] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        for line in file.read_text().splitlines() if file and file.exists() else ():
            told = json.loads(line)
            if "row" in told:
                self.rows[told["mutant"]] = told["row"]
            else:
                self._noticed[told["mutant"]] = told["noticed"]

    def noticed(self, mutant: str, asked: Callable[[], bool]) -> bool:
        """Whether the suite notices the mutant; ``asked`` is called where that is not known."""
        if mutant not in self._noticed:
            self._noticed[mutant] = asked()
            self._keep({"mutant": mutant, "noticed": self._noticed[mutant]})
        return self._noticed[mutant]

    def measured(self, mutant: str, row: dict[str, Any]) -> None:
        self.rows[mutant] = row
        self._keep({"mutant": mutant, "row": row})

    def _keep(self, told: dict[str, Any]) -> None:
        if self._file:
            with self._file.open("a") as out:
                out.write(json.dumps(told) + "\n")
