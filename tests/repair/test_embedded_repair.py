from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcode.config.settings import EmbeddedSettings, Settings
from kcode.providers.catalog import Model
from kcode.repair import demo_project
from kcode.repair.pipeline import apply, repair
from kcode.testrun.run import run_tests
from kcode.workspace.workspace import Workspace

WEIGHTS = os.environ.get("KCODE_TEST_MODEL", "")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.embedded,
    pytest.mark.skipif(not WEIGHTS, reason="KCODE_TEST_MODEL names no model file"),
]


async def test_the_real_model_repairs_the_demo_project(tmp_path: Path, settings: Settings) -> None:
    from kcode.providers.embedded.provider import EmbeddedProvider

    project = demo_project.create(tmp_path / "demo")
    about = Model(id="weights", provider="embedded", context=8192, default_output=512, max_output=1024)
    model = EmbeddedProvider(Path(WEIGHTS), about, EmbeddedSettings())
    try:
        result = await repair(project.root, project.failing_test, model, settings, budget_s=240)
    finally:
        await model.close()
    assert result.status == "fixed", result
    assert result.targets == (project.failing_test,)
    apply(result, Workspace.open(project.root))
    assert (await run_tests(project.root, settings)).ok
