from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.journal import Journal, session_files
from kcode.errors import EnvironmentProblem, UsageError
from kcode.ui import clipboard, exporting
from kcode.ui.commands.sessions import answers_of
from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"


def users(sim: Simulator) -> list[str]:
    messages = sim.chats[-1].json["messages"]
    return [m["content"].splitlines()[0] for m in messages if m["role"] == "user"]


def ask(person: Sitting, message: str, answer: str) -> None:
    person.type(f"{message}\r")
    person.see(answer)
    person.settle()


@pytest.fixture
def echo(k2sim: Sim) -> Simulator:
    return k2sim(lambda request: say(f"Answer to {request.last_user.splitlines()[0]}."))


@pytest.fixture
def two(echo: Simulator, sit: Sit) -> tuple[Simulator, Sitting]:
    """An older session about the shop, and a person in a new one."""
    first = sit(echo)
    first.see(READY)
    ask(first, "repair the shop", r"Answer to repair the shop\.")
    first.type("/exit\r")
    assert first.end() == 0
    person = sit(echo, rows=40)
    person.see(READY)
    ask(person, "something else", r"Answer to something else\.")
    return echo, person


def test_resume_goes_on_with_the_picked_session_and_keeps_the_present_one(
    two: tuple[Simulator, Sitting], repo: Path
) -> None:
    sim, person = two
    person.type("/resume\r")
    person.see(r"Resume which session\?")
    person.settle()
    person.type("\r")
    person.see(r"this is \S+ now: repair the shop\n[\s\S]*Answer to repair the shop\.")
    ask(person, "go on", r"Answer to go on\.")
    assert users(sim) == ["repair the shop", "go on"]
    person.type("/exit\r")
    assert person.end() == 0
    typed = [Journal.open(path)[1] for path in session_files(repo)]
    assert [[e.typed for e in entries if getattr(e, "typed", "")] for entries in typed] == [
        ["something else"],
        ["repair the shop", "go on"],
    ]


def test_resume_with_words_that_fit_one_session_needs_no_picker(two: tuple[Simulator, Sitting]) -> None:
    sim, person = two
    person.type("/resume shop\r")
    person.see(r"this is \S+ now: repair the shop")
    ask(person, "go on", r"Answer to go on\.")
    assert users(sim) == ["repair the shop", "go on"]


def test_what_the_command_line_denies_stays_denied_in_the_session_that_is_resumed(
    k2sim: Sim, sit: Sit, repo: Path
) -> None:
    touch = use(call("run_command", command="touch made"))
    first = sit(k2sim([say("Noted.")]))
    first.see(READY)
    ask(first, "repair the shop", r"Noted\.")
    first.type("/exit\r")
    assert first.end() == 0
    person = sit(k2sim([touch, say("Not done.")]), "--deny", "command: touch *", "--mode", "auto", rows=40)
    person.see("auto mode")
    ask(person, "/resume shop", r"this is \S+ now")
    ask(person, "make it", r"Not done\.")
    assert not (repo / "made").exists()


def test_leaving_the_picker_of_resume_stays_where_one_is(two: tuple[Simulator, Sitting]) -> None:
    sim, person = two
    person.type("/resume\r")
    person.see(r"Resume which session\?")
    person.settle()
    person.type("\x1b")
    person.see("this session goes on")
    ask(person, "go on", r"Answer to go on\.")
    assert users(sim) == ["something else", "go on"]


def test_words_that_fit_no_session_are_an_error(two: tuple[Simulator, Sitting]) -> None:
    _, person = two
    person.type("/resume zebra\r")
    person.see(r"no other session fits 'zebra'\n +try: /resume lists them")


def test_a_session_open_elsewhere_is_resumed_in_a_copy(two: tuple[Simulator, Sitting], repo: Path) -> None:
    sim, person = two
    journal, _ = Journal.open(session_files(repo)[0])
    person.type("/resume shop\r")
    person.see("Another kcode has that session open")
    person.settle()
    person.type("\r")
    person.see(r"this is \S+ now: repair the shop")
    ask(person, "go on", r"Answer to go on\.")
    journal.close()
    assert users(sim) == ["repair the shop", "go on"]
    assert len(session_files(repo)) == 3


@pytest.mark.parametrize("name", ["talk.md", "talk.json", "talk.html", ""])
def test_export_writes_the_conversation_as_the_name_says(sit: Sit, k2sim: Sim, repo: Path, name: str) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    word = "hunter-of-horses"  # only the variable's name says what it is
    said = say(f"The token is {secret}, the word is {word}.")
    person = sit(k2sim([said]), columns=200, env={"SHOP_PASSWORD": word})
    person.see(READY)
    ask(person, "hello 你好", "The token is")
    person.type(f"/export {name}\r".replace(" \r", "\r"))
    file = re.search(r"kB written to (\S+);", person.see("keys in it are masked"))
    assert file is not None
    written = Path(file.group(1))
    assert written.parent == repo
    assert not name or written.name == name
    text = written.read_text("utf-8")
    assert "你好" in text
    assert secret not in text
    assert word not in text
    if name.endswith("json"):
        assert json.loads(text)["schema"] == "kcode.session/1"
    person.type(f"/export {written.name}\r")
    person.see(r"exists already\n +try: choose another name")
    assert written.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("argument", "said"), [("talk.pdf", r"not written as \.pdf"), ("a b", "not know 'b'")]
)
def test_export_refuses_what_it_cannot_write(sit: Sit, k2sim: Sim, argument: str, said: str) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type(f"/export {argument}\r")
    person.see(said)


