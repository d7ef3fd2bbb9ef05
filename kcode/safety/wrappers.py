"""Programs that run another program: which one, with which words, in what environment.

An option that is not in the tables makes the whole not understood: guessing where the inner command begins
is how a wrapper would hide it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kcode.safety import programs
from kcode.safety.findings import Finding, leads_away
from kcode.safety.shell_words import Part, Simple, Word, names

_UNKNOWN_WORD = Word((Part("", known=False),))
_FIND_RUNS = names(
    "-exec -execdir -ok -okdir -delete -printf -fprint -fprintf -fls -ls -fprint0 -files0-from"
)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """``commands`` are the inner ones, ``scripts`` are shell text to be judged like the outer text.

    ``looked_through``: what was handed on is all there is; else the words themselves are to be looked at.
    """

    commands: tuple[tuple[Word, ...], ...] = ()
    scripts: tuple[str, ...] = ()
    assignments: tuple[tuple[str, Word], ...] = ()
    findings: tuple[Finding, ...] = ()
    looked_through: bool = True
    same_shell: bool = False


class _Options(NamedTuple):
    """Options without and with a value, and how many words stand before the inner command."""

    plain: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    before: int = 0


_WRAPPERS: dict[str, _Options] = {
    "nice": _Options(valued=names("-n --adjustment")),
    "nohup": _Options(),
    "timeout": _Options(
        names("--foreground --preserve-status -v --verbose -p -f"), names("-s --signal -k --kill-after"), 1
    ),
    "gtimeout": _Options(names("--foreground --preserve-status"), names("-s --signal -k --kill-after"), 1),
    "stdbuf": _Options(valued=names("-i -o -e --input --output --error")),
    "ionice": _Options(names("-t"), names("-c -n")),
    "time": _Options(names("-p -v -l")),
    "command": _Options(names("-p")),
    "builtin": _Options(),
    "exec": _Options(names("-c -l")),
    "setsid": _Options(names("-w --wait")),
    "chronic": _Options(),
    "unbuffer": _Options(),
    "caffeinate": _Options(names("-i -s -d")),
    "xargs": _Options(
        names("-0 -r -t -x --null --no-run-if-empty --verbose --exit"),
        names("-n -P -L -I -d -s -E --max-args --max-procs --max-lines --replace --delimiter --max-chars"),
    ),
    "env": _Options(names("-i - --ignore-environment -0 --null"), names("-u --unset")),
    "sudo": _Options(names("-n -E -H -S -i -s -k -b"), names("-u -g --user --group")),
    "doas": _Options(names("-n -s"), names("-u")),
    "uv": _Options(names("--frozen --locked --no-sync --all-extras --isolated -q --quiet --active")),
    "poetry": _Options(names("-q --quiet -n --no-interaction")),
    "pipenv": _Options(),
    "pdm": _Options(),
    "bundle": _Options(),
    "npx": _Options(names("--no-install --no -y --yes")),
    "bunx": _Options(),
    "busybox": _Options(),
}
_SECOND_WORD = {"uv": "run", "poetry": "run", "pipenv": "run", "pdm": "run", "bundle": "exec"}


def unwrap(name: str, simple: Simple) -> Unwrapped | None:
    """What ``simple`` (whose program is ``name``) runs; None where it is no wrapper."""
    words = simple.words
    if name in programs.SHELLS - {"busybox"}:
        return _shell(simple)
    if name == "eval":
        if all(word.known and not word.globs for word in words[1:]):
            return Unwrapped(scripts=(" ".join(word.text for word in words[1:]),), same_shell=True)
        return _lost(simple, "eval of a text that is not written out")
    if name == "find":
        return _find(simple)
    if name == "command" and len(words) > 1 and words[1].text in ("-v", "-V"):
        return None
    if name == "env" and len(words) == 1:
        return Unwrapped(findings=(Finding("danger", "shows the environment", simple.shown),))
    if name not in _WRAPPERS or len(words) == 1:
        return None
    if name in _SECOND_WORD:
        if words[1].text != _SECOND_WORD[name]:
            return None
        words = words[1:]
    return _wrapper(name, simple, words[1:])


def _wrapper(name: str, simple: Simple, words: tuple[Word, ...]) -> Unwrapped:
    place, assignments = 0, []
    options = _WRAPPERS[name]
    findings: list[Finding] = []
    if name in programs.DANGEROUS:
        findings.append(Finding("danger", f"{name} {programs.DANGEROUS[name]}", simple.shown))
    if name in ("nohup", "setsid"):
        findings.append(Finding("write", f"{name} lets a command outlive its caller", simple.shown))
    while place < len(words):
        text = words[place].text
        if not words[place].known:
            return _lost(simple, f"what {name} runs is not written out", findings)
        if text == "--":
            place += 1
            break
        if not text.startswith("-"):
            if name in ("env", "sudo") and re.match(r"\w+=", text):
                key, _, value = text.partition("=")
                assignments.append((key, Word((Part(value, quoted=True),))))
                place += 1
                continue
            break
        step = _option(text, options)
        if not step:
            return _lost(simple, f"{name} {text} is not known", findings)
        place += step
    place += options.before
    inner = words[place:]
    if name == "xargs":
        inner = _fed(inner or (Word((Part("echo"),)),), words[:place], simple.source)
    if name in ("npx", "bunx") and not (inner and inner[0].text in programs.NPX_TOOLS):
        findings.append(Finding("write", f"{name} may fetch and run a package", simple.shown))
    if not inner and name == "exec":
        return Unwrapped(findings=tuple(findings))
    if not inner:
        what = "shows the environment" if name == "env" else f"{name} runs nothing that is written out"
        findings.append(Finding("danger" if name == "env" else "unknown", what, simple.shown))
    return Unwrapped((inner,), (), tuple(assignments), tuple(findings), True, name in ("builtin", "time"))


def _option(text: str, options: _Options) -> int:
    """How many words the option takes, or 0 where it is not known."""
    name, equals, _ = text.partition("=")
    if text in options.plain:
        return 1
    if text in options.valued:
        return 2
    if equals and name.startswith("--") and name in options.valued:
        return 1
    short = text[:2]
    if short in options.valued and not text.startswith("--"):
        return 1  # the value is written right behind it
    if not text.startswith("--") and len(text) > 2 and all(f"-{sign}" in options.plain for sign in text[1:]):
        return 1
    return 0


def _fed(inner: tuple[Word, ...], before: Sequence[Word], source: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words of ``xargs``: what it reads stands at the end or in the place of a mark."""
    listed = _lists(source)
    texts = [word.text for word in before]
    mark = next((text[2:] for text in texts if text.startswith("-I") and len(text) > 2), "")
    if "-I" in texts[:-1]:
        mark = texts[texts.index("-I") + 1]
    if not mark:
        return (*inner, *(listed or [_UNKNOWN_WORD]))
    filled: list[Word] = []
    for word in inner:
        filled.extend(
            [word] if mark not in word.text else listed if word.text == mark and listed else [_UNKNOWN_WORD]
        )
    return tuple(filled)


