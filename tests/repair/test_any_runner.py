"""The agent's repair with runners of other languages, each the real one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.errors import UsageError
from kcode.providers.registry import open_provider, resolve
from kcode.repair.aim import Asked
from kcode.repair.events import AttemptEnded, RepairEvent
from kcode.repair.pipeline import apply, repair
from kcode.repair.result import RepairResult
from kcode.workspace.errors import StaleFile
from kcode.workspace.workspace import Workspace
from tests.k2sim import TEST_KEY, Answer, Simulator, call, say, use
from tests.k2sim.exchange import ChatRequest
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio
Start = Callable[..., Simulator]

node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")

SHOP = {
    "package.json": '{"name": "shop", "scripts": {"test": "node --test"}}\n',
    "src/shop.js": (
        "function total(prices) {\n  return prices.reduce((sum, price) => sum - price, 0);\n}\n"
        "function login(user) {\n  if (!user) throw new Error('nobody');\n  return user.name === 'root';\n}\n"
        "module.exports = { total, login };\n"
    ),
    "test/shop.test.js": (
        "const test = require('node:test');\nconst assert = require('node:assert');\n"
        "const { total, login } = require('../src/shop.js');\n"
        "test('adds prices', () => { assert.strictEqual(total([11, 26]), 37); });\n"
        "test('an empty cart is free', () => { assert.strictEqual(total([]), 0); });\n"
        "test('root may log in', () => { assert.strictEqual(login({ name: 'root' }), true); });\n"
    ),
}
ADDS = "test/shop.test.js::adds prices"


@pytest.fixture(autouse=True)
def toolchains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have a home of their own, toolchains do not."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for variable, folder in (("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")):
        if variable not in os.environ and (home / folder).is_dir():
            monkeypatch.setenv(variable, str(home / folder))


def edit(path: str, old: str, new: str) -> Answer:
    return use(call("edit_file", path=path, edits=[{"old_text": old, "new_text": new}]))


RIGHT = edit("src/shop.js", "sum - price", "sum + price")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def committed(root: Path) -> Path:
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    return root


async def fix(
    root: Path,
    sim: Simulator,
    asked: Asked | str = "",
    told: list[RepairEvent] | None = None,
    tests: Mapping[str, object] | None = None,
) -> RepairResult:
    provider = {"name": "moonshot", "model": "kimi-k2-0905-preview"}
    settings = Settings.model_validate(
        {
            "provider": {**provider, "base_url": sim.base_url, "api_key": TEST_KEY},
            "tests": {"timeout_s": 250, "rerun_failed": False, **(tests or {})},
        }
    )
    model = open_provider(resolve(settings, {}), settings)
    try:
        return await repair(root, asked, model, settings, on_event=(told if told is not None else []).append)
    finally:
        await model.close()


def left_behind(root: Path) -> str:
    return git(root, "status", "--porcelain") + git(root, "worktree", "list", "--porcelain")


# --- one runner after the other ----------------------------------------------------------------------

GO = {
    "go.mod": "module example.com/calc\n\ngo 1.19\n",
    "calc/calc.go": "package calc\n\nfunc Add(a, b int) int {\n\treturn a - b\n}\n",
    "calc/calc_test.go": (
        'package calc\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
        '\tif got := Add(20, 17); got != 37 {\n\t\tt.Errorf("got %d, want 37", got)\n\t}\n}\n'
    ),
}
CARGO = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2018"\n',
    "src/lib.rs": (
        "pub fn add(a: i32, b: i32) -> i32 {\n    a - b\n}\n\n"
        "#[cfg(test)]\nmod tests {\n    use super::*;\n\n"
        "    #[test]\n    fn adds() {\n        assert_eq!(add(20, 17), 37);\n    }\n}\n"
    ),
}
RSPEC = {
    ".rspec": "--require spec_helper\n",
    "lib/calc.rb": "def add(a, b)\n  a - b\nend\n",
    "spec/spec_helper.rb": "require_relative '../lib/calc'\n",
    "spec/calc_spec.rb": "describe 'add' do\n  it 'adds' do\n    expect(add(20, 17)).to eq(37)\n  end\nend\n",
}


@pytest.mark.parametrize(
    ("program", "files", "path", "old", "new"),
    [
        ("go", GO, "calc/calc.go", "a - b", "a + b"),
        ("cargo", CARGO, "src/lib.rs", "a - b", "a + b"),
        ("rspec", RSPEC, "lib/calc.rb", "a - b", "a + b"),
        ("node", SHOP, "src/shop.js", "sum - price", "sum + price"),
    ],
)
async def test_a_project_of_any_language_is_repaired_with_its_own_runner(
    project: Project, k2sim: Start, program: str, files: dict[str, str], path: str, old: str, new: str
) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    root = committed(project(files))
    before = left_behind(root)
    sim = k2sim([edit(path, old, new), say("The sign was wrong. It is a plus now.")])
    result = await fix(root, sim)
    assert result.status == "fixed", result
    assert [one.path for one in result.edits] == [path]
    assert len(result.targets) == 1
    assert program in result.runner
    assert "37" in str(sim.chats[0].json["messages"]), "the model sees what was expected"
    assert left_behind(root) == before


@node
async def test_a_package_in_a_subfolder_is_repaired_by_its_own_runner(project: Project, k2sim: Start) -> None:
    files = {f"web/{path}": text for path, text in SHOP.items()}
    files["README.md"] = "# two projects\n"
    root = committed(project(files))
    sim = k2sim([edit("web/src/shop.js", "sum - price", "sum + price"), say("Done.")])
    result = await fix(root, sim, "web/test/shop.test.js")
    assert result.status == "fixed", result
    assert result.targets == ("web/test/shop.test.js::adds prices",)
    assert [one.path for one in result.edits] == ["web/src/shop.js"]


@node
async def test_a_command_runs_the_tests_in_the_folder_where_it_was_typed(
    project: Project, k2sim: Start
) -> None:
    files = {f"web/{path}": text for path, text in SHOP.items()}
    root = committed(project(files))
    sim = k2sim([edit("web/src/shop.js", "sum - price", "sum + price"), say("Done.")])
    result = await fix(root, sim, Asked(command=("npm", "test"), folder="web"))
    assert result.status == "fixed", result
    assert "npm test" in result.runner


@node
async def test_packages_are_shared_and_nothing_is_written_beside_them(project: Project, k2sim: Start) -> None:
    files = dict(SHOP)
    files["node_modules/plus/package.json"] = '{"name": "plus", "main": "index.js"}\n'
    files["node_modules/plus/index.js"] = "exports.plus = (a, b) => a + b;\n"
    files["packages/own/package.json"] = '{"name": "own", "main": "index.js"}\n'
    files["packages/own/index.js"] = "exports.start = 1;\n"
    files[".gitignore"] = "node_modules/\n"
    files["test/shop.test.js"] = (
        "const test = require('node:test');\nconst fs = require('node:fs');\n"
        "const path = require('node:path');\n"
        "const assert = require('node:assert');\nconst { plus } = require('plus');\n"
        "const { start } = require('own');\nconst { total } = require('../src/shop.js');\n"
        "const cache = path.join(__dirname, '..', 'node_modules', '.cache');\n"
        "fs.mkdirSync(cache, { recursive: true });\nfs.writeFileSync(path.join(cache, 'x'), 'x');\n"
        "test('adds prices', () => { assert.strictEqual(total([11, 26]), plus(37, start)); });\n"
    )
    root = committed(project(files))
    (root / "node_modules" / "own").symlink_to("../packages/own")
    sim = k2sim([RIGHT, edit("packages/own/index.js", "start = 1", "start = 0"), say("Done.")])
    result = await fix(root, sim)
    assert result.status == "fixed", result
    assert sorted(one.path for one in result.edits) == ["packages/own/index.js", "src/shop.js"]
    assert not (root / "node_modules" / ".cache").exists()
    assert (root / "packages" / "own" / "index.js").read_text() == files["packages/own/index.js"]


# --- what is asked for ---------------------------------------------------------------------------------


@node
async def test_a_sentence_is_matched_against_the_names_of_the_tests(project: Project, k2sim: Start) -> None:
    root = committed(project(SHOP))
    result = await fix(root, k2sim([RIGHT, say("Done.")]), "the prices test")
    assert result.status == "fixed", result
    assert result.targets == (ADDS,)


@node
async def test_a_log_names_what_failed_elsewhere(project: Project, k2sim: Start) -> None:
    root = committed(project(SHOP))
    log = (
        "▶ running on the build server\n✖ adds prices (1.5ms)\n  AssertionError: -37 !== 37\n"
        "      at TestContext.<anonymous> (/home/ci/work/shop/test/shop.test.js:4:34)\n"
    )
    result = await fix(root, sim := k2sim([RIGHT, say("Done.")]), Asked(log=log))
    assert result.status == "fixed", result
    assert result.targets == (ADDS,)
    assert "build server" in str(sim.chats[0].json["messages"])


@node
async def test_a_log_whose_failures_do_not_happen_here_is_said_to_pass(
    project: Project, k2sim: Start
) -> None:
    files = {**SHOP, "src/shop.js": SHOP["src/shop.js"].replace("sum - price", "sum + price")}
    sim = k2sim([])
    log = "not ok 1 - adds prices\n  at test/shop.test.js:4:34\n"
    result = await fix(committed(project(files)), sim, Asked(log=log))
    assert result.status == "nothing_fails", result
    assert "pass here" in result.message


async def test_a_log_that_names_nothing_of_the_project_is_refused(project: Project, k2sim: Start) -> None:
    with pytest.raises(UsageError, match="names no test"):
        await fix(project(SHOP), k2sim([]), Asked(log="everything is fine\n"))


@node
async def test_words_that_fit_failures_of_two_reasons_are_answered_with_the_list(
    project: Project, k2sim: Start
) -> None:
    files = dict(SHOP)
    files["test/shop.test.js"] += "test('prices of nobody', () => { login(null); });\n"
    with pytest.raises(UsageError) as caught:
        await fix(committed(project(files)), k2sim([]), "prices")
    assert "adds prices" in caught.value.message
    assert "prices of nobody" in caught.value.message


# --- what is accepted ----------------------------------------------------------------------------------


@node
async def test_a_patch_for_the_tests_own_value_is_named_in_any_language(
    project: Project, k2sim: Start
) -> None:
    cheat = edit(
        "src/shop.js", "  return prices.reduce", "  if (prices[0] === 11) return 37;\n  return prices.reduce"
    )
    sim = k2sim([cheat, say("Done."), say("It is a rule of the shop.")])
    result = await fix(committed(project(SHOP)), sim, ADDS)
    assert "a value of the test itself" in str(sim.chats[-1].json["messages"]), "the model is asked first"
    assert result.status == "fixed"
    assert "may only imitate the test" in result.warning


@node
async def test_weakened_tests_are_named_where_tests_may_change(project: Project, k2sim: Start) -> None:
    skip = edit("test/shop.test.js", "test('adds prices'", "test.skip('adds prices'")
    refused = await fix(committed(project(SHOP)), k2sim([skip, say("Done.")]))
    assert refused.status == "not_fixed"
    assert [one.path for one in refused.test_edits] == ["test/shop.test.js"]
    allowed = await fix(
        project(SHOP), k2sim([skip, say("Skipped."), say("Skipped.")] * 3), Asked(allow_test_changes=True)
    )
    assert allowed.status == "not_fixed", "a skipped test did not pass"
    assert "skips more" in allowed.warning


@pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not installed")
async def test_tests_inside_a_rust_file_stay_as_they_are(project: Project, k2sim: Start) -> None:
    cheat = edit("src/lib.rs", "assert_eq!(add(20, 17), 37)", "assert_eq!(add(20, 17), 3)")
    result = await fix(committed(project(CARGO)), k2sim([cheat, say("The test was wrong.")]))
    assert result.status == "not_fixed"
    assert [one.path for one in result.test_edits] == ["src/lib.rs"]


@node
async def test_uncommitted_work_is_part_of_the_copy_and_a_later_change_is_not_overwritten(
    project: Project, k2sim: Start
) -> None:
    root = committed(project(SHOP))
    shop = root / "src" / "shop.js"
    shop.write_text("// mine, not committed\n" + shop.read_text())
    result = await fix(root, k2sim([RIGHT, say("Done.")]))
    assert result.status == "fixed", result
    assert result.edits[0].after and result.edits[0].after.startswith("// mine, not committed\n")
    shop.write_text("// and changed while the model worked\n" + shop.read_text())
    with pytest.raises(StaleFile):
        apply(result, Workspace.open(root))


@node
async def test_what_the_tests_write_is_no_part_of_the_patch(project: Project, k2sim: Start) -> None:
    files = dict(SHOP)
    files["test/shop.test.js"] += "require('node:fs').writeFileSync('report.txt', String(process.pid));\n"
    result = await fix(committed(project(files)), k2sim([RIGHT, say("Done.")]))
    assert result.status == "fixed", result
    assert [one.path for one in result.edits] == ["src/shop.js"]


@node
async def test_a_test_that_passes_only_sometimes_is_not_repaired(project: Project, k2sim: Start) -> None:
    files = dict(SHOP)
    sometimes = (
        "  const fs = require('node:fs');\n"
        "  const seen = fs.existsSync('seen');\n  fs.writeFileSync('seen', '');\n"
        "  return prices.reduce((sum, price) => sum + price, seen ? 1 : 0);\n"
    )
    files[".gitignore"] = "seen\n"
    files["test/shop.test.js"] = "\n".join(files["test/shop.test.js"].splitlines()[:4]) + "\n"
    whole = "  return prices.reduce((sum, price) => sum - price, 0);\n"
    answers = [edit("src/shop.js", whole, sometimes), *[say("Done.")] * 3]
    result = await fix(committed(project(files)), k2sim(answers))
    assert result.status == "not_fixed", result


# --- several attempts, bisect --------------------------------------------------------------------------


@node
async def test_several_attempts_are_not_asked_the_same(project: Project, k2sim: Start) -> None:
    firsts: dict[str, float | None] = {}

    def speak(request: ChatRequest) -> Answer:
        users = [one for one in request.messages if one["role"] == "user"]
        if len(request.messages) == len(users) + 1:
            firsts[str(users[0]["content"])] = request.body.get("temperature")
        return say("I found nothing.")

    await fix(committed(project(SHOP)), k2sim(speak), Asked(attempts=3))
    assert len(firsts) == 3
    assert sum("goes its own way" in text for text in firsts) == 2


@node
async def test_of_several_attempts_the_smallest_proved_patch_is_taken(project: Project, k2sim: Start) -> None:
    root = committed(project(SHOP))
    before = left_behind(root)
    big = edit(
        "src/shop.js",
        "=> sum - price, 0);",
        "=> {\n    const next = sum + price;\n    return next;\n  }, 0);",
    )
    wrong = edit("src/shop.js", "sum - price", "sum * price")
    firsts = iter([big, RIGHT, wrong])

    def speak(request: ChatRequest) -> Answer:
        if not any(one["role"] == "tool" for one in request.messages):
            return next(firsts)
        return say("Done.")

    told: list[RepairEvent] = []
    result = await fix(root, k2sim(speak), Asked(attempts=3), told)
    assert result.status == "fixed", result
    assert result.diff.count("\n+ ") == 1
    assert "sum + price, 0" in result.diff
    assert [one.fixed for one in result.attempts].count(True) == 2
    assert [one.chosen for one in result.attempts].count(True) == 1
    assert float(result.cost.split()[0]) > 0
    assert len([one for one in told if isinstance(one, AttemptEnded)]) == 3
    assert left_behind(root) == before


@node
async def test_bisect_names_the_first_bad_commit_and_tells_the_model(project: Project, k2sim: Start) -> None:
    good = SHOP["src/shop.js"].replace("sum - price", "sum + price")
    root = committed(project({**SHOP, "src/shop.js": good, "test/shop.test.js": "// none yet\n"}))
    steps = [("README.md", "one\n"), ("src/shop.js", "syntax error(\n"), ("src/shop.js", SHOP["src/shop.js"])]
    steps += [
        ("README.md", "two\n"),
        ("README.md", "three\n"),
        ("test/shop.test.js", SHOP["test/shop.test.js"]),
    ]
    for number, (path, text) in enumerate(steps):
        (root / path).write_text(text)
        git(root, "add", "-A")
        git(root, "commit", "-qm", f"step {number}: {path}")
    before = left_behind(root)
    sim = k2sim([RIGHT, say("Done.")])
    result = await fix(root, sim, Asked(words=ADDS, bisect=True))
    assert result.status == "fixed", result
    assert "step 2" in result.first_bad or "of 2 commits" in result.first_bad
    assert "git bisect" in str(sim.chats[0].json["messages"])
    assert left_behind(root) == before


@node
async def test_bisect_says_that_the_failure_is_not_committed(project: Project, k2sim: Start) -> None:
    good = SHOP["src/shop.js"].replace("sum - price", "sum + price")
    root = committed(project({**SHOP, "src/shop.js": good}))
    (root / "src" / "shop.js").write_text(SHOP["src/shop.js"])
    result = await fix(root, k2sim([RIGHT, say("Done.")]), Asked(words=ADDS, bisect=True))
    assert result.status == "fixed", result
    assert "not committed" in result.first_bad
