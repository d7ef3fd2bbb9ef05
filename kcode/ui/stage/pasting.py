"""Large pastes: shown as one mark in the input, sent in full."""

from __future__ import annotations

import re

from kcode.i18n import _, n_

FOLD_CHARACTERS = 100  # of a paste, for each line that is allowed to stay open
_MARK = re.compile(r"\[[^\[\]\n]{1,60} #\d+: [^\[\]\n]{1,60}\]")


class Folds:
    """The pastes of one sitting by their marks. ``lines`` is the largest paste that stays open; 0: all."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._texts: dict[str, str] = {}

    def fold(self, text: str) -> str:
        """The mark for ``text``, or the text itself where it is small enough to be shown."""
        count = text.count("\n") + (not text.endswith("\n"))
        if not self._lines or (count <= self._lines and len(text) <= self._lines * FOLD_CHARACTERS):
            return text
        number = len(self._texts) + 1
        if count > 1:
            size = n_("{count} line", "{count} lines", count).format(count=f"{count:,}")
        else:
            size = n_("{count} character", "{count} characters", len(text)).format(count=f"{len(text):,}")
        mark = _("[paste #{number}: {size}]").format(number=number, size=size)
        self._texts[mark] = text
        return mark

    def expand(self, text: str) -> str:
        """``text`` with what its marks stand for."""
        return _MARK.sub(lambda found: self._texts.get(found[0], found[0]), text)

    def refold(self, text: str) -> str:
        """A message that was expanded, with the marks of its pastes again."""
        for mark, pasted in self._texts.items():
            text = text.replace(pasted, mark)
        return text

    def open_marks(self, text: str) -> str:
        """A text from the history: folded as a whole where it is large."""
        folded = self.refold(text)
        return self.fold(folded) if folded == text else folded

    def before(self, text: str) -> int:
        """The length of the mark that ``text`` ends with; 0 where it ends with none."""
        return next((len(mark) for mark in self._texts if text.endswith(mark)), 0)

    def after(self, text: str) -> int:
        """The length of the mark that ``text`` begins with; 0 where it begins with none."""
        return next((len(mark) for mark in self._texts if text.startswith(mark)), 0)


def line_ends(pasted: str) -> str:
    """What a terminal pastes, with the line ends of a text."""
    return pasted.replace("\r\n", "\n").replace("\r", "\n")
