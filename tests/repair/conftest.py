from __future__ import annotations

from tests.testrun.conftest import Project, anyio_backend, project, settings

__all__ = ["Project", "anyio_backend", "project", "settings"]
