"""Placeholders of secrets in a call of the model's: their values are put back when it runs, not before.

A file gets back what it had. A secret that goes elsewhere (to another file, into a command) needs a yes in
every mode, unless the user wrote it in a message; a key of kcode's own goes nowhere.
"""

from __future__ import annotations

import difflib
import glob
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kcode.errors import KcodeError
from kcode.providers.k2_template import rejoined
from kcode.safety.placeholders import PLACEHOLDER, Secret, count
from kcode.tools.base import Arguments, Intent, ToolRefused

if TYPE_CHECKING:
    from kcode.agent.session import Session

_EDITING = frozenset({"edit_file", "write_file", "apply_patch"})
# Tools that look for what the arguments say, or at the file that they name: a name may hold a secret.
_LOOKING = frozenset(
    {
        "grep",
        "find_files",
        "read_file",
        "list_dir",
        "outline",
        "references",
        "find_symbol",
        "git_log",
        "git_diff",
    }
)
_PLAIN = re.compile(r"[A-Za-z0-9_./:=+@%,-]+")  # what a shell reads as itself, in quotes and without
_IN_A_PATCH = re.compile(r"^(?:\*\*\* (?:Update|Delete|Add) File: |--- (?:a/)?)(.+)$", re.MULTILINE)
_LOOKED_AT = 20  # files that are read again for a value that is not in memory any more


@dataclass(frozen=True, slots=True)
class PutBack:
    """``args`` run, ``shown`` are judged and shown. ``secrets`` go into files; ``why`` asks for a yes."""

    args: Arguments
    shown: Arguments
    secrets: tuple[Secret, ...] = ()
    why: str = ""

    def asked(self, intent: Intent) -> Intent:
        """The intent, sensitive where a secret goes to a place that did not have it. Raises ToolRefused for a
        key of kcode's own."""
        if self.why:
            return replace(intent, sensitive=intent.sensitive or self.why)
        gone = "".join(edit.before or "" for edit in intent.edits if edit.after is None)
        for edit in intent.edits:
            for secret in self.secrets:
                if secret.value not in (edit.after or "") or secret.value in (edit.before or "") + gone:
                    continue
                if secret.own:
                    raise ToolRefused(f"a key of kcode's own is not written to {edit.path}")
                if not secret.typed:
                    why = f"{edit.path}: a masked secret from elsewhere ({secret.kind}) is written to it"
                    return replace(intent, sensitive=intent.sensitive or why)
        return intent


def put_back(session: Session, tool: str, args: Arguments) -> PutBack:
    """The arguments that a call runs with. Raises ToolRefused for a placeholder that stands for nothing that
    is known, and for a secret that may not go where it would."""
    args = _rejoined(session, tool, args)
    names = count(_strings(args.model_dump()))
    if not names or tool not in (*_EDITING, *_LOOKING, "run_command"):
        return PutBack(args, args)
    known = _known(session, tool, args, names)
    if tool == "run_command":
        return _command(args, known)
    if tool in _LOOKING:
        found = _looked_for(tool, args, known)
        return PutBack(found, found)
    whole = _mapped(args, lambda text: _restored(text, known))
    return PutBack(whole, whole, tuple(known.values()))


def _looked_for(tool: str, args: Arguments, known: Mapping[str, Secret]) -> Arguments:
    """The arguments with the values in them, each as its field is read: in a regular expression and in a glob
    they stand for themselves. Nothing is asked: what is found comes back masked."""
    fixed = bool(getattr(args, "fixed", False))
    quotes: dict[tuple[str, str], Callable[[str], str]] = {
        ("grep", "pattern"): str if fixed else re.escape,
        ("grep", "glob"): glob.escape,
        ("find_files", "pattern"): glob.escape,
    }
    given = args.model_dump(exclude_unset=True)
    for name, value in given.items():
        quote = quotes.get((tool, name), str)
        given[name] = _each(value, lambda text, quote=quote: _restored(text, known, quote))  # type: ignore[misc]
    return type(args).model_validate(given)


