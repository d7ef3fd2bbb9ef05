"""Secrets replaced by placeholders before a text is sent, and put back where the answer names them.

A placeholder is one plain word (``KCODE_SECRET_``, the kind, eight hexadecimal digits), so that it stays what
it is in JSON, in a URL, in a shell command and in a pattern, and models repeat it faithfully. The digits come
from the value and a key of the user's own that stays on this machine: the same value has the same placeholder
in every session, so that what was sent before is sent again byte for byte, and nobody who sees placeholders
can try values against them. The values themselves are in memory only.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets as randomness
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.config.paths import make_private
from kcode.safety.secrets import Found, replaced, spans

PLACEHOLDER = re.compile(r"KCODE_SECRET_[A-Z0-9_]{1,40}_[0-9A-F]{8}(?![A-Za-z0-9_])")
OWN_KEY = "kcode key"
ENVIRONMENT = "environment secret"
CUSTOM = "custom pattern"
_KEY_BYTES = 32
_SHORTEST = 8  # characters of a value that is looked for wherever it stands
_SECRET_NAME = re.compile(
    r"(?:KEY(?!BOARD|MAP|CLOAK|CHAIN|RING)|TOKEN|SECRET|PASSW|CREDENTIAL)"
    r"(?!.*_(?:NAMES?|UR[IL]|PATH|FILE|DIR|TYPE|HOST|ISSUER|DOMAIN|REALM|REGION|LAYOUT|ALGORITHM|FORMAT|MODE)$)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"[/~.].*|[a-z]+://[^@]*|[\d.]+[a-zA-Z]{0,2}|[A-Za-z]+|true|false", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Secret:
    """``typed``: the user wrote it in a message. ``own``: it is a key of kcode's."""

    value: str
    kind: str
    own: bool = False
    typed: bool = False


class Vault:
    """The secrets of one session. ``mask`` and ``restore`` are each other's inverse for what it has seen."""

    def __init__(
        self,
        key: bytes,
        *,
        own_keys: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
        pattern: str = "",
        never: str = "",
    ) -> None:
        """``pattern`` finds more secrets (its first group, where it has one, is the secret); values that
        match ``never`` are none. ``environ``: values whose names say that they are secret."""
        self._key = key
        self._pattern = re.compile(pattern) if pattern else None
        self._never = re.compile(never) if never else None
        # By the digits alone: the same value may be called another kind where it is seen again.
        self._by_digits: dict[str, Secret] = {}
        self._names: dict[str, str] = {}  # value -> placeholder
        self._lasting: dict[str, None] = {}  # values looked for wherever they stand
        for value in own_keys:
            self.know_own(value)
        for value in secrets_of(environ or {}):
            if value not in self._names:
                self._learn(value, ENVIRONMENT)
                self._lasting[value] = None

    def know_own(self, value: str) -> None:
        """A key of kcode's own: masked wherever it stands, put back only where it has been before."""
        if len(value) >= _SHORTEST:
            self._learn(value, OWN_KEY, own=True)
            self._lasting[value] = None

    def mask_own(self, text: str) -> str:
        """``text`` with placeholders for kcode's own keys only."""
        own = [value for value in self._lasting if self._by_digits[self._names[value][-8:]].own]
        return self._known_masked(text, own)

    def mask(self, text: str, *, typed: bool = False) -> str:
        """``text`` with a placeholder for every secret. ``typed``: it is the user's own message.

        ``mask(mask(text)) == mask(text)``.
        """
        text = self._known_masked(text)
        found = self._found(text)
        if not found:
            return text
        for one in found:
            value = text[one.start : one.end]
            self._learn(value, one.kind, typed=typed)
            if one.lasting and len(value) >= _SHORTEST:
                self._lasting[value] = None
        places = [(one.start, one.end, self._names[text[one.start : one.end]]) for one in found]
        # a value that stands elsewhere in the same text, where nothing gives it away
        return self._known_masked(replaced(text, places))

    def learn(self, text: str) -> None:
        """Know the secrets of a text of which only parts will be seen."""
        self.mask(text)

    def restore(
        self, text: str, allowed: Callable[[Secret], bool] = lambda secret: True
    ) -> tuple[str, list[str]]:
        """``text`` with the values of the placeholders that stand for ``allowed`` secrets, and the
        placeholders that are left: not allowed, or not known."""
        left: dict[str, None] = {}

        def value(match: re.Match[str]) -> str:
            secret = self.of(match.group())
            if secret is None or not allowed(secret):
                left[match.group()] = None
                return match.group()
            return secret.value

        return PLACEHOLDER.sub(value, text), list(left)

    def of(self, placeholder: str) -> Secret | None:
        return self._by_digits.get(placeholder[-8:])

    # --- inside --------------------------------------------------------------------------------

    def _found(self, text: str) -> list[Found]:
        found = spans(text)
        if self._pattern is not None:
            group = 1 if self._pattern.groups else 0
            own = [Found(*m.span(group), CUSTOM) for m in self._pattern.finditer(text) if m.group(group)]
            own = [one for one in own if not PLACEHOLDER.search(text, one.start, one.end)]
            found = sorted([*own, *(one for one in found if not _overlaps(one, own))])
        if self._never is not None:
            never = self._never
            found = [one for one in found if not never.search(text[one.start : one.end])]
        return found

    def _known_masked(self, text: str, values: Iterable[str] | None = None) -> str:
        for value in self._lasting if values is None else values:
            if value in text:
                text = _alone(value).sub(self._names[value], text)
        return text

    def _learn(self, value: str, kind: str, *, own: bool = False, typed: bool = False) -> None:
        name = self._names.get(value)
        if name is None:
            name = self._names[value] = self._placeholder(value, kind)
            self._by_digits[name[-8:]] = Secret(value, kind, own, typed)
        elif typed or own:
            before = self._by_digits[name[-8:]]
            self._by_digits[name[-8:]] = Secret(value, before.kind, before.own or own, before.typed or typed)

    def _placeholder(self, value: str, kind: str) -> str:
        word = re.sub(r"[^A-Z0-9]+", "_", kind.upper())[:40]
        told = value.encode("utf-8", "surrogatepass")
        while True:
            digest = hmac.digest(self._key, told, "sha256").hex()[:8].upper()
            if digest not in self._by_digits:
                return f"KCODE_SECRET_{word}_{digest}"
            told += b"\0"  # another value has the same digits: one time in four thousand million


