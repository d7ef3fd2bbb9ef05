"""Real ruff and mypy on real projects: what an edit brought is told, what was there before is not."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sys
import time
from pathlib import Path

import pytest

from kcode.config.paths import cache_dir
from kcode.config.settings import Settings
from kcode.diagnostics import mirror, room
from kcode.diagnostics.checkers import KNOWN, applying, program_of
from kcode.diagnostics.running import Report, patience
from kcode.diagnostics.watch import Diagnostics
from kcode.safety.trust import distrust, trust
from kcode.workspace.change import FileEdit
from kcode.workspace.workspace import Workspace

OWN = Path(sys.executable).parent


class Project:
    """A project with an environment of its own in which ``tools`` are installed."""

    def __init__(self, root: Path, *tools: str) -> None:
        self.root = root
        (root / ".venv" / "bin").mkdir(parents=True)
        for tool in tools:
            (root / ".venv" / "bin" / tool).symlink_to(OWN / tool)
        trust(root)
        self.settings = Settings.model_validate({"diagnostics": {"timeout_s": 120}})
        self.open()

    def open(self) -> None:
        self.diagnostics = Diagnostics(Workspace.open(self.root), self.settings)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    async def edit(self, path: str, text: str, wait_s: float = 120) -> Report | None:
        before = (self.root / path).read_text() if (self.root / path).exists() else None
        self.write(path, text)
        return await self.diagnostics.after([FileEdit(path, before, text)], wait_s)

    def edited(self, path: str, text: str) -> list[str]:
        async def go() -> Report | None:
            report = await self.edit(path, text)
            await self.diagnostics.close()
            return report

        report = asyncio.run(go())
        assert report is not None
        return [problem.told() for problem in report.problems] + list(report.notes)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    root = tmp_path / "project"
    root.mkdir()
    if not shutil.which("ruff", path=str(OWN)) or not shutil.which("mypy", path=str(OWN)):
        pytest.skip("ruff and mypy are not installed here")
    return Project(root, "ruff", "mypy")


def test_ruff_tells_what_the_edit_brought_and_nothing_that_was_there(project: Project) -> None:
    project.write("pyproject.toml", "[tool.ruff.lint]\nselect = ['F']\n")
    project.write("a.py", "import os\n")
    told = project.edited("a.py", "# moved down\nimport os\nimport sys\n\nprint(undefined)\n")
    assert told == [
        "a.py:3:8: F401 `sys` imported but unused [ruff]",
        "a.py:5:7: F821 Undefined name `undefined` [ruff]",
    ]
    assert project.edited("a.py", "import os\n") == []
    assert project.edited("new.py", "import re\n") == ["new.py:1:8: F401 `re` imported but unused [ruff]"]


def test_of_two_alike_the_one_in_the_changed_lines_is_the_new_one(project: Project) -> None:
    project.write("ruff.toml", "lint.select = ['F']\n")
    project.write("a.py", "def f():\n    x = 1\n")
    told = project.edited("a.py", "def g():\n    x = 1\n\n\ndef f():\n    x = 1\n")
    assert told == ["a.py:2:5: F841 Local variable `x` is assigned to but never used [ruff]"]


def test_mypy_sees_the_text_before_by_a_shadow_file(project: Project) -> None:
    project.write("mypy.ini", "[mypy]\nstrict = True\n")
    project.write("pkg/__init__.py", "")
    project.write(
        "pkg/lib.py", "def size(a: str) -> int:\n    return len(a)\n\n\nold: int = 'was wrong before'\n"
    )
    text = "from pkg.lib import size\n\nsize(3)\n"
    project.write("pkg/use.py", "from pkg.lib import size\n")
    told = project.edited("pkg/use.py", text)
    assert len(told) == 1
    assert told[0].startswith('pkg/use.py:3:6: arg-type Argument 1 to "size"')
    assert not (project.root / ".mypy_cache").exists()


def test_a_project_without_checkers_is_not_checked(project: Project) -> None:
    project.write("a.py", "import os\n")
    assert project.edited("a.py", "import os\nimport sys\n") == []


def test_the_setting_names_checkers_and_commands(project: Project) -> None:
    project.write("ruff.toml", "lint.select = ['F']\n")
    project.write("mypy.ini", "[mypy]\n")
    project.write("check.sh", '#!/bin/sh\nfor f; do echo "$f:2:1: W1 mine"; done\n')
    (project.root / "check.sh").chmod(0o755)
    project.settings = Settings.model_validate({"diagnostics": {"commands": "./check.sh {files}"}})
    project.open()
    project.write("a.txt", "a\n")
    assert project.edited("a.txt", "a\nb\n") == ["a.txt:2:1: W1 mine [check.sh]"]
    assert project.edited("a.txt", "a\nb\nc\n") == []  # it said so before


def test_a_checker_that_hangs_or_breaks_is_given_up_and_told_once(project: Project) -> None:
    project.write("slow.sh", "#!/bin/sh\nsleep 60\n")
    project.write("broken.sh", "#!/bin/sh\necho out of order >&2\nexit 3\n")
    for name in ("slow.sh", "broken.sh"):
        (project.root / name).chmod(0o755)
    project.settings = Settings.model_validate(
        {"diagnostics": {"commands": "./slow.sh; ./broken.sh {files}", "timeout_s": 0.5}}
    )
    project.open()
    assert project.edited("a", "1\n") == [
        "broken.sh is not run after edits: it ended with exit code 3: out of order",
        "slow.sh took longer than 0.5 s and is not run after edits any more",
    ]
    assert project.edited("a", "2\n") == []


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="this system does not tell how busy it is")
def test_a_busy_machine_gives_checkers_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for load, limit in ((0.1, 30), (4.0, 30), (10.0, 75), (4000.0, 300)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert patience(30) == limit


def test_an_edit_is_not_held_up_and_a_second_one_is_checked_with_the_first(project: Project) -> None:
    project.write("ruff.toml", "lint.select = ['F']\n")
    project.write("a.py", "")
    project.write("b.py", "")

    async def go() -> list[str]:
        assert await project.edit("a.py", "import os\n", wait_s=0) is None
        assert await project.edit("b.py", "import re\n", wait_s=0) is None
        await project.diagnostics.wait()
        report = project.diagnostics.take()
        assert report is not None
        assert project.diagnostics.take() is None
        return [problem.path for problem in report.problems]

    assert asyncio.run(go()) == ["a.py", "b.py"]


def test_off_is_off(project: Project) -> None:
    project.write("ruff.toml", "lint.select = ['F']\n")
    project.settings = Settings.model_validate({"diagnostics": {"enabled": "off"}})
    project.open()
    assert asyncio.run(project.edit("a.py", "import os\n")) is None


def test_kcodes_own_programs_are_not_the_projects(tmp_path: Path) -> None:
    environ = {"PATH": str(OWN), "VIRTUAL_ENV": str(OWN.parent)}
    assert program_of("ruff", tmp_path, tmp_path, environ) == ""
    mine = tmp_path / "venv" / "bin"
    mine.mkdir(parents=True)
    (mine / "ruff").symlink_to(OWN / "ruff")
    assert program_of("ruff", tmp_path, tmp_path, environ) == str(mine / "ruff")


def test_the_nearest_configuration_counts_and_sections_are_asked_for(tmp_path: Path) -> None:
    for name, text in {
        "pyproject.toml": "[tool.black]\n",
        "web/package.json": "{}",
        "web/tsconfig.json": "{}",
        "web/src/a.ts": "",
        "api/setup.cfg": "[mypy]\n",
        "api/a.py": "",
        "a.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tools = tmp_path / "web" / "node_modules" / ".bin"
    tools.mkdir(parents=True)
    for name, folder in {
        "tsc": tools,
        "mypy": tmp_path / "venv" / "bin",
        "ruff": tmp_path / "venv" / "bin",
    }.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)

    def found(path: str) -> list[tuple[str, str]]:
        each = applying(KNOWN, tmp_path, path, {"PATH": os.defpath})
        return [(one.checker.name, one.folder.name) for one in each]

    assert found("web/src/a.ts") == [("tsc", "web")]
    assert found("api/a.py") == [("mypy", "api")]
    assert found("a.py") == []


def test_the_projects_that_a_solution_of_typescript_refers_to_are_checked(tmp_path: Path) -> None:
    files = {
        "tsconfig.json": '{\n // a solution\n "files": [], "references": [{ "path": "./tsconfig.app.json" },'
        ' { "path": "tools" }, {"path": "../outside"},\n  ],\n}\n',
        "tsconfig.app.json": '{"include": ["src/**/*.ts", "extra*.ts"]}',
        "tools/tsconfig.json": '{"files": [], "references": [{"path": "one"}]}',
        "tools/one/tsconfig.json": "{}",
        "own/tsconfig.json": '{"references": [{"path": "../tools/one"}]}',
        "broken/tsconfig.json": "{",
        "node_modules/.bin/tsc": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "node_modules" / ".bin" / "tsc").chmod(0o755)

    def projects(path: str) -> list[str]:
        return [f"{f.folder.relative_to(tmp_path)}:{f.project}" for f in applying(KNOWN, tmp_path, path, {})]

    assert projects("src/deep/a.ts") == [".:tsconfig.app.json"]
    assert projects("extras.ts") == [".:tsconfig.app.json"]
    assert projects("other/a.ts") == [".:tsconfig.app.json"]  # no project names it: the one that may
    assert projects("tools/one/a.ts") == ["tools/one:."]
    assert projects("tools/b.ts") == []  # in no project
    assert projects("own/a.ts") == ["own:."]
    assert projects("broken/a.ts") == ["broken:."]


@pytest.mark.skipif(not shutil.which("go"), reason="go is not installed here")
def test_go_vet_tells_of_changed_lines_at_first_and_of_news_then(project: Project) -> None:
    project.write("go.mod", "module example.org/m\n\ngo 1.18\n")
    text = 'package m\n\nimport "fmt"\n\nfunc F() { fmt.Printf("%d\\n", "old") }\n'
    project.write("lib/a.go", text)
    for number, name in enumerate("GH"):
        text += f'func {name}() {{ fmt.Printf("%s\\n", {number}) }}\n'
        told = project.edited("lib/a.go", text)
        assert [line.partition(": ")[0] for line in told] == [f"lib/a.go:{6 + number}:12"]
        assert "printf fmt.Printf format %s has arg" in told[0]


@pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not installed here")
def test_cargo_tells_of_changed_lines_at_first_and_of_news_then(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for name, folder in (("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")):
        monkeypatch.setenv(name, os.environ.get(name) or str(home / folder))
    project.write("Cargo.toml", '[package]\nname = "m"\nversion = "0.1.0"\nedition = "2021"\n')
    text = "pub fn f() -> i32 { let old = 1; 2 }\n"
    project.write("src/lib.rs", text)
    for number, name in enumerate("gh"):
        text += f'pub fn {name}() -> i32 {{ "x" }}\n'
        told = project.edited("src/lib.rs", text)
        assert [line.partition(": ")[0] for line in told] == [f"src/lib.rs:{2 + number}:21"]
        assert "E0308 mismatched types [cargo]" in told[0]
    assert not (project.root / "target").exists()


TSC = """#!/bin/sh
place='s/^\\([^:]*\\):\\([0-9]*\\):.*/\\1(\\2,1)/'
if grep -n SYNTAX *.ts | sed "$place; s/$/: error TS1005: syntax./" | grep .; then exit 2; fi
names=$(sed -n 's/^export //p' *.ts | sort)
for use in $(grep -n '^use ' *.ts | tr ' ' '='); do
  place=${use%%:use=*} name=${use##*=}
  echo "$names" | grep -qx "$name" && continue
  echo "${place%%:*}(${place##*:},5): error TS2304: Cannot find name '$name'."
done
"""


def with_tsc(project: Project) -> None:
    """A ``tsc`` of one rule, which prints as the real one does: a name that is used must be exported."""
    (project.root / "node_modules" / ".bin").mkdir(parents=True)
    project.write("node_modules/.bin/tsc", TSC)
    (project.root / "node_modules" / ".bin" / "tsc").chmod(0o755)
    project.write("tsconfig.json", "{}\n")


def test_the_first_edit_is_compared_with_a_copy_of_the_project_as_it_was(project: Project) -> None:
    with_tsc(project)
    project.write("lib.ts", "export size\nexport width\n")
    project.write("use.ts", "use size\nuse wrong_before\n")
    files = sorted(str(path) for path in project.root.rglob("*"))
    assert project.edited("lib.ts", "export length\nexport width\n") == [
        "use.ts:1:5: TS2304 Cannot find name 'size'. [tsc]"
    ]
    assert sorted(str(path) for path in project.root.rglob("*")) == files
    assert project.edited("lib.ts", "export length\n") == []


def test_a_project_too_large_to_copy_tells_of_changed_lines_at_first(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MOST_FILES", 2)
    with_tsc(project)
    project.write("lib.ts", "export size\n")
    project.write("use.ts", "use size\nuse wrong_before\n")
    assert project.edited("lib.ts", "export length\nuse nothing\n") == [
        "lib.ts:2:5: TS2304 Cannot find name 'nothing'. [tsc]"
    ]


def test_what_a_syntax_error_hid_is_not_new_when_it_is_repaired(project: Project) -> None:
    with_tsc(project)
    project.write("a.ts", "export a\n")
    project.write("b.ts", "use wrong_before\n")
    assert project.edited("a.ts", "export a\nSYNTAX\n") == ["a.ts:2:1: TS1005 syntax. [tsc]"]
    assert project.edited("a.ts", "export a\nuse b\n") == ["a.ts:2:5: TS2304 Cannot find name 'b'. [tsc]"]


@pytest.mark.skipif(not shutil.which("go"), reason="go is not installed here")
def test_go_vet_sees_at_the_first_edit_what_it_broke_elsewhere(project: Project) -> None:
    project.write("go.mod", "module example.org/m\n\ngo 1.18\n")
    project.write("a.go", "package m\n\nfunc F() {}\n")
    project.write("b.go", 'package m\n\nimport "fmt"\n\nfunc G() { F(); fmt.Printf("%d\\n", "old") }\n')
    (told,) = project.edited("a.go", "package m\n\nfunc F(a int) {}\n")
    assert told.startswith("b.go:5:1")
    assert "not enough arguments in call to F" in told


def test_caches_of_projects_that_nobody_uses_and_what_killed_checks_left_are_removed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = cache_dir() / "diagnostics"
    old, other = caches / "old", caches / "other"
    for folder in (old, other):
        (folder / "mypy").mkdir(parents=True)
        (folder / "used").touch()
    long_ago = time.time() - (room.KEEP_DAYS + 1) * 86_400
    os.utime(old / "used", (long_ago, long_ago))
    own = room.Room(Workspace.open(project.root), project.settings)
    left = own.cache("copy", "was-killed")
    os.utime(left, (long_ago, long_ago))
    kept = own.cache("mypy") / "cache.db"
    kept.write_bytes(b"x" * 10_000)
    project.write("ruff.toml", "lint.select = ['F']\n")
    assert project.edited("a.py", "a = 1\n") == []
    assert not old.exists()
    assert other.exists()
    assert not left.exists()
    assert kept.exists()
    monkeypatch.setattr(room, "KEEP_BYTES", 5_000)
    project.open()
    assert project.edited("a.py", "b = 1\n") == []
    assert not kept.exists()


def test_programs_of_an_untrusted_folder_run_only_where_they_are_confined(project: Project) -> None:
    distrust(project.root)
    project.settings = Settings.model_validate({"safety": {"sandbox": "off"}})
    project.open()
    project.write("ruff.toml", "lint.select = ['F']\n")
    assert project.edited("a.py", "import os\n") == [
        "ruff is not run after edits: commands are not confined, and this folder is not trusted"
    ]