def test_a_markdown_name_in_any_spelling_means_markdown() -> None:
    assert [exporting.format_of(name) for name in ("a", "a.MD", "a.markdown", "a.htm")] == [
        "md",
        "md",
        "md",
        "html",
    ]
    with pytest.raises(UsageError):
        exporting.format_of("a.docx")


# --- the clipboard -----------------------------------------------------------------------------

CODE = "Use this:\n\n```python\nprint('合计')\n```\n\nor\n\n~~~\nlast block\n~~~\n"


def copied(person: Sitting) -> str:
    """What the terminal was last asked to put on its clipboard."""
    found = re.findall(r"\x1b\]52;c;([^\x07]*)\x07", "".join(person.terminal.raw))
    return base64.b64decode(found[-1]).decode()


def nothing_local() -> dict[str, str]:
    return {"DISPLAY": "", "WAYLAND_DISPLAY": "", "TMUX": "", "STY": ""}


def test_copy_sends_answers_and_code_to_the_terminal(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("First 你好."), say(CODE)]), env=nothing_local(), rows=60)
    person.see(READY)
    ask(person, "one", "First 你好")
    ask(person, "two", "last block")
    person.type("/copy 2\r")
    person.see(r"copied 9 characters, 1 line, by the terminal \(OSC 52\)")
    assert copied(person) == "First 你好."
    person.type("/copy\r")
    person.see(r"copied \d+ characters, 11 lines")
    assert copied(person) == CODE.strip()
    person.type("/copy code\r")
    person.see(r"copied 11 characters")
    assert copied(person) == "last block\n"
    person.type("/copy 3\r")
    person.see("there are 2 answers")
    person.type("/copy nothing\r")
    person.see("/copy does not know 'nothing'")


def test_copy_says_so_where_nothing_has_a_clipboard(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("Hello.")]), env={**nothing_local(), "TERM": "linux"})
    person.see(READY)
    ask(person, "one", r"Hello\.")
    person.type("/copy\r")
    person.see("nothing here has a clipboard")
    assert "\x1b]52" not in "".join(person.terminal.raw)


def test_copy_before_any_answer_is_an_error(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]))
    person.see(READY)
    person.type("/copy\r")
    person.see("no answer to copy yet")


def program(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(stat.S_IRWXU)


def test_copy_hands_the_text_to_the_desktops_program(sit: Sit, k2sim: Sim, tmp_path: Path) -> None:
    program(tmp_path / "bin", "xclip", f'cat >"{tmp_path}/clip"')
    env = {**nothing_local(), "DISPLAY": ":9", "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    person = sit(k2sim([say("Hello 你好.")]), env=env)
    person.see(READY)
    ask(person, "one", "Hello 你好")
    person.type("/copy\r")
    person.see(r"by xclip and the terminal \(OSC 52\)")
    assert (tmp_path / "clip").read_text("utf-8") == "Hello 你好."


def test_a_program_that_stays_behind_as_owner_of_the_text_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "wl-copy", f'cat >/dev/null; (sleep 0.3; echo kept >"{tmp_path}/owner") &')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert clipboard.by_program("text", {"WAYLAND_DISPLAY": "w"}) == ("wl-copy", "")
    patience = time.monotonic() + 60
    while not (tmp_path / "owner").exists() and time.monotonic() < patience:
        time.sleep(0.05)
    assert (tmp_path / "owner").read_text() == "kept\n"


@given(st.text(max_size=2_000), st.sampled_from([{}, {"TMUX": "/tmp/t,1,0"}, {"STY": "1.pts"}]))
def test_the_sequence_carries_any_text_through_tmux_and_screen(text: str, inside: Mapping[str, str]) -> None:
    sequence = clipboard.sequence_for(text, {"TERM": "xterm", **inside})
    if "TMUX" in inside:
        assert sequence.startswith("\x1bPtmux;")
        sequence = sequence.removeprefix("\x1bPtmux;").removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b")
    elif "STY" in inside:
        sequence = "".join(piece.removeprefix("\x1bP") for piece in sequence.split("\x1b\\"))
    assert sequence.startswith("\x1b]52;c;")
    data = base64.b64decode(sequence.removeprefix("\x1b]52;c;").removesuffix("\x07"))
    assert data == text.encode("utf-8", "replace")


def test_a_text_too_long_for_a_terminal_is_not_cut_but_refused() -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert clipboard.sequence_for("x" * 80_000, {"TERM": "xterm"}) == ""
    with pytest.raises(EnvironmentProblem, match="too many"):
        asyncio.run(clipboard.copy("x" * 80_000, Tty(), {"TERM": "xterm"}))


def test_the_answers_are_those_that_count_today() -> None:
    from kcode.conversation.ledger import Assistant, Epoch, User

    ledger = [
        User("a", typed="a"),
        Assistant("old", None, (), "stop"),
        Epoch("clear"),
        User("b", typed="b"),
        Assistant("looking", None, (), "tool_calls"),
        Assistant("seen", None, (), "stop"),
    ]
    assert answers_of(ledger) == ["seen"]
