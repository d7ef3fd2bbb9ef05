from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.errors import UsageError
from kcode.safety.trust import trust
from kcode.ui.customs import Custom, Customs, filled, mode_for, parse
from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"


def project(root: Path, name: str, text: str) -> Path:
    path = root / ".kcode" / "commands" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def user(home: Path, name: str, text: str) -> Path:
    path = home / ".config" / "kcode" / "commands" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def last_message(sim: Simulator) -> str:
    content = sim.chats[-1].json["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


def test_a_command_of_the_users_runs_as_a_turn_with_arguments_and_files(
    sit: Sit, k2sim: Sim, own_home: Path, repo: Path
) -> None:
    (repo / "rules.md").write_text("Prices are integers.\n")
    user(
        own_home,
        "explain",
        "Explain `$1` to $2.\n\nAll: $ARGUMENTS\n\nSee @rules.md, not `@pytest.fixture`.\n",
    )
    sim = k2sim([say("Explained.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type('/explain shop.py "a child"\r')
    person.see(r"Explained\.")
    sent = last_message(sim)
    assert sent.startswith('Explain `shop.py` to a child.\n\nAll: shop.py "a child"\n\nSee @rules.md')
    assert sent.count("Prices are integers.") == 1


def test_a_projects_command_runs_only_when_the_folder_is_trusted(sit: Sit, k2sim: Sim, repo: Path) -> None:
    project(repo, "git/tidy", "---\ndescription: tidy the branch\n---\nTidy $1.\n")
    sim = k2sim([say("Tidied.")])
    person = sit(sim, rows=50, columns=300)
    person.see(READY)
    person.type("/help own\r")
    person.see(r"/git:tidy.*not trusted: /permissions trust")
    assert "tidy the branch" not in person.terminal.text()
    person.type("/git:tidy main\r")
    person.see(r"you have not trusted\n +try: look at \S+tidy\.md, then /permissions trust")
    assert not sim.chats
    person.type("/permissions trust\r")
    person.see(r"commands of its own: /git:tidy")
    person.type("/help own\r")
    person.see(r"/git:tidy.*tidy the branch \(project\)")
    person.type("/git:tidy main\r")
    person.see(r"Tidied\.")
    assert last_message(sim).startswith("Tidy main.")


def test_a_file_that_is_repaired_is_read_again(sit: Sit, k2sim: Sim, own_home: Path) -> None:
    path = user(own_home, "shout", "---\ndescripton: oh\n---\nShout.\n")
    sim = k2sim([say("LOUD.")])
    person = sit(sim, rows=40, columns=160)
    person.see(READY)
    person.type("/shout\r")
    person.see(r"shout\.md:2: there is no field 'descripton'")
    path.write_text("Shout it.\n")
    person.type("/shout\r")
    person.see(r"LOUD\.")
    assert last_message(sim).startswith("Shout it.")


def test_a_built_in_name_is_not_taken_over(sit: Sit, k2sim: Sim, own_home: Path) -> None:
    user(own_home, "undo", "Delete everything.\n")
    sim = k2sim([])
    person = sit(sim, rows=40, columns=160)
    person.see(READY)
    person.type("/undo\r")
    person.see("nothing to undo")
    person.type("/help own\r")
    person.see(r"/undo is a command of kcode's own")
    assert not sim.chats


def test_a_file_that_is_not_there_is_named_with_the_line(sit: Sit, k2sim: Sim, own_home: Path) -> None:
    user(own_home, "check", "---\nmode: plan\n---\n\nRead @docs/plan.md first.\n")
    sim = k2sim([])
    person = sit(sim, rows=40, columns=160)
    person.see(READY)
    person.type("/check\r")
    person.see(r"check\.md:5: @docs/plan\.md is not a file")
    assert not sim.chats


def test_the_mode_of_a_command_holds_for_its_turn(sit: Sit, k2sim: Sim, own_home: Path, repo: Path) -> None:
    user(own_home, "look", "---\nmode: plan\n---\nLook.\n")
    sim = k2sim([use(call("run_command", command="touch made")), say("Seen.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type("/look\r")
    person.see(r"Seen\.[\s\S]+The plan:")
    person.settle()
    person.type("\x1b")
    person.see(READY)
    assert not (repo / "made").exists()
    assert "plan mode" in last_message(sim)


def test_the_model_of_a_command_answers_its_turn_only(sit: Sit, k2sim: Sim, own_home: Path) -> None:
    user(own_home, "ask", "---\nmodel: kimi-k2.6\n---\nAsk.\n")
    sim = k2sim([say("Asked."), say("Back.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type("/ask\r")
    person.see(r"Asked\.")
    person.settle()
    person.type("go on\r")
    person.see(r"Back\.")
    assert [chat.json["model"] for chat in sim.chats] == ["kimi-k2.6", "kimi-k2-0905-preview"]


def test_a_projects_command_reaches_no_file_outside(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo.parent / "outside.txt").write_text("private\n")
    project(repo, "steal", "Read @../outside.txt\n")
    trust(repo)
    sim = k2sim([])
    person = sit(sim, rows=40, columns=160)
    person.see(READY)
    person.type("/steal\r")
    person.see(r"steal\.md:1: @\.\./outside\.txt is not a file of this project")
    assert not sim.chats


def test_a_command_of_the_users_may_name_a_file_outside(
    sit: Sit, k2sim: Sim, own_home: Path, repo: Path
) -> None:
    (own_home / "style.md").write_text("Short words.\n")
    user(own_home, "styled", "Write as in @~/style.md says.\n")
    sim = k2sim([say("Written.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type("/styled\r")
    person.see(r"Written\.")
    assert "Short words." in last_message(sim)


# --- without a terminal ------------------------------------------------------------------------


def of(body: str, **more: str) -> Custom:
    return Custom("c", Path("c.md"), "user", body=body, **more)


@pytest.mark.parametrize(
    ("body", "argument", "text"),
    [
        ("Fix $1 and $2.", "a b", "Fix a and b."),
        ("Fix $1.", "", "Fix ."),
        ("Fix $ARGUMENTS!", "a 'b c'", "Fix a 'b c'!"),
        ("Just do it.", "", "Just do it."),
        ("Just do it.", "now", "Just do it.\n\nnow"),
        ("Costs $10 and $1.", "5", "Costs $10 and 5."),
        ("$1", "$2 $ARGUMENTS", "$2"),
        ("All: $ARGUMENTS", "$1 stays", "All: $1 stays"),
    ],
)
def test_arguments_are_put_in_place_once(body: str, argument: str, text: str) -> None:
    assert filled(of(body), argument).text == text


def test_an_open_quote_matters_only_where_words_are_asked_for() -> None:
    assert filled(of("Say $ARGUMENTS"), "don't").text == "Say don't"
    with pytest.raises(UsageError, match="quote"):
        filled(of("Say $1"), "don't")


def test_files_are_found_with_their_lines_but_not_in_code() -> None:
    body = 'Read @a.md, @$1 and\n@"b c.md".\n```\n@not.this\n```\nmail me@home.org `@nor.this`\n@src/'
    assert filled(
        of(
            body,
        ),
        "x.py",
    ).files == (("a.md", 1), ("x.py", 1), ("b c.md", 2), ("src/", 7))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("---\ndescription: x\n", ":1:"),
        ("---\nnonsense\n---\nHi\n", ":2:"),
        ("---\n\nmode: fast\n---\nHi\n", ":3: there is no mode 'fast'"),
        ("---\nallowed-tools: all\n---\nHi\n", ":2: there is no field 'allowed-tools'"),
        ("---\ndescription: x\n---\n\n", ":4: the command says nothing"),
        ("", ":1: the command says nothing"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, where: str) -> None:
    with pytest.raises(UsageError, match=f"/x/c.md{where}"):
        parse(text, "c", Path("/x/c.md"), "user")


def test_the_front_matter_says_what_the_help_shows() -> None:
    text = '---\r\ndescription: "make it: tidy"\r\nargument-hint: [BRANCH]\r\n---\r\n\r\nTidy.\r\n'
    found = parse(text, "c", Path("c.md"), "user")
    assert (found.description, found.hint, found.body, found.first_line) == (
        "make it: tidy",
        "[BRANCH]",
        "Tidy.",
        6,
    )
    assert parse("# Tidy up\n\nPlease.", "c", Path("c.md"), "user").description == "Tidy up"


@given(st.text())
def test_no_text_of_a_file_breaks_the_reading(text: str) -> None:
    try:
        found = parse(text, "c", Path("c.md"), "user")
    except UsageError as error:
        assert error.message.startswith("c.md:")
    else:
        assert filled(found, "").text.strip() or not found.body.replace("$", "").strip()


@pytest.mark.parametrize(
    ("origin", "wanted", "present", "mode"),
    [
        ("user", "auto", "ask", "auto"),
        ("project", "auto", "ask", "ask"),
        ("project", "plan", "auto", "plan"),
        ("project", "", "edits", "edits"),
    ],
)
def test_a_projects_command_only_makes_the_mode_stricter(
    origin: str, wanted: str, present: str, mode: str
) -> None:
    custom = Custom("c", Path("c.md"), "user" if origin == "user" else "project", mode=wanted)
    assert mode_for(custom, present) == mode


def test_the_projects_command_counts_where_both_have_one_and_it_can_be_used(
    repo: Path, own_home: Path
) -> None:
    user(own_home, "same", "Mine.\n")
    path = project(repo, "same", "Theirs.\n")
    customs = Customs(repo, ["help"])
    assert [c.body for c in customs.all()] == ["Mine."]
    trust(repo)
    assert [c.body for c in customs.all()] == ["Theirs."]
    path.write_text("---\n")
    assert [c.body for c in customs.all()] == ["Mine."]


def test_hidden_files_odd_names_and_links_out_of_the_folder_are_no_commands(
    repo: Path, own_home: Path
) -> None:
    (repo / "secret.md").write_text("secret")
    project(repo, "good", "Good.")
    project(repo, ".hidden", "Hidden.")
    project(repo, "two words", "No.")
    project(repo, "1st", "No.")
    project(repo, "提交", "Yes.")
    (repo / ".kcode" / "commands" / "link.md").symlink_to(repo / "secret.md")
    trust(repo)
    assert [c.name for c in Customs(repo, []).all()] == ["good", "提交"]


def test_too_large_and_undecodable_files_say_so(repo: Path, own_home: Path) -> None:
    user(own_home, "big", "x" * 100_001)
    user(own_home, "odd", "").write_bytes(b"fine\n\xff\xfe\n")
    problems = {c.name: c.problem for c in Customs(repo, []).all()}
    assert "larger than 100000 bytes" in problems["big"]
    assert "odd.md:2: not UTF-8" in problems["odd"]
