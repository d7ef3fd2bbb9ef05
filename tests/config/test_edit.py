from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.config import tomlfile
from kcode.config.edit import set_value, unset
from kcode.config.layers import load_settings
from kcode.config.paths import user_config_file
from kcode.errors import ConfigError, EnvironmentProblem

COMMENTED = """\
# my settings

[agent]  # the loop
mode = "ask"      # careful
# a thought
max_turns = 10

[ui]
theme = "dark"
"""


def test_setting_a_value_keeps_every_comment(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    set_value(path, "agent.mode", "edits", project=False)
    assert path.read_text() == COMMENTED.replace('"ask"', '"edits"')


def test_a_new_key_goes_into_its_section(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    set_value(path, "agent.max_seconds", "90", project=False)
    table, _ = tomlfile.read(path)
    assert table["agent"] == {"mode": "ask", "max_turns": 10, "max_seconds": 90.0}
    for line in COMMENTED.splitlines():
        assert line in path.read_text()


def test_the_file_is_made_with_its_folder_for_the_user_alone() -> None:
    path = user_config_file()
    set_value(path, "provider.api_key", "sk-test-not-a-real-key", project=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_settings(None, environ={}).settings.provider.api_key == "sk-test-not-a-real-key"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "kcode.toml"
    real.parent.mkdir()
    real.write_text("# linked\n")
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    set_value(link, "agent.max_turns", "5", project=False)
    assert link.is_symlink()
    assert real.read_text().startswith("# linked\n")
    assert "max_turns = 5" in real.read_text()


@pytest.mark.parametrize(
    ("key", "value"), [("agent.mode", "yolo"), ("agent.max_turns", "many"), ("agent.mod", "ask")]
)
def test_a_wrong_value_or_key_changes_nothing(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    with pytest.raises(ConfigError):
        set_value(path, key, value, project=False)
    assert path.read_text() == COMMENTED


def test_a_file_that_is_wrong_already_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[agent]\nmoed = 'ask'\n")
    with pytest.raises(ConfigError, match=r"config\.toml:2: "):
        set_value(path, "agent.max_turns", "5", project=False)
    assert path.read_text() == "[agent]\nmoed = 'ask'\n"


def test_what_a_project_must_not_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="cannot be set in a project's file"):
        set_value(path, "provider.base_url", "http://127.0.0.1:1", project=True)
    assert not path.exists()


def test_unset_shows_the_layer_below_again(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(COMMENTED)
    unset(path, "ui.theme", project=False)
    assert "ui" not in tomlfile.read(path)[0]
    assert "# careful" in path.read_text()
    unset(path, "ui.theme", project=False)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written") as caught:
        set_value(blocker / "config.toml", "agent.max_turns", "5", project=False)
    assert caught.value.remedy


@given(st.text(max_size=40))
def test_any_text_comes_back_as_it_was_set(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "config.toml"
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    set_value(path, "tests.command", text, project=False)
    assert tomlfile.read(path)[0]["tests"]["command"] == text


@given(st.text(max_size=200), st.sampled_from(["agent.mode", "ui.theme", "agent"]))
def test_the_line_of_a_key_is_always_one_of_the_files_lines(text: str, key: str) -> None:
    assert 1 <= tomlfile.line_of(text, key) <= max(1, len(text.splitlines()))
