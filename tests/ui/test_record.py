"""The README's pictures are of the program as it is."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.ui.picture import picture
from tests.ui.record import IMAGES, SCENES, Scene, record

README = Path(__file__).parents[2] / "README.md"
WHAT_IS_SEEN = {
    "session": (
        "thought for .* Ctrl-O shows it",
        "calls at once",
        r"\d passed, \d failed",
        "edit station.py",
        "To-do",
        "ask mode · kimi-",
        "% cached",
    ),
    "hunks": (r"│", r"\(2/2\) Apply this hunk\?"),
}


def words(svg: str) -> list[str]:
    """The texts of a picture in their order, without times, amounts and counts."""
    texts = (text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))
    return [re.sub(r"(\d+m )?[¥$]?\d[\d.,]*[ks]?", "N", text) for text in texts]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_picture_shows_what_the_program_shows_now(scene: Scene) -> None:
    terminal = record(scene)
    for pattern in WHAT_IS_SEEN[scene.name]:
        assert re.search(pattern, terminal.text()), pattern
    kept = (IMAGES / f"{scene.name}.svg").read_text("utf-8")
    assert words(kept) == words(picture(terminal)), "python -m tests.ui.record takes the pictures anew"


def test_the_readme_shows_every_picture_and_they_are_small_and_whole() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(docs/img/(\S+)\)", README.read_text("utf-8"))
    assert sorted(shown) == sorted(path.name for path in IMAGES.iterdir())
    assert len(shown) >= 2
    for name in shown:
        svg = (IMAGES / name).read_text("utf-8")
        assert len(svg.encode()) < 60_000
        assert not re.search(r"href|url\(|@import|<script|<image", svg)
        assert "sk-" not in svg
