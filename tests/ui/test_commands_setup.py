"""Settings, themes, the doctor, the rules, the guides, added folders, help."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.safety.trust import is_trusted
from kcode.ui.commands.table import COMMANDS, looks_like_command
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"
COLOURED = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])(?:;|m)")


@pytest.fixture
def at(sit: Sit, k2sim: Sim) -> Callable[..., Sitting]:
    """``at(*answers)``: a person at the prompt of a tall terminal."""

    def begin(*answers: object, columns: int = 140, rows: int = 60, **more: object) -> Sitting:
        person = sit(k2sim(list(answers)), columns=columns, rows=rows, **more)
        person.see(READY)
        return person

    return begin


def ask(person: Sitting, message: str, answer: str) -> str:
    person.type(f"{message}\r")
    text = person.see(answer)
    person.settle(0.3)
    return text


# --- help --------------------------------------------------------------------------------------


def test_help_fits_a_screen_and_names_every_command(at: Callable[..., Sitting]) -> None:
    person = at(columns=80, rows=24)
    person.type("/help\r")
    person.see(r"/help COMMAND says more")
    person.settle()
    screen = "\n".join(person.terminal.visible())
    assert "❯ /help" in screen
    shown = set(re.findall(r"/([a-z-]+)", screen))
    assert {command.name for command in COMMANDS} <= shown
    assert re.search(r"Ctrl-S +while the model works", screen)


def test_help_of_one_command_has_an_example_for_every_command() -> None:
    for command in COMMANDS:
        assert command.example.startswith(f"/{command.name}"), command.name
        assert not command.example.removeprefix(f"/{command.name}").strip() or command.argument, command.name


def test_help_says_more_on_a_command_a_group_or_all(at: Callable[..., Sitting]) -> None:
    person = at()
    ask(
        person,
        "/help rewind",
        r"/rewind \[undo\]\n  go back to an earlier message[\s\S]*for example: /rewind undo",
    )
    ask(person, "/help /model", r"for example: /model kimi-k2\.6")
    ask(person, "/help files", r"/redo \[force\] +make the changes that were undone again")
    ask(person, "/help keys", r"Ctrl-X Ctrl-E +write the message in your editor")
    ask(person, "/help modell", r"no command /modell\n +try: /help model")


@pytest.mark.parametrize("message", ["/help", "/git:tidy main", "/?", "/add-dir ..", "/提交 now", "/a.b"])
def test_commands_are_told_from_messages(message: str) -> None:
    assert looks_like_command(message)


@pytest.mark.parametrize("message", ["/usr/bin is full", "/", "/ x", "//", "/1st", "/*", "/-x"])
def test_messages_that_begin_with_a_slash_stay_messages(message: str) -> None:
    assert not looks_like_command(message)


@pytest.mark.parametrize(
    "message",
    [
        "/undo it",
        "/redo all",
        "/memory read",
        "/permissions revoke x",
        "/theme blue",
        "/add-dir a b",
        "/doctor me",
    ],
)
def test_an_argument_that_is_not_known_is_refused_with_the_right_form(
    at: Callable[..., Sitting], message: str
) -> None:
    name, word = message.split()[0], message.split()[-1]
    person = at()
    person.type(f"{message}\r")
    person.see(rf"{name} does not know '({word}|revoke)'\n +try: {name}")


def test_a_command_without_an_argument_takes_none(at: Callable[..., Sitting]) -> None:
    ask(at(), "/diff everything", r"/diff takes nothing behind it\n +try: /diff")


# --- permissions -------------------------------------------------------------------------------


def test_permissions_show_the_rules_by_layer(at: Callable[..., Sitting], repo: Path, own_home: Path) -> None:
    (own_home / ".config/kcode").mkdir(parents=True)
    (own_home / ".config/kcode/permissions.toml").write_text('deny = ["command: docker *"]\n')
    (repo / ".kcode").mkdir()
    (repo / ".kcode/permissions.toml").write_text('allow = ["command: make *"]\nask = ["tool: run_tests"]\n')
    person = at()
    text = ask(person, "/permissions", r"deny of any layer decides")
    assert "ask mode; this folder is not trusted" in text
    assert re.search(r"user +deny command: docker \*\n", text)
    assert re.search(r"project +ask tool: run_tests\n", text)
    assert re.search(r"not in force +allow command: make \* \(project\)\n", text)
    ask(person, "/permissions trust", "is trusted: its rules and its commands hold")
    assert is_trusted(repo)
    ask(person, "/permissions", r"project +allow command: make \*\n")
    ask(
        person, "/permissions explain make x | docker ps", r"deny: denied by the rule deny command: docker \*"
    )
    ask(person, "/permissions distrust", "is not trusted any more")
    assert not is_trusted(repo)


def test_a_rule_for_this_session_decides_about_calls_and_can_be_forgotten(
    at: Callable[..., Sitting], repo: Path
) -> None:
    touch = call("run_command", command="touch made")
    person = at(use(touch), say("Made it."), use(touch), say("Stopped."))
    ask(person, "/permissions allow command: touch *", r"for this session: allow command: touch \*")
    ask(person, "/permissions", r"session +allow command: touch \*\n")
    ask(person, "go", r"Made it\.")
    assert (repo / "made").exists()
    ask(
        person,
        "/permissions forget allow command: touch *",
        r"forgotten: allow command: touch \* \(session\)",
    )
    ask(person, "/permissions deny command: touch *", r"for this session: deny command: touch \*")
    ask(person, "again", r"Stopped\.")
    ask(person, "/permissions allow touch", r"'touch' is no rule")
    ask(person, "/permissions forget command: nothing", r"there is no rule 'command: nothing' of yours")
    ask(person, "/permissions explain", r"needs something behind it\n +try: /permissions explain git push")


# --- memory ------------------------------------------------------------------------------------


def editor(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    script = folder / "editor"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o700)
    return {"EDITOR": str(script), "VISUAL": str(script)}


def test_memory_lists_the_guides_and_edits_one(
    at: Callable[..., Sitting], repo: Path, tmp_path: Path
) -> None:
    (repo / "AGENTS.md").write_text("# Rules\n\nBe kind.\n")
    person = at(say("Hi."), say("Heard."), env=editor(tmp_path / "bin", 'echo "Prices are integers." >>"$1"'))
    ask(person, "/memory", r"1  ?AGENTS\.md +project, \d+ tokens")
    ask(person, "hello", r"Hi\.")
    ask(person, "/memory edit 1", r"AGENTS\.md written")
    assert (repo / "AGENTS.md").read_text() == "# Rules\n\nBe kind.\nPrices are integers.\n"
    ask(person, "news?", r"Heard\.")
    ask(person, "/memory edit 7", r"there is no guide 7\n +try: /memory lists them")


def test_memory_edit_begins_a_guide_where_there_is_none(
    at: Callable[..., Sitting], repo: Path, tmp_path: Path
) -> None:
    person = at(env=editor(tmp_path / "bin", 'echo "# Mine" >"$1"'))
    ask(person, "/memory", "no AGENTS.md here yet")
    ask(person, "/memory edit", r"AGENTS\.md written")
    assert (repo / "AGENTS.md").read_text() == "# Mine\n"


def test_an_editor_that_fails_changes_nothing(at: Callable[..., Sitting], repo: Path, tmp_path: Path) -> None:
    (repo / "AGENTS.md").write_text("# Rules\n")
    person = at(env=editor(tmp_path / "bin", 'echo lost >"$1"; exit 3'))
    person.type("/memory edit\r")
    person.see("error:")
    assert (repo / "AGENTS.md").read_text() == "# Rules\n"


def test_context_shows_guides_attachments_and_tools(at: Callable[..., Sitting], repo: Path) -> None:
    (repo / "AGENTS.md").write_text("# Rules\n\nBe kind.\n")
    (repo / "notes.txt").write_text("note " * 50)
    person = at()
    ask(person, "/attach notes.txt", r"about \d+ tokens\n")
    text = ask(person, "/context", r"attached +notes\.txt: \d+")
    assert re.search(r"guide +1 +AGENTS\.md: project, \d+ tokens", text)
    assert re.search(r"tools +\w+ \d+, \w+ \d+", text)


# --- settings ----------------------------------------------------------------------------------


def test_config_lists_gets_sets_and_unsets(at: Callable[..., Sitting], own_home: Path) -> None:
    file = own_home / ".config/kcode/config.toml"
    person = at()
    text = ask(person, "/config", r"more are defaults")
    assert re.search(r'provider\.model +"kimi-k2-0905-preview" \(environment KCODE_MODEL\)', text)
    assert TEST_KEY not in text
    text = ask(person, "/config agent.max_turns", r"a change counts +at once")
    assert re.search(r"agent\.max_turns +60\n", text)
    assert re.search(r"takes +a whole number, at least 1", text)
    ask(
        person,
        "/config agent.max_turns 80",
        r"agent\.max_turns = 80  \(~/\.config/kcode/config\.toml\)[\s\S]+at once",
    )
    assert "max_turns = 80" in file.read_text()
    ask(person, "/config agent.max_turns", r"agent\.max_turns +80\nfrom +user file ~")
    ask(person, "/config agent.max_turns none", r"must be a whole number")
    assert "max_turns = 80" in file.read_text()
    ask(person, "/config unset agent.max_turns", r"agent\.max_turns = 60")
    assert "max_turns" not in file.read_text()
    ask(person, "/config provider.timeout_s 30", "counts from the next start")
    ask(person, "/config provider.model kimi-k2.6", "the environment KCODE_MODEL says otherwise")
    ask(
        person,
        "/config agent.max_turn",
        r"no setting 'agent\.max_turn'\n +try: did you mean 'agent\.max_turns'",
    )


def test_a_key_is_not_set_where_it_would_stay_in_the_history(
    at: Callable[..., Sitting], own_home: Path
) -> None:
    person = at()
    ask(person, f"/config provider.api_key {TEST_KEY}", r"stay in the history[^\n]*\n +try: kcode login")
    assert not (own_home / ".config/kcode/config.toml").exists()


def test_a_limit_set_in_the_session_holds_at_once(at: Callable[..., Sitting]) -> None:
    look = use(call("read_file", path="shop.py"))
    person = at(look, look, say("never"))
    ask(person, "/config agent.max_turns 1", "counts at once")
    ask(person, "go", r"limit")
    assert "never" not in person.terminal.text()


def test_theme_lists_and_switches_until_the_end(at: Callable[..., Sitting], own_home: Path) -> None:
    person = at(say("`code` here."), say("`code` again."))
    ask(person, "/theme", r"\* auto\n[\s\S]*high-contrast")
    ask(person, "one", "code here")
    assert COLOURED.search("".join(person.terminal.raw))
    ask(person, "/theme none", "none until you leave; for good: /config ui.theme none")
    before = len("".join(person.terminal.raw))
    ask(person, "two", "code again")
    painted = "".join(person.terminal.raw)[before:]
    assert not COLOURED.search(painted[painted.index("in, ") - 200 :])
    assert not (own_home / ".config/kcode/config.toml").exists()


def test_doctor_makes_the_checks_of_kcode_doctor(at: Callable[..., Sitting]) -> None:
    person = at()
    text = ask(person, "/doctor", r"sandbox[\s\S]+completion[\s\S]+❯")
    assert re.search(r"ok +provider +moonshot at 127\.0\.0\.1", text)
    assert re.search(r"ok +terminal +xterm-256color, 140x60", text)
    assert TEST_KEY not in text


def test_a_folder_called_kcode_in_the_project_is_not_the_doctor(
    at: Callable[..., Sitting], repo: Path
) -> None:
    (repo / "kcode").mkdir()
    (repo / "kcode/__init__.py").write_text("raise SystemExit('taken over')\n")
    person = at()
    assert "taken over" not in ask(person, "/doctor", r"sandbox|taken over")


# --- files -------------------------------------------------------------------------------------

EDIT = call(
    "edit_file", path="shop.py", edits=[{"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}]
)  # fmt: skip


def test_redo_makes_the_changes_again(at: Callable[..., Sitting], repo: Path) -> None:
    person = at(use(EDIT), say("Done."))
    person.type("/mode edits\r")
    person.see("edits mode")
    ask(person, "fix", r"Done\.")
    fixed = (repo / "shop.py").read_text()
    ask(person, "/undo", r"restored shop\.py")
    assert (repo / "shop.py").read_text() != fixed
    ask(person, "/redo", r"changed again: shop\.py")
    assert (repo / "shop.py").read_text() == fixed
    ask(person, "/redo", r"(nothing to redo|no undo to take back)")


def test_another_folder_can_be_read_and_changed_too(at: Callable[..., Sitting], repo: Path) -> None:
    other = repo.parent / "library"
    other.mkdir()
    (other / "lib.py").write_text("answer = 42\n")
    person = at(use(call("read_file", path=str(other / "lib.py"))), say("Read it."), columns=400)
    ask(person, "/add-dir ../library", r"library is part of the workspace now")
    ask(person, "read", r"Read it\.")
    ask(person, "/add-dir", r"shop\n.*library\n")
    ask(person, "/status", r"workspace .*shop, .*library; on main; not trusted")
    ask(person, "/add-dir ../nowhere", "error:")
