"""Putting a file of kcode's own (a completion script, the manual) where the system looks for it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from kcode.cli.door import with_tilde
from kcode.i18n import _


def put(place: Path, text: str) -> None:
    """Write ``text`` there, saying where. Raises EnvironmentProblem where that is not possible."""
    from kcode.errors import EnvironmentProblem

    shown = with_tilde(place)
    try:
        if place.exists() and place.read_text(encoding="utf-8", errors="replace") == text:
            print(_("{place} is up to date").format(place=shown), file=sys.stderr)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        half = place.with_name(f".{place.name}.new")
        half.write_text(text, encoding="utf-8")
        half.replace(place)
    except OSError as error:
        raise EnvironmentProblem(
            _("{place}: cannot be written ({why})").format(place=shown, why=error.strerror),
            _("print it without --install and put it where you like"),
        ) from None
    print(_("written: {place}").format(place=shown), file=sys.stderr)


def remove(place: Path) -> None:
    """Remove the file, saying so; one that is not there is no error."""
    from kcode.errors import EnvironmentProblem

    shown = with_tilde(place)
    try:
        place.unlink()
    except FileNotFoundError:
        print(_("{place} is not there").format(place=shown), file=sys.stderr)
        return
    except OSError as error:
        raise EnvironmentProblem(
            _("{place}: cannot be removed ({why})").format(place=shown, why=error.strerror)
        ) from None
    with contextlib.suppress(OSError):
        place.parent.rmdir()  # where it was the only file
    print(_("removed: {place}").format(place=shown), file=sys.stderr)


def add_line(file: Path, line: str, mark: str) -> None:
    """Let a start-up file of the user's end with ``line``, once; ``mark`` is how it is found again."""
    before = _lines_of(file)
    kept = [text for text in before if mark not in text]
    if [*kept, line] == before:
        print(_("{place} is up to date").format(place=with_tilde(file)), file=sys.stderr)
        return
    _replace(file, [*kept, line])
    print(_("a line was added to {place}").format(place=with_tilde(file)), file=sys.stderr)


def take_line(file: Path, mark: str) -> None:
    """Remove the line with ``mark``; nothing else of the file changes."""
    before = _lines_of(file)
    kept = [text for text in before if mark not in text]
    if kept != before:
        _replace(file, kept)
        print(_("a line was removed from {place}").format(place=with_tilde(file)), file=sys.stderr)


def _lines_of(file: Path) -> list[str]:
    """With ``surrogateescape``, so that bytes of any encoding come back as they were."""
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(file, error) from None
    return text.removesuffix("\n").split("\n") if text else []


def _replace(file: Path, lines: list[str]) -> None:
    target = file.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        half = target.with_name(f".{target.name}.kcode-new")
        half.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        half.chmod(mode)
        half.replace(target)
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> Exception:
    from kcode.errors import EnvironmentProblem

    return EnvironmentProblem(
        _("{place}: cannot be changed ({why})").format(place=with_tilde(file), why=error.strerror),
        _("check the file's permissions, or add the line yourself"),
    )
