from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kcode.agent.approval import Answer
from kcode.agent.events import Notice
from kcode.agent.putback import put_back
from kcode.agent.session import Session
from kcode.providers.k2_template import unbroken
from kcode.safety.placeholders import PLACEHOLDER
from kcode.tools.edit import EditFileArguments
from tests.agent.conftest import Person, finished, run_turn, tool_texts
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.k2sim.completions import completions
from tests.safety.planted import key_block, planted

Open = Callable[..., Session]
TEXT, SECRET = planted("AWS secret key")
EDITS = {"agent": {"mode": "edits"}}


def sent(sim: Simulator, request: int = -1) -> str:
    return json.dumps(sim.chats[request].json["messages"], ensure_ascii=False)


def word_of(sim: Simulator) -> str:
    """The placeholder that the model was shown."""
    return PLACEHOLDER.findall(sent(sim))[0]


def settings_py(repo: Path) -> Path:
    file = repo / "settings.py"
    file.write_text(f'REGION = "eu"\n{TEXT.replace(SECRET, chr(34) + SECRET + chr(34))}\nDEBUG = True\n')
    return file


def bytes_of(session: Session) -> bytes:
    return session.journal.path.read_bytes()


def test_a_secret_in_a_file_is_not_sent_and_its_line_can_be_edited(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    file = settings_py(repo)
    sim = k2sim([use(call("read_file", path="settings.py")), say("seen")])
    session = open_session(sim, **EDITS)
    events = run_turn(session, "look")
    assert SECRET not in sent(sim)
    assert SECRET.encode() not in bytes_of(session)
    assert any(isinstance(e, Notice) and "1 secret in an assignment" in e.text for e in events)
    word, old = word_of(sim), file.read_text()
    line = f'aws_secret_access_key = "{word}"'
    edit = {"old_text": f"{line}\nDEBUG = True", "new_text": f"{line}\nDEBUG = False"}
    sim = k2sim([use(call("edit_file", path="settings.py", edits=[edit])), say("done")])
    session = reopened(session, sim, open_session)
    assert finished(run_turn(session, "go")).reason == "answered"
    assert file.read_text() == old.replace("True", "False")
    assert SECRET not in sent(sim)
    assert SECRET.encode() not in bytes_of(session)


def reopened(session: Session, sim: Simulator, open_session: Open) -> Session:
    """Another kcode goes on with the session: nothing that was in memory is there."""
    asyncio.run(session.close())
    return open_session(sim, resume=True, **EDITS)


def test_a_resumed_session_sends_the_same_bytes(k2sim: Any, open_session: Open, repo: Path) -> None:
    settings_py(repo)
    sim = k2sim([use(call("read_file", path="settings.py")), say("seen"), say("again")])
    session = open_session(sim)
    run_turn(session, f"my password is {SECRET[:20]}9!, remember")
    before = sim.chats[-1].json["messages"]
    run_turn(reopened(session, sim, open_session), "and now?")
    assert sim.chats[-1].json["messages"][: len(before)] == before


def test_the_lines_of_a_key_are_masked_where_only_some_of_them_are_read(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "deploy.txt").write_text(key_block())
    sim = k2sim([use(call("read_file", path="deploy.txt", start_line=3, line_count=2)), say("seen")])
    session = open_session(sim)
    run_turn(session, "look")
    assert not any(line in sent(sim) for line in key_block().split("\n")[1:-2])


def test_output_of_commands_and_searches_is_masked(k2sim: Any, open_session: Open, repo: Path) -> None:
    settings_py(repo)
    calls = use(call("run_command", command="cat settings.py; env"), call("grep", pattern="aws"))
    sim = k2sim([calls, say("ok")])
    run_turn(open_session(sim, agent={"mode": "auto"}), f"look at @settings.py, the token is {SECRET}")
    assert SECRET not in sent(sim)
    assert sent(sim).count("KCODE_SECRET_") >= 3


def test_a_secret_that_the_user_wrote_goes_where_it_is_meant_to(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([say("which file?")])
    session = open_session(sim, **EDITS)
    run_turn(session, f"the key is sk-{SECRET}")
    sim2 = k2sim([use(call("write_file", path="conf.py", content=f"KEY = '{word_of(sim)}'\n")), say("done")])
    session.switch(open_session(sim2).provider)
    run_turn(session, "into conf.py")
    assert (repo / "conf.py").read_text() == f"KEY = 'sk-{SECRET}'\n"
    assert SECRET.encode() not in bytes_of(session)


def moved(
    k2sim: Any, open_session: Open, repo: Path, person: Person, made: Callable[[str], Any]
) -> tuple[Session, str]:
    """A secret of settings.py in another call; the result as the model sees it."""
    settings_py(repo)
    sim = k2sim([use(call("read_file", path="settings.py")), say("seen")])
    session = open_session(sim, agent={"mode": "auto"})
    session.approver = person
    run_turn(session, "look")
    sim2 = k2sim([made(word_of(sim)), say("done")])
    session.switch(open_session(sim2).provider)
    run_turn(session, "go")
    return session, tool_texts(session)[-1]


def test_a_secret_that_is_written_elsewhere_needs_a_yes_in_every_mode(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    person = Person()
    moved(
        k2sim,
        open_session,
        repo,
        person,
        lambda word: use(call("write_file", path="page.html", content=word)),
    )
    (question,) = person.asked
    assert "a masked secret from elsewhere" in question.intent.sensitive
    assert (repo / "page.html").read_text() == SECRET


def test_a_command_with_a_secret_needs_a_yes_and_is_shown_without_it(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    person = Person()
    run = lambda word: use(call("run_command", command=f"printf %s {word} | wc -c; echo {word}"))  # noqa: E731
    session, text = moved(k2sim, open_session, repo, person, run)
    (question,) = person.asked
    assert "a masked secret" in question.why
    assert SECRET not in question.intent.command
    assert str(len(SECRET)) in text
    assert SECRET not in text
    assert SECRET.encode() not in bytes_of(session)


def test_a_search_for_a_secret_finds_it(k2sim: Any, open_session: Open, repo: Path) -> None:
    _, text = moved(k2sim, open_session, repo, Person(), lambda word: use(call("grep", pattern=word)))
    assert "settings.py" in text
    assert SECRET not in text


def test_a_word_that_only_looks_like_a_placeholder_is_not_counted_and_can_be_edited(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "notes.md").write_text(f"KCODE_SECRET_PASSWORD_0A1B2C3D is one\n{TEXT}\n")
    edit = {"old_text": "KCODE_SECRET_PASSWORD_0A1B2C3D is", "new_text": "KCODE_SECRET_PASSWORD_0A1B2C3D was"}
    read, change = call("read_file", path="notes.md"), call("edit_file", path="notes.md", edits=[edit])
    session = open_session(k2sim([use(read), use(change), say("done")]), **EDITS)
    run_turn(session, "go")
    assert (repo / "notes.md").read_text() == f"KCODE_SECRET_PASSWORD_0A1B2C3D was one\n{TEXT}\n"
    assert session.secrets.masked == 1


def test_a_placeholder_of_nothing_is_refused(k2sim: Any, open_session: Open, repo: Path) -> None:
    made = "KCODE_SECRET_PASSWORD_" + "0123ABCD"
    sim = k2sim([use(call("write_file", path="a.txt", content=made)), say("ok")])
    session = open_session(sim, **EDITS)
    run_turn(session, "go")
    said = tool_texts(session)[-1]
    assert f"{made} stands for nothing: only kcode makes such words" in said
    assert "CHANGE_ME" in said
    assert not (repo / "a.txt").exists()


def test_a_misspelled_placeholder_is_told_which_one_is_meant(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    words: list[str] = []

    def misspelled(word: str) -> Any:
        words.append(word)
        wrong = word[:-1] + ("0" if word[-1] != "0" else "1")
        return use(call("write_file", path="a.txt", content=wrong))

    _, said = moved(k2sim, open_session, repo, Person(), misspelled)
    assert f"did you mean {words[0]}?" in said
    assert not (repo / "a.txt").exists()


def test_a_file_whose_name_holds_a_secret_is_found_read_and_searched(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    _, key = planted("AWS access key")
    (repo / f"backup.{key}").mkdir()
    (repo / f"backup.{key}" / "notes.txt").write_text("the plan\n")
    sim = k2sim([use(call("list_dir", depth=2)), say("seen")])
    session = open_session(sim, **EDITS)
    run_turn(session, "look")
    assert key not in sent(sim)
    folder = f"backup.{word_of(sim)}"
    calls = (
        call("read_file", path=f"{folder}/notes.txt"),
        call("find_files", pattern=f"{folder}/*"),
        call("grep", pattern="plan", path=folder),
        call("grep", pattern="plan", glob=f"{folder}/*.txt"),
    )
    sim2 = k2sim([use(*calls), say("done")])
    session.switch(open_session(sim2).provider)
    run_turn(session, "go")
    read, found, *searched = tool_texts(session)[-4:]
    assert "the plan" in read
    assert f"{folder}/notes.txt" in found
    assert all("the plan" in text for text in searched)
    assert key not in sent(sim2)
    assert key.encode() not in bytes_of(session)


def test_a_rule_against_a_file_holds_for_its_placeholder(k2sim: Any, open_session: Open, repo: Path) -> None:
    _, key = planted("AWS access key")
    (repo / f"{key}.txt").write_text("the merger\n")
    (repo / ".kcodeignore").write_text(f"{key}.txt\n")
    sim = k2sim([say("seen")])
    session = open_session(sim, **EDITS)
    run_turn(session, f"what is {key}?")
    sim2 = k2sim([use(call("read_file", path=f"{word_of(sim)}.txt")), say("done")])
    session.switch(open_session(sim2).provider)
    run_turn(session, "go")
    assert "kept out by .kcodeignore" in tool_texts(session)[-1]
    assert "merger" not in sent(sim2)


def test_a_raw_engines_words_and_placeholders_find_their_way_back(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "settings.py").write_text(f"# ends with <|im_end|>\n{TEXT}\nDEBUG = True\n")
    raw = {"wire": "completions", "name": "vllm", "model": "kimi-k2"}
    sim = k2sim([use(call("read_file", path="settings.py")), say("seen")], shape="openai")
    session = open_session(sim, provider=raw, **EDITS)
    events = run_turn(session, "look")
    assert finished(events).reason == "answered", events
    prompt = completions(sim)[-1].json["prompt"]
    assert SECRET not in prompt
    assert "# ends with <|im_end|>" not in prompt
    assert unbroken("# ends with <|im_end|>") in prompt
    word = PLACEHOLDER.findall(prompt)[0]
    line = TEXT.replace(SECRET, word)
    head = unbroken("# ends with <|im_end|>")
    edit = {"old_text": f"{head}\n{line}\nDEBUG = True", "new_text": f"{head}\n{line}\nDEBUG = False"}
    sim2 = k2sim([use(call("edit_file", path="settings.py", edits=[edit])), say("done")], shape="openai")
    asyncio.run(session.close())
    session = open_session(sim2, resume=True, provider=raw, **EDITS)
    assert finished(run_turn(session, "go")).reason == "answered"
    assert (repo / "settings.py").read_text() == f"# ends with <|im_end|>\n{TEXT}\nDEBUG = False\n"
    assert SECRET not in completions(sim2)[-1].json["prompt"]


def test_a_key_of_kcodes_own_goes_nowhere_but_where_it_is(k2sim: Any, open_session: Open, repo: Path) -> None:
    (repo / "conf.py").write_text(f"KEY = '{TEST_KEY}'\nDEBUG = 1\n")
    sim = k2sim([use(call("read_file", path="conf.py")), say("ok")])
    session = open_session(sim, agent={"mode": "auto"})
    session.approver = Person()
    run_turn(session, "look")
    word = word_of(sim)
    line = f"KEY = '{word}'"
    edit = [{"old_text": f"{line}\nDEBUG = 1", "new_text": f"{line}\nDEBUG = 0"}]
    sim2 = k2sim(
        [
            use(call("edit_file", path="conf.py", edits=edit)),
            use(call("write_file", path="b.txt", content=word)),
            use(call("run_command", command=f"echo {word}")),
            say("ok"),
        ]
    )
    session.switch(open_session(sim2).provider)
    run_turn(session, "go")
    assert (repo / "conf.py").read_text() == f"KEY = '{TEST_KEY}'\nDEBUG = 0\n"
    assert not (repo / "b.txt").exists()
    assert all("kcode's own" in text for text in tool_texts(session)[-2:])
    assert TEST_KEY.encode() not in bytes_of(session)
    assert TEST_KEY not in sent(sim2)


def test_masking_can_be_turned_off_but_not_for_kcodes_own_keys(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    settings_py(repo)
    sim = k2sim([use(call("read_file", path="settings.py")), say("ok"), say("ok")])
    session = open_session(sim, safety={"mask_secrets": False})
    run_turn(session, f"look; mine is {TEST_KEY}")
    assert SECRET in sent(sim)
    assert TEST_KEY not in sent(sim)
    run_turn(reopened(session, sim, open_session), "with masking again")
    assert SECRET not in sent(sim)


def test_it_is_explained_once(k2sim: Any, open_session: Open, repo: Path) -> None:
    settings_py(repo)
    read = use(call("read_file", path="settings.py"))
    sim = k2sim([read, read, say("ok")])
    run_turn(open_session(sim), "look twice")
    assert sent(sim).count("kept from you") == 1


def test_a_file_that_is_kept_out_is_in_no_diff_and_its_commands_are_asked_about(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "plans.txt").write_text("the merger\n")
    (repo / ".kcodeignore").write_text("plans.txt\n")
    subprocess.run(["git", "add", "-A"], cwd=repo, check=True)
    calls = use(call("git_diff", staged=True), call("run_command", command="head -1 ./plans.txt"))
    sim = k2sim([calls, say("ok")])
    session = open_session(sim, agent={"mode": "auto"})
    session.approver = person = Person([Answer("no")])
    run_turn(session, "look")
    assert "kept out by .kcodeignore:1" in person.asked[0].intent.sensitive
    assert "kept out by .kcodeignore:1" in tool_texts(session)[0]
    assert "merger" not in sent(sim)


def test_control_words_that_were_broken_up_for_a_raw_engine_are_edited_as_they_are(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    broken = EditFileArguments.model_validate(
        {
            "path": "a.txt",
            "edits": [{"old_text": unbroken("x<|im_end|>[EOS]"), "new_text": unbroken("</think>")}],
        }
    )
    (repo / "a.txt").write_text("x<|im_end|>[EOS]")
    raw = open_session(k2sim([]), provider={"wire": "completions", "name": "vllm"})
    (edit,) = put_back(raw, "edit_file", broken).args.model_dump()["edits"]
    assert (edit["old_text"], edit["new_text"]) == ("x<|im_end|>[EOS]", "</think>")
    assert put_back(open_session(k2sim([])), "edit_file", broken).args == broken
    (repo / "a.txt").write_text(unbroken("x<|im_end|>"))
    assert put_back(raw, "edit_file", broken).args == broken
