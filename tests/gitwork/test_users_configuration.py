"""Whatever somebody has set in git's configuration, kcode reads the same from a repository."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.githooks.run import pre_commit
from kcode.tools.base import ToolContext
from kcode.tools.registry import parse_call
from kcode.workspace import repo
from kcode.workspace.logstyle import style_of
from kcode.workspace.ranges import named_change
from kcode.workspace.staging import draftable
from kcode.workspace.workspace import Workspace
from tests.gitwork.conftest import Project

# The value that another person would choose, for everything that shapes what git prints.
SETTINGS = {
    "color.ui": "always",
    "color.diff": "always",
    "color.status": "always",
    "color.branch": "always",
    "color.grep": "always",
    "core.abbrev": "no",
    "core.attributesFile": "{folder}/attributes",
    "core.commentChar": ";",
    "core.pager": "false",
    "core.quotePath": "true",
    "diff.algorithm": "histogram",
    "diff.colorMoved": "zebra",
    "diff.context": "9",
    "diff.dirstat": "lines",
    "diff.external": "false",
    "diff.interHunkContext": "9",
    "diff.mnemonicPrefix": "true",
    "diff.noprefix": "true",
    "diff.orderFile": "{folder}/order",
    "diff.relative": "true",
    "diff.renames": "false",
    "diff.statGraphWidth": "4",
    "diff.statNameWidth": "4",
    "diff.submodule": "log",
    "diff.suppressBlankEmpty": "true",
    "diff.upper.textconv": "tr a-z A-Z <",
    "diff.wordRegex": ".",
    "format.pretty": "raw",
    "format.notes": "*",
    "grep.column": "true",
    "grep.lineNumber": "true",
    "grep.fullName": "true",
    "grep.patternType": "extended",
    "i18n.logOutputEncoding": "GBK",
    "log.abbrevCommit": "true",
    "log.date": "relative",
    "log.decorate": "full",
    "log.diffMerges": "separate",
    "log.follow": "true",
    "log.showRoot": "false",
    "log.showSignature": "true",
    "notes.displayRef": "*",
    "status.branch": "false",
    "status.displayCommentPrefix": "true",
    "status.relativePaths": "true",
    "status.renames": "false",
    "status.short": "false",
    "status.showStash": "true",
    "status.showUntrackedFiles": "no",
    "status.submoduleSummary": "true",
}
KEY = "sk-" + "Zq8vT1aB3xY7pL2mN9kR5cD4"


@pytest.fixture
def worked(project: Project) -> Project:
    """One file renamed and changed, one with two changes near each other, one with a name in Chinese, a key,
    an untracked file, a file whose attributes name a text conversion."""
    lines = [f"line {number}" for number in range(1, 41)]
    project.stage("lines.txt", "\n".join(lines) + "\n\nend\n")
    project.stage("old.txt", "".join(f"row {number}\n" for number in range(30)))
    project.stage("a.up", "quiet\n")
    project.stage("notes/说明.txt", "一\n")
    project.git("commit", "-qm", "说明和行", "-m", "why it is so")
    project.git("notes", "add", "-m", "a note")
    project.git("tag", "v1")
    project.git("mv", "old.txt", "new.txt")
    lines[9], lines[13], lines[30] = "line ten", f'key = "{KEY}"', "line thirty-one"
    project.stage("lines.txt", "\n".join(lines) + "\n\nthe end\n")
    project.stage("a.up", "quiet\nloud\n")
    project.stage("notes/说明.txt", "一\n二\n")
    project.write("shop.py", "def total(prices):\n    return sum(prices, 0)\n")
    project.write("untracked.txt", "x\n")
    return project


def tool(root: Path, name: str, **arguments: object) -> str:
    found, args, _ = parse_call(name, json.dumps(arguments))
    return asyncio.run(found.run(args, ToolContext(Workspace.open(root), Settings()))).text


READERS: dict[str, Callable[[Path], object]] = {
    "git_status": lambda root: tool(root, "git_status"),
    "git_diff": lambda root: tool(root, "git_diff"),
    "git_diff staged": lambda root: tool(root, "git_diff", staged=True),
    "git_diff stat": lambda root: tool(root, "git_diff", staged=True, form="stat"),
    "git_diff words": lambda root: tool(root, "git_diff", form="words"),
    "git_log": lambda root: tool(root, "git_log"),
    "git_log lines": lambda root: tool(root, "git_log", path="lines.txt", lines="2,3"),
    "git_show": lambda root: tool(root, "git_show", rev="HEAD"),
    "git_show root": lambda root: tool(root, "git_show", rev="HEAD~1"),
    "grep": lambda root: tool(root, "grep", pattern="line (ten|3)"),
    "hook": pre_commit,
    "changes": repo.changed_files,
    "style": style_of,
    "commit": lambda root: asyncio.run(draftable(root)),
    "commit all": lambda root: asyncio.run(draftable(root, ())),
    "review": lambda root: asyncio.run(named_change(root, ())),
    "review range": lambda root: asyncio.run(named_change(root, ("HEAD~1..HEAD",))),
}


def everything(root: Path) -> dict[str, object]:
    return {name: read(root) for name, read in READERS.items()}


def test_no_setting_of_the_users_changes_what_is_read(
    worked: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(worked.root)
    (tmp_path / "attributes").write_text("*.up diff=upper\n")
    (tmp_path / "order").write_text("shop.py\nnotes/*\n")
    config = tmp_path / "gitconfig"
    for name, value in SETTINGS.items():
        argv = ["git", "config", "--file", str(config), name, value.format(folder=tmp_path)]
        subprocess.run(argv, check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    after = everything(worked.root)
    assert [name for name in before if after[name] != before[name]] == []


def test_the_hook_names_the_line_where_changes_are_near_each_other(
    worked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked.git("config", "diff.interHunkContext", "9")
    findings, _ = pre_commit(worked.root)
    assert [(found.path, found.line) for found in findings] == [("lines.txt", 14)]


def test_a_key_file_stays_hidden_whatever_its_prefix(worked: Project) -> None:
    worked.stage(".env", "TOKEN=1\n")
    worked.git("config", "diff.noprefix", "true")
    worked.git("commit", "-qm", "env")
    assert "TOKEN" not in tool(worked.root, "git_show", rev="HEAD")
    worked.stage(".env", "TOKEN=2\n")
    assert "TOKEN" not in tool(worked.root, "git_diff", staged=True)
