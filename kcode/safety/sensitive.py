"""Files that need a yes in every mode: keys, credentials, what other programs execute or obey."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

_NAMES: tuple[tuple[str, str], ...] = (
    (".env", "an environment file, which often holds secrets"),
    (".env.*", "an environment file, which often holds secrets"),
    ("*.env", "an environment file, which often holds secrets"),
    (".envrc", "run by direnv"),
    ("*.pem", "a key or certificate"),
    ("*.key", "a private key"),
    ("*.p12", "a key store"),
    ("*.pfx", "a key store"),
    ("*.jks", "a key store"),
    ("*.keystore", "a key store"),
    ("*.kdbx", "a password store"),
    ("id_rsa*", "an SSH key"),
    ("id_dsa*", "an SSH key"),
    ("id_ecdsa*", "an SSH key"),
    ("id_ed25519*", "an SSH key"),
    (".netrc", "credentials"),
    ("_netrc", "credentials"),
    (".pgpass", "credentials"),
    (".pypirc", "credentials"),
    (".npmrc", "may hold a registry token"),
    (".git-credentials", "credentials"),
    (".htpasswd", "credentials"),
    ("credentials", "credentials"),
    ("credentials.json", "credentials"),
    ("service-account*.json", "cloud credentials"),
    (".bashrc", "a shell start-up file"),
    (".bash_profile", "a shell start-up file"),
    (".profile", "a shell start-up file"),
    (".zshrc", "a shell start-up file"),
    (".zshenv", "a shell start-up file"),
    (".zprofile", "a shell start-up file"),
)
_FOLDERS: tuple[tuple[str, str], ...] = (
    (".git", "git's own data"),
    (".ssh", "SSH keys and settings"),
    (".gnupg", "GnuPG keys"),
    (".aws", "cloud credentials"),
    (".azure", "cloud credentials"),
    (".kube", "cluster credentials"),
    (".docker", "registry credentials"),
    (".kcode", "kcode's own configuration"),
)
_HARMLESS = frozenset(
    f".env.{word}" for word in ("example", "sample", "template", "dist", "defaults", "test", "schema")
) | {"id_rsa.pub", "id_ed25519.pub", "id_ecdsa.pub", "example.env", "sample.env"}


def reason(path: str) -> str:
    """Why ``path`` (forward slashes) is sensitive, or an empty string. Case does not matter."""
    parts = [part.casefold() for part in PurePosixPath(path).parts]
    for folder, why in _FOLDERS:
        if folder in parts:
            return f"{path}: {why}"
    name = parts[-1] if parts else ""
    if name in _HARMLESS:
        return ""
    for pattern, why in _NAMES:
        if fnmatchcase(name, pattern):
            return f"{path}: {why}"
    return ""
