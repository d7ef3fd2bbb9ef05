"""A session as a file: for ``/export`` and ``kcode session export``. Keys in it are masked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from kcode.errors import EnvironmentProblem, UsageError
from kcode.i18n import _

FORMATS = ("md", "json", "html")


def format_of(name: str) -> str:
    """The format that a file's name says; Markdown where it says none. Raises UsageError for another one."""
    suffix = Path(name).suffix.lower().lstrip(".")
    if suffix in ("", "markdown"):
        return "md"
    if suffix == "htm":
        return "html"
    if suffix not in FORMATS:
        raise UsageError(
            _("a session is not written as .{suffix}").format(suffix=suffix),
            _("FILE.md, FILE.json or FILE.html"),
        )
    return suffix


def document(journal: Path, format: str, redact: Callable[[str], str]) -> str:
    """The session of ``journal`` as one text in one of :data:`FORMATS`. Raises JournalProblem."""
    from kcode.conversation import export as formats
    from kcode.conversation.journal import load

    writers = {"md": formats.as_markdown, "json": formats.as_json, "html": formats.as_html}
    header, records = load(journal)
    return writers[format](header, records, redact)


def write_new(target: Path, text: str) -> None:
    """Write a file that is not there yet. Raises UsageError where it is, else EnvironmentProblem."""
    try:
        with target.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            _("{file} exists already").format(file=target), _("choose another name, or remove it first")
        ) from None
    except OSError as error:
        raise EnvironmentProblem(
            _("{file} cannot be written: {why}").format(file=target, why=error.strerror),
            _("choose another folder"),
        ) from None


def redactor(root: Path, own_keys: Iterable[str] = ()) -> Callable[[str], str]:
    """Masks what looks like a key; and, whatever they look like, the keys that kcode itself was given and
    what the environment names a secret."""
    from kcode.config.layers import load_settings
    from kcode.errors import ConfigError
    from kcode.safety.secrets import mask, redact
    from kcode.ui.redaction import secrets_of

    own = secrets_of(os.environ) | set(own_keys)
    with contextlib.suppress(ConfigError):
        own.add(load_settings(root).settings.provider.api_key)
    known = sorted((key for key in own if len(key) >= 8), key=len, reverse=True)

    def masked(text: str) -> str:
        for key in known:
            text = text.replace(key, mask(key))
        return redact(text)

    return masked
