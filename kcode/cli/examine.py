"""What ``kcode doctor`` looks at on the machine: each check is one function that gives findings.

A check changes nothing (a file made to see whether a folder takes one is gone again), never shows a key,
and may raise OSError or KcodeError, which its caller makes a finding of.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kcode.cli.door import with_tilde
from kcode.i18n import _

_LITTLE_SPACE = 200_000_000  # bytes: below it a session may not fit any more
_NARROW = 60  # columns: below it lines are cut
_SECRET_FILES = ("config.toml", "credentials.toml", "keys.toml")


class Finding(NamedTuple):
    """``ok`` is None where the thing is optional and not there; ``fix`` says how to mend what is wrong."""

    what: str
    ok: bool | None
    says: str
    fix: str = ""


def python() -> Iterator[Finding]:
    from kcode import __version__

    version = f"{sys.version.split()[0]} ({with_tilde(Path(sys.executable))})"
    yield Finding("python", True, f"{version}; kcode {__version__}")


def terminal() -> Iterator[Finding]:
    from kcode.ui.look.terminal import look_at, size_of

    locale = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    encoding = (getattr(sys.stdout, "encoding", "") or "ascii").lower()
    if not sys.stdout.isatty():
        yield Finding(
            "terminal", None, _("the output goes to no terminal; encoding {name}").format(name=encoding)
        )
        return
    term, look, (columns, rows) = os.environ.get("TERM", ""), look_at(sys.stdout), size_of(sys.stdout)
    colours = {"16": "16", "256": "256", "true": _("16 million")}[look.depth]
    shown = _("{count} colours").format(count=colours) if look.colour else _("no colours")
    around = [
        name
        for name, sign in (("tmux", "TMUX"), ("screen", "STY"), ("ssh", "SSH_CONNECTION"))
        if sign in os.environ
    ]
    parts = [term or _("TERM is not set"), f"{columns}x{rows}", shown, encoding, locale or _("no LANG")]
    says = ", ".join([*parts, *around])
    if look.plain:
        fix = _("set TERM to what your terminal is, such as xterm-256color")
        yield Finding("terminal", False, says, fix)
    elif not look.unicode:
        fix = _("use a UTF-8 locale: export LANG=C.UTF-8")
        yield Finding("terminal", None, says, fix)
    elif columns < _NARROW:
        yield Finding("terminal", None, says, _("{count} columns or more are better").format(count=_NARROW))
    else:
        yield Finding("terminal", True, says)


def git() -> Iterator[Finding]:
    from kcode.config.paths import project_root
    from kcode.safety.process import run_sync

    if not shutil.which("git"):
        yield Finding("git", False, _("is not installed"), _("install git; it is in every package manager"))
        return

    def asked(*words: str) -> str:
        done = run_sync(["git", *words], cwd=Path.cwd(), timeout_s=10)
        return done.stdout.strip() if done.code == 0 else ""

    root = project_root(Path.cwd())
    version = asked("--version").removeprefix("git version ")
    inside = os.path.lexists(root / ".git")
    where = _("repository {path}").format(path=with_tilde(root)) if inside else _("no repository here")
    if not version:
        yield Finding("git", False, _("does not start"), _("run `git --version` and see why"))
        return
    name, mail = asked("config", "user.name"), asked("config", "user.email")
    if name and mail:
        yield Finding("git", True, f"{version}; {where}; {name} <{mail}>")
    else:
        fix = _('git config --global user.name "Your Name"; git config --global user.email you@example.org')
        yield Finding(
            "git",
            None,
            _("{version}; {where}; nobody to commit as").format(version=version, where=where),
            fix,
        )


def disk() -> Iterator[Finding]:
    """Space and permission where sessions, models, the cache and the settings live."""
    from kcode.config.paths import cache_dir, config_dir, data_dir, state_dir

    for what, folder, needed in (
        (_("sessions"), state_dir(), True),
        (_("models"), data_dir(), False),
        (_("cache"), cache_dir(), False),
        (_("settings"), config_dir(), False),
    ):
        yield _folder(what, folder, needed)
    yield from _readable_by_others(config_dir(), state_dir())


def _folder(what: str, folder: Path, needed: bool) -> Finding:
    wrong: bool | None = False if needed else None
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    says = _("{what} in {path}, {free} free").format(what=what, path=with_tilde(folder), free=_size(free))
    trouble = _cannot_write(there)
    if trouble:
        fix = _("make {path} writable for you, or set the XDG variable to another folder")
        return Finding("disk", wrong, f"{says}; {trouble}", fix.format(path=with_tilde(there)))
    if free < _LITTLE_SPACE:
        return Finding("disk", wrong, says, _("free some space; `kcode session prune` removes old sessions"))
    return Finding("disk", True, says)


def _cannot_write(folder: Path) -> str:
    if not folder.is_dir():
        return _("it is not a folder")
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".kcode-doctor-")
        try:
            os.write(handle, b"x" * 4096)
        finally:
            os.close(handle)
            Path(name).unlink()
    except OSError as error:
        return _("cannot be written ({why})").format(why=error.strerror)
    return ""


def _readable_by_others(config: Path, state: Path) -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    for path in (*(config / name for name in _SECRET_FILES), state / "sessions", state / "history"):
        if path.exists() and (mode := path.stat().st_mode) & 0o077:
            right = "700" if path.is_dir() else "600"
            says = _("{path} can be read by others (mode {mode:o})").format(
                path=with_tilde(path), mode=mode & 0o777
            )
            yield Finding("disk", None, says, f"chmod {right} {shlex.quote(str(path))}")


def editor() -> Iterator[Finding]:
    spelled = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    fix = _("export EDITOR=nano, or whatever you like to write with")
    if not spelled:
        usual = next((name for name in ("nano", "vim", "vi", "notepad") if shutil.which(name)), "")
        says = _("EDITOR is not set; {name} is taken").format(name=usual) if usual else _("there is none")
        yield Finding("editor", None, says, fix)
        return
    try:
        program = shlex.split(spelled)[0]
    except (ValueError, IndexError):
        program = spelled
    found = shutil.which(program)
    says = spelled if found else _("{program} is not there").format(program=program)
    yield Finding("editor", True if found else None, says, "" if found else fix)


def clipboard() -> Iterator[Finding]:
    from kcode.ui.clipboard import program_for

    program = program_for(os.environ)
    if program:
        yield Finding("clipboard", True, program[0])
    else:
        says = _("by the terminal alone (OSC 52)")
        yield Finding(
            "clipboard", None, says, _("install wl-clipboard, xclip or xsel for terminals without it")
        )


def completion() -> Iterator[Finding]:
    from kcode.cli.completion import SCRIPTS, installed

    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in SCRIPTS:
        yield Finding("completion", None, _("not looked for: SHELL is {shell!r}").format(shell=shell))
    elif installed(shell):
        yield Finding("completion", True, _("in place for {shell}").format(shell=shell))
    else:
        says = _("not in place for {shell}").format(shell=shell)
        yield Finding("completion", None, says, f"kcode completion {shell} --install")


def grammars() -> Iterator[Finding]:
    from kcode.codemap.languages import LANGUAGES, missing, package

    left_out = missing()
    if not left_out:
        yield Finding("grammars", True, _("{count} languages for the code map").format(count=len(LANGUAGES)))
        return
    says = _("the code map leaves these languages out: {languages}").format(
        languages=", ".join(each.name for each in left_out)
    )
    yield Finding(
        "grammars", None, says, f"pip install {' '.join(sorted({package(each) for each in left_out}))}"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count / 1e6:.0f} MB"
