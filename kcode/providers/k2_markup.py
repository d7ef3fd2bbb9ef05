"""K2's raw tool-call markup and ``<think>`` tags, read out of text as it streams (facts E.5, F.8).

Any split of the text gives the same result. What may still become a marker is held back, so that none of it
is ever shown. Arguments are read JSON first: a file argument may contain the markers themselves. What only
resembles the markup stays text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from kcode.providers.base import CallDelta, Chunk, ReasoningDelta, Retrying, TextDelta
from kcode.providers.k2_call import (
    ARGUMENTS,
    CALL_BEGIN,
    CALL_END,
    CUT,
    MESSAGE_END,
    SECTION_BEGINS,
    SECTION_ENDS,
    STOPS,
    OpenCall,
    is_object,
    may_be_id,
    may_begin,
    resolve,
)

PLACEHOLDER = "(no content)"
"""What some servers write where the content is empty."""

_STRAYS = (*SECTION_ENDS, CALL_END, ARGUMENTS)
_TRIGGERS = (*SECTION_BEGINS, CALL_BEGIN, *_STRAYS, MESSAGE_END, "<think>", "</think>", "functions.")
_TRIGGER = re.compile("|".join(map(re.escape, _TRIGGERS)))
_LONGEST = max(map(len, _TRIGGERS))
_HEAD = re.compile(r"\s*(?P<id>[^<{]{0,200}?)\s*(?=[<{]|\Z)")
_BARE = re.compile(r"functions\.[\w.-]{1,80}\s{0,4}:\s{0,4}\d{1,9}\s{0,4}(?=\{)")
_BARE_BEGUN = re.compile(r"functions\.[\w.-]{0,80}\s{0,4}(?::\s{0,4}(?:\d{1,9}\s{0,4})?)?")
_NEXT_MESSAGE = ("<|im_", "[EOS]")
_RESTATED = "the server left the reasoning in the text, and where it begins was not marked"


class MarkupParser:
    """One answer. Feed it the text of both channels as it comes, then ``end`` it.

    ``declared`` are the names of the request's tools; without any, no call is read. ``quotes``: markup
    inside a Markdown code block or code span is quoted text; for servers that write proper calls too.
    ``thinking``: the content begins inside ``<think>``, because the prompt opened it. ``begun``: the content
    goes on in a message whose reasoning is over.

    Calls come out whole, at the end, as :class:`CallDelta` with ``healed`` set; ``release`` instead of
    ``end`` gives the text that they were read from, for an answer whose server sent proper calls after all.
    A ``Retrying`` among the chunks says that what came before it is restated behind it.
    """

    def __init__(
        self, declared: Collection[str], *, quotes: bool = True, thinking: bool = False, begun: bool = False
    ) -> None:
        self._numbers: list[int] = []
        self._content = _Channel(declared, self._numbers, quotes, thinking=thinking, opening=not begun)
        self._reasoning = _Channel(declared, self._numbers, quotes, thinking=True, opening=True)
        self._current = self._content

    @property
    def calls(self) -> int:
        """How many calls were read so far."""
        return len(self._numbers)

    def content(self, text: str) -> list[Chunk]:
        """What the next piece of the content lets out."""
        return [*self._turn_to(self._content), *self._content.feed(text)]

    def reasoning(self, text: str) -> list[Chunk]:
        """What the next piece of the reasoning lets out."""
        self._content.settle()
        return [*self._turn_to(self._reasoning), *self._reasoning.feed(text)]

    def end(self, *, limit: bool = False) -> list[Chunk]:
        """The rest, the calls last. ``limit``: the output limit ended the answer, so arguments that are cut
        off at its end are given as far as they came, for the agent to have them completed."""
        rest = [*self._reasoning.finish(), *self._content.finish()]
        calls = [*self._reasoning.withheld(), *self._content.withheld()]
        if limit and calls and isinstance(calls[-1], CallDelta):
            calls[-1] = replace(calls[-1], arguments=calls[-1].arguments.removesuffix(CUT))
        return [*rest, *calls]

    def release(self) -> list[Chunk]:
        """The rest as the text that it is: nothing in it was a call."""
        return [*self._reasoning.release(), *self._content.release()]

    def _turn_to(self, channel: _Channel) -> list[Chunk]:
        """Nothing of one channel is continued in the other: let out what the old one holds."""
        left, self._current = self._current, channel
        return [] if left is channel else left.finish()


class _Channel:
    """The text of one channel. ``_buf`` is what is not decided yet; each step consumes its beginning."""

    def __init__(
        self, declared: Collection[str], numbers: list[int], quotes: bool, *, thinking: bool, opening: bool
    ) -> None:
        self._declared = declared
        self._numbers = numbers
        self._thinking = thinking
        self._opening = opening  # nothing was said yet, and no tag seen
        self._unsettled = opening and not thinking  # what was said may turn out to be reasoning
        self._said: list[str] = []  # while unsettled
        self._placeholder: str | None = "" if opening else None  # held while it may become one
        self._quotes = _Quotes() if quotes else None
        self._buf = ""
        self._open: OpenCall | None = None
        self._out: list[Chunk] = []
        self._raw: list[str] | None = None  # the text from the first call on, None before it
        self._withheld: list[Chunk] = []  # what that text means
        self._swallow = False  # white space between and behind calls is layout
        self._final = False
        self._over = False

    # --- from outside ----------------------------------------------------------------------------

    def feed(self, text: str) -> list[Chunk]:
        if self._raw is not None:
            self._raw.append(text)
        if self._open is None:
            self._buf += text
            self._run()
        elif self._open.feed(text):
            self._run()
        return self._taken()

    def finish(self) -> list[Chunk]:
        """Decide what was held back: nothing of it is continued."""
        self._final = True
        self._run()
        self._final = False
        self._settle_placeholder()
        return self._taken()

    def withheld(self) -> list[Chunk]:
        found, self._withheld, self._raw = self._withheld, [], None
        return found

    def release(self) -> list[Chunk]:
        self._settle_placeholder()
        if self._raw is not None:
            text, self._raw = "".join(self._raw), None
        else:
            text = self._buf if self._open is None else self._open.id + self._open.text
        self._buf, self._open = "", None
        self._withheld.clear()
        self._let_out(text)
        return self._taken()

    def settle(self) -> None:
        """What is said here is no reasoning: that came where it belongs."""
        self._unsettled = False

    def _taken(self) -> list[Chunk]:
        out, self._out = self._out, []
        return out

    # --- one decision after the other --------------------------------------------------------------

    def _run(self) -> None:
        while self._open is not None or self._buf:
            if self._over:
                self._buf = ""
            elif not (self._text() if self._open is None else self._arguments(self._open)):
                return

    def _text(self) -> bool:
        """Let out what is before the next marker and judge that. False: more must come first."""
        if self._swallow:
            self._buf = self._buf.lstrip()
        found = _TRIGGER.search(self._buf)
        if found is None:
            cut = len(self._buf) - (0 if self._final else _marker_begun(self._buf))
            self._say(self._buf[:cut])
            self._buf = self._buf[cut:]
            return False
        self._say(self._buf[: found.start()])
        self._buf = self._buf[found.start() :]
        marker = found.group()
        if marker in ("<think>", "</think>"):
            return self._tag(marker)
        if marker == MESSAGE_END:
            return self._message_end()
        if not self._declared or self._quoted():
            return self._literal(marker)
        if marker in _STRAYS:
            return self._stray(marker)
        if marker in SECTION_BEGINS:
            return self._section(marker)
        return self._call() if marker == CALL_BEGIN else self._bare()

    def _section(self, marker: str) -> bool:
        """A section is one only where a call follows, or its end."""
        rest = self._buf[len(marker) :].lstrip()
        if rest.startswith((CALL_BEGIN, *SECTION_ENDS)) or (self._final and not rest):
            self._hold()
            return self._drop(marker)
        if not self._final and may_begin(rest, (CALL_BEGIN, *SECTION_ENDS)):
            return False
        return self._literal(marker)

    def _call(self) -> bool:
        head = _HEAD.match(self._buf, len(CALL_BEGIN))
        rest = self._buf[head.end() :] if head is not None else "-"
        known = rest.startswith(("{", ARGUMENTS, *STOPS))
        if head is None or not (known or may_begin(rest, (ARGUMENTS, *STOPS))):
            return self._literal(CALL_BEGIN)
        if (known or self._final) and not rest.startswith(ARGUMENTS) and not may_be_id(head["id"]):
            return self._literal(CALL_BEGIN)  # only prose about the marker
        if not known and not self._final:
            return False
        self._hold()
        if rest.startswith(("{", ARGUMENTS)):
            self._buf, self._open = "", OpenCall(head["id"])
            self._open.feed(rest.removeprefix(ARGUMENTS))
        else:  # without arguments, or cut off before them
            self._emit(head["id"], "", ended=rest.startswith(CALL_END))
            self._buf = rest.removeprefix(CALL_END) if known else ""
        return True

    def _bare(self) -> bool:
        """Every marker stripped, ``functions.name:0{json}`` is left: a call only of a declared tool."""
        head = _BARE.match(self._buf)
        if head is not None and resolve(head.group(), self._declared)[0] in self._declared:
            rest, self._buf = self._buf[head.end() :], ""
            self._open = OpenCall(head.group(), bare=True)
            return self._open.feed(rest) or self._final
        if head is None and not self._final and _BARE_BEGUN.fullmatch(self._buf):
            return False
        return self._literal("functions.")

    def _arguments(self, call: OpenCall) -> bool:
        closed = call.decide(final=self._final)
        if closed is None:
            return False
        self._open = None
        if call.bare and not closed.ended:
            self._buf = call.id + call.text
            return self._literal("functions.")
        if call.bare and self._raw is None:
            self._hold(call.id + call.text)
        self._emit(call.id, closed.arguments, ended=closed.ended)
        self._buf = closed.rest
        return True

    def _message_end(self) -> bool:
        """The end of the message, unless words follow: then it was quoted."""
        rest = self._buf[len(MESSAGE_END) :].lstrip()
        self._over = rest.startswith(_NEXT_MESSAGE) or (self._final and not rest)
        if self._over:
            return True
        if not self._final and may_begin(rest, _NEXT_MESSAGE):
            return False
        return self._stray(MESSAGE_END)

    def _tag(self, tag: str) -> bool:
        if tag == "<think>" and self._opening:
            self._thinking, self._unsettled, self._opening = True, False, False
            self._placeholder = None if self._placeholder is None else ""
            return self._drop(tag)
        if tag == "<think>" or self._quoted():
            return self._literal(tag)
        if self._thinking or self._raw is not None or self._opening:
            self._thinking = self._opening = self._unsettled = False
            return self._drop(tag)
        if not self._unsettled:
            return self._literal(tag)
        self._restate()
        return self._drop(tag)

    def _restate(self) -> None:
        """The opening tag was missing: all that was said is reasoning."""
        thought = "".join(self._said) + (self._placeholder or "")
        if self._said:
            self._out.append(Retrying(1, 0.0, _RESTATED))
        self._out.append(ReasoningDelta(thought))
        self._unsettled, self._placeholder = False, ""
        self._said.clear()

    # --- words -------------------------------------------------------------------------------------

    def _hold(self, text: str = "") -> None:
        """From here on nothing is let out before the answer's end, when it is known what it was."""
        self._settle_placeholder()
        if self._raw is None:
            self._raw = [text or self._buf]
        self._swallow = True

    def _emit(self, call_id: str, arguments: str, *, ended: bool) -> None:
        arguments = arguments or ("{}" if ended else "")
        if not ended and not is_object(arguments):
            arguments += CUT
        name, call_id = resolve(call_id, self._declared)
        self._numbers.append(len(self._numbers))
        self._withheld.append(CallDelta(self._numbers[-1], call_id or None, name, arguments, healed=True))
        self._swallow = True
        self._thinking = self._opening = self._unsettled = False  # a call ends the reasoning

    def _drop(self, marker: str) -> bool:
        self._buf = self._buf[len(marker) :]
        return True

    def _literal(self, marker: str) -> bool:
        self._say(marker)
        return self._drop(marker)

    def _stray(self, marker: str) -> bool:
        """A marker out of place: what is left of a section behind a call, quoted text before any."""
        return self._drop(marker) if self._raw is not None else self._literal(marker)

    def _quoted(self) -> bool:
        """Quoted in Markdown; never behind a call, whose section is a frame of its own."""
        return self._quotes is not None and self._raw is None and self._quotes.inside

    def _say(self, text: str) -> None:
        if not text:
            return
        if text.strip():
            self._opening = self._swallow = False
        if self._quotes is not None:
            self._quotes.follow(text)
        if self._placeholder is not None and not self._thinking:
            text, self._placeholder = self._placeholder + text, None
            if PLACEHOLDER.startswith(text.strip()):
                self._placeholder = text
                return
        self._let_out(text)

    def _settle_placeholder(self) -> None:
        held, self._placeholder = self._placeholder, None
        if held and held.strip() != PLACEHOLDER:
            self._let_out(held)
        elif held == "":
            self._placeholder = ""

    def _let_out(self, text: str) -> None:
        if not text:
            return
        if self._unsettled:
            self._said.append(text)
        chunk = ReasoningDelta(text) if self._thinking else TextDelta(text)
        (self._out if self._raw is None else self._withheld).append(chunk)


class _Quotes:
    """Whether the place reached is inside a Markdown code block or code span."""

    def __init__(self) -> None:
        self._head = ""  # of the line under way, as far as a fence goes
        self._ticks = 0
        self._fenced = False

    def follow(self, text: str) -> None:
        first, *lines = text.split("\n")
        self._extend(first)
        for line in lines:
            self._fenced ^= self._head == "```"
            self._head, self._ticks = "", 0
            self._extend(line)

    @property
    def inside(self) -> bool:
        return self._fenced or self._ticks % 2 == 1

    def _extend(self, text: str) -> None:
        self._ticks += text.count("`")
        if len(self._head) < 3:
            self._head = (self._head + text).lstrip()[:3]


def _marker_begun(text: str) -> int:
    """The length of the longest end of ``text`` with which a marker may begin."""
    for start in range(max(0, len(text) - _LONGEST), len(text)):
        if text[start] in "<f" and may_begin(text[start:], _TRIGGERS):
            return len(text) - start
    return 0
