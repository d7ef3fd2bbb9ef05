"""What a shell command does, simple command by simple command: it reads, tests, changes, or nobody can tell.

The syntax tree (:mod:`kcode.safety.shell_syntax`) says what runs; :mod:`kcode.safety.invocations` says what
each of it does. Programs that run other programs (``env``, ``xargs``, ``find -exec``, ``sh -c``) are looked
through here. What is not understood is never taken for harmless.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from kcode.safety import programs, sensitive
from kcode.safety.findings import Finding, leads_away, worst
from kcode.safety.inside import inside_of, within
from kcode.safety.invocations import judge_program, known_program
from kcode.safety.reach import reach_of, reached
from kcode.safety.shell_syntax import parse
from kcode.safety.shell_words import Part, Redirect, Simple, Word, literal
from kcode.safety.urls import carries
from kcode.safety.wrappers import Unwrapped, unwrap

_DEEPEST = 32  # programs that run programs that run …
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_HARMLESS_TARGETS = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")


def only_reads(command: str) -> bool:
    """Whether ``command`` plainly changes nothing and shows nothing sensitive. When in doubt: no."""
    found = assess(command)
    return worst(found) == "read" and not any(finding.sensitive for finding in found)


def touches_sensitive(command: str, start: Path | None = None) -> str:
    """Why the command needs a yes in every mode: it names a sensitive file, or searches through one.

    ``start`` is the folder that it runs in; without it nothing is looked at on the disk. Empty where it
    names none.
    """
    found = assess(command)
    named = next((finding.sensitive for finding in found if finding.sensitive), "")
    if named or start is None:
        return named
    return reached((search for finding in found for search in finding.reaches), start)


@lru_cache(maxsize=256)
def assess(command: str, root: str = "", *more: str) -> tuple[Finding, ...]:
    """What each part of ``command`` does, in the order it is written. Never empty, never raises.

    ``root`` is the real path of the workspace that the command runs in: absolute paths below it are judged
    (and named in ``paths``) as if they had been written relative to it. Those below one of ``more``, folders
    that were added to it, are inside too and keep their names.
    """
    outside = {inside_of(folder): folder for folder in more}
    return tuple(
        replace(finding, paths=tuple(_as_written(path, outside) for path in finding.paths))
        if more
        else finding
        for finding in _assess(command, 0, (root, *more))
    )


def _as_written(path: str, folders: Mapping[str, str]) -> str:
    for inside, folder in folders.items():
        if path == inside or path.startswith(f"{inside}/"):
            return folder + path[len(inside) :]
    return path


def _assess(command: str, depth: int, root: tuple[str, ...]) -> tuple[Finding, ...]:
    script = parse(command)
    if sys.platform == "win32" and set("%^!'") & set(command):
        return (Finding("unknown", "signs that cmd reads in its own way", command), *_words_of(command))
    found = [Finding("unknown", problem, command) for problem in script.problems]
    if script.problems:
        found.extend(_words_of(command))
    for simple in script.commands:
        found.extend(_simple(_within(simple, root), script.functions, depth, root, simple.shown))
    if not script.commands and not script.problems:
        found.append(Finding("unknown", "there is no command", command))
    return tuple(dict.fromkeys(found))


def _within(simple: Simple, root: tuple[str, ...]) -> Simple:
    own, *more = root
    simple = within(simple, own)
    for folder in more:
        simple = within(simple, folder, added=True)
    return simple


def _words_of(command: str) -> Iterator[Finding]:
    """Sensitive files in a text whose syntax says nothing."""
    if why := _sensitive_text(command):
        yield Finding("read", why, command, sensitive=why)


def _simple(
    simple: Simple, functions: frozenset[str], depth: int, root: tuple[str, ...], written: str
) -> Iterator[Finding]:
    """``written`` is the command before its paths were made relative: what rules match and people read."""
    shown = written or " ".join(f"{name}={word.text}" for name, word in simple.assignments)
    for redirect in simple.redirects:
        yield from _redirect(redirect, shown)
    for name, word in simple.assignments:
        yield from _variable(name, word, bool(simple.words), shown)
    if simple.background:
        yield Finding("write", "leaves a command running in the background", shown)
    if simple.words:
        for finding in _command(simple, functions, depth, root):
            as_written = finding.command == simple.shown and finding.target == "command"
            yield replace(finding, command=written) if as_written else finding
    else:
        yield Finding("read", "only sets a variable of the shell", shown)


def _redirect(redirect: Redirect, shown: str) -> Iterator[Finding]:
    target, sign = redirect.target, redirect.operator
    path = target.text
    if sign.endswith("&") and (path.isdigit() or path == "-"):
        return
    at = f"{sign} {path}"
    if path in _HARMLESS_TARGETS and target.known:
        return
    if why := _sensitive_word(target):
        yield Finding("read", why, at, sensitive=why, target="redirect")
    if path.startswith(("/dev/tcp/", "/dev/udp/")):
        yield Finding("danger", "talks to other machines", at, target="redirect")
    elif not target.known or target.globs:
        yield Finding(
            "unknown" if redirect.writes else "write", "a file not written out", at, target="redirect"
        )
    elif redirect.writes:
        away = leads_away(path)
        why = "writes outside the workspace" if away else "writes a file"
        yield Finding("danger" if away else "write", why, at, target="redirect", paths=(path,))
    elif leads_away(path):
        yield Finding("write", "reads outside the workspace", at, target="redirect", paths=(path,))


def _variable(name: str, word: Word, before_command: bool, shown: str) -> Iterator[Finding]:
    if why := _sensitive_word(word):
        yield Finding("read", why, shown, sensitive=why, target="variable")
    if name in programs.HARMLESS_VARIABLES:
        return
    if name in programs.MODULE_VARIABLES and word.known and re.fullmatch(r"[\w.]+", word.text):
        return
    if name == "PYTHONPATH" and word.known and not any(leads_away(part) for part in word.text.split(":")):
        yield Finding("test", "runs the project's own modules", f"{name}={word.text}", target="variable")
    elif name in programs.DANGEROUS_VARIABLES or name.startswith(programs.DANGEROUS_BEGINNINGS):
        why = f"{name} changes what programs run or do"
        yield Finding("danger", why, f"{name}={word.text}", target="variable")
    elif before_command:
        yield Finding("write", f"sets {name} for a program", f"{name}={word.text}", target="variable")


def _command(
    simple: Simple, functions: frozenset[str], depth: int, root: tuple[str, ...]
) -> Iterator[Finding]:
    shown, first = simple.shown, simple.words[0]
    if depth > _DEEPEST:
        yield Finding("unknown", "too many programs that run programs", shown)
        return
    if not first.known or first.globs or not first.text:
        yield Finding("unknown", "the name of the program is not written out", shown)
        yield from _sensitive_words(simple.words, shown)
        return
    name = known_program(first.text)
    inner = unwrap(name, simple)
    if inner is not None:
        yield from _unwrapped(inner, simple, functions, depth, root)
        if not inner.looked_through:
            yield from _sensitive_words(simple.words[1:], shown)
        return
    if name in functions and (simple.fed or simple.background):
        yield Finding("unknown", "a function that may call itself without end", shown)
    if name in functions:
        yield from _sensitive_words(simple.words[1:], shown)
        if any(not word.known for word in simple.words):
            yield Finding("write", "what the words stand for cannot be seen", shown)
        return
    reaches = reach_of(name, simple.words[1:])
    for finding in judge_program(name, simple):
        yield replace(finding, reaches=reaches)
    yield from _sensitive_words(_files(name, simple.words[1:]), shown, name)


def _unwrapped(
    inner: Unwrapped, simple: Simple, functions: frozenset[str], depth: int, root: tuple[str, ...]
) -> Iterator[Finding]:
    yield from inner.findings
    for name, word in inner.assignments:
        yield from _variable(name, word, True, simple.shown)
    for words in inner.commands:
        if words:
            alone = replace(simple, words=words, assignments=(), redirects=(), background=False)
            yield from _command(alone, functions if inner.same_shell else frozenset(), depth + 1, root)
    for text in inner.scripts:
        yield from (
            _assess(text, depth + 1, root)
            if depth < _DEEPEST
            else (Finding("unknown", "too many programs that run programs", simple.shown),)
        )


def _sensitive_words(words: tuple[Word, ...], shown: str, name: str = "") -> Iterator[Finding]:
    for word in words:
        if why := _sensitive_word(word):
            yield Finding("read", why, shown, sensitive=why)
        elif name in programs.SHOWS and word.globs and not word.text.rpartition("/")[2].strip("*?."):
            yield Finding("write", "shows every file there is, whatever it holds", shown)


def _sensitive_word(word: Word) -> str:
    for part in word.parts:
        if part.name and _SECRET_NAME.search(part.name):
            return f"${part.name}: its name says it is a secret"
    text = word.text
    if text.startswith(("!", "--exclude", "--ignore", "--iglob", "--glob")):
        return ""
    return _sensitive_text(text) or carries(text) or (sensitive.aimed_at(text) if word.globs else "")


def _sensitive_text(text: str) -> str:
    for token in re.split(r"[\s'\"|&;<>()$`=,:@{}\[\]]+", text):
        token = token.replace("\\", "/")
        if token and not token.startswith("-") and (why := sensitive.reason(token)):
            return why
        if token.startswith("-") and "/" in token and (why := sensitive.reason(token[2:])):
            return why
    return ""


def _files(name: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words that may be names of files: not what is searched for, not what is left out."""
    if name in ("grep", "egrep", "fgrep", "rg", "ag"):
        if any(word.text in ("-e", "--regexp", "--files") for word in words):
            return words
        first = next((place for place, word in enumerate(words) if not word.text.startswith("-")), None)
        return words if first is None else (*words[:first], *words[first + 1 :])
    if name == "find":
        kept = [literal("")]
        for word in words:
            before = kept[-1].text
            tested = before in ("-name", "-iname", "-path", "-ipath", "-wholename", "-regex", "-iregex")
            kept.append(Word((Part("."),)) if tested else word)
        return tuple(kept[1:])
    return words
