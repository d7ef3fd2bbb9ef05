from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]


def content(sim: Simulator) -> str:
    return str(sim.chats[-1].json["messages"][-1]["content"])


def test_attach_sends_a_file_with_the_next_message(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo / "my notes.md").write_text("quarter of a kettle")
    sim = k2sim([say("I see a kettle.")])
    person = sit(sim, columns=100)
    person.see(r"ask mode · kimi")
    person.type("/attach my notes.md\r")
    person.see(r"my notes\.md: about \d+ tokens go to Moonshot")
    person.type("what is it?\r")
    person.see(r"I see a kettle\.")
    assert '<document name="my notes.md">\nquarter of a kettle\n</document>' in content(sim)


def test_what_was_attached_can_be_taken_back(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo / "notes.md").write_text("words")
    sim = k2sim([say("Hello.")])
    person = sit(sim, columns=100)
    person.see(r"ask mode · kimi")
    person.type("/attach notes.md\r")
    person.see(r"notes\.md: about")
    person.type("/attach none\r")
    person.see("nothing is attached")
    person.type("hi\r")
    person.see(r"Hello\.")
    assert "<document" not in content(sim)


def test_a_key_file_is_asked_about(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo / "server.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    person = sit(k2sim([]), columns=100)
    person.see(r"ask mode · kimi")
    person.type("/attach server.pem\r")
    person.see(r"careful: server\.pem: a key or certificate[\s\S]*Allow this\?")
    person.settle()
    person.type("n")
    person.see("was not attached: declined")


def test_files_named_on_the_command_line_wait_for_the_first_message(sit: Sit, k2sim: Sim, repo: Path) -> None:
    (repo / "it's.md").write_text("a stapler")
    sim = k2sim([say("A stapler.")])
    person = sit(sim, "--attach", "it's.md", "--attach", "missing.md", columns=100)
    person.see(r"it's\.md: about \d+ tokens go to Moonshot")
    person.see(r"missing\.md cannot be attached")
    person.see(r"ask mode · kimi")
    person.type("what?\r")
    person.see(r"A stapler\.")
    assert '<document name="it&#x27;s.md">\na stapler\n</document>' in content(sim)


def test_a_low_balance_is_noted_once_above_the_prompt(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Hello.")])
    sim.balance = 3.21
    person = sit(sim, columns=120)
    person.see(r"note: the account has ¥3\.21 left")
    person.type("hi\r")
    text = person.see(r"Hello\.[\s\S]+❯")
    assert text.count("¥3.21") == 1
    person.type("\x04")
    assert person.end() == 0
