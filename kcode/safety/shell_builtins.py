"""What the shell's own words do: they set variables, change how it reads, run scripts in itself."""

from __future__ import annotations

import re

from kcode.safety import programs
from kcode.safety.findings import Effect
from kcode.safety.shell_words import Simple

Said = tuple[Effect, str]
"""What a command does, and why that is said of it."""


def declares(simple: Simple) -> Said:
    for word in simple.words[1:]:
        text = word.text
        if text.startswith("-") and not re.fullmatch(r"-[rxaAg]+", text):
            return "unknown", f"{simple.words[0].text} {text} changes how a name is read"
        if "[" in text.partition("=")[0]:
            return "unknown", "a subscript can run commands"
        if not word.known or dangerous_name(text.partition("=")[0]):
            return "danger", "changes a variable that says what programs run or do"
    if not simple.assignments and all(word.text.startswith("-") for word in simple.words[1:]):
        return "danger", "shows the environment"
    exported = simple.words[0].text == "export" or any("x" in w.text for w in simple.words[1:2])
    strange = [name for name, _ in simple.assignments if name not in programs.HARMLESS_VARIABLES]
    if exported and strange:
        return "write", f"sets {strange[0]} for every later program"
    return "read", "only sets a variable of the shell"


def sets(simple: Simple) -> Said:
    texts = [word.text for word in simple.words[1:]]
    fine = [t for t in texts if re.fullmatch(r"[-+][euxfo]+|pipefail|errexit|nounset|xtrace", t)]
    if texts and fine == texts:
        return "read", "changes how errors end a command"
    return "unknown", "changes how the shell reads commands"


def sources(simple: Simple) -> Said:
    texts = [word.text for word in simple.words[1:]]
    if len(texts) == 1 and re.fullmatch(r"(\./)?\.?venv/bin/activate", texts[0]) and simple.words[1].known:
        return "test", "enters the project's own environment"
    return "unknown", "runs a script in this shell"


def says_where(simple: Simple) -> Said:
    return "read", "only says where a program is"


def dangerous_name(name: str) -> bool:
    return name in programs.DANGEROUS_VARIABLES or name.startswith(programs.DANGEROUS_BEGINNINGS)