def count(texts: Iterable[str]) -> dict[str, None]:
    """The placeholders that stand in ``texts``, each once."""
    return {name: None for text in texts if "KCODE_SECRET_" in text for name in PLACEHOLDER.findall(text)}


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of the variables whose names say that they are secret: no paths, numbers or plain words."""
    return [
        value
        for name, value in environ.items()
        if _SECRET_NAME.search(name) and len(value) >= 12 and not _NO_SECRET.fullmatch(value)
    ]


def user_key(file: Path) -> bytes:
    """The user's key for placeholders, made on first use, mode 600; for this process only where it cannot
    be kept."""
    if kept := _kept_key(file):
        return kept
    key = randomness.token_bytes(_KEY_BYTES)
    temporary = file.with_name(f".{file.name}.{randomness.token_hex(4)}")
    try:
        make_private(file.parent)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(key.hex() + "\n")
        os.link(temporary, file)  # of two at once the first one's is kept
    except FileExistsError:
        if other := _kept_key(file):
            return other
        with suppress(OSError):
            temporary.replace(file)  # what was there is no key
    except OSError:
        return key
    finally:
        with suppress(OSError):
            temporary.unlink()
    return key


def _kept_key(file: Path) -> bytes:
    with suppress(OSError, ValueError):
        kept = bytes.fromhex(file.read_text("ascii").strip())
        if len(kept) == _KEY_BYTES:
            return kept
    return b""


def _overlaps(one: Found, others: list[Found]) -> bool:
    return any(one.start < other.end and other.start < one.end for other in others)


def _alone(value: str) -> re.Pattern[str]:
    """The value where no word goes on around it; in JSON text the letter of an escape is no word."""
    before = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))" if value[0].isalnum() else ""
    return re.compile(before + re.escape(value) + ("(?![A-Za-z0-9])" if value[-1].isalnum() else ""))
