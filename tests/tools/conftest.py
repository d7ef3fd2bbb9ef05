from __future__ import annotations

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.config.settings import Settings
from kcode.errors import KcodeError
from kcode.tools.base import Intent, Progress, ToolContext, ToolOutcome, ToolRefused
from kcode.tools.registry import parse_call
from kcode.workspace.workspace import Workspace

Call = Callable[..., Awaitable[ToolOutcome]]


class Bench:
    """A workspace and its tools, called as the agent calls them: parse, plan, run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace.open(root)
        self.heard: list[Progress] = []
        self.context = ToolContext(self.workspace, Settings(), progress=self.heard.append)
        self.intent = Intent("note")

    async def call(self, name: str, /, **arguments: Any) -> ToolOutcome:
        tool, args, _ = parse_call(name, json.dumps(arguments))
        self.intent = await tool.plan(args, self.context)
        assert tool.title(args)
        return await tool.run(args, self.context)

    async def refusal(self, name: str, /, **arguments: Any) -> str:
        with pytest.raises((ToolRefused, KcodeError)) as caught:
            await self.call(name, **arguments)
        return str(caught.value)

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return Bench(root)


@pytest.fixture
def bare(tmp_path: Path) -> Bench:
    root = tmp_path / "bare"
    root.mkdir()
    return Bench(root)
