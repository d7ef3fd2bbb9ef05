from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from kcode.cli.root import command
from kcode.cli.table import COMMANDS, help_text
from kcode.i18n import choose, language_of
from tests.cli.conftest import KCODE, Run
from tests.cli.test_help import every_command

CHINESE = {"LANG": "zh_CN.UTF-8"}


def cells(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


@pytest.fixture
def in_chinese() -> Iterator[None]:
    choose("zh")
    yield
    choose(None)


def chinese(text: str) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for char in text)


def test_the_help_is_chinese_where_the_locale_is_and_fits_the_screen(kcode: Run) -> None:
    shown = kcode("--help", env=CHINESE).stdout
    lines = shown.splitlines()
    assert "用法：kcode" in lines[0]
    assert max(map(cells, lines)) <= 80
    assert len(lines) <= 23
    for row in COMMANDS:
        assert row.name in shown


def test_the_columns_of_the_chinese_help_are_aligned(kcode: Run) -> None:
    lines = kcode("--help", env=CHINESE).stdout.splitlines()
    starts = {
        cells(line[: line.index(text)])
        for line, text in (
            (line, line.split("  ")[-1].strip()) for line in lines[3:-1] if chinese(line.split("  ")[-1])
        )
    }
    assert starts == {26}


@pytest.mark.parametrize(("path", "at", "ctx"), every_command(), ids=lambda each: str(each)[:30])
def test_the_help_of_every_command_is_chinese(path: str, at: object, ctx: object, in_chinese: None) -> None:
    shown = at.get_help(ctx)  # type: ignore[attr-defined]
    assert shown.startswith("用法：kcode")
    assert "示例：" in shown
    assert max(map(cells, shown.splitlines())) <= 100
    said = [line for line in shown.splitlines() if len(line) - len(line.lstrip()) == 6]
    assert said
    assert all(chinese(line) for line in said)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "xx_YY.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "zh_CN.UTF-8", "KCODE_UI__LANGUAGE": "en"}, "en"),
        ({"LANG": "C", "KCODE_UI__LANGUAGE": "zh"}, "zh"),
        ({"LANG": "zh_CN.GB18030", "KCODE_UI__LANGUAGE": "auto"}, "zh"),
    ],
)
def test_the_locale_chooses_and_the_setting_decides(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


def test_an_unknown_locale_is_english(kcode: Run) -> None:
    assert kcode("--help", env={"LANG": "xx_YY.UTF-8"}).stdout == help_text()


def test_the_settings_file_chooses_for_the_help_and_for_errors(kcode: Run) -> None:
    kcode("config", "set", "ui.language", "zh")
    assert "用法：kcode" in kcode("--help").stdout
    assert "没有命令 'comit'" in kcode("comit").stderr
    assert "Usage: kcode" in kcode("--help", env={"KCODE_UI__LANGUAGE": "en"}).stdout


def test_an_error_from_below_is_chinese_with_its_own_names(kcode: Run) -> None:
    ended = kcode("config", "get", "agent.mod", env=CHINESE)
    assert ended.returncode == 2
    assert "错误：没有设置 'agent.mod'\n" in ended.stderr
    assert "建议：你是指 'agent.mode' 吗？\n" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "list", "--json"],
        ["config", "get", "ui.theme"],
        ["doctor", "--json"],
        ["provider", "list", "--json"],
        ["permissions", "explain", "--json", "--", "rm", "-rf", "/"],
        ["permissions", "list", "--json"],
        ["session", "list", "--json"],
        ["cost", "--json"],
        ["models", "list", "--json", "--provider", "embedded"],
        ["-p", "hi", "--output", "json", "--provider", "nobody"],
        ["-p", "hi", "--output", "stream-json", "--model", "nothing"],
    ],
    ids=" ".join,
)
def test_what_programs_read_depends_on_no_language(arguments: list[str], kcode: Run) -> None:
    english, other = kcode(*arguments), kcode(*arguments, env=CHINESE)
    assert other.returncode == english.returncode
    same = other.stdout.replace("zh_CN.UTF-8", "C.UTF-8")
    assert without_free_space(same) == without_free_space(english.stdout)


def without_free_space(text: str) -> object:
    try:
        read = json.loads(text)
    except ValueError:
        return text
    if isinstance(read, dict) and "findings" in read:
        read["findings"] = [f for f in read["findings"] if f["what"] != "disk"]
    return read


def run_as_bytes(arguments: list[str], cwd: Path, **env: str) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [str(KCODE), *arguments], cwd=cwd, env={**os.environ, **env}, capture_output=True, timeout=120
    )
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["help", "options"], ["doctor"], ["config", "--help"]])
def test_a_gb18030_terminal_gets_its_own_encoding(arguments: list[str], tmp_path: Path) -> None:
    out, _ = run_as_bytes(arguments, tmp_path, LANG="zh_CN.GB18030", PYTHONIOENCODING="gb18030")
    assert chinese(out.decode("gb18030"))


def test_an_error_in_gb18030(tmp_path: Path) -> None:
    _, err = run_as_bytes(["comit"], tmp_path, LANG="zh_CN.GB18030", PYTHONIOENCODING="gb18030")
    assert "没有命令" in err.decode("gb18030")


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["comit"]])
def test_an_output_that_cannot_carry_chinese_gets_english(arguments: list[str], tmp_path: Path) -> None:
    out, err = run_as_bytes(arguments, tmp_path, KCODE_UI__LANGUAGE="zh", PYTHONIOENCODING="ascii")
    assert (out + err).isascii()
    assert out + err


def test_the_parser_stays_what_it_is(in_chinese: None) -> None:
    assert set(command().list_commands(None)) == {row.name for row in COMMANDS}
