"""``kcode hook run pre-commit``: what git waits for at every commit. Offline, light, and lenient.

Exit code 0 lets the commit go on, 1 stops it. Where the check itself cannot run it says so and lets
the commit go on, unless the setting ``hooks.fail_closed`` says otherwise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kcode.errors import KcodeError, UsageError
from kcode.githooks.checks import ALLOW, Finding, conflict_markers, secrets

_SHOWN = 30


def main(arguments: list[str]) -> int:
    """``arguments`` is the hook's name and what git passed it. Raises UsageError for another hook."""
    if arguments[:1] != ["pre-commit"]:
        name = arguments[0] if arguments else ""
        raise UsageError(f"there is no hook {name!r} to run", "kcode hook run pre-commit")
    if os.environ.get("KCODE_HOOKS") == "0":
        return 0
    try:
        findings, part = pre_commit(Path.cwd())
    except (KcodeError, OSError) as error:
        return _could_not(error)
    if part:
        _say("kcode hook: the staged change is very large; only a part of it was checked")
    if findings:
        _show(findings)
        return 1
    return 0


def pre_commit(start: Path) -> tuple[list[Finding], bool]:
    """The findings in what is staged, and whether only a part of it was read.

    While a merge, rebase, cherry-pick or revert is being concluded only conflict markers count: the
    rest is content that was committed before.
    """
    from kcode.githooks.place import find_place
    from kcode.githooks.staged import read_staged

    place = find_place(start)
    staged = read_staged(place.top)
    findings = list(conflict_markers(staged.files))
    if not place.unfinished:
        findings += secrets(staged.files)
    return sorted(findings, key=lambda f: (f.path, f.line)), not staged.whole


def _show(findings: list[Finding]) -> None:
    from kcode.safety.sanitize import clean

    things = "1 thing" if len(findings) == 1 else f"{len(findings)} things"
    _say(f"kcode hook: the commit was stopped: {things} in what is staged")
    for finding in findings[:_SHOWN]:
        _say(f"  {clean(finding.path)}:{finding.line}: {clean(finding.what)}")
    if len(findings) > _SHOWN:
        _say(f"  and {len(findings) - _SHOWN} more")
    _say("Mend the lines and `git add` them again. A line that is meant to be so can say")
    _say(f'"{ALLOW}". To commit anyway: KCODE_HOOKS=0 git commit … (or --no-verify).')


def _could_not(error: Exception) -> int:
    reason = error.message if isinstance(error, KcodeError) else str(error)
    closed = _fail_closed()
    ending = "hooks.fail_closed stops the commit" if closed else "the commit goes on"
    _say(f"kcode hook: nothing was checked: {reason}; {ending}")
    return 1 if closed else 0


def _fail_closed() -> bool:
    from kcode.config.layers import load_settings
    from kcode.config.paths import project_root

    try:
        return load_settings(project_root(Path.cwd())).settings.hooks.fail_closed
    except KcodeError as error:
        _say(f"kcode hook: {error.message}")
        return False


def _say(text: str) -> None:
    print(text, file=sys.stderr)
