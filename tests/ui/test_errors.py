from __future__ import annotations

import io

import pytest

from kcode.errors import Interrupted, UsageError
from kcode.ui.errors import report
from kcode.ui.look.wrapping import cells
from tests.ui.screen import Terminal


def test_an_error_says_what_happened_and_what_to_do() -> None:
    stream = io.StringIO()
    report(UsageError("no such model\x1b[2J", "kcode models list"), stream=stream)
    assert stream.getvalue() == "error: no such model\n  try: kcode models list\n"


def test_who_stopped_it_is_not_told_of_an_error() -> None:
    stream = io.StringIO()
    report(Interrupted("no session was chosen", "kcode --resume ID"), stream=stream)
    assert stream.getvalue() == "no session was chosen\n  try: kcode --resume ID\n"


def test_the_trace_is_shown_only_on_request() -> None:
    stream = io.StringIO()
    try:
        raise UsageError("no such model")
    except UsageError as error:
        report(error, debug=True, stream=stream)
    assert "Traceback" in stream.getvalue()
    assert stream.getvalue().endswith("error: no such model\n")


def test_on_a_terminal_the_label_is_coloured(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    report(UsageError("no such model"), stream=terminal)  # type: ignore[arg-type]
    assert "\x1b[1;91merror:" in "".join(terminal.raw)
    assert terminal.text() == "error: no such model"


def test_without_colour_the_label_is_bold(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    report(UsageError("no such model"), stream=terminal)  # type: ignore[arg-type]
    assert "".join(terminal.raw) == "\x1b[1merror:\x1b[0m no such model\n"


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize(
    "text", ["the model answers " * 12, "模型没有回答，请稍后再试。" * 6, "路径 src/main.py 不存在 " * 6]
)
def test_on_a_terminal_lines_end_between_words_and_stand_behind_the_label(
    monkeypatch: pytest.MonkeyPatch, columns: int, text: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal(columns)
    report(UsageError(text.strip(), "try again"), stream=terminal)  # type: ignore[arg-type]
    lines = terminal.lines()
    assert lines[0].startswith("error: ")
    assert all(line.startswith(" " * 7) for line in lines[1:-1])
    assert "".join(line[7:] for line in lines[:-1]).replace(" ", "") == text.replace(" ", "")
    assert lines[-1] == "  try: try again"
    assert max(map(cells, lines)) <= columns