def _rejoined(session: Session, tool: str, args: Arguments) -> Arguments:
    """Control words that were broken up for an engine of raw text, whole again; as they are where a file of
    the call has them broken itself."""
    endpoint = getattr(session.provider, "endpoint", None)  # the embedded provider has none
    raw = endpoint is None or session.provider.dialect.wire == "completions"
    if not raw or tool not in _EDITING or all(rejoined(text) == text for text in _strings(args.model_dump())):
        return args
    for path in _paths(args):
        with suppress(KcodeError, OSError):
            text = session.workspace.read(path).text
            if rejoined(text) != text:
                return args
    return _mapped(args, rejoined)


def _known(session: Session, tool: str, args: Arguments, names: Iterable[str]) -> dict[str, Secret]:
    """The secrets by placeholder; files are read again for values that are not in memory any more. A word
    that merely looks like a placeholder, and stands in the file like that, stays what it is."""
    missing = [name for name in names if session.secrets.of(name) is None]
    literal: set[str] = set()
    for path in (_paths(args) or session.workspace.seen_files()[:_LOOKED_AT]) if missing else ():
        try:
            text = session.workspace.read(path).text
        except (KcodeError, OSError):
            continue
        session.secrets.learn(text)
        literal.update(name for name in missing if name in text)
    known: dict[str, Secret] = {}
    for name in names:
        if (secret := session.secrets.of(name)) is not None:
            known[name] = secret
        elif name not in literal and tool not in _LOOKING:
            raise ToolRefused(_unknown(name, session.secrets.shown_words))
    return known


def _unknown(name: str, shown: Iterable[str]) -> str:
    """What to do about a word that stands for nothing: shown before, misspelled, or made up."""
    words = list(shown)
    if name in words:
        return (
            f"{name} stands for a secret whose value is not known any more:"
            " read the file that holds it again, and repeat the word exactly"
        )
    if near := difflib.get_close_matches(name, words, 1, 0.8):
        return f"{name} stands for nothing: did you mean {near[0]}? Repeat such words exactly"
    return (
        f"{name} stands for nothing: only kcode makes such words, for secrets that you were shown. Where a"
        " secret is yet to come, have it read from the environment or a settings file, or write a word such"
        " as CHANGE_ME and say so"
    )


def _command(args: Arguments, known: Mapping[str, Secret]) -> PutBack:
    """A command is judged and shown as the model wrote it: no value may mean anything to a shell."""
    for name, secret in known.items():
        if secret.own:
            raise ToolRefused(f"{name} is a key of kcode's own: it is put into no command")
        if not _PLAIN.fullmatch(secret.value):
            raise ToolRefused(
                f"the value of {name} has characters that a shell reads, so it is put into no command:"
                " let the program read it from its file or from the environment"
            )
    if not known:
        return PutBack(args, args)
    kinds = ", ".join(dict.fromkeys(secret.kind for secret in known.values()))
    whole = _mapped(args, lambda text: _restored(text, known))
    return PutBack(whole, args, (), f"the command is given a masked secret ({kinds})")


def _restored(text: str, known: Mapping[str, Secret], quote: Callable[[str], str] = str) -> str:
    """``text`` with the values in it, each as ``quote`` spells it."""

    def value(match: re.Match[str]) -> str:
        secret = known.get(match.group())
        if secret is None:
            return match.group()
        return quote(secret.value)

    return PLACEHOLDER.sub(value, text)


def _mapped(args: Arguments, change: Callable[[str], str]) -> Arguments:
    """The same arguments with every text changed."""
    return type(args).model_validate(_each(args.model_dump(exclude_unset=True), change))


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each(one, change) for one in value]
    if isinstance(value, dict):
        return {key: _each(one, change) for key, one in value.items()}
    return value


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _paths(args: Arguments) -> list[str]:
    """The files that the arguments name."""
    given = args.model_dump()
    named = [
        given.get("path"),
        *(edit.get("path") for edit in given.get("edits") or () if isinstance(edit, dict)),
    ]
    found = [path for path in named if isinstance(path, str) and path not in ("", ".")]
    return [*found, *_IN_A_PATCH.findall(str(given.get("patch") or ""))]
