"""Keys that ``kcode login`` keeps, and whose key is used: environment, then stored keys, then the settings.

A key is kept for an *account*: a provider profile, or a profile at another address than its own
(:func:`account_of`), so that a key never goes to an address it was not stored for. ``keys.toml`` in the
configuration folder names the accounts and where their keys are; only where it names one is the keyring
library imported. Where the machine has no keyring, keys are in ``credentials.toml``, mode 600.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from kcode.config import tomlfile
from kcode.config.paths import config_dir
from kcode.errors import ConfigError, EnvironmentProblem

Place = Literal["keyring", "file"]

SERVICE = "kcode"
"""Under which name the keys are in the keyring; the user name there is the account."""

ENVIRONMENT = ("KCODE_PROVIDER__API_KEY", "KCODE_API_KEY")
"""Variables that give ``provider.api_key``, the first one winning."""


def account_of(profile: str, base_url: str, own_url: str) -> str:
    """``moonshot``, or ``vllm@http://127.0.0.1:8000/v1`` where the address is not the profile's own."""
    if base_url in ("", own_url):
        return profile
    return f"{profile}@{re.sub(r'//[^/@]*@', '//', base_url)}"


def find_key(
    account: str, key_variables: Sequence[str], environ: Mapping[str, str], config_value: str
) -> tuple[str, str]:
    """The key and where it comes from, in words (``MOONSHOT_API_KEY``, ``the keyring``); ``""`` for none.

    ``config_value`` is ``provider.api_key`` of the settings, which the environment may have given. Raises
    EnvironmentProblem where the key is in a keyring that cannot be read and there is no other.
    """
    given = config_value.strip()
    for variable in ENVIRONMENT:
        if given and environ.get(variable, "").strip() == given:
            return given, variable
    for variable in key_variables:
        if key := environ.get(variable, "").strip():
            return key, variable
    try:
        if stored := stored_key(account):
            return stored
    except EnvironmentProblem:
        if not given:
            raise
    return (given, "provider.api_key") if given else ("", "")


def stored_accounts() -> dict[str, Place]:
    """The accounts that a key is stored for, by name, and where it is. Opens no keyring."""
    table, _ = tomlfile.read(index_file())
    found = table.get("stored", {})
    if not isinstance(found, dict):
        return {}
    return {name: place for name, place in sorted(found.items()) if place in ("keyring", "file")}


def stored_key(account: str) -> tuple[str, str] | None:
    """The stored key and where it is kept, in words; None where none is stored.

    Raises EnvironmentProblem for a keyring that is not there any more or stays locked.
    """
    place = stored_accounts().get(account)
    if place == "file":
        key = _file_keys().get(account, "")
        return (key, str(_shown(credentials_file()))) if key else None
    if place == "keyring":
        import keyring

        with _keyring_errors(account):
            kept = keyring.get_password(SERVICE, account)
        return (kept, "the keyring") if kept else None
    return None


def keyring_name() -> str:
    """The name of a keyring that keeps keys safe here; ``""`` where the machine has none (a server without
    a desktop, a container)."""
    import keyring

    try:
        backend = keyring.get_keyring()
        usable = backend.priority > 0
    except (keyring.errors.KeyringError, RuntimeError, OSError):
        return ""
    return str(backend.name) if usable else ""


def store_key(account: str, key: str, place: Place) -> None:
    """Keep ``key``, replacing an older one wherever that was.

    Raises EnvironmentProblem where the keyring refuses it or the file cannot be written.
    """
    before = stored_accounts().get(account)
    if place == "keyring":
        import keyring

        with _keyring_errors(account):
            keyring.set_password(SERVICE, account, key)
            kept = keyring.get_password(SERVICE, account)
        if kept != key:
            raise EnvironmentProblem(
                "The keyring took the key and does not give it back.", "See `keyring diagnose`."
            )
    else:
        _write_file_keys(_file_keys() | {account: key})
    _write_index(stored_accounts() | {account: place})
    if before is not None and before != place:
        _remove(account, before)


def forget_key(account: str) -> Place | None:
    """Remove the account's stored key; says where it was, None where none was stored.

    Raises EnvironmentProblem where the keyring cannot be opened: the key is still there then.
    """
    place = stored_accounts().get(account)
    if place is None:
        return None
    _remove(account, place)
    rest = stored_accounts()
    rest.pop(account, None)
    _write_index(rest)
    return place


def index_file() -> Path:
    return config_dir() / "keys.toml"


def credentials_file() -> Path:
    return config_dir() / "credentials.toml"


# --- the places --------------------------------------------------------------------------------


def _remove(account: str, place: Place) -> None:
    if place == "file":
        keys = _file_keys()
        if keys.pop(account, None) is not None:
            _write_file_keys(keys)
        return
    import keyring

    with _keyring_errors(account), contextlib.suppress(keyring.errors.PasswordDeleteError):
        if keyring.get_password(SERVICE, account) is not None:
            keyring.delete_password(SERVICE, account)


@contextlib.contextmanager
def _keyring_errors(account: str) -> Iterator[None]:
    import keyring

    try:
        yield
    except (keyring.errors.KeyringError, keyring.errors.InitError, RuntimeError, OSError) as error:
        said = str(error).split("\n", 1)[0].rstrip(".") or type(error).__name__
        raise EnvironmentProblem(
            f"The key for {account} is in the keyring, which cannot be used: {said}.",
            "Unlock the keyring, or set the key's environment variable, or store it anew with `kcode login`.",
        ) from None


def _file_keys() -> dict[str, str]:
    path = credentials_file()
    with contextlib.suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    try:
        table, _ = tomlfile.read(path)
    except ConfigError as error:
        raise ConfigError(error.message, "Mend it, or remove it and `kcode login` again.") from None
    keys = table.get("keys", {})
    return {k: v for k, v in keys.items() if isinstance(v, str)} if isinstance(keys, dict) else {}


def _write_file_keys(keys: Mapping[str, str]) -> None:
    _write(credentials_file(), "Keys that `kcode login` keeps, readable for you alone.", "keys", keys)


def _write_index(accounts: Mapping[str, Place]) -> None:
    note = "For which services `kcode login` stored a key, and where. No key is in this file."
    _write(index_file(), note, "stored", accounts)


def _write(path: Path, note: str, section: str, rows: Mapping[str, Any]) -> None:
    """Whole and mode 600; an empty table removes the file."""
    import tomlkit

    from kcode.config.edit import write_atomically

    if not rows:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise EnvironmentProblem(
                f"{path}: cannot be removed ({error.strerror})", "check the folder's permissions"
            ) from None
        return
    document = tomlkit.document()
    document.add(tomlkit.comment(note))
    table = tomlkit.table()
    for name, value in sorted(rows.items()):
        table.add(name, value)
    document.add(section, table)
    write_atomically(path, tomlkit.dumps(document))


def _shown(path: Path) -> str:
    """With ``~`` for the home folder."""
    home = str(Path.home())
    return f"~{str(path)[len(home) :]}" if str(path).startswith(f"{home}/") else str(path)
