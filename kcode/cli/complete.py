"""What Tab completes: called by the shells' scripts as ``kcode __complete SHELL LINE``, once per Tab.

Reads a table and, where values of this machine are wanted, a folder. No parser, no settings, no library.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from kcode.cli.words import COMMANDS, EMBEDDED, MODELS, PROVIDERS, SETTINGS

FILES = ":files"  # tells the script to let the shell complete names of files, or of folders
FOLDERS = ":folders"
_MOST = 200  # candidates of one Tab


class Candidate(NamedTuple):
    value: str
    help: str = ""


def main(arguments: list[str]) -> int:
    """``SHELL LINE [BREAKS]``: print the candidates for the last word of ``LINE``, one a line.

    ``BREAKS`` are the characters at which the shell cuts words (``COMP_WORDBREAKS``): what stands before
    the last of them in the word is not repeated.
    """
    shell, line, breaks = [*arguments, "", "", ""][:3]
    words, word = split(line)
    found = candidates(words, word)
    cut = 0
    if shell == "bash":
        cut = max((word.rfind(c) + 1 for c in breaks if c in ":="), default=0)
    elif shell == "zsh" and word.startswith("--"):
        cut = word.find("=") + 1
    lines = []
    for candidate in found:
        value = candidate.value
        if not value.startswith(":") and value[:cut] == word[:cut]:
            value = value[cut:]
        help_text = " ".join("".join(c if c.isprintable() else " " for c in candidate.help).split())
        if shell == "zsh" and not value.startswith(":"):
            value = value.replace("\\", "\\\\").replace(":", "\\:")
            lines.append(f"{value}:{help_text}" if help_text else value)
        elif shell in ("fish", "powershell"):
            lines.append(f"{value}\t{help_text}")
        else:
            lines.append(value)
    sys.stdout.write("".join(f"{text}\n" for text in lines))
    return 0


def split(line: str) -> tuple[list[str], str]:
    """The whole words of a command line after the program's name, and the one that is being typed."""
    words, word, quote, inside = [], "", "", False
    skip = False
    for char in line:
        if skip:
            word, skip = word + char, False
        elif char == "\\" and quote != "'":
            skip = inside = True
        elif quote:
            if char == quote:
                quote = ""
            else:
                word += char
        elif char in "'\"":
            quote, inside = char, True
        elif char.isspace():
            if inside:
                words.append(word)
            word, inside = "", False
        else:
            word, inside = word + char, True
    return words[1:], word


def candidates(words: list[str], word: str) -> list[Candidate]:
    """What the word that is being typed may become, after ``words``."""
    path, arguments, waiting, ended = _walk(words)
    _, options, wanted = COMMANDS[path]
    by_flag = {flag: kind for flags, kind, _ in options for flag in flags}
    if waiting is not None:
        return _values(waiting, word, arguments)
    if not ended and word.startswith("--") and "=" in word:
        flag, _, value = word.partition("=")
        kind = by_flag.get(flag)
        found = _values(kind, value, arguments) if kind else []
        return [c if c.value[:1] == ":" else Candidate(f"{flag}={c.value}", c.help) for c in found]
    if not ended and word.startswith("-"):
        given = set(words)
        rows = [(flags, text) for flags, _, text in options if not given & set(flags)]
        return _fitting([Candidate(flag, text) for flags, text in rows for flag in flags], word)
    below = _below(path)
    if below and not arguments:
        return _fitting([Candidate(name, COMMANDS[f"{path} {name}".strip()][0]) for name in below], word)
    if wanted:
        kind, _ = wanted[min(len(arguments), len(wanted) - 1)]
        if len(arguments) < len(wanted) or wanted[-1][1]:
            return _values(kind, word, arguments)
    return []


def _walk(words: list[str]) -> tuple[str, list[str], str | None, bool]:
    """The command that ``words`` lead to, the arguments given to it, the kind of value that an option
    waits for (None: none does), and whether ``--`` has ended the options."""
    path, arguments, waiting, ended = "", [], None, False
    for word in words:
        flags = {flag: kind for spelled, kind, _ in COMMANDS[path][1] for flag in spelled}
        if waiting is not None:
            waiting = None
        elif ended:
            arguments.append(word)
        elif word == "--":
            ended = True
        elif word.startswith("-") and len(word) > 1:
            waiting = flags.get(word)
        elif not arguments and f"{path} {word}".strip() in COMMANDS:
            path = f"{path} {word}".strip()
        else:
            arguments.append(word)
    return path, arguments, waiting, ended


