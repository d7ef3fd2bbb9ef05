"""What can go wrong, as types: each error says what happened and what to do next.

Every exception a user can provoke derives from :class:`KcodeError`; the command line prints
``message`` and ``remedy`` and exits with ``exit_code``. A stack trace appears only with ``--debug``.
The table of exit codes is documented in ``docs/exit-codes.md`` and is stable.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every kcode command."""

    OK = 0
    NOT_ACHIEVED = 1  # the task was tried and not done: no repair found, a check found something
    USAGE = 2  # bad flag, bad configuration, a path that is not there
    AUTH = 3  # no key, wrong key, key of another platform
    QUOTA = 4  # balance or plan quota used up
    LIMIT = 5  # a turn, time or cost limit of the user's was reached
    PROVIDER = 6  # the provider failed or was not there; trying again later may help
    NOTHING_FAILS = 7  # `kcode fix`: the tests pass already
    CANNOT_RUN_TESTS = 8  # `kcode fix`: no tests, or they cannot start
    ENVIRONMENT = 9  # disk, permissions, a corrupt file, a model that is not there
    WOULD_ASK = 10  # `kcode permissions explain`: the command would be asked about
    DENIED = 11  # `kcode permissions explain`: the command would be denied
    INTERNAL = 70  # a defect of kcode
    INTERRUPTED = 130  # Ctrl-C
    PIPE_CLOSED = 141  # whoever read the output went away, as in `kcode … | head`


class KcodeError(Exception):
    """An error with a remedy.

    ``message`` says what happened in one sentence; ``remedy`` says what the user can do, or is empty.
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(KcodeError):
    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A configuration file or variable that cannot be used; ``message`` names the file and the key."""


class EnvironmentProblem(KcodeError):
    """The machine is in the way: disk full, no permission, a corrupt file, a missing model."""

    exit_code = ExitCode.ENVIRONMENT


class LimitReached(KcodeError):
    exit_code = ExitCode.LIMIT


class Interrupted(KcodeError):
    exit_code = ExitCode.INTERRUPTED


class NotAchieved(KcodeError):
    exit_code = ExitCode.NOT_ACHIEVED
