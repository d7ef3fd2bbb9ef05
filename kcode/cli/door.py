"""The outer door: runs a command line and turns whatever goes wrong into words and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

from kcode.errors import ExitCode, KcodeError


class Escaped(Exception):
    """Carries an exception past the argument parser, which has answers of its own to some."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def run(arguments: list[str]) -> int:
    """Run the command line; every ending is an exit code. Raises only :class:`BrokenPipeError`."""
    debug = "--debug" in arguments[: _end_of_options(arguments)] or bool(os.environ.get("KCODE_DEBUG"))
    _end_cleanly_on_signals()
    try:
        return _run(arguments)
    except Escaped as escaped:
        return _answer(escaped.error, debug)
    except (Exception, KeyboardInterrupt) as error:  # outer door
        return _answer(error, debug)


def _run(arguments: list[str]) -> int:
    if arguments[:2] == ["hook", "run"] and arguments[2:3] and not arguments[2].startswith("-"):
        # Every commit waits for this one: the argument parser alone would cost more than the check.
        from kcode.cli.hooksession import hook_session
        from kcode.githooks.run import main as run_hook

        return run_hook(arguments[2:], hook_session)
    from kcode.cli.root import command

    end = _end_of_options(arguments)
    hoisted = [a for a in _valued(arguments[:end]) if a != "--debug"] + arguments[end:]
    try:
        command().main(args=hoisted, prog_name="kcode")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
    return 0


def _valued(arguments: list[str]) -> list[str]:
    """``--resume`` may go without a value, which the argument parser does not know. Before a command, that
    is: `kcode provider verify` has a switch of this name."""
    from kcode.cli.table import COMMANDS

    names = {row.name for row in COMMANDS}
    end = next((place for place, word in enumerate(arguments) if word in names), len(arguments))
    followed = zip(arguments[:end], [*arguments[1:end], ""], strict=False)
    return [
        "--resume=" if word == "--resume" and (not after or after.startswith("-")) else word
        for word, after in followed
    ] + arguments[end:]


def _end_of_options(arguments: list[str]) -> int:
    return arguments.index("--") if "--" in arguments else len(arguments)


def _answer(error: BaseException, debug: bool) -> int:
    if isinstance(error, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, KcodeError):
        from kcode.ui.errors import report

        report(error, debug=debug)
        return int(error.exit_code)
    if isinstance(error, OSError) and error.errno is not None:
        return _report_os_error(error, debug)
    return _report_defect(error, debug)


def _report_os_error(error: OSError, debug: bool) -> int:
    """A full disk or a missing permission that no layer below has put into words."""
    from kcode.errors import EnvironmentProblem
    from kcode.ui.errors import report

    at = f"{error.filename}: " if error.filename else ""
    problem = EnvironmentProblem(f"{at}{error.strerror}", "check the path, its permissions and the disk")
    problem.__cause__ = error
    report(problem, debug=debug)
    return int(ExitCode.ENVIRONMENT)


def _report_defect(error: BaseException, debug: bool) -> int:
    from kcode.i18n import _

    trace, words = _without_secrets(error)
    kept = _keep(trace)
    print(
        _("kcode: this is a defect of kcode: {kind}: {words}").format(kind=type(error).__name__, words=words),
        file=sys.stderr,
    )
    if debug:
        print(trace, file=sys.stderr, end="")
    if kept:
        print(_("The stack trace is in {file}; please report it.").format(file=kept), file=sys.stderr)
    elif not debug:
        print(_("Run it again with --debug to see the stack trace."), file=sys.stderr)
    return int(ExitCode.INTERNAL)


def _without_secrets(error: BaseException) -> tuple[str, str]:
    """The stack trace and the error's own words, with keys masked: both are made to be shown to others."""
    try:
        from kcode.ui.exporting import redactor

        masked = redactor(Path.cwd())
        return masked("".join(traceback.format_exception(error))), masked(str(error))
    except Exception:  # outer door: what is broken may be what masks, and places have no secrets
        return "".join(traceback.format_tb(error.__traceback__)), ""


def _keep(trace: str) -> str:
    """Write the trace under the state folder; returns its path, or "" where that is not possible."""
    from kcode import __version__
    from kcode.config.paths import make_private, state_dir

    name = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}.txt"
    path = state_dir() / "crash" / name
    try:
        make_private(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(f"kcode {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n{trace}")
    except OSError:
        return ""
    return with_tilde(path)


def with_tilde(path: Path) -> str:
    home = str(Path.home())
    return f"~{str(path)[len(home) :]}" if str(path).startswith(f"{home}/") else str(path)


def _end_cleanly_on_signals() -> None:
    """SIGTERM and a closed terminal unwind as an exit does, so that children are ended too."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)
