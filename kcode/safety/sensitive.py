"""Files that need a yes in every mode: keys, credentials, what other programs execute or obey."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

_START_UP = "a shell start-up file"
_CREDENTIALS = "credentials"
_NAMES: tuple[tuple[str, str], ...] = (
    *((name, "an environment file, which often holds secrets") for name in (".env", ".env.*", "*.env")),
    (".envrc", "run by direnv"),
    ("*.pem", "a key or certificate"),
    ("*.key", "a private key"),
    *((name, "a key store") for name in ("*.p12", "*.pfx", "*.jks", "*.keystore")),
    ("*.kdbx", "a password store"),
    *((name, "an SSH key") for name in ("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*")),
    ("authorized_keys", "who may log in"),
    *(
        (name, _CREDENTIALS)
        for name in (
            ".netrc", "_netrc", ".pgpass", ".my.cnf", ".pypirc", ".git-credentials", ".htpasswd", ".boto",
            ".s3cfg", ".vault-token", ".terraformrc", "credentials", "credentials.json", "credentials.toml",
            "application_default_credentials.json",
        )
    ),
    *((name, "may hold a registry token") for name in (".npmrc", ".yarnrc.yml")),
    ("service-account*.json", "cloud credentials"),
    ("kubeconfig", "cluster credentials"),
    ("*.tfstate", "often holds secrets"),
    ("docker.sock", "the way into Docker"),
    *(
        (name, _START_UP)
        for name in (
            ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".zshrc",
            ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".inputrc", "config.fish",
        )
    ),
    *((name, "run by an editor or tool") for name in (".vimrc", ".exrc", ".tmux.conf", ".gdbinit")),
    (".gitconfig", "git's settings, which name programs"),
    *((name, "what was typed before, passwords perhaps") for name in (".bash_history", ".zsh_history")),
)  # fmt: skip
_FOLDERS: tuple[tuple[str, str], ...] = (
    (".git", "git's own data"),
    (".ssh", "SSH keys and settings"),
    (".gnupg", "GnuPG keys"),
    (".password-store", "a password store"),
    (".aws", "cloud credentials"),
    (".azure", "cloud credentials"),
    (".kube", "cluster credentials"),
    (".docker", "registry credentials"),
    (".kcode", "kcode's own configuration"),
    ("keychains", "a password store"),
)
_PATHS: tuple[tuple[str, str], ...] = (
    (".config/kcode", "kcode's own configuration"),
    (".local/state/kcode", "kcode's own data"),
    (".local/share/kcode", "kcode's own data"),
    (".config/gcloud", "cloud credentials"),
    (".config/gh", _CREDENTIALS),
    (".config/git", "git's settings, which name programs"),
    (".config/fish", _START_UP),
    (".config/autostart", "run when somebody logs in"),
    (".config/systemd", "run when somebody logs in"),
    ("library/launchagents", "run when somebody logs in"),
    ("etc/shadow", "passwords"),
    ("etc/sudoers", "who has which rights"),
    ("etc/profile", _START_UP),
)
_HARMLESS = frozenset(
    f".env.{word}" for word in ("example", "sample", "template", "dist", "defaults", "test", "schema")
) | {"id_rsa.pub", "id_ed25519.pub", "id_ecdsa.pub", "example.env", "sample.env"}
_AIMED_AT = (
    ".env", ".env.local", "prod.env", "id_rsa", "id_ed25519", "server.pem", "server.key", ".netrc", ".npmrc",
    ".bashrc", ".bash_profile", ".profile", ".zshrc", ".git-credentials", ".gitconfig",
)  # fmt: skip


def reason(path: str) -> str:
    """Why ``path`` (forward slashes) is sensitive, or an empty string. Case does not matter."""
    parts = [part.casefold() for part in PurePosixPath(path).parts]
    for folder, why in _FOLDERS:
        if folder in parts:
            return f"{path}: {why}"
    whole = "/".join(["", *parts, ""])
    for inside, why in _PATHS:
        if f"/{inside}/" in whole:
            return f"{path}: {why}"
    if "proc" in parts and parts[-1] in ("environ", "mem", "maps"):
        return f"{path}: the memory of a process"
    name = parts[-1] if parts else ""
    if name in _HARMLESS:
        return ""
    for pattern, why in _NAMES:
        if fnmatchcase(name, pattern):
            return f"{path}: {why}"
    return ""


def aimed_at(pattern: str) -> str:
    """Why a shell pattern may well stand for a sensitive file (``.e*``, ``.g?t/config``), or "".

    A pattern of stars alone aims at nothing in particular and is no reason.
    """
    *folders, name = pattern.casefold().split("/")
    for part in folders:
        if _has_sign(part):
            for folder, why in _FOLDERS:
                if _matches(folder, part):
                    return f"{pattern}: {why}"
    if _has_sign(name):
        for known in (*_AIMED_AT, *(folder for folder, _ in _FOLDERS)):
            if _matches(known, name):
                return f"{pattern}: may be {known}"
    return ""


def _has_sign(part: str) -> bool:
    return any(sign in part for sign in "*?[") and part.strip("*?") != ""


def _matches(name: str, part: str) -> bool:
    """As a shell does: a leading dot is only matched by a dot."""
    return (not name.startswith(".") or part.startswith((".", "["))) and fnmatchcase(name, part)
