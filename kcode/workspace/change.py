"""A planned change of one file, whole before and whole after."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One file of a planned change. ``before``/``after`` are None where the file is not there.

    ``note`` says to people what the text does not: that it is binary, or executable. ``mode`` are the
    permission bits that the file gets; None: those it has, or usual ones for a new file.
    """

    path: str  # relative to the workspace, with forward slashes
    before: str | None
    after: str | None
    note: str = ""
    mode: int | None = None
