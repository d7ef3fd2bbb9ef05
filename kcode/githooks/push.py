"""``pre-push``: the tests that the pushed commits affect, within a time limit."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.githooks.place import find_place
from kcode.githooks.run import say, settings_here
from kcode.i18n import _, n_
from kcode.workspace import repo

_NONE = re.compile(r"0+")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Pushed:
    """One line that git says on standard input; ``there`` is what the remote has, all zeros for nothing."""

    local: str
    commit: str
    remote: str
    there: str


def read_pushed(text: str) -> list[Pushed]:
    """What is pushed, deletions left out."""
    rows = [line.split() for line in text.splitlines()]
    return [Pushed(*row) for row in rows if len(row) == 4 and not _NONE.fullmatch(row[1])]


def before_push(arguments: list[str]) -> int:
    """``pre-push REMOTE URL`` with the refs on standard input. 1 where a test fails."""
    settings = settings_here()
    if settings.hooks.push_tests == "off":
        return 0
    place = find_place(Path.cwd())
    if place.unfinished and not settings.hooks.while_merging:
        return 0
    pushed = _from_environment() or read_pushed("" if sys.stdin.isatty() else sys.stdin.read())
    now = repo.git_sync(place.top, "rev-parse", "HEAD").stdout.strip()
    here = [one for one in pushed if one.commit == now]
    if pushed and not here:
        say(_("kcode hook: what is pushed is not what is checked out: no tests were run"))
        return 0
    files = changed_files(place.top, here, arguments[0] if arguments else "")
    if not files:
        return 0
    targets: tuple[str, ...] = ()
    if settings.hooks.push_tests == "affected":
        from kcode.testrun.affected import affected

        found = asyncio.run(affected(place.top, files))
        targets = found.targets
        if not targets and not found.all:
            say(_("kcode hook: no test belongs to what is pushed: none was run"))
            return 0
    return _run(place.top, list(targets))


def _from_environment() -> list[Pushed]:
    """The pre-commit framework reads standard input itself and says the refs in variables."""
    names = (
        "PRE_COMMIT_LOCAL_BRANCH",
        "PRE_COMMIT_TO_REF",
        "PRE_COMMIT_REMOTE_BRANCH",
        "PRE_COMMIT_FROM_REF",
    )
    values = [os.environ.get(name, "") for name in names]
    return [Pushed(values[0], values[1], values[2], values[3] or "0")] if values[1] else []


def changed_files(top: Path, pushed: Sequence[Pushed], remote: str) -> list[str]:
    """The files that the pushed commits change or delete; of a new branch those that no branch of ``remote``
    has."""
    found: dict[str, None] = {}
    for one in pushed:
        known = not _NONE.fullmatch(one.there) and _there(top, one.there)
        arguments = ["log", "--format=", "--name-only", "--no-renames", "-z"]
        arguments += (
            [f"{one.there}..{one.commit}"] if known else [one.commit, "--not", f"--remotes={remote or '*'}"]
        )
        done = repo.git_sync(top, *arguments, max_output=16_000_000)
        repo.check(done, "git log")
        found.update(dict.fromkeys(name.strip("\n") for name in done.stdout.split("\0") if name.strip("\n")))
    return list(found)


def _there(top: Path, commit: str) -> bool:
    return repo.git_sync(top, "cat-file", "-e", f"{commit}^{{commit}}").code == 0


def _run(top: Path, targets: list[str]) -> int:
    from kcode.errors import EnvironmentProblem
    from kcode.testrun.run import run_tests

    settings = settings_here()
    for name in repo.git_sync(top, "rev-parse", "--local-env-vars").stdout.split():
        os.environ.pop(name, None)  # tests that use git mean repositories of their own
    changed = repo.changed_files(top)
    report = asyncio.run(run_tests(top, settings, targets, settings.hooks.push_seconds))
    if report.cannot_run:
        raise EnvironmentProblem(f"the tests cannot run: {report.cannot_run}")
    failing = [case for case in report.cases if case.failing]
    if not (report.failed or report.errors):
        if report.timed_out:
            seconds = settings.hooks.push_seconds
            raise EnvironmentProblem(
                f"the tests were not done within {seconds:g} s", "raise hooks.push_seconds"
            )
        return 0
    count = report.failed + report.errors
    said = n_(
        "kcode hook: the push was stopped: {count} test fails",
        "kcode hook: the push was stopped: {count} tests fail",
        count,
    )
    say(said.format(count=count))
    for case in failing[:_SHOWN]:
        say(f"  {case.id}" + (f": {case.message[:120]}" if case.message else ""))
    if any(entry.code != "??" for entry in changed):
        say(_("The tests ran on the files as they are, with changes that are not committed."))
    fix = f'kcode fix "{failing[0].id}"' if failing else "kcode fix"
    say(
        _("To mend it: {command}. To push anyway: KCODE_HOOKS=0 git push … (or --no-verify).").format(
            command=fix
        )
    )
    return 1
