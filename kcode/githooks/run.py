"""``kcode hook run NAME``: what git waits for. Light, bounded in time, and lenient.

Exit code 0 lets git go on, 1 stops it. Where a check itself cannot run it says so and lets git go on, unless
the setting ``hooks.fail_closed`` says otherwise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import KcodeError, UsageError
from kcode.githooks.checks import ALLOW, Finding
from kcode.i18n import _, from_below, n_

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings
    from kcode.githooks.place import Place

Opened = Callable[["Settings", Path], "AbstractAsyncContextManager[Session]"]
"""Opens a session for one question, in a folder, with settings whose limits are already the hook's own."""

_SHOWN = 30
_told: list[str] = []  # settings of an untrusted folder, said once in a run


def main(arguments: list[str], opened: Opened | None = None) -> int:
    """``arguments`` is the hook's name and what git passed it. Without ``opened`` no model is asked.

    Raises UsageError for a hook that there is not.
    """
    runners = {
        "pre-commit": _pre_commit,
        "prepare-commit-msg": _prepare,
        "commit-msg": _message,
        "pre-push": _push,
        "post-merge": _merged,
    }
    name, rest = (arguments[0] if arguments else ""), arguments[1:]
    if name not in runners:
        raise UsageError(
            _("there is no hook {name!r} to run").format(name=name),
            _("kcode hook run NAME, one of: {names}").format(names=", ".join(runners)),
        )
    if os.environ.get("KCODE_HOOKS") == "0":
        return 0
    try:
        return runners[name](rest, opened)
    except (KcodeError, OSError) as error:
        return could_not(error, name)


def pre_commit(start: Path) -> tuple[list[Finding], bool]:
    """The findings in what is staged, and whether only a part of it was read."""
    from kcode.githooks.place import find_place

    return _staged_findings(find_place(start))


def _staged_findings(place: Place) -> tuple[list[Finding], bool]:
    from kcode.githooks.checks import all_checks
    from kcode.githooks.staged import read_staged

    staged = read_staged(place.top)
    merging = bool(place.unfinished) and not (settings_here().hooks.while_merging if place.unfinished else 0)
    return all_checks(staged.files, merging=merging), not staged.whole


def _pre_commit(arguments: list[str], opened: Opened | None) -> int:
    from kcode.githooks.place import find_place

    place = find_place(Path.cwd())
    findings, part = _staged_findings(place)
    if part:
        say(_("kcode hook: the staged change is very large; only a part of it was checked"))
    if findings:
        _show(findings)
        return 1
    if opened is None or not _review_may_be_on(place):
        return 0
    settings = settings_here()
    if settings.hooks.review == "off" or (place.unfinished and not settings.hooks.while_merging):
        return 0
    from kcode.githooks.asking import review_staged

    try:
        return review_staged(place.top, settings, opened)
    except KcodeError as error:
        return could_not(error, "review")


def _review_may_be_on(place: Place) -> bool:
    """A look that needs no settings library: it would cost every commit more than the checks do."""
    if os.environ.get("KCODE_HOOKS__REVIEW"):
        return True
    from kcode.config.paths import project_config_file, user_config_file

    for file in (user_config_file(), project_config_file(place.top)):
        try:
            if b"review" in file.read_bytes():
                return True
        except FileNotFoundError:
            continue
    return False


def _prepare(arguments: list[str], opened: Opened | None) -> int:
    from kcode.githooks.message import prepare

    return prepare(arguments, opened)


def _message(arguments: list[str], opened: Opened | None) -> int:
    from kcode.githooks.message import check

    return check(arguments)


def _push(arguments: list[str], opened: Opened | None) -> int:
    from kcode.githooks.push import before_push

    return before_push(arguments)


def _merged(arguments: list[str], opened: Opened | None) -> int:
    from kcode.githooks.merged import report

    return report()


def settings_here() -> Settings:
    """The settings of the project in the current folder; raises ConfigError."""
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root

    loaded = load_settings(project_root(Path.cwd()))
    if loaded.ignored and not _told:
        names = ", ".join(loaded.ignored)
        _told.append(names)
        said = _(
            "kcode hook: this folder is not trusted: its settings {names} are not used "
            "(kcode permissions trust)"
        )
        say(said.format(names=names))
    return loaded.settings


def _show(findings: list[Finding]) -> None:
    from kcode.safety.sanitize import clean

    said = n_(
        "kcode hook: the commit was stopped: {count} thing in what is staged",
        "kcode hook: the commit was stopped: {count} things in what is staged",
        len(findings),
    )
    say(said.format(count=len(findings)))
    for finding in findings[:_SHOWN]:
        say(f"  {clean(finding.path)}:{finding.line}: {clean(from_below(finding.what))}")
    if len(findings) > _SHOWN:
        say(_("  and {findings} more").format(findings=len(findings) - _SHOWN))
    say(_("Mend the lines and `git add` them again. A line that is meant to be so can say"))
    say(_('"{allow}". To commit anyway: KCODE_HOOKS=0 git commit … (or --no-verify).').format(allow=ALLOW))


def could_not(error: Exception, part: str = "") -> int:
    """Say why nothing was checked; the exit code is what ``hooks.fail_closed`` says.

    ``part`` is a hook's name, or ``review`` where all but the model's look was done.
    """
    reason = error.message if isinstance(error, KcodeError) else str(error)
    closed = _fail_closed()
    what = {
        "review": _("the staged change was not reviewed"),
        "prepare-commit-msg": _("no message was drafted"),
    }.get(part, _("nothing was checked"))
    said = (
        _("kcode hook: {what}: {reason}; hooks.fail_closed stops it")
        if closed
        else _("kcode hook: {what}: {reason}; git goes on")
    )
    say(said.format(what=what, reason=from_below(reason)))
    return 1 if closed else 0


def _fail_closed() -> bool:
    try:
        return settings_here().hooks.fail_closed
    except KcodeError as error:
        say(_("kcode hook: {message}").format(message=error.message))
        return False


def say(text: str) -> None:
    print(text, file=sys.stderr)
