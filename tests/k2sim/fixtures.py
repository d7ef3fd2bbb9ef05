"""The ``k2sim`` fixture: ``sim = k2sim([say("hi")], shape="ark")``, stopped when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.k2sim.simulator import Simulator


@pytest.fixture
def k2sim() -> Iterator[Callable[..., Simulator]]:
    with ExitStack() as running:

        def start(script: Any = (), **options: Any) -> Simulator:
            return running.enter_context(Simulator(script, **options))

        yield start
