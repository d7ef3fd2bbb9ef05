"""The ``kcode`` program: ``--version`` and the bare ``--help`` at once, the rest through the door.

Nothing is imported here but ``sys``: a test holds ``kcode --version`` to that.
"""

from __future__ import annotations

import sys

from kcode import __version__


def main(argv: list[str] | None = None) -> int:
    """Run kcode with ``argv`` (without the program's name) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_went_away()
    return code


def _dispatch(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        print(f"kcode {__version__}")
        return 0
    if arguments in (["--help"], ["-h"]):
        from kcode.cli.table import help_text

        print(help_text(), end="")
        return 0
    if arguments[:1] == ["__complete"]:
        from kcode.cli.complete import main as complete

        return complete(arguments[1:])
    from kcode.cli.door import run

    return run(arguments)


def _reader_went_away() -> int:
    """``kcode … | head``: end as other Unix programs do, without a word (128 + SIGPIPE)."""
    import os

    from kcode.errors import ExitCode

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    return int(ExitCode.PIPE_CLOSED)


if __name__ == "__main__":
    sys.exit(main())
