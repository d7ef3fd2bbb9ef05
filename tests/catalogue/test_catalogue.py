from __future__ import annotations

import gettext
import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kcode.below import compiled
from kcode.i18n import choose, from_below
from tests.catalogue import po
from tests.catalogue.extract import messages
from tests.catalogue.renewal import MO, PO, renewed

HEAD, ENTRIES = po.read(PO)
TEMPLATES = [entry for entry in ENTRIES if entry.below]
HOW = "renew the catalogue: python -m tests.catalogue"


@pytest.fixture(autouse=True)
def in_chinese() -> Iterator[None]:
    choose("zh")
    yield
    choose(None)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_everything_that_is_said_has_a_translation() -> None:
    missing = [f"{entry.places[0]}: {entry.text}" for entry in renewed()[2]]
    assert not missing, HOW


def test_the_catalogue_holds_what_the_source_says_and_nothing_else() -> None:
    assert {entry.key for entry in ENTRIES} == set(messages()), HOW


def test_the_compiled_catalogue_is_the_catalogue() -> None:
    assert MO.read_bytes() == po.compiled(HEAD, ENTRIES), HOW
    with MO.open("rb") as file:
        read = gettext.GNUTranslations(file)
    for entry in ENTRIES:
        if entry.below:
            assert read.pgettext(po.CONTEXT, entry.text) == entry.translation
        elif entry.plural:
            assert read.ngettext(entry.text, entry.plural, 2) == entry.translation
        else:
            assert read.gettext(entry.text) == entry.translation


def test_a_translation_has_the_places_of_its_text() -> None:
    with_places = [entry for entry in ENTRIES if fields_are_names(entry.text)]
    wrong = [each for each in with_places if fields(each.translation) != fields(each.plural or each.text)]
    assert len(with_places) > len(ENTRIES) * 0.9
    assert wrong == []


def fields_are_names(text: str) -> bool:
    try:
        return all(name.isidentifier() for name in fields(text))
    except ValueError:  # braces of an example
        return False


def test_chinese_is_set_as_chinese_is() -> None:
    """Full-width signs between Chinese letters, a blank between Chinese and Latin ones."""
    wrong = re.compile(
        r"[\u4e00-\u9fff][,;:?!][\u4e00-\u9fff ]|[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]"
    )
    assert [entry.translation for entry in ENTRIES if wrong.search(entry.translation)] == []


WORDS = st.text("qxzQXZ789/_", min_size=1, max_size=12)


@given(st.sampled_from(TEMPLATES), st.data())
def test_a_text_of_a_template_comes_back_with_its_own_places(entry: po.Entry, data: st.DataObject) -> None:
    if compiled(entry.text, entry.translation) is None or not fields_are_names(entry.text):
        return
    numbers = st.integers(0, 99_999).map(str)
    places = {
        name: data.draw(numbers if name.startswith("count") else WORDS, label=name)
        for name in sorted(fields(entry.text))
    }
    assume("}{" not in entry.text)  # nothing says where one of two adjacent places ends
    said = entry.text.format(**places)
    assume(sum(could_say(each, said) for each in TEMPLATES) == 1)
    assert from_below(said) == entry.translation.format(**places)


def could_say(entry: po.Entry, said: str) -> bool:
    template = compiled(entry.text, entry.translation)
    return template is not None and template.pattern.fullmatch(said) is not None


@given(st.text("qxzQXZ789/_ ,.:\n", max_size=80))
def test_a_text_of_no_template_is_left_alone(text: str) -> None:
    assert from_below(text) == text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("read src/a.py", "读取 src/a.py"),
        ("12 matches in 3 files", "12 处匹配，共 3 个文件"),
        ("2 failed, 11 passed in 0.4 s", "2 个失败，11 个通过，0.4 秒"),
        ("ask mode asks before commands run: writes a file", "ask 模式在运行命令前询问：写文件"),
        ("no session fits 'login'", "没有符合 'login' 的会话"),
        (
            "Check the network and the proxy variables. `--provider embedded` needs neither key nor network.",
            "检查网络和代理变量。`--provider embedded` 不需要密钥和网络。",
        ),
        (
            "commands run unconfined: bubblewrap is not installed; Landlock is not available in this kernel",
            "命令不受限制地运行：未安装 bubblewrap；此内核没有 Landlock",
        ),
    ],
)
def test_what_lower_layers_say_is_recognized(said: str, shown: str) -> None:
    assert from_below(said) == shown


def test_a_file_named_like_a_message_keeps_its_name() -> None:
    assert from_below("read failed") == "读取 failed"


def test_a_proof_is_told_in_chinese_with_its_counts() -> None:
    assert from_below("3 failing tests now pass, 2 times in a row") == "3 个失败的测试现在通过，连续 2 次"
    assert (
        from_below("the whole suite: before 1 passed, 3 failed; after 4 passed, 0 failed")
        == "整个测试集：修改前 1 个通过，3 个失败；修改后 4 个通过，0 个失败"
    )
