"""``kcode fix``: from a failing test to a patch that the tests prove."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from kcode.cli.root import Flags, option_for
from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.cli.fixview import FixDesk
    from kcode.repair.result import RepairResult
    from kcode.ui.fixing import Taken, Wanted
    from kcode.workspace.workspace import Workspace

_COMMAND = "kcode.fix.command"  # where the words behind `--` wait
_LARGEST_LOG = 20_000_000  # bytes

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _WithCommand(TyperCommand):
    """Everything behind ``--`` is a command of the user's, its own options included."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


@app.command(cls=_WithCommand)
def fix(
    ctx: typer.Context,
    target: Annotated[
        list[str] | None,
        typer.Argument(
            help="A test id, a file or folder, or words about a test; `-- COMMAND` runs the tests by a "
            "command; a log on standard input says what failed. Without anything: whatever fails."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply the patch without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the patch and apply nothing.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the patch, once it is applied.")] = False,
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="Switch to this new branch with the patch.")
    ] = "",
    attempts: Annotated[
        int,
        typer.Option(
            "--attempts", metavar="N", help="Independent attempts at once; the smallest patch wins."
        ),
    ] = 1,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the first commit that fails, and tell the model.")
    ] = False,
    good: Annotated[
        str, typer.Option("--good", metavar="REV", help="With --bisect: where the test still passed.")
    ] = "",
    max_seconds: Annotated[
        float | None,
        typer.Option("--max-seconds", metavar="S", min=1, help="Time for the search, in seconds."),
    ] = None,
    allow_test_changes: Annotated[
        bool, typer.Option("--allow-test-changes", help="Let a patch change test files too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
    model: Annotated[str | None, option_for("model")] = None,
    provider: Annotated[str | None, option_for("provider")] = None,
    base_url: Annotated[str | None, option_for("base_url")] = None,
) -> int:
    """Repair a failing test, and prove it by the tests."""
    from kcode.cli.asking import flags_with
    from kcode.repair.aim import Asked
    from kcode.ui.fixing import Wanted, checked

    above: Flags = ctx.find_root().obj or Flags()
    flags = flags_with(above, model, provider, base_url)
    command: tuple[str, ...] = ctx.meta.get(_COMMAND, ())
    words = " ".join(target or ())
    asked = Asked(
        words=words,
        command=command,
        log="" if words or command else _piped(),
        bisect=bisect or bool(good),
        good=good,
        attempts=attempts,
        allow_test_changes=allow_test_changes,
    )
    seconds = max_seconds or above.max_seconds or 0.0
    return run(flags, checked(Wanted(asked, yes, dry_run, commit, branch, seconds)), as_json)


def run(flags: Flags, wanted: Wanted, as_json: bool = False) -> int:
    """Repair in the current folder; the exit code is one of :class:`kcode.errors.ExitCode`."""
    import asyncio

    from kcode.workspace.workspace import Workspace

    return asyncio.run(_run(flags, wanted, as_json, Workspace.open(Path.cwd())))


async def _run(flags: Flags, wanted: Wanted, as_json: bool, workspace: Workspace) -> int:
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.fixview import FixDesk, Stages
    from kcode.cli.start import begin, open_provider
    from kcode.repair.pipeline import repair
    from kcode.ui.fixing import check_place

    desk = FixDesk(quiet=as_json)
    await check_place(workspace.root, wanted)
    start = begin(flags)
    ensure_model(start.settings)
    provider = open_provider(start.settings)
    stages = Stages()
    drafting: list[Session] = []  # what drafts a commit's message
    try:
        result = await repair(
            workspace.root,
            from_root(wanted, workspace.root).asked,
            provider,
            start.settings,
            on_event=stages.handle,
            budget_s=wanted.max_seconds,
            choose=stages.aside(desk.choose) if desk.person else None,
        )
        stages.close()

        def session() -> Session:
            from kcode.agent.session import Session

            drafting.append(Session.open(workspace.root, start.settings, provider, errand="commit"))
            return drafting[-1]

        return await _conclude(result, wanted, as_json, workspace, desk, session)
    finally:
        stages.close()
        for each in drafting:
            if each.cost.requests:
                print(_("cost: {cost}").format(cost=each.cost.text()), file=sys.stderr)
            await each.close()  # and the provider with it
        if not drafting:
            await provider.close()


def from_root(wanted: Wanted, root: Path) -> Wanted:
    """Paths typed in a subfolder, as the paths from the workspace's root; other targets as they are."""
    asked = wanted.asked
    folder = os.path.relpath(os.path.realpath(Path.cwd()), os.path.realpath(root))
    return replace(wanted, asked=replace(asked, words=target_from_root(asked.words, root), folder=folder))


def target_from_root(target: str, root: Path) -> str:
    """A path typed in a subfolder, as the path from the workspace's root; other targets as they are."""
    parts = target.split()
    if len(parts) > 1 and all(Path(part.partition("::")[0]).exists() for part in parts):
        return " ".join(target_from_root(part, root) for part in parts)
    path, colons, rest = target.partition("::")
    if not path or not Path(path).exists():
        return target
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    return target if inside.startswith("..") else f"{inside}{colons}{rest}"


def _piped() -> str:
    """A log on standard input, from a file or a pipe; what else stands there (``/dev/null``) is none."""
    from kcode.cli.headless import read_all

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return ""
    return read_all(sys.stdin.buffer)[-_LARGEST_LOG:].decode("utf-8", errors="replace")


async def _conclude(
    result: RepairResult,
    wanted: Wanted,
    as_json: bool,
    workspace: Workspace,
    desk: FixDesk,
    session: Any,
) -> int:
    from kcode.cli.fixview import show_result
    from kcode.errors import ExitCode
    from kcode.repair.pipeline import apply
    from kcode.ui.fixing import Taken, take

    nothing = Taken()
    if not as_json:
        show_result(result)
    if result.status != "fixed":
        return _finish(result, nothing, as_json, int(result.exit_code))
    if wanted.dry_run:
        return _finish(result, nothing, as_json, int(ExitCode.OK))
    asked = not wanted.yes and not as_json and desk.person
    if not wanted.yes and not (asked and await desk.yes(_("Apply this patch?"))):
        desk.say(_("not applied") if asked else _("not applied; --yes applies it, --dry-run only shows it"))
        return _finish(result, nothing, as_json, int(ExitCode.NOT_ACHIEVED))
    taken = await take(desk, workspace.root, wanted, result, lambda: apply(result, workspace), session)
    desk.say(_("applied to {files}").format(files=", ".join(edit.path for edit in result.edits)))
    _tell(taken, desk)
    return _finish(result, taken, as_json, int(ExitCode.NOT_ACHIEVED if taken.why else ExitCode.OK))


def _tell(taken: Taken, desk: FixDesk) -> None:
    if taken.branch:
        desk.say(_("on the new branch {name}").format(name=taken.branch))
    if taken.commit:
        subject = taken.message.partition("\n")[0]
        desk.say(_("committed as {commit}: {subject}").format(commit=taken.commit, subject=subject))
    if taken.why:
        desk.say(taken.why)


def _finish(result: RepairResult, taken: Taken, as_json: bool, code: int) -> int:
    if as_json:
        data: dict[str, Any] = {**result.as_json(), **taken.as_json(), "exit_code": code}
        print(json.dumps(data, ensure_ascii=False, indent=2))
    return code
