from __future__ import annotations

import json
import subprocess
import sys

import pytest


def loaded_after(statement: str) -> set[str]:
    program = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8")
    return set(json.loads(ended.stdout))


def test_the_repl_paints_its_prompt_before_anything_heavy_is_imported() -> None:
    modules = loaded_after("import kcode.ui.repl")
    heavy = {"openai", "httpx2", "pydantic", "rich", "prompt_toolkit", "tree_sitter", "git", "asyncio.tools"}
    assert not modules & heavy


def test_the_prompt_itself_needs_no_provider_and_no_markdown() -> None:
    modules = loaded_after(
        "import kcode.ui.repl, kcode.ui.stage.prompt, kcode.ui.commands.table, kcode.ui.stage.keys"
    )
    assert not modules & {"openai", "httpx2", "pydantic", "rich", "markdown_it", "pygments", "git"}


@pytest.mark.parametrize("module", ["kcode.ui.headless", "kcode.ui.wire", "kcode.ui.errors"])
def test_one_shot_runs_do_without_the_prompt_and_the_renderer(module: str) -> None:
    modules = loaded_after(f"import {module}")
    assert not modules & {"prompt_toolkit", "rich", "markdown_it", "pygments", "openai"}
