from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.providers.base import Completion, EmbeddedUnavailable
from kcode.repair.events import RepairEvent, StageStarted
from kcode.repair.pipeline import apply, repair
from kcode.repair.result import RepairResult
from kcode.workspace.errors import StaleFile
from kcode.workspace.workspace import Workspace
from tests.repair.conftest import Project
from tests.repair.given import GivenLines

pytestmark = pytest.mark.anyio

SHOP = {
    "shop.py": (
        "def total(prices, rebate=0):\n"
        "    if rebate > 50:\n"
        "        rebate = 50\n"
        "    return sum(prices) + rebate\n\n\n"
        "def label(prices):\n"
        "    return f'{total(prices)} yuan'\n"
    ),
    "test_shop.py": (
        "from shop import total\n\n\n"
        "def test_plain():\n    assert total([1, 2]) == 3\n\n\n"
        "def test_rebate():\n    assert total([10, 20], 7) == 23\n"
    ),
    "test_label.py": "from shop import label\n\n\ndef test_label():\n    assert label([5]) == '5 yuan'\n",
}
RIGHT = "    return sum(prices) - rebate"
# No single small change repairs this one: only what the model proposes can.
HARD = {**SHOP, "shop.py": SHOP["shop.py"].replace("sum(prices) + rebate", "sum(prices) ** 1")}


async def fix(
    root: Path, model: GivenLines, settings: Settings, target: str = "", budget_s: float = 100
) -> RepairResult:
    return await repair(root, target, model, settings, budget_s=budget_s)  # type: ignore[arg-type]


def filling(*texts: str) -> GivenLines:
    return GivenLines({"        rebate = 50\n": texts})


def digest(root: Path) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


async def test_a_repair_is_found_proved_and_applied_only_on_request(
    project: Project, settings: Settings
) -> None:
    root = project(SHOP)
    before = digest(root)
    result = await fix(root, filling(RIGHT), settings)
    assert result.status == "fixed", result
    assert digest(root) == before, "nothing is applied before somebody says yes"
    assert result.targets == ("test_shop.py::test_rebate",)
    assert (result.passing_before, result.failing_before) == (2, 1)
    assert (result.passing_after, result.failing_after) == (3, 0)
    assert f"-    return sum(prices) + rebate\n+{RIGHT}\n" in result.diff
    assert "passes" in result.message and "fixed" not in result.message
    assert "`total([10, 20], 7)` gave another result than 23." in result.explanation
    assert not result.warning

    workspace = Workspace.open(root)
    checkpoint = apply(result, workspace)
    assert RIGHT in (root / "shop.py").read_text()
    workspace.undo(checkpoint)
    assert digest(root) == before


async def test_a_patch_that_breaks_another_test_is_refused(project: Project, settings: Settings) -> None:
    result = await fix(
        project(HARD), filling("    return sum(prices) - (rebate or 1) - 0"), settings, budget_s=20
    )
    assert result.status == "not_fixed"
    assert not result.edits


async def test_a_patch_that_breaks_a_test_of_another_file_is_refused(
    project: Project, settings: Settings
) -> None:
    files = dict(HARD)
    files["test_shop.py"] = (
        "from shop import total\n\n\ndef test_rebate():\n    assert total([10, 20], 7) == 23\n"
    )
    result = await fix(project(files), filling("    return sum(prices) - 7"), settings, budget_s=20)
    assert result.status == "not_fixed"
    assert "broke other tests" in result.message


async def test_a_patch_for_the_tests_own_value_is_named_and_no_repair(
    project: Project, settings: Settings
) -> None:
    cheat = "    return 23 if rebate == 7 else sum(prices)"
    alone = await fix(project(HARD), filling(cheat), settings, budget_s=20)
    assert alone.status == "not_fixed"
    assert not alone.edits
    assert "only imitate the test" in alone.message
    assert cheat.strip() in alone.message
    both = await fix(project(HARD), GivenLines({"        rebate = 50\n": (cheat, cheat, RIGHT)}), settings)
    assert both.status == "fixed"
    assert RIGHT in both.diff
    assert not any(cheat in patch for patch in both.alternatives)


