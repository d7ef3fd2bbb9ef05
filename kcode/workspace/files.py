"""One file of the user's on disk: read exactly, written atomically, nothing about it lost."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.encoding import decode, is_binary
from kcode.workspace.errors import BinaryFile, NotAFile, NotThere, TooLarge, Unencodable

TEXT_LIMIT = 10_000_000  # bytes; larger files are read in ranges only


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file as it is: ``text`` keeps its line endings, mixed ones included.

    ``newline`` is the most frequent line ending, ``mode`` the permission bits.
    """

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""
    mode: int = 0o644

    @property
    def newline(self) -> str:
        return dominant_newline(self.text)

    @property
    def mixed_newlines(self) -> bool:
        return "\r\n" in self.text and self.text.count("\r\n") != self.text.count("\n")

    @property
    def final_newline(self) -> bool:
        return self.text.endswith("\n")

    def encode(self, text: str) -> bytes:
        """``text`` as this file would hold it. Raises :class:`Unencodable`."""
        try:
            return self.bom + text.encode(self.encoding)
        except UnicodeEncodeError as problem:
            character = problem.object[problem.start]
            raise Unencodable(
                f"the file is in {self.encoding}, which has no {character!r} (U+{ord(character):04X})",
                "write it with characters of that encoding, or an escape",
            ) from None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a path holds: a file's bytes, or a symlink's target (``link``). ``mode``: permission bits."""

    data: bytes
    mode: int = 0o644
    link: bool = False


@dataclass(frozen=True, slots=True)
class LineRange:
    """Some lines of a file too large to be read whole. ``more`` tells whether there is text after them."""

    lines: tuple[str, ...]
    more: bool


def dominant_newline(text: str) -> str:
    """The most frequent line ending of ``text``; ``\\n`` where there is none."""
    crlf = text.count("\r\n")
    return "\r\n" if crlf * 2 > text.count("\n") else "\n"


def read_text(path: Path, shown: str) -> TextFile:
    """Read a whole text file. ``shown`` names it in errors.

    Raises :class:`NotThere`, :class:`NotAFile`, :class:`TooLarge` (over 10 MB), :class:`BinaryFile`,
    :class:`EnvironmentProblem` where the machine is in the way.
    """
    info = _regular(path, shown)
    if info.st_size > TEXT_LIMIT:
        raise TooLarge(
            f"{shown} has {info.st_size / 1e6:.0f} MB; up to {TEXT_LIMIT / 1e6:.0f} MB are read whole",
            "change it with a command such as sed, or a small script",
        )
    data = read_stored(path, shown).data
    decoded = decode(data)
    if decoded is None:
        raise BinaryFile(f"{shown} is a binary file ({len(data):,} bytes)")
    return TextFile(decoded.text, decoded.encoding, decoded.bom, stat.S_IMODE(info.st_mode))


def read_lines(path: Path, shown: str, start: int, count: int, max_bytes: int = 1_000_000) -> LineRange:
    """Lines ``start`` (from 1) to ``start + count`` of a file of any size, read as a stream of UTF-8."""
    _regular(path, shown)
    lines: list[str] = []
    room = max_bytes
    try:
        with path.open("rb") as stream:
            if is_binary(stream.read(8192)):
                raise BinaryFile(f"{shown} is a binary file")
            stream.seek(0)
            for number in range(1, start + count):
                line, whole_length = _bounded_line(stream, room)
                if not whole_length:
                    return LineRange(tuple(lines), False)
                if number >= start:
                    lines.append(line.decode("utf-8", "replace"))
                    room -= len(line)
                    if room <= 0:
                        break
            return LineRange(tuple(lines), bool(stream.read(1)))
    except OSError as problem:
        raise disk_problem(problem, f"cannot read {shown}") from problem


def _bounded_line(stream: object, limit: int) -> tuple[bytes, int]:
    """The next line, at most ``limit`` bytes of it, and its whole length: a line may be gigabytes."""
    kept, length = b"", 0
    while True:
        part: bytes = stream.readline(1_048_576)  # type: ignore[attr-defined]
        length += len(part)
        kept += part[: max(limit - len(kept), 0)]
        if not part or part.endswith(b"\n"):
            return kept, length


def _regular(path: Path, shown: str) -> os.stat_result:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise NotThere(f"{shown} does not exist") from None
    except OSError as problem:
        raise disk_problem(problem, f"cannot read {shown}") from problem
    if stat.S_ISDIR(info.st_mode):
        raise NotAFile(f"{shown} is a folder")
    if not stat.S_ISREG(info.st_mode):
        raise NotAFile(f"{shown} is not a regular file")  # reading a FIFO would wait for ever
    return info


def read_stored(path: Path, shown: str) -> Stored:
    """The bytes and mode at ``path``, a symlink not followed."""
    try:
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            return Stored(os.fsencode(path.readlink()), 0o777, link=True)
        if not stat.S_ISREG(info.st_mode):
            raise NotAFile(f"{shown} is not a regular file")
        return Stored(path.read_bytes(), stat.S_IMODE(info.st_mode))
    except FileNotFoundError:
        raise NotThere(f"{shown} does not exist") from None
    except OSError as problem:
        raise disk_problem(problem, f"cannot read {shown}") from problem


def as_text(content: Stored | None) -> str | None:
    """The text of stored bytes; None for nothing, a link or a binary file."""
    decoded = None if content is None or content.link else decode(content.data)
    return None if decoded is None else decoded.text


def stage(path: Path, content: Stored) -> Path:
    """Write ``content`` beside ``path`` under a temporary name, safe on disk, ready for ``os.replace``.

    An existing file's owner and extended attributes are kept. Raises OSError; then nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(4)}.kcode"
    try:
        if content.link:
            temporary.symlink_to(os.fsdecode(content.data))
            return temporary
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(content.data)
            stream.flush()
            os.fsync(fd)
        _keep_owner(path, temporary)
        temporary.chmod(content.mode)  # after chown, which clears set-id bits
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _keep_owner(old: Path, new: Path) -> None:
    with suppress(OSError):  # a new file, or an owner we may not give files to
        info = old.lstat()
        if hasattr(os, "chown") and (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(new, info.st_uid, info.st_gid)
        if hasattr(os, "listxattr"):
            for name in os.listxattr(old):
                os.setxattr(new, name, os.getxattr(old, name))


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where the platform can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def check_writable(path: Path, shown: str) -> None:
    """Replacing a file needs no right on the file itself, so a read-only one is asked about here."""
    try:
        info = path.lstat()
    except OSError:
        return
    if stat.S_ISREG(info.st_mode) and not info.st_mode & 0o222:
        raise EnvironmentProblem(f"{shown} is read-only", f"make it writable: chmod u+w {shown}")


_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free some space and try again; nothing was changed"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and try again; nothing was changed"),
    errno.EFBIG: ("the file is larger than allowed here", "raise the file size limit; nothing was changed"),
    errno.EROFS: ("the disk is read-only", "remount it writable, or work on a copy"),
    errno.EACCES: ("no permission", "check the owner and the permissions of the file and its folder"),
    errno.EPERM: ("not permitted", "check the owner, the permissions and immutable flags"),
    errno.ENAMETOOLONG: ("the name is too long", "use a shorter name"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: ("it is a folder", "name a file"),
    errno.ELOOP: ("symlinks lead in a circle", "repair the links"),
    errno.EIO: ("the disk reports an error", "check the disk"),
}


def disk_problem(problem: OSError, doing: str) -> EnvironmentProblem:
    """``problem`` in words with a remedy; ``doing`` is what was tried ("cannot write a.py")."""
    what, remedy = _REMEDIES.get(problem.errno or 0, (problem.strerror or str(problem), ""))
    return EnvironmentProblem(f"{doing}: {what}", remedy)
