"""run_tests: the project's tests, structured."""

from __future__ import annotations

from pydantic import Field

from kcode.tools.base import Arguments, Intent, Progress, Tool, ToolContext, ToolOutcome
from kcode.tools.command import confinement, scratch_folder


class RunTestsArguments(Arguments):
    target: str | None = None
    timeout_s: float | None = Field(None, gt=0, le=3600)


class RunTests(Tool[RunTestsArguments]):
    name = "run_tests"
    arguments = RunTestsArguments

    def title(self, args: RunTestsArguments) -> str:
        return f"run tests {args.target}" if args.target else "run all tests"

    async def plan(self, args: RunTestsArguments, context: ToolContext) -> Intent:
        return Intent("test")

    async def run(self, args: RunTestsArguments, context: ToolContext) -> ToolOutcome:
        from kcode.testrun.adapter import Surroundings
        from kcode.testrun.report import TestProgress
        from kcode.testrun.run import run_tests
        from kcode.testrun.summary import summarise

        def tell(progress: TestProgress) -> None:
            context.progress(Progress(progress.text, progress.passed, progress.failed, progress.total))

        scratch = scratch_folder(context)
        report = await run_tests(
            context.workspace.root,
            context.settings,
            args.target,
            args.timeout_s or 0.0,
            tell,
            around=Surroundings(confinement(context, scratch), scratch, context.test_env),
        )
        counted = {"passed": report.passed, "failed": report.failed, "errors": report.errors}
        counted["flaky"] = len(report.flaky)
        brief = ", ".join(f"{count} {what}" for what, count in counted.items() if count)
        return ToolOutcome(
            summarise(report),
            "cannot run" if report.cannot_run else brief or "no tests ran",
            ok=not (report.cannot_run or report.failed or report.errors),
            payload=report,
            confined="because of the sandbox" in report.note,
        )