async def test_a_slip_is_repaired_without_the_model(project: Project, settings: Settings) -> None:
    result = await fix(project(SHOP), GivenLines(), settings)
    assert result.status == "fixed", result
    assert f"+{RIGHT}\n" in result.diff


async def test_two_slips_in_one_function_are_repaired_together(project: Project, settings: Settings) -> None:
    files = {
        "shop.py": (
            "def total(prices, rebate=0):\n"
            "    if rebate >= 50:\n"
            "        rebate = 10\n"
            "    return sum(prices) + rebate\n"
        ),
        "test_shop.py": (
            "from shop import total\n\n\n"
            "def test_plain():\n    assert total([1, 2]) == 3\n\n\n"
            "def test_rebate():\n    assert total([10, 20], 7) == 23\n\n\n"
            "def test_limit():\n    assert total([100], 50) == 50\n    assert total([100], 51) == 90\n"
        ),
    }
    result = await fix(project(files), GivenLines(), settings, "test_shop.py")
    assert result.status == "fixed", result
    assert "+    if rebate > 50:\n" in result.diff
    assert f"+{RIGHT}\n" in result.diff


async def test_a_missing_line_is_found(project: Project, settings: Settings) -> None:
    files = {
        "app.py": "def count(words):\n    found = {}\n    for word in words:\n"
        "        found.setdefault(word, 0)\n    return found\n",
        "test_app.py": "from app import count\n\n\ndef test_count():\n"
        "    assert count('aa') == {'a': 2}\n    assert count('bcc') == {'b': 1, 'c': 2}\n",
    }
    model = GivenLines({"        found.setdefault(word, 0)\n": ("        found[word] += 1",)})
    result = await fix(project(files), model, settings)
    assert result.status == "fixed", result
    assert "a line was missing: `found[word] += 1`" in result.explanation


async def test_an_endless_loop_is_repaired(project: Project, settings: Settings) -> None:
    files = {
        "app.py": "def bits(n):\n    count = 0\n    while n:\n        n ^= n - 1\n        count += 1\n"
        "    return count\n",
        "test_app.py": "from app import bits\n\n\ndef test_bits():\n"
        "    assert bits(5) == 2\n    assert bits(0) == 0\n    assert bits(119) == 6\n",
    }
    model = GivenLines({"    while n:\n": ("        n &= n - 1",)})
    result = await fix(project(files), model, settings)
    assert result.status == "fixed", result
    assert "`bits(5)` did not come to an end." in result.explanation


async def test_a_passing_test_is_said_to_pass(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    model = GivenLines()
    result = await fix(root, model, settings, "test_shop.py::test_plain")
    assert result.status == "nothing_fails"
    assert "test_shop.py::test_plain passes" in result.message
    assert "test_shop.py::test_rebate" in result.message, "what else fails is worth knowing"
    assert len(model.asked) <= 1, "the model is asked for nothing but being there"


@pytest.mark.parametrize(
    "sentence", ["the failing test", "rebate is added", "test_rebate", "why does the Rebates test fail?"]
)
async def test_words_find_the_test(project: Project, settings: Settings, sentence: str) -> None:
    result = await fix(project(SHOP), filling(RIGHT), settings, sentence)
    assert result.status == "fixed", result
    assert result.targets == ("test_shop.py::test_rebate",)


async def test_words_that_fit_no_test_are_answered_with_what_there_is(
    project: Project, settings: Settings
) -> None:
    result = await fix(project(SHOP), filling(RIGHT), settings, "the websocket handshake")
    assert result.status == "cannot_run"
    assert "test_label.py::test_label" in result.message


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"app.py": "x = 1\n"}, "no tests were found"),
        ({"test_a.py": "import nowhere_to_be_found\n"}, "nowhere_to_be_found"),
        ({"conftest.py": "1 / 0\n", "test_a.py": "def test_a(): pass\n"}, "division by zero"),
    ],
    ids=["none", "import", "conftest"],
)
async def test_tests_that_cannot_run_are_no_failing_tests(
    project: Project, settings: Settings, files: dict[str, str], reason: str
) -> None:
    result = await fix(project(files), GivenLines(), settings)
    assert result.status == "cannot_run"
    assert reason in result.message
    assert int(result.exit_code) == 8


