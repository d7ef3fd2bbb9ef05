"""How random a word looks: what tells a key from an identifier, a path, a hash or a placeholder."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

PLACEHOLDER = re.compile(
    r"(?i)example|placeholder|not-a-real|dummy|changeme|change_me|fake|redacted|your[_-]|xxxx|\.\.\.|<|\$[{(]"
    r"|12345678|\*\*\*|password|\{\{|KCODE_SECRET_|…"
)
"""In a value: it stands for a secret and is none."""

HEX = re.compile(r"[0-9a-fA-F]+(?:-[0-9a-fA-F]+)*")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
_CLASSES = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "a" * 26 + "A" * 26 + "0" * 10
)


def entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def changes(value: str) -> float:
    """The share of neighbours that are of different classes (small letters, capitals, digits): about 0.6 in
    random text of all three, below 0.3 in names that people write."""
    classes = value.translate(_CLASSES)
    pairs = [(one, two) for one, two in itertools.pairwise(classes) if one in "aA0" and two in "aA0"]
    return sum(one != two for one, two in pairs) / len(pairs) if pairs else 0.0


def wordy(value: str) -> float:
    """The share of the characters that are in runs of letters as words have them."""
    return sum(match.end() - match.start() for match in _WORD.finditer(value)) / len(value)


def random_token(value: str) -> bool:
    """Whether a word that nothing says anything about must be a key: small letters, capitals and digits in
    an order that nobody writes. Hashes in hexadecimal are not: nothing tells them from git's."""
    classes = set(value.translate(_CLASSES))
    if not {"a", "A", "0"} <= classes or sum(char.isdigit() for char in value) < 2:
        return False
    if changes(value) < 0.42 or entropy(value) < 3.9 or wordy(value) > 0.45:
        return False
    return not value.startswith(("--", "0x")) and not PLACEHOLDER.search(value)


def random_value(value: str) -> bool:
    """Whether a value that is called a key or token looks like one: not a word, a name, a path or a call."""
    if UUID.fullmatch(value):
        return len(set(value)) > 6
    if HEX.fullmatch(value):
        return len(value) >= 20 and entropy(value) >= 3.0 and any(char.isdigit() for char in value)
    if not any(char.isdigit() for char in value) or not any(char.isalpha() for char in value):
        return False
    if entropy(value) < 3.3 or changes(value) < 0.2:
        return False
    return wordy(value) <= 0.6 or sum(char.isdigit() for char in value) >= 0.15 * len(value)