def _lists(source: tuple[Word, ...]) -> list[Word]:
    """The files that `find` prints, as patterns; nothing where that is not sure. Other programs print names
    that may begin like an option."""
    texts = [word.text for word in source]
    if texts[:1] != ["find"] or any(not word.known or leads_away(word.text) for word in source):
        return []
    return [] if any(text in _FIND_RUNS for text in texts) else _found_by(source)


def _shell(simple: Simple) -> Unwrapped:
    words = simple.words[1:]
    place = 0
    while place < len(words) and words[place].known and words[place].text.startswith(("-", "+")):
        text = words[place].text
        place += 1
        if text in ("--norc", "--noprofile", "--posix", "--login", "-"):
            continue
        if text in ("--version", "--help"):
            return Unwrapped()
        if text == "--":
            break
        if text == "-n" and place < len(words) and all(word.known for word in words[place:]):
            files = (Word((Part("cat", quoted=True),)), *words[place:])
            return Unwrapped(commands=(files,))  # it only looks whether the file is good shell
        if not re.fullmatch(r"[-+][ceuxvlnifo]+", text):
            return _lost(simple, f"a shell with {text}")
        if "o" in text:
            place += 1
        if "c" in text:
            if place >= len(words) or not words[place].known or words[place].globs:
                return _lost(simple, "a shell whose command is not written out")
            return Unwrapped(scripts=(words[place].text,))
    if place < len(words):
        script = words[place]
        if not script.known or script.text.startswith("/dev/"):
            return _lost(simple, "a shell script whose name is not written out")
        return Unwrapped(findings=(Finding("write", "runs a script", simple.shown),), looked_through=False)
    if simple.fed and simple.text is not None:
        return Unwrapped(scripts=(simple.text,))
    return _lost(simple, "a shell that runs what it is fed")


def _find(simple: Simple) -> Unwrapped | None:
    """Each command behind ``-exec``; ``{}`` stands for what ``find`` was told to look for."""
    words = simple.words
    texts = [word.text for word in words]
    if not any(text in ("-exec", "-execdir", "-ok", "-okdir") for text in texts):
        return None
    stands_for = _found_by(words)
    rest: list[Word] = []
    commands: list[tuple[Word, ...]] = []
    place = 0
    while place < len(words):
        if texts[place] not in ("-exec", "-execdir", "-ok", "-okdir"):
            rest.append(words[place])
            place += 1
            continue
        end = place + 1
        while end < len(words) and texts[end] != ";" and not (texts[end] == "+" and texts[end - 1] == "{}"):
            end += 1
        inner: list[Word] = []
        for word in words[place + 1 : end]:
            inner.extend(stands_for if word.text == "{}" else [_UNKNOWN_WORD if "{}" in word.text else word])
        if not inner:
            return _lost(simple, "find that runs nothing that is written out")
        commands.append(tuple(inner))
        place = end + 1
    return Unwrapped((tuple(rest), *commands))


def _found_by(words: tuple[Word, ...]) -> list[Word]:
    texts = [word.text for word in words]
    starts = [text for text in texts[1:2] if not text.startswith("-")] or ["."]
    patterns = [texts[place + 1] for place in range(len(texts) - 1) if texts[place] in ("-name", "-iname")]
    if not patterns or "!" in texts or "-not" in texts or texts.count("-o") != len(patterns) - 1:
        patterns = ["*"]
    begin = starts[0] if starts[0].startswith(("/", ".", "~")) else f"./{starts[0]}"
    return [Word((Part(f"{begin}/{pattern}"),)) for pattern in patterns]


def _lost(simple: Simple, why: str, findings: Sequence[Finding] = ()) -> Unwrapped:
    return Unwrapped(findings=(*findings, Finding("unknown", why, simple.shown)), looked_through=False)
