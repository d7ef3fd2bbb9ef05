"""Keys and passwords in text, found by shape, with a guard against placeholders and prose."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial

_LINE_LIMIT = 20_000  # characters; minified files have lines of megabytes


@dataclass(frozen=True, slots=True)
class SecretHit:
    """``line`` counts from 1; ``masked`` shows the ends only."""

    line: int
    kind: str
    masked: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """``entropy`` is the least Shannon entropy of the value, in bits per character."""

    kind: str
    pattern: re.Pattern[str]
    entropy: float = 0.0


def _rule(kind: str, pattern: str, entropy: float = 0.0) -> _Rule:
    # ASCII: a word also ends where Chinese text begins, so that a key in the middle of it is found.
    return _Rule(kind, re.compile(pattern, re.ASCII), entropy)


_RULES = (
    _rule("private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    _rule("AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    _rule("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b"),
    _rule("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    _rule("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _rule("Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    _rule("payment key", r"\b[sr]k_live_[A-Za-z0-9]{16,}"),
    _rule("API key", r"\bsk-[A-Za-z0-9_-]{20,}", 3.0),
    _rule("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _rule("package upload token", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    _rule("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}\b", 3.0),
    _rule("JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _rule("Azure storage key", r"\bAccountKey=([A-Za-z0-9+/]{60,}={0,2})"),
    _rule("password in a URL", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{1,60}:([^\s/@'\"]{6,80})@", 2.0),
    _rule(
        "secret in an assignment",
        r"(?i)(?:api[_-]?key|secret|token|passw(?:or)?d|credential)[\w-]{0,20}[\"']?\s{0,4}(?::=|=>|[:=])\s{0,4}"
        r"[\"']([A-Za-z0-9+/_.=~-]{16,200})[\"']",
        3.5,
    ),
)
_GATE = re.compile(
    r"(?i)BEGIN|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox|AIza|k_live_|sk-|npm_|pypi-|hf_|eyJ|AccountKey|://"
    r"|key|secret|token|passw|credential"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|placeholder|not-a-real|dummy|changeme|change_me|fake|redacted|your[_-]|xxxx|\.\.\.|<|\$\{|12345678"
    r"|\*\*\*|password"
)


def find(text: str) -> list[SecretHit]:
    """What looks like a secret, at most one hit per place, in order of lines."""
    hits = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) <= _LINE_LIMIT and _GATE.search(line):
            hits += _in_line(number, line)
    return hits


_KEY_BLOCK = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----)[\s\S]*?(-----END|\Z)")


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret masked, whatever the length of its lines."""
    if not _GATE.search(text):
        return text
    text = _KEY_BLOCK.sub(r"\1...\2", text)
    for rule in _RULES[1:]:
        text = rule.pattern.sub(partial(_masked, least=rule.entropy), text)
    return text


def _masked(match: re.Match[str], least: float) -> str:
    group = 1 if match.re.groups else 0
    value, whole, start = match.group(group), match.group(), match.start()
    if not _convincing(value, least):
        return whole
    return whole[: match.start(group) - start] + mask(value) + whole[match.end(group) - start :]


def _in_line(number: int, line: str) -> list[SecretHit]:
    hits: list[SecretHit] = []
    taken: list[tuple[int, int]] = []
    for rule in _RULES:
        for match in rule.pattern.finditer(line):
            group = 1 if rule.pattern.groups else 0
            value, (start, end) = match.group(group), match.span(group)
            if any(start < b and a < end for a, b in taken) or not _convincing(value, rule.entropy):
                continue
            taken.append((start, end))
            hits.append(SecretHit(number, rule.kind, mask(value)))
    return hits


def _convincing(value: str, least: float) -> bool:
    if _PLACEHOLDER.search(value):
        return False
    if not least:
        return True
    has_digit = any(char.isdigit() for char in value)
    return _entropy(value) >= least and (has_digit or least < 3.0)


def _entropy(value: str) -> float:
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def mask(value: str) -> str:
    """The ends of a secret, enough to find it and too little to use it."""
    if value.startswith("-----"):
        return value
    return f"{value[:4]}...{value[-2:]} ({len(value)} characters)" if len(value) >= 12 else "..."
