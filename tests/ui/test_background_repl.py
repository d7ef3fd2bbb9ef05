"""The question for the background, in the real program: answered early, late, never, while somebody types."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kcode.ui.look.background import QUESTION
from kcode.ui.look.paint import sgr
from kcode.ui.look.palettes import DARK, LIGHT
from tests.k2sim import Simulator, say
from tests.ui.conftest import environment
from tests.ui.sitting import KCODE, PATIENCE_S, Sitting

Sim = Callable[..., Simulator]
WHITE = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"
FENCE = "\x1b[?62;22c"


@pytest.fixture
def begin(repo: Path) -> Iterator[Callable[..., Sitting]]:
    with ExitStack() as running:

        def start(sim: Simulator, *arguments: str, **env: str) -> Sitting:
            settings: dict[str, Any] = {**environment(sim), **env}
            person = running.enter_context(Sitting([KCODE, *arguments], cwd=repo, env=settings))
            person.terminal.screen.write_process_input = lambda text: None  # answers are the test's own
            return person

        yield start


def raw(person: Sitting) -> str:
    return "".join(person.terminal.raw)


def asked(person: Sitting) -> None:
    until = time.monotonic() + PATIENCE_S
    while QUESTION not in raw(person):
        assert time.monotonic() < until
        person._read(0.1)


def painted(person: Sitting, table: dict[str, str]) -> bool:
    colour = sgr(table["status"], "256")
    return f"{colour}m" in raw(person)


def test_a_light_background_is_seen_before_the_first_colours(
    begin: Callable[..., Sitting], k2sim: Sim
) -> None:
    person = begin(k2sim([say("Hello.")]))
    asked(person)
    person.type(f"hel{WHITE}l{FENCE}o")
    person.see("ask mode")
    text = person.see(r"[❯>] hello")
    assert "rgb:" not in text
    assert "62;22" not in text
    person.type("\r")
    person.see(r"Hello\.")
    assert painted(person, LIGHT)
    assert not painted(person, DARK)


def test_a_late_answer_is_swallowed_and_the_colours_follow(begin: Callable[..., Sitting], k2sim: Sim) -> None:
    person = begin(k2sim([say("Hello.")]))
    person.see("ask mode")
    person.type("hi")
    person.see(r"[❯>] hi")
    assert painted(person, DARK)
    person.type(WHITE[:11])
    person.type(WHITE[11:] + "\x1b[D" + FENCE + "o")
    person.see(r"[❯>] hoi")
    text = person.settle()
    assert "rgb:" not in text
    assert "62;22" not in text
    assert painted(person, LIGHT)


def test_a_terminal_that_never_answers_works_all_the_same(begin: Callable[..., Sitting], k2sim: Sim) -> None:
    person = begin(k2sim([say("Hello.")]))
    person.see("ask mode")
    person.type("hi\r")
    person.see(r"Hello\.")


@pytest.mark.parametrize(
    "env",
    [{"TERM": "linux"}, {"TERM": "screen"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"KCODE_UI__THEME": "dark"}],
)
def test_who_cannot_answer_or_need_not_is_not_asked(
    begin: Callable[..., Sitting], k2sim: Sim, env: dict[str, str]
) -> None:
    person = begin(k2sim([say("Hello.")]), **env)
    person.type("hi\r")
    person.see(r"Hello\.")
    assert "]11;" not in raw(person)
