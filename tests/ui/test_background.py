from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.ui.look.background import QUESTION, Replies, ask_background, read_background, seen
from kcode.ui.look.terminal import Look

WHITE = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"
BLACK = "\x1b]11;rgb:0000/0000/0000\x07"
ATTRIBUTES = "\x1b[?62;22c"
LOOK = Look(plain=False)
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("reply", "dark"),
    [
        (WHITE, False),
        (BLACK, True),
        ("\x1b]11;rgb:28/2a/36\x07", True),
        ("\x1b]11;rgb:fdf6/f6e3/e3\x1b\\", False),
        ("\x1b]11;rgba:0000/0000/0000/ffff\x1b\\", True),
        ("\x1b]11;#ffffff\x07", False),
        ("\x1b]11;#1e1e2e\x07", True),
        ("\x1b]11;rgb:f/f/f\x07", False),
        ("\x1b]11;rgb:\x07", None),
        ("\x1b]11;rgb:zz/zz/zz\x07", None),
        ("\x1b]11;?\x07", None),
    ],
)
def test_the_background_is_read_from_every_spelling_of_the_reply(reply: str, dark: bool | None) -> None:
    replies = Replies()
    assert replies.feed(f"ab{reply}c{ATTRIBUTES}d") == "abcd"
    assert replies.dark is dark
    assert not replies.pending


@given(st.lists(st.integers(0, 60), max_size=12), st.sampled_from([WHITE, BLACK, ""]))
def test_replies_cut_anywhere_are_taken_out_and_no_key_is_lost(cuts: list[int], colour: str) -> None:
    stream = f"hé{colour}\x1b[Aλo{ATTRIBUTES}\x1b[B \x1b"
    replies = Replies()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    heard = "".join(replies.feed(stream[a:b]) for a, b in pairwise(places))
    assert heard + replies.flush() == "hé\x1b[Aλo\x1b[B \x1b"
    assert replies.dark is {WHITE: False, BLACK: True, "": None}[colour]


def test_a_lone_escape_is_a_key_once_nothing_follows() -> None:
    replies = Replies()
    assert replies.feed("\x1b") == ""
    assert replies.flush() == "\x1b"
    assert replies.flush() == ""


def test_once_the_fence_is_there_nothing_is_held_back() -> None:
    replies = Replies()
    replies.feed(ATTRIBUTES)
    assert replies.feed("\x1b") == "\x1b"
    assert replies.feed(WHITE) == WHITE


def test_a_late_reply_is_told() -> None:
    replies = Replies()
    told: list[bool] = []
    replies.on_background = told.append
    assert replies.feed("x" + WHITE) == "x"
    assert told == [False]


class Both(NamedTuple):
    """A terminal: the person's end, and what kcode reads and writes."""

    person: int
    keys: TextIO
    screen: TextIO

    def ask(self, look: Look = LOOK, environ: Mapping[str, str] = XTERM) -> Replies:
        return ask_background(look, environ, keys=self.keys, screen=self.screen)


@pytest.fixture
def terminal() -> Iterator[Both]:
    person, end = pty.openpty()
    tty.setraw(end)
    with os.fdopen(os.dup(end), "r") as keys, os.fdopen(os.dup(end), "w") as screen:
        os.close(end)
        yield Both(person, keys, screen)
    os.close(person)


def test_the_question_is_fenced_and_the_reply_kept_apart_from_what_was_typed(terminal: Both) -> None:
    replies = terminal.ask()
    assert os.read(terminal.person, 100).decode() == QUESTION
    assert QUESTION.endswith("\x1b[c")
    os.write(terminal.person, f"fix {WHITE}it é{ATTRIBUTES}now\r".encode())
    assert read_background(replies, terminal.keys) == "fix it énow\r"
    assert not replies.pending
    assert seen(LOOK, replies) == replace(LOOK, dark=False)


def test_nobody_waits_for_a_terminal_that_has_not_answered_yet(terminal: Both) -> None:
    replies = terminal.ask()
    os.write(terminal.person, b"ls")
    assert read_background(replies, terminal.keys) == "ls"
    assert replies.pending
    assert seen(LOOK, replies) == LOOK


@pytest.mark.parametrize(
    ("look", "environ"),
    [
        (LOOK, {"TERM": "linux"}),
        (LOOK, {"TERM": "screen-256color"}),
        (LOOK, {"TERM": "xterm-256color", "STY": "4711.pts-0.host"}),
        (LOOK, {"TERM": "vt100"}),
        (LOOK, {"TERM": "eterm-color", "INSIDE_EMACS": "29.1,term:0.96"}),
        (Look(plain=True), {"TERM": "dumb"}),
        (replace(LOOK, colour=False), XTERM),
        (replace(LOOK, theme="dark"), XTERM),
        (replace(LOOK, theme="light"), XTERM),
    ],
)
def test_what_cannot_answer_or_need_not_is_not_asked(
    terminal: Both, look: Look, environ: dict[str, str]
) -> None:
    replies = terminal.ask(look, environ)
    assert not replies.pending
    os.write(terminal.person, b"typed")
    assert read_background(replies, terminal.keys) == ""
    assert os.read(terminal.keys.fileno(), 100) == b"typed"
    os.set_blocking(terminal.person, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal.person, 100)


def test_tmux_is_asked_even_where_it_calls_itself_screen(terminal: Both) -> None:
    assert terminal.ask(LOOK, {"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}).pending


def test_without_a_terminal_at_both_ends_nothing_is_asked(terminal: Both) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "r") as pipe, os.fdopen(write, "w") as end:
        assert not ask_background(LOOK, XTERM, keys=pipe, screen=terminal.screen).pending
        assert not ask_background(LOOK, XTERM, keys=terminal.keys, screen=end).pending
    os.set_blocking(terminal.person, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal.person, 100)


def test_keys_reach_the_prompt_without_the_replies(terminal: Both) -> None:
    from prompt_toolkit.input.typeahead import get_typeahead

    from kcode.ui.stage.replyinput import input_without

    replies = terminal.ask()
    os.read(terminal.person, 100)
    os.write(terminal.person, b"fi")
    keys = input_without(replies, read_background(replies, terminal.keys), terminal.keys)
    assert [key.data for key in get_typeahead(keys)] == ["f", "i"]
    os.write(terminal.person, f"x{WHITE[:9]}".encode())
    assert [key.data for key in keys.read_keys()] == ["x"]
    os.write(terminal.person, f"{WHITE[9:]}\x1b[A{ATTRIBUTES}".encode())
    assert [key.key.value for key in keys.read_keys()] == ["up"]
    assert replies.dark is False
    os.write(terminal.person, b"\x1b")
    assert [*keys.read_keys(), *keys.flush_keys()][-1].key.value == "escape"


def test_a_lone_escape_reaches_the_prompt_while_a_reply_is_still_awaited(terminal: Both) -> None:
    from kcode.ui.stage.replyinput import input_without

    keys = input_without(terminal.ask(), keys=terminal.keys)
    os.write(terminal.person, b"\x1b")
    assert keys.read_keys() == []
    assert [key.key.value for key in keys.flush_keys()] == ["escape"]
