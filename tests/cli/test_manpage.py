from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kcode.cli.manpage import roff
from kcode.cli.table import COMMANDS, OPTIONS
from kcode.errors import ExitCode
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def rendered(page: str, tmp_path: Path) -> str:
    source = tmp_path / "kcode.1"
    source.write_text(page)
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(source)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
def test_the_page_renders_without_a_warning_and_names_everything(kcode: Run, tmp_path: Path) -> None:
    shown = rendered(kcode("man").stdout, tmp_path)
    words = " ".join(shown.replace("‐", "-").replace("−", "-").split())
    for section in (
        "NAME",
        "SYNOPSIS",
        "OPTIONS",
        "COMMANDS",
        "EXAMPLES",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
    ):
        assert re.search(rf"^{section}$", shown, re.MULTILINE)
    for row in OPTIONS:
        assert all(flag in words for flag in row.flags)
        assert row.help in words
    for row in COMMANDS:
        assert f"kcode {row.name} [OPTIONS]" in words
    assert "kcode config set [OPTIONS] KEY VALUE" in words
    assert 'kcode -p "why does test_total fail?"' in words


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_mandoc_finds_nothing_to_complain_about(kcode: Run, tmp_path: Path) -> None:
    source = tmp_path / "kcode.1"
    source.write_text(kcode("man").stdout)
    done = subprocess.run(["mandoc", "-Tlint", str(source)], capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


def test_its_exit_codes_are_those_of_the_documentation() -> None:
    from kcode.cli.manpage import MEANINGS

    table = re.findall(
        r"^\| (\d+) \| `\w+` \| (.*) \|$", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE
    )
    assert [(str(int(code)), text) for code, text in MEANINGS.items()] == [
        (code, text.replace("`", "").replace("\\|", "|")) for code, text in table
    ]
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
@pytest.mark.parametrize("text", [".TH evil", "'evil", r"a\nb \fB", "--dash ~ ^ `tick`", "¥5 … 中", "end\\"])
def test_no_text_is_read_as_a_request(text: str, tmp_path: Path) -> None:
    page = f'.TH X 1 "1 January 2026"\n.SH NAME\n{roff(text)}\n'
    assert text in rendered(page, tmp_path).replace("‐", "-")


def test_installing_puts_it_where_man_looks_and_uninstalling_removes_it(kcode: Run, own_home: Path) -> None:
    place = own_home / ".local" / "share" / "man" / "man1" / "kcode.1"
    assert kcode("man", "--install").returncode == ExitCode.OK
    assert place.read_text() == kcode("man").stdout
    assert "up to date" in kcode("man", "--install").stderr
    if shutil.which("man"):
        env = {
            "PATH": f"{own_home}/.local/bin:/usr/bin:/bin",
            "MANPATH": str(place.parents[1]),
            "HOME": str(own_home),
        }
        found = subprocess.run(["man", "-w", "kcode"], env=env, capture_output=True, text=True, timeout=60)
        assert found.stdout.strip() == str(place)
    assert kcode("man", "--uninstall").returncode == ExitCode.OK
    assert not place.exists()
    assert "is not there" in kcode("man", "--uninstall").stderr
    assert kcode("man", "--install", "--uninstall").returncode == ExitCode.USAGE
