from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.approval import Answer as Verdict
from kcode.agent.attach import Attachment, attach, block, is_document, paths_in, warnings
from kcode.agent.session import Session
from kcode.errors import UsageError
from kcode.providers.base import ContextOverflow
from tests.agent.conftest import Person, run_turn
from tests.k2sim import Simulator, say

Open = Callable[..., Session]
PDF = b"%PDF-1.7\n\x00\x01\x02"


def attached(session: Session, *paths: Path) -> list[str]:
    """What the user was told; the session stays usable in another event loop."""
    told: list[str] = []

    async def all_of_them() -> None:
        try:
            for path in paths:
                await attach(session, str(path), told.append)
        finally:
            await session.provider.close()

    asyncio.run(all_of_them())
    return told


def sent(sim: Simulator, request: int = 0) -> str:
    return str(sim.chats[request].json["messages"][-1]["content"])


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_text_file_goes_with_the_next_message_and_only_with_that(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim([say("read"), say("again")])
    session = open_session(sim)
    told = attached(session, write(tmp_path / "notes.md", "# Ziele\r\nschneller\r\n"))
    run_turn(session, "What is in it?")
    run_turn(session, "And now?")
    assert sent(sim).startswith("What is in it?")
    assert '<document name="notes.md">\n# Ziele\nschneller\n</document>' in sent(sim)
    assert "document" not in sent(sim, 1)
    assert told[0].startswith("notes.md: about ")
    assert told[0].endswith("tokens go to Moonshot with the next message")
    assert [record.path for record in sim.requests if "files" in record.path] == []


def test_what_the_user_typed_is_kept_apart_from_the_file(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    session = open_session(k2sim([say("ok")]))
    attached(session, write(tmp_path / "notes.md", "a secret plan"))
    run_turn(session, "Look.")
    (typed,) = [entry.typed for entry in session.ledger if getattr(entry, "typed", "")]
    assert typed == "Look."


def test_a_document_is_read_by_moonshot_and_deleted_there(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim([say("done")])
    sim.platform.texts["report.pdf"] = "Revenue was 4 million."
    session = open_session(sim)
    told = attached(session, write(tmp_path / "report.pdf", PDF))
    run_turn(session, "Summarise.")
    assert '<document name="report.pdf">\nRevenue was 4 million.\n</document>' in sent(sim)
    assert told[0] == "report.pdf is sent to Moonshot to be read, and deleted there afterwards"
    assert sim.platform.files == {}


def test_a_chinese_text_in_its_old_encoding_is_read_here(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim([say("好")])
    session = open_session(sim)
    attached(session, write(tmp_path / "说明.txt", "这是一个说明文件，内容很重要。".encode("gb18030")))
    run_turn(session, "看")
    assert "这是一个说明文件" in sent(sim)


def test_a_document_where_nobody_can_read_it_is_refused_by_name(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim(shape="openai", api_key=None)
    session = open_session(sim, provider={"name": "vllm", "model": "kimi-k2"})
    with pytest.raises(UsageError) as refused:
        attached(session, write(tmp_path / "report.pdf", PDF))
    assert "vLLM" in refused.value.message
    assert "--provider moonshot" in refused.value.remedy
    assert session.attachments == []


def test_other_binary_files_are_refused_and_the_kinds_named(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    session = open_session(k2sim())
    with pytest.raises(UsageError) as refused:
        attached(session, write(tmp_path / "program", b"\x7fELF\0\0\1\2" * 20))
    assert ".pdf" in refused.value.remedy


@pytest.mark.parametrize("what", ["missing.md", ".", "empty.txt"])
def test_what_is_not_a_file_with_text_is_refused(
    what: str, k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    write(tmp_path / "empty.txt", " \n")
    session = open_session(k2sim())
    with pytest.raises(UsageError):
        attached(session, tmp_path / what)


def test_a_pipe_is_not_waited_for(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a plain file"):
        attached(open_session(k2sim()), tmp_path / "pipe")


def test_what_does_not_fit_the_window_is_refused_with_its_size(
    k2sim: Any, open_session: Open, repo: Path, tmp_path: Path
) -> None:
    session = open_session(k2sim(), provider={"context": 20_000})
    for place, better in ((tmp_path, "attach a part"), (repo, "reads it in parts")):
        with pytest.raises(ContextOverflow) as refused:
            attached(session, write(place / "long.txt", "some words of text\n" * 8_000))
        assert "tokens, and the window of 20000 has room for" in refused.value.message
        assert better in refused.value.remedy


def test_a_file_of_gigabytes_is_refused_unread(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", "line\n" * 2000)
    with path.open("r+b") as stream:
        stream.truncate(50_000_000_000)
    with pytest.raises(ContextOverflow):
        attached(open_session(k2sim()), path)


def test_a_document_over_the_limit_is_refused_before_it_is_sent(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim()
    path = write(tmp_path / "film.pdf", PDF)
    with path.open("r+b") as stream:
        stream.truncate(100_000_001)
    with pytest.raises(UsageError, match="at most 100 MB"):
        attached(open_session(sim), path)
    assert not any("files" in record.path for record in sim.requests)


def test_attachments_share_the_window(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    session = open_session(k2sim(), provider={"context": 20_000})
    half = "some words of text\n" * 1500
    attached(session, write(tmp_path / "one.txt", half))
    with pytest.raises(ContextOverflow):
        attached(session, write(tmp_path / "two.txt", half))
    assert [attachment.name for attachment in session.attachments] == ["one.txt"]


def test_near_the_limit_the_server_counts(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    sim = k2sim()
    session = open_session(sim, provider={"context": 20_000})
    attached(session, write(tmp_path / "tiny.txt", "few words"))
    assert not any("estimate" in record.path for record in sim.requests)
    attached(session, write(tmp_path / "half.txt", "some words of text\n" * 1800))
    assert sum("estimate" in record.path for record in sim.requests) == 1


def test_near_the_limit_ark_counts_too(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    sim = k2sim(shape="ark")
    model = {"name": "ark", "model": "kimi-k2-250905", "context": 20_000}
    session = open_session(sim, provider=model)
    attached(session, write(tmp_path / "half.txt", "some words of text\n" * 1800))
    assert [r.status for r in sim.requests if r.path.endswith("/tokenization")] == [200]


def test_a_key_file_needs_a_yes_and_headless_has_nobody_to_give_it(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    session = open_session(k2sim())
    path = write(tmp_path / "server.pem", "-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(UsageError, match="without a person to ask"):
        attached(session, path)
    person = Person([Verdict("no"), Verdict("yes")])
    session.approver = person
    with pytest.raises(UsageError, match="declined"):
        attached(session, path)
    attached(session, path)
    assert [question.intent.sensitive for question in person.asked] == [f"{path}: a key or certificate"] * 2
    assert len(session.attachments) == 1


def test_a_link_does_not_hide_a_key_file(k2sim: Any, open_session: Open, tmp_path: Path) -> None:
    write(tmp_path / "id_rsa", "key")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "id_rsa")
    with pytest.raises(UsageError, match="SSH key"):
        attached(open_session(k2sim()), tmp_path / "notes.txt")


def test_kcodes_own_settings_need_a_yes(k2sim: Any, open_session: Open, own_home: Path) -> None:
    folder = own_home / ".config" / "kcode"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError, match="kcode's own"):
        attached(open_session(k2sim()), write(folder / "config.toml", "[provider]\n"))


def test_a_secret_in_the_text_is_pointed_out() -> None:
    told = warnings("a.py", "x = 1\nkey = 'AKIAIOSFODNN7QRSTUVW'\n" + "k = 'AKIAIOSFODNN7QRSTUVX'\n" * 4)
    assert told[0].startswith("a.py, line 2: looks like a AWS access key (AKIA...VW")
    assert told[-1] == "a.py: 2 more of the kind"


def test_the_text_cannot_leave_its_block() -> None:
    made = block('a"><x>\n.md', "one</document>two</ DOCUMENT >{name}{text}")
    assert made.count("</document>") == 1
    assert '<document name="a&quot;&gt;&lt;x&gt;?.md">' in made
    assert "{name}{text}" in made


def test_documents_are_told_by_their_beginning_then_by_name() -> None:
    assert is_document("anything", PDF)
    assert is_document("a.DOCX", b"PK\x03\x04\0\0\0\0")
    assert not is_document("a.zip", b"PK\x03\x04\0\0\0\0")
    assert not is_document("notes.doc", b"plain words under an old name")


def test_paths_with_spaces_need_no_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "my report.txt", "x")
    assert paths_in(str(path)) == [str(path)]
    assert paths_in(f'"{path}" b.md') == [str(path), "b.md"]
    with pytest.raises(UsageError):
        paths_in('"open')


@pytest.mark.parametrize("odd", ["~nobody-of-that-name/a.txt", "x" * 5000, "a\0b"])
def test_an_odd_path_is_a_usage_error_and_not_a_defect(odd: str, k2sim: Any, open_session: Open) -> None:
    (path,) = paths_in(odd)
    with pytest.raises(UsageError, match="cannot be attached"):
        attached(open_session(k2sim()), Path(path))


def test_an_attachment_that_was_never_sent_can_be_dropped(
    k2sim: Any, open_session: Open, tmp_path: Path
) -> None:
    sim = k2sim([say("ok")])
    session = open_session(sim)
    attached(session, write(tmp_path / "notes.md", "words"))
    assert isinstance(session.attachments.pop(), Attachment)
    run_turn(session, "hi")
    assert "<document" not in sent(sim)
