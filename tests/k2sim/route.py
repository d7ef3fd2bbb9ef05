"""One endpoint of the simulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.k2sim import wire
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator


@dataclass(frozen=True)
class Route:
    """``pattern`` is a regular expression for the whole path; ``shapes`` are those that have the endpoint."""

    method: str
    pattern: str
    shapes: tuple[str, ...]
    handler: Callable[[Simulator, Record], wire.Program]

    def fits(self, method: str, path: str, shape: str) -> bool:
        return method == self.method and shape in self.shapes and re.fullmatch(self.pattern, path) is not None