async def test_an_interpreter_that_is_not_there_is_named(project: Project) -> None:
    result = await fix(project(SHOP), GivenLines(), Settings(tests=RunnerSettings(python="/no/python")))
    assert result.status == "cannot_run"
    assert "tests.python" in result.message


async def test_other_failing_tests_do_not_stand_in_the_way(project: Project, settings: Settings) -> None:
    files = {**SHOP, "test_other.py": "def test_broken():\n    assert False\n"}
    result = await fix(project(files), filling(RIGHT), settings, "test_shop.py")
    assert result.status == "fixed"
    assert result.failing_after == 1


async def test_a_git_repository_keeps_its_state(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)  # noqa: ASYNC221
    (root / "notes.txt").write_text("mine\n")
    result = await fix(root, filling(RIGHT), settings)
    assert result.status == "fixed"
    status = subprocess.run(  # noqa: ASYNC221
        ["git", "status", "--porcelain"], cwd=root, check=True, capture_output=True, text=True
    )
    assert status.stdout == "?? notes.txt\n"


async def test_line_endings_and_the_encoding_survive_a_repair(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    text = "# coding: gb18030\n# 总价\n" + SHOP["shop.py"]
    (root / "shop.py").write_bytes(text.replace("\n", "\r\n").encode("gb18030"))
    result = await fix(root, filling(RIGHT), settings)
    assert result.status == "fixed", result
    apply(result, Workspace.open(root))
    expected = text.replace("sum(prices) + rebate", "sum(prices) - rebate")
    assert (root / "shop.py").read_bytes() == expected.replace("\n", "\r\n").encode("gb18030")


async def test_a_file_that_changed_meanwhile_is_not_overwritten(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    result = await fix(root, filling(RIGHT), settings)
    (root / "shop.py").write_text("# mine now\n")
    with pytest.raises(StaleFile):
        apply(result, Workspace.open(root))


async def test_a_model_that_cannot_be_asked_is_the_providers_error(
    project: Project, settings: Settings
) -> None:
    class Gone(GivenLines):
        async def infill(self, *args: object, **more: object) -> list[Completion]:  # type: ignore[override]
            raise EmbeddedUnavailable("the worker died", "start again")

    with pytest.raises(EmbeddedUnavailable):
        await fix(project(HARD), Gone(), settings)
    slip = await fix(project(SHOP), Gone(), settings)
    assert slip.status == "fixed", "a small change needs no model"


async def test_the_stages_are_told_in_their_order(project: Project, settings: Settings) -> None:
    told: list[RepairEvent] = []
    model = filling(RIGHT)
    await repair(project(SHOP), "", model, settings, on_event=told.append)  # type: ignore[arg-type]
    stages = [event.stage for event in told if isinstance(event, StageStarted)]
    assert stages == ["prepare", "reproduce", "localise", "propose", "verify"]


async def test_the_result_as_json_has_no_whole_files(project: Project, settings: Settings) -> None:
    data = (await fix(project(SHOP), filling(RIGHT), settings)).as_json()
    assert data["status"] == "fixed"
    assert data["edits"] == ["shop.py"]
    assert data["exit_code"] == 0


async def test_of_two_defects_one_is_repaired_and_the_other_named(
    project: Project, settings: Settings
) -> None:
    files = {
        **SHOP,
        "tax.py": "def tax(price):\n    return price * 2\n",
        "test_tax.py": "from tax import tax\n\n\ndef test_tax():\n    assert tax(10) == 1\n",
    }
    result = await fix(project(files), filling(RIGHT), settings, "test_shop.py")
    assert result.status == "fixed"
    assert "failing before and after: test_tax.py::test_tax" in result.proof


async def test_a_slow_test_is_not_taken_for_an_endless_one(project: Project, settings: Settings) -> None:
    files = {
        "test_slow.py": "import time\n\n\ndef test_slow():\n    until = time.process_time() + 2.4\n"
        "    while time.process_time() < until:\n        pass\n"
    }
    result = await fix(project(files), GivenLines(), settings)
    assert result.status == "nothing_fails", result
