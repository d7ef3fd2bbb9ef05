"""What a confined command does not get to see: secrets in files, in variables, and sockets that lead out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from kcode.config.paths import config_dir, state_dir, user_config_file

_BELOW_HOME = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".oci", ".config/gcloud",
    ".config/gh", ".config/glab-cli", ".config/hub", ".config/doctl", ".config/op", ".config/git/credentials",
    ".config/containers/auth.json", ".config/rclone", ".config/sops", ".config/chromium",
    ".config/google-chrome", ".config/BraveSoftware", ".mozilla", ".thunderbird", ".local/share/keyrings",
    ".netrc", ".git-credentials", ".pypirc", ".pgpass", ".my.cnf", ".s3cfg", ".boto", ".vault-token",
    ".terraform.d", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".m2/settings.xml",
    ".gradle/gradle.properties", ".bash_history", ".zsh_history", ".python_history", ".psql_history",
    "Library/Keychains", "Library/Cookies", "Library/Application Support/Google/Chrome",
)  # fmt: skip
_OF_THE_SYSTEM = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssl/private")
_SOCKETS = (
    "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
    "/run/snapd.socket", "/run/libvirt/libvirt-sock", "/run/lxd.socket", "/run/dbus/system_bus_socket",
    "/run/systemd/private", "/var/snap/lxd/common/lxd/unix.socket", "/var/run/docker.sock",
)  # fmt: skip
_OF_A_USER = ("bus", "systemd/private", "docker.sock", "podman/podman.sock", "gnupg", "keyring", "gcr")
_FOLDERS = ("/tmp/.X11-unix", "/tmp/.ICE-unix", "/run/screen")  # noqa: S108 - hidden, never written
_LISTENS = 0x10000  # in the flags of /proc/net/unix
_LEADS_OUT = re.compile(
    r"SSH_AUTH_SOCK|SSH_AGENT_PID|GPG_AGENT_INFO|GNOME_KEYRING_\w+|DBUS_\w+|XAUTHORITY|DISPLAY"
    r"|WAYLAND_DISPLAY|DOCKER_HOST|CONTAINER_HOST|TMUX|STY|VSCODE_IPC_\w+|VSCODE_GIT_\w+|KITTY_LISTEN_ON"
    r"|AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN|CONTAINER_\w+|WEB_IDENTITY_\w+)"
    r"|AZURE_(?:CLIENT_SECRET|CLIENT_CERTIFICATE\w*)|ARM_CLIENT_SECRET|GOOGLE_APPLICATION_CREDENTIALS"
    r"|KUBECONFIG|VAULT_TOKEN|(?:GH|GITHUB|GITLAB|NPM|NODE_AUTH|HF|HUGGING_FACE_HUB|CARGO_REGISTRY)_?TOKEN"
    r"|GITHUB_ENTERPRISE_TOKEN|GH_ENTERPRISE_TOKEN|CI_JOB_TOKEN|TWINE_PASSWORD|UV_PUBLISH_\w+|PYPI_TOKEN"
    r"|(?:OPENAI|ANTHROPIC|GEMINI|MISTRAL|DEEPSEEK|DASHSCOPE|OPENROUTER|GROQ)_API_KEY"
)


def secret_places(writable: Sequence[Path]) -> tuple[Path, ...]:
    """Files and folders, by real path, that hold secrets and are there. What is writable is none."""
    home = Path.home()
    named = [
        *(home / name for name in _BELOW_HOME),
        *map(Path, _OF_THE_SYSTEM),
        config_dir(),
        state_dir(),
        user_config_file(),
    ]
    found = []
    for path in dict.fromkeys(named):
        if not os.path.lexists(path):
            continue
        real = Path(os.path.realpath(path))
        if real.exists() and not any(place.is_relative_to(real) for place in writable):
            found.append(real)
    return tuple(dict.fromkeys(found))


def open_sockets(environ: Mapping[str, str], writable: Sequence[Path]) -> tuple[Path, ...]:
    """Unix sockets, by real path, through which a program gets things done outside: containers, agents that
    use keys, the session's bus, the screen, terminals. Those in ``writable`` folders are the project's."""
    user = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    named = [Path(name) for name in (*_SOCKETS, *_FOLDERS)]
    named += [user / name for name in _OF_A_USER]
    named.append(Path.home() / ".docker/run/docker.sock")
    if agent := environ.get("SSH_AUTH_SOCK", ""):
        named.append(Path(agent))
    homes = (f"{user}/", "/tmp/", f"{Path.home()}/")  # noqa: S108 - looked at only
    named += [Path(path) for path in _listening() if path.startswith(homes)]
    found = [Path(os.path.realpath(socket)) for path in named for socket in _sockets(path)]
    return tuple(one for one in dict.fromkeys(found) if not any(one.is_relative_to(own) for own in writable))


def _listening() -> list[str]:
    """The paths of the unix sockets of this network namespace that somebody listens on."""
    try:
        lines = Path("/proc/net/unix").read_text("utf-8", "surrogateescape").splitlines()[1:]
    except OSError:
        return []
    rows = [line.split(maxsplit=7) for line in lines]
    return [row[7] for row in rows if len(row) == 8 and row[7][0] == "/" and int(row[3], 16) & _LISTENS]


def _sockets(path: Path) -> list[Path]:
    """``path`` where it is a socket that we may use, or those in it where it is a folder."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return [each for each in path.iterdir() if each.is_socket() and os.access(each, os.W_OK)]
    except OSError:
        return []
    return [path] if stat.S_ISSOCK(mode) and os.access(path, os.W_OK) else []


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a confined command gets: none that names a credential of a service or an agent."""
    return {name: value for name, value in environ.items() if not _LEADS_OUT.fullmatch(name)}