def _below(path: str) -> list[str]:
    start = f"{path} " if path else ""
    names = [name[len(start) :] for name in COMMANDS if name != path and name.startswith(start)]
    return [name for name in names if name and " " not in name]


def _fitting(found: list[Candidate], word: str) -> list[Candidate]:
    return [candidate for candidate in found if candidate.value.startswith(word)][:_MOST]


def _values(kind: str, word: str, arguments: list[str]) -> list[Candidate]:
    if kind in ("files", "folders"):
        return [Candidate(FILES if kind == "files" else FOLDERS)]
    if kind == "tests":
        return _tests(word)
    if kind == "sessions":
        return _fitting(_sessions(), word)
    found: list[Candidate] = []
    if kind == "models":
        found = [Candidate(name, by) for name, by in MODELS.items()]
    elif kind == "providers":
        found = [Candidate(name, title) for name, title in PROVIDERS.items()]
    elif kind == "embedded":
        found = [Candidate(name) for name in EMBEDDED]
    elif kind == "keys":
        found = [Candidate(key, text) for key, (text, _) in SETTINGS.items()]
    elif kind == "values":
        found = _setting_values(arguments[0] if arguments else "")
    elif kind == "commands":
        path = " ".join(arguments)
        names = [] if path and path not in COMMANDS else _below(path)
        found = [Candidate(name, COMMANDS[f"{path} {name}".strip()][0]) for name in names]
        found += [] if path else [Candidate("options", "All options of kcode itself.")]
    elif kind:
        found = [Candidate(choice) for choice in kind.split("|")]
    return _fitting(found, word)


def _setting_values(key: str) -> list[Candidate]:
    if key == "ui.theme":
        from kcode.config.themes import BUILT_IN, user_themes

        return [Candidate(name) for name in ("auto", *BUILT_IN, *user_themes())]
    if key in ("provider.model", "provider.name", "embedded.model"):
        kind = {"provider.model": "models", "provider.name": "providers", "embedded.model": "embedded"}[key]
        return _values(kind, "", [])
    return [Candidate(value) for value in SETTINGS.get(key, ("", ()))[1]]


def _sessions() -> list[Candidate]:
    """The project's sessions, the latest first, each with what was typed first."""
    from pathlib import Path

    from kcode.config.paths import project_root
    from kcode.config.project import session_folders

    try:
        paths = [p for folder in session_folders(project_root(Path.cwd())) for p in folder.glob("*.jsonl")]
        paths.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []
    return [Candidate(path.stem, _title(path)) for path in paths[:50]]


def _title(path: os.PathLike[str]) -> str:
    import json
    from pathlib import Path

    try:
        with Path(path).open("rb") as lines:
            for line in lines:
                if b'"User"' in line[:40]:
                    record = json.loads(line)
                    return str(record.get("typed") or record.get("text") or "")[:60]
    except (OSError, ValueError, AttributeError):
        pass
    return ""


def _tests(word: str) -> list[Candidate]:
    """Folders and test files; behind ``::`` the tests in the file."""
    file, marks, name = word.partition("::")
    if marks:
        return _fitting([Candidate(f"{file}::{test}") for test in _tests_in(file)], f"{file}::{name}")
    folder, _, start = word.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(folder) if folder else "/" if word[:1] == "/" else ".") as entries:  # noqa: PTH111
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
    before = word[: len(word) - len(start)]
    shown = []
    for entry in found:
        if not entry.name.startswith(start) or entry.name.startswith((".", "__", ":")):
            continue
        if not entry.name.isprintable():  # a line break would make two of it
            continue
        if entry.is_dir():
            shown.append(Candidate(f"{before}{entry.name}/"))
        elif entry.name.endswith(".py") and (
            entry.name.startswith("test") or entry.name.endswith("_test.py")
        ):
            shown.append(Candidate(f"{before}{entry.name}"))
    return shown[:_MOST]


def _tests_in(file: str) -> list[str]:
    """``test_a`` and ``TestB::test_c``, as pytest names them."""
    import re

    try:
        with open(file, encoding="utf-8", errors="replace") as source:  # noqa: PTH123
            text = source.read(1_000_000)
    except OSError:
        return []
    found, group = [], ""
    for indent, kind, name in re.findall(r"^([ \t]*)(?:async )?(class|def) (\w+)", text, re.MULTILINE):
        if kind == "class" and not indent:
            group = name if name.startswith("Test") else ""
        elif kind == "def" and name.startswith("test") and (group or not indent):
            found.append(f"{group}::{name}" if indent else name)
    return found
