"""Values that are secret by the name they are given: ``DB_PASSWORD=…``, ``"api_key": "…"``, ``--token …``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from kcode.safety.randomness import PLACEHOLDER, UUID, random_value

_WORDS = ("key", "token", "secret", "passw", "passphrase", "pwd", "credential", "_auth", '"auth"')
WEAK_WORDS = frozenset(
    [
        *("123456", "a%20secret", "abc123", "abcd1234", "admin", "admin123", "admin1234", "administrator"),
        *("changeit", "default", "foo:bar", "foobar", "guest", "hunter2", "letmein", "mysql", "passwd"),
        *(
            "postgres",
            "qwerty",
            "rabbitmq",
            "redis",
            "root",
            "secret",
            "secret1",
            "secret123",
            "test",
            "test123",
        ),
        *("test1234", "tester", "testing", "user", "welcome"),
    ]
)
"""What everybody writes where a password has to stand: it protects nothing."""

_ASSIGNED = (
    # the rest of the name: at most what tells which one it is
    r"(?:key|token|secret|passw(?:or)?d|passw|passphrase|pwd|credential|auth)s?(?P<rest>[A-Za-z0-9_-]{0,24})"
    r"(?:\\?[\"'`\]]){0,3}"
    r"(?:[ \t]{0,4}:[ \t]{0,2}[A-Za-z][\w.\[\]| ]{0,30}(?==))?"  # a type between the name and the value
    r"(?P<sign>[ \t]{0,8}(?:=>|:=|==|[:=])[ \t]{0,8}|[ \t]{0,4}[(,][ \t]{0,4}(?=[\"'])|>|[ \t]{1,4}(?=[\"']))"
    r"(?:[bru]{0,2}(?P<quote>\\?[\"'`])(?P<quoted>[^\s\"'`\\]{6,600}+)(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;(){}\[\]<>\\]{6,600}+)(?=[\s;,<\"'`)\]}]|\\|$))"
)
_OPTION = (
    r"(?<![\w-])--?(?:[a-z]{2,12}-){0,3}(?:password|passwd|token|api-key|secret|secret-key|access-key)[ =]"
    r"[\"']?(?P<value>[^\s\"'`$<>|;&(){}\[\]-][^\s\"'`$<>|;&(){}\[\]]{7,400})"
)
_KEY_OF = (
    r"(?:api|app|access|auth|secret|private|encrypt(?:ion)?|sign(?:ing)?|client|account|storage|master"
    r"|subscription|service|deploy|webhook|consumer|license|hmac|session|jwt|ark)[_.-]?$"
)
_ONLY_ABOUT_IT = (
    r"(?:s?[_-]?(?:ids?|names?|types?|ur[li]s?|paths?|files?|hash(?:es)?|digest|lengths?|len|sizes?|fields?|headers?|prefix"
    r"|suffix|counts?|limits?|expir\w*|ttl|class|params?|labels?|placeholder|regexp?|patterns?|errors?|message|text|hint"
    r"|reset|policy|manager|provider|store|endpoint|usage|used|kind|env|var|index|pos|position|format|version|algorithm"
    r"|source|status|set|for|ref|arn)|i[sz]\w+)(?![a-z])"
)


def found(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of each value."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one of the few letters whose small form is longer
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    for word in _WORDS:
        at = lowered.find(word)
        while at >= 0:
            if hit := _value(text, at + (word[0] in '_"'), word):
                yield hit
            at = lowered.find(word, at + len(word))
    if "--" in text or " -" in text:
        for match in _pattern(_OPTION).finditer(text):
            if _weak_enough(match["value"]):
                yield (*match.span("value"), "secret in an option")


def _value(text: str, at: int, word: str) -> tuple[int, int, str] | None:
    match = _pattern(_ASSIGNED).match(text, at)
    if match is None or _pattern(_ONLY_ABOUT_IT).match(match["rest"]):
        return None
    if word == "key" and not _pattern(_KEY_OF).search(text[max(0, at - 14) : at]):
        return None
    group = "quoted" if match["quoted"] is not None else "bare"
    value, sign = match[group], match["sign"].strip()
    if "&" in value and group == "bare" and sign == "=":  # a part of a URL's query
        value = value.partition("&")[0]
    if value.startswith(
        ("$", "%(", "@", "&", "/", "./", "~/", ":", "http:", "https:", "-----")
    ) or PLACEHOLDER.search(value):
        return None
    if sign in ("", "==", "(", ",") and not random_value(value):
        return None
    if group == "bare" and not _said_plainly(text, at, match, value, sign):
        return None
    is_password = word in ("passw", "passphrase", "pwd")
    if is_password:
        fine = _weak_enough(value) and (len(value) >= 16 or _looks_made(value))
    else:
        fine = len(value) >= 16 and random_value(value)
        fine = fine and (word != "credential" or not UUID.fullmatch(value))
    if not fine:
        return None
    start = match.start(group)
    return (start, start + len(value), "password" if is_password else "secret in an assignment")


def _said_plainly(text: str, at: int, match: re.Match[str], value: str, sign: str) -> bool:
    """Whether a value without quotes is one, and not code: the last thing of its line or of its part, in a
    form that no expression has."""
    if value.isidentifier() and sign != ">":
        start = at
        while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        if text[start] in "nrt" and text[start - 1 : start] == "\\":  # an escape of JSON text
            start += 1
        name = text[start : match.end("rest")]
        as_in_a_shell = match["sign"] == "=" and name.isupper()
        as_in_a_file = match["sign"].startswith((":", "=")) and _line_begins(text, start)
        return (
            random_value(value) if as_in_a_file or as_in_a_shell else random_value(value) and len(value) >= 24
        )
    return not _pattern(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+;?|.*[?|].*|\d[\d.]*[a-z]{0,2}").fullmatch(value)


def _line_begins(text: str, start: int) -> bool:
    line = text.rfind("\n", 0, start) + 1
    return (
        _pattern(r"[\s\d:+|>→\-]{0,40}(?:export\s+|set\s+)?[\w.-]{0,40}").fullmatch(text[line:start])
        is not None
    )


def _weak_enough(value: str) -> bool:
    """Whether it can be a password at all: not a placeholder, a known default or a word."""
    if PLACEHOLDER.search(value) or value.casefold() in WEAK_WORDS or len(set(value)) < 5:
        return False
    return any(char.isdigit() for char in value) or any(
        not char.isalnum() and char not in "_-." for char in value
    )


def _looks_made(value: str) -> bool:
    """A password that people make: letters, and digits or signs among them."""
    return len(value) >= 8 and any(char.isalpha() for char in value)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)
