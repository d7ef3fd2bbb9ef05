"""What can go wrong with a file of the user's. Messages are fit for the model and for people."""

from __future__ import annotations

from kcode.errors import ExitCode, KcodeError


class WorkspaceError(KcodeError):
    """A path or a file that cannot be used as asked."""

    exit_code = ExitCode.USAGE


class PathOutside(WorkspaceError):
    """The path leads out of the workspace, directly or through a symlink."""


class KeptOut(WorkspaceError):
    """``.kcodeignore`` keeps it from models."""


class NotThere(WorkspaceError):
    """No such file or folder; the message names the nearest ones."""


class NotAFile(WorkspaceError):
    """A folder, a socket, a device."""


class BinaryFile(WorkspaceError):
    """Not text in any encoding kcode knows."""


class TooLarge(WorkspaceError):
    """Beyond the size that is read as a whole."""


class Unencodable(WorkspaceError):
    """The new text has characters that the file's encoding cannot hold."""


class StaleFile(WorkspaceError):
    """The file on disk is not the one the change was planned on."""


class BadPatch(WorkspaceError):
    """A patch that cannot be read."""
