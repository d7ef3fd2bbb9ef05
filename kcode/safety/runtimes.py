"""What languages' own programs do, where a table of options does not say it."""

from __future__ import annotations

import re

from kcode.safety import programs
from kcode.safety.options import has, options_of, plain_words
from kcode.safety.shell_builtins import Said
from kcode.safety.shell_words import Simple, Word, names

_CHECKS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("ruff", "format", names("--check --diff")),
    ("cargo", "fmt", names("--check")),
    ("deno", "fmt", names("--check")),
    ("zig", "fmt", names("--check")),
    ("mix", "format", names("--check-formatted")),
    ("dotnet", "format", names("--verify-no-changes")),
)
"""Formatters that only check with one of these options."""


def only_checks(name: str, given: list[str], words: tuple[Word, ...]) -> Said | None:
    """What is to be said of a subcommand of ``name`` beyond its table; None for nothing."""
    texts = [word.text for word in words]
    for program, subcommand, options in _CHECKS:
        if name == program and given[:1] == [subcommand] and options & {*texts}:
            return "test", "checks the project"
    if name == "cargo" and any(re.match(r"-[CZ]|--codegen", text) for text in texts):
        return "write", "cargo runs a linker or a compiler of one's choice"
    if name == "zig" and given[:1] == ["build"] and not {*given[1:]} <= {"test", "check"}:
        return "write", f"zig build runs the step {given[1]}"
    if name == "go" and given[:1] == ["env"] and not any(text.startswith("-") for text in texts):
        return "read", "only reads"
    if (
        name == "uv"
        and given[:1] == ["pip"]
        and given[1:2] in (["list"], ["show"], ["freeze"], ["check"], ["tree"])
    ):
        return "read", "only reads"
    return None


def suites(name: str, words: tuple[Word, ...]) -> Said | None:
    """What speaks against the suites that `tox -e` and `nox -s` name."""
    wanted = {"tox": ("-e", "--env"), "nox": ("-s", "--session", "--sessions", "-e")}[name]
    for text in options_of(words, wanted):
        for suite in text.split(","):
            if not programs.SUITES.fullmatch(suite):
                return "write", f"{name} runs the suite {suite}"
    return None


def node(simple: Simple) -> Said:
    words = simple.words[1:]
    if [word.text for word in words] == ["-v"]:
        return "read", "shows a version"
    if words and words[0].text in ("--check", "-c", "--test") and not plain_words(words):
        risky = any(word.text.startswith("-") for word in words[1:])
        return ("write", "runs a program in Node") if risky else ("test", "tests or checks the project")
    return "write", "runs a program in Node"


def php(simple: Simple) -> Said:
    words = simple.words[1:]
    texts = [word.text for word in words]
    if plain_words(words):
        return "write", "runs a program in PHP"
    if texts[:1] == ["-l"] and len(texts) == 2 and not texts[1].startswith("-"):
        return "test", "checks the project"
    if texts[:2] in (["artisan", "test"], ["artisan", "route:list"]):
        return "test", "tests or checks the project"
    return "write", "runs a program in PHP"


def cmake(simple: Simple) -> Said:
    words = simple.words[1:]
    texts = [word.text for word in words]
    build = texts[texts.index("--") + 1 :] if "--" in texts else []
    targets = options_of(words, ("--target", "-t"))
    if texts[:1] != ["--build"] or plain_words(words) or any("install" in text for text in texts):
        return "write", "sets up a build"
    if not all(target in programs.SUBCOMMANDS["make"] for target in targets):
        return "write", f"cmake makes {', '.join(targets)}"
    if not all(re.fullmatch(r"-[jklv]*\d*", text) for text in build):
        return "write", "cmake with words for the program that builds"
    return "test", "builds the project"


def terraform(simple: Simple) -> Said:
    words = simple.words[1:]
    texts = [word.text for word in words]
    if not plain_words(words) and not has(words, names("-chdir"), clusters=False):
        if texts[:1] == ["validate"]:
            return "test", "checks the project"
        if texts[:1] == ["fmt"] and "-check" in texts:
            return "test", "checks the project"
    return "danger", "changes other machines"
