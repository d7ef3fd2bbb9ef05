"""``kcode fix``: from a failing test to a patch that the tests prove."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kcode.cli.root import Flags, option_for
from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.repair.result import RepairResult
    from kcode.workspace.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Wanted:
    """What one ``kcode fix`` is to do. ``max_seconds`` is 0 for the setting's value."""

    target: str
    yes: bool = False
    as_json: bool = False
    dry_run: bool = False
    allow_test_changes: bool = False
    max_seconds: float = 0.0


@app.command()
def fix(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(help="A test id, a file or folder of tests, or words about a test; else what fails."),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply the patch without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the patch and apply nothing.")] = False,
    max_seconds: Annotated[
        float | None,
        typer.Option("--max-seconds", metavar="S", min=1, help="Time for the search, in seconds."),
    ] = None,
    allow_test_changes: Annotated[
        bool, typer.Option("--allow-test-changes", help="Let a patch change test files too.")
    ] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Repair a failing test, and prove it by the tests."""
    from kcode.errors import UsageError

    if yes and dry_run:
        raise UsageError("--yes and --dry-run do not go together", "leave one of them out")
    above: Flags = ctx.find_root().obj or Flags()
    flags = replace(
        above,
        model=model or above.model,
        provider=provider or above.provider,
        base_url=base_url or above.base_url,
    )
    seconds = max_seconds or above.max_seconds or 0.0
    return run(flags, Wanted(target, yes, as_json, dry_run, allow_test_changes, seconds))


def run(flags: Flags, wanted: Wanted) -> int:
    """Repair in the current folder; the exit code is one of :class:`kcode.errors.ExitCode`."""
    import asyncio

    from kcode.workspace.workspace import Workspace

    workspace = Workspace.open(Path.cwd())
    result = asyncio.run(_repair(flags, wanted, workspace))
    return _conclude(result, wanted, workspace)


async def _repair(flags: Flags, wanted: Wanted, workspace: Workspace) -> RepairResult:
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.fixview import Stages
    from kcode.cli.start import begin, open_provider
    from kcode.repair.pipeline import repair

    start = begin(flags)
    ensure_model(start.settings)
    provider = open_provider(start.settings)
    stages = Stages()
    try:
        return await repair(
            workspace.root,
            target_from_root(wanted.target, workspace.root),
            provider,
            start.settings,
            on_event=stages.handle,
            budget_s=wanted.max_seconds,
            allow_test_changes=wanted.allow_test_changes,
        )
    finally:
        stages.close()
        await provider.close()


def target_from_root(target: str, root: Path) -> str:
    """A path typed in a subfolder, as the path from the workspace's root; other targets as they are."""
    path, colons, rest = target.partition("::")
    if not path or not Path(path).exists():
        return target
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    return target if inside.startswith("..") else f"{inside}{colons}{rest}"


def _conclude(result: RepairResult, wanted: Wanted, workspace: Workspace) -> int:
    from kcode.cli.fixview import agreed, show_result
    from kcode.errors import ExitCode

    if not wanted.as_json:
        show_result(result)
    if result.status != "fixed":
        return _finish(result, wanted, "", int(result.exit_code))
    if wanted.dry_run:
        return _finish(result, wanted, "", int(ExitCode.OK))
    asked = not wanted.yes and not wanted.as_json and sys.stdin.isatty() and sys.stderr.isatty()
    if not wanted.yes and not (asked and agreed(_("Apply this patch?"))):
        how = _("not applied") if asked else _("not applied; --yes applies it, --dry-run only shows it")
        _say(how, wanted)
        return _finish(result, wanted, "", int(ExitCode.NOT_ACHIEVED))
    from kcode.repair.pipeline import apply

    checkpoint = apply(result, workspace)
    files = ", ".join(edit.path for edit in result.edits)
    _say(_("applied to {files}").format(files=files), wanted)
    return _finish(result, wanted, checkpoint, int(ExitCode.OK))


def _finish(result: RepairResult, wanted: Wanted, checkpoint: str, code: int) -> int:
    if wanted.as_json:
        data: dict[str, Any] = {**result.as_json(), "applied": bool(checkpoint), "exit_code": code}
        print(json.dumps(data, ensure_ascii=False, indent=2))
    return code


def _say(text: str, wanted: Wanted) -> None:
    if not wanted.as_json:
        print(text, file=sys.stderr)
