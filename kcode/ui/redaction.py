"""Text that may be shown to strangers: without keys, without the home folder, without the user's name.

Stricter than what protects a conversation: here a word too much that is masked costs nothing, so that what
only looks like a placeholder is masked too.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from kcode.safety.secrets import redact

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 6  # characters of a value that is masked wherever it stands
_NOBODY = ("root", "user", "admin", "ubuntu", "localhost")  # names that say nothing about a person
_ALONE = "(?<![A-Za-z0-9])"  # a key may stand right behind Chinese text or an underscore
_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY[\s\S]*?(?:-----END [A-Z ]{0,40}-----|\Z)",
        _ALONE + r"(?:AKIA|ASIA)[A-Z0-9]{12,}",
        _ALONE + r"(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|AIza|npm_|pypi-|hf_)[A-Za-z0-9_-]{8,}",
        _ALONE + r"[srp]k[-_][A-Za-z0-9_-]{6,}",
        _ALONE + r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}",
        _ALONE + r"(?i:bearer|basic)\s+[A-Za-z0-9+/_.=~-]{6,}",
        _ALONE + r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",  # Ark's keys are UUIDs
        r"(?<=://)[^\s/@'\"]+(?=@)",
        r"(?i)(?:api[_-]?key|secret|token|passw(?:or)?d|credential)[\w-]{0,40}"
        r"[\"']?\s{0,4}(?:=>|:=|[:=])\s{0,4}[\"']?([^\s\"',;}{]{6,})",
    )
)
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{40,}")  # a run that no word is, with letters of both cases and digits


class Redactor:
    """Masks the ``known`` secrets and names wherever they stand, and what looks like a secret."""

    def __init__(self, known: Iterable[str], paths: Mapping[str, str], names: Mapping[str, str]) -> None:
        """``known`` are values; ``paths`` and ``names`` what stands in for a path or a word."""
        self._known = sorted({k for k in known if len(k) >= _SHORTEST}, key=len, reverse=True)
        spelled = {form: mask for path, mask in paths.items() for form in _forms(path)}
        self._paths = sorted(spelled.items(), key=lambda pair: len(pair[0]), reverse=True)
        self._names = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE), mask)
            for name, mask in names.items()
            if len(name) > 1 and name.casefold() not in _NOBODY
        ]

    def __call__(self, text: str) -> str:
        for value in self._known:
            text = text.replace(value, "<secret>")
        for shape in _SHAPES:
            text = shape.sub(_mask, text)
        text = redact(text)
        for path, mask in self._paths:
            text = text.replace(path, mask)
        for name, mask in self._names:
            text = name.sub(mask, text)
        return _LONG.sub(_mask_if_random, text)


def secrets_of(environ: Mapping[str, str]) -> set[str]:
    """The values of the variables whose names say that they are secret."""
    return {value for name, value in environ.items() if _SECRET_NAME.search(name)}


def of_this_machine(own_keys: Iterable[str], workspace: Path) -> Redactor:
    """For reports from here: the environment's secrets, the home folder, the names of user and machine."""
    values = secrets_of(os.environ)
    paths = {str(workspace): "<workspace>", os.path.realpath(workspace): "<workspace>"}
    for home in {str(Path.home()), os.path.realpath(Path.home()), os.environ.get("HOME", "")}:
        if len(home) > 1:
            paths[home] = "~"
    names = {Path.home().name: "<user>", socket.gethostname(): "<host>"}
    for variable in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        names[os.environ.get(variable, "")] = "<user>"
    with contextlib.suppress(OSError, KeyError):  # a user that the system has no name for
        names[getpass.getuser()] = "<user>"
    return Redactor({*values, *own_keys}, paths, names)


def _forms(path: str) -> list[str]:
    """A path as it is, in addresses, and with the backslashes of a quoted text."""
    return [path, quote(path), path.replace("\\", "\\\\"), path.replace("\\", "/")]


def _mask(match: re.Match[str]) -> str:
    if not match.re.groups:
        return "<secret>"
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return f"{match.group()[:start]}<secret>{match.group()[end:]}"


def _mask_if_random(match: re.Match[str]) -> str:
    text = match.group()
    mixed = (
        any(c.isdigit() for c in text) and any(c.islower() for c in text) and any(c.isupper() for c in text)
    )
    return "<secret>" if mixed else text
