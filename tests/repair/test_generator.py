"""What the model's answers become: candidates, in the order of what finds most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kcode.providers.base import Completion, Weight
from kcode.repair.candidates import Candidate, Generator, key_of
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.source import Source
from tests.repair.given import GivenLines

pytestmark = pytest.mark.anyio

WALK = """\
def walk(node, seen):
    if node in seen:
        return 0
    return 1 + sum(walk(one, seen) for one in node.next)
"""


def suspected(folder: Path, text: str, lines: Sequence[int]) -> Localisation:
    (folder / "a.py").write_text(text)
    suspects = tuple(Suspect("a.py", line, 1.0) for line in lines)
    return Localisation(suspects, {"a.py": Source.read(folder, "a.py")})


async def first(generator: Generator, count: int) -> list[Candidate]:
    found: list[Candidate] = []
    async for candidate in generator.candidates():
        found.append(candidate)
        if len(found) == count:
            break
    return found


async def test_another_statement_in_a_lines_place_is_tried_above_it_as_well(tmp_path: Path) -> None:
    """Asked for the line after a missing one, the model answers with the missing one."""
    found = suspected(tmp_path, WALK, [4])
    model = GivenLines({"        return 0\n": ["    seen.add(node)"]})
    candidates = await first(Generator(model, found, ()), 2)
    assert candidates[0].text == WALK.replace(WALK.splitlines()[3], "    seen.add(node)")
    assert candidates[1].text == WALK.replace("    return 1", "    seen.add(node)\n    return 1")
    assert {one.stage_name for one in candidates} == {"a line replaced"}, "no second question was needed"


async def test_a_better_form_of_the_line_is_not_put_above_it(tmp_path: Path) -> None:
    found = suspected(tmp_path, WALK, [4])
    model = GivenLines({"        return 0\n": ["    return 1 + len(node.next)"]})
    candidates = await first(Generator(model, found, ()), 2)
    assert [one.stage_name for one in candidates] == ["a line replaced", "a line added"]


async def test_what_the_model_proposes_again_is_known_as_its_own(tmp_path: Path) -> None:
    found = suspected(tmp_path, WALK, [4])
    source = found.sources["a.py"]
    known = WALK.replace("1 + sum", "2 + sum")
    key = key_of(source, known, 4)
    assert key
    model = GivenLines({"        return 0\n": ["    return 2 + sum(walk(one, seen) for one in node.next)"]})
    generator = Generator(model, found, (), seen={key})
    assert all(one.text != known for one in await first(generator, 3))
    assert generator.confirmed[key] == pytest.approx(-0.1)


@dataclass
class Weighing(GivenLines):
    done: list[str] = field(default_factory=list)

    async def infill(
        self,
        prefix: str,
        suffix: str,
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 64,
        stop: Sequence[str] = ("\n",),
    ) -> list[Completion]:
        self.done.append("fill")
        return [Completion("    pass", -0.1)]

    async def weigh(self, prefix: str, suffix: str, text: str, *, top: int = 1) -> list[Weight]:
        self.done.append("weigh")
        return []


async def test_the_first_lines_are_filled_before_any_is_weighed(tmp_path: Path) -> None:
    body = "".join(f"    a = a + {number}\n" for number in range(19))
    found = suspected(tmp_path, f"def f(a):\n{body}    return a\n", range(2, 21))
    model = Weighing()
    generator = Generator(model, found, (), on_weighed=lambda *_: None, wants_weighing=lambda: True)
    await first(generator, 70)
    assert model.done[:16] == ["fill"] * 16
    assert model.done[16:32] == ["weigh"] * 16
    rest = model.done[32:]
    assert rest.count("weigh") == 3, "the other lines are weighed when their turn has come"
    assert "weigh" not in rest[: rest.index("fill") + 16], "after all else at the most suspicious places"
