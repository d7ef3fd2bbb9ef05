"""Record honest work through the real tools: ``python -m tests.bench.make_loops > honest.jsonl``.

Fifty sequences of calls as a model makes them that works, each in a repository of its own. What the tools
really said is written down; ``tests/agent/test_circles.py`` holds that none is taken for a loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kcode.agent.approval import Answer as Verdict
from kcode.agent.approval import Question
from kcode.agent.circles import Circles
from kcode.agent.events import CallFinished, CallStarted
from kcode.agent.session import Session
from kcode.config.settings import Settings
from kcode.providers.registry import open_provider, resolve
from tests.k2sim import TEST_KEY, Answer, ChatRequest, Simulator, call, say, use

Step = tuple[str, dict[str, Any]]


def sh(command: str, **more: Any) -> Step:
    return "run_command", {"command": command, **more}


def read(path: str, **more: Any) -> Step:
    return "read_file", {"path": path, **more}


def grep(pattern: str, **more: Any) -> Step:
    return "grep", {"pattern": pattern, **more}


def edit(path: str, old: str, new: str) -> Step:
    return "edit_file", {"path": path, "edits": [{"old_text": old, "new_text": new}]}


def write(path: str, content: str) -> Step:
    return "write_file", {"path": path, "content": content}


TESTS: Step = ("run_tests", {})
STATUS: Step = ("git_status", {})
DIFF: Step = ("git_diff", {})


def ls(path: str = ".") -> Step:
    return "list_dir", {"path": path}


def output(number: int = 1, **more: Any) -> Step:
    return "command_output", {"id": f"bg{number}", **more}


def scenarios() -> dict[str, list[Step]]:
    """Name and calls of each."""
    return {**_editing(), **_waiting(), **_looking(), **_trying(), **_housekeeping()}


def _editing() -> dict[str, list[Step]]:
    numbers = range(1, 11)
    return {
        "the same file edited ten times": [
            edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n} = {n * 10}") for n in numbers
        ],
        "edited and tested, the failure stays": [
            step
            for n in numbers
            for step in (edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n} = 0  # {n}"), TESTS)
        ],
        "edited, compiled, tested": [
            step
            for n in range(1, 7)
            for step in (
                edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n} = -{n}"),
                sh("python3 -m py_compile app.py"),
                sh("python3 -m unittest -q test_app 2>&1 | tail -3"),
            )
        ],
        "written anew and run each time": [
            step
            for n in range(8)
            for step in (write("try.py", f"print('ok')  # {'x' * n}\n"), sh("python3 try.py"))
        ],
        "one rename through many files": [
            edit(f"pkg/mod_{n}.py", "def handle(", "def process(") for n in range(10)
        ],
        "a file for each of ten": [write(f"out/page_{n}.html", "<p>nothing yet</p>\n") for n in range(10)],
        "an edit that fails until the file is read": [
            edit("app.py", "LEVEL_1=1", "LEVEL_1 = 5"),
            edit("app.py", "LEVEL_1 =  1", "LEVEL_1 = 5"),
            edit("app.py", "level_1 = 1", "LEVEL_1 = 5"),
            read("app.py", start_line=1, line_count=5),
            edit("app.py", "LEVEL_1 = 1", "LEVEL_1 = 5"),
        ],
        "changed with sed, tested each time": [
            step
            for n in range(1, 8)
            for step in (sh(f"sed -i 's/LEVEL_{n} = .*/LEVEL_{n} = 99/' app.py"), TESTS)
        ],
        "a change, looked at, taken back, another": [
            step
            for n in range(1, 6)
            for step in (
                edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n} = 7{n}"),
                DIFF,
                sh("git checkout -q app.py"),
            )
        ],
        "a to-do list kept as the work goes on": [
            step
            for n in range(6)
            for step in (
                (
                    "update_todo",
                    {
                        "items": [
                            {"text": f"part {k}", "status": "done" if k < n else "pending"} for k in range(6)
                        ]
                    },
                ),
                edit("app.py", f"LEVEL_{n + 1} = {n + 1}", f"LEVEL_{n + 1} = 3"),
            )
        ],
        "formatted and checked after each edit": [
            step
            for n in range(1, 8)
            for step in (
                edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n}  =  {n}"),
                sh("python3 -m tabnanny app.py && echo clean"),
            )
        ],
    }


def _waiting() -> dict[str, list[Step]]:
    build = "sleep 6; echo built > build.log"
    return {
        "a build in the background, asked after": [
            sh(build, background=True),
            *[output()] * 12,
            output(wait_s=5),
        ],
        "a build in the background, its log read": [
            sh("echo building > build.log; sleep 4; echo done >> build.log", background=True),
            *[read("build.log")] * 9,
            output(wait_s=6),
            read("build.log"),
        ],
        "a status file polled with sleep": [sh("sleep 0.1; cat status.txt")] * 12,
        "a port waited for": [sh("sleep 0.1; curl -s -m 1 http://127.0.0.1:9/health || echo not yet")] * 8,
        "a service asked until it is there": [sh("curl -s -m 1 http://127.0.0.1:9/health; echo code $?")]
        * 12,
        "processes looked at until one is gone": [sh("ps -C no-such-program --no-headers | wc -l")] * 9,
        "a progress that is printed": [
            sh("i=$(cat n 2>/dev/null || echo 0); i=$((i+10)); echo $i > n; echo $i %") for _ in range(10)
        ],
        "a log that grows": [
            step
            for _ in range(8)
            for step in (
                sh("date +%N >> grow.log; echo line $(wc -l < grow.log) >> grow.log"),
                sh("tail -n 3 grow.log"),
            )
        ],
        "a server tried, looked at, stopped": [
            sh("sleep 30", background=True),
            *[sh("ps -C sleep --no-headers | wc -l")] * 6,
            output(stop=True),
        ],
        "a queue that is emptied": [sh(f"sleep 0.05; echo {12 - n} left") for n in range(12)],
    }


def _looking() -> dict[str, list[Step]]:
    return {
        "a long file paged": [read("long.txt", start_line=1 + 60 * n, line_count=60) for n in range(10)],
        "a long file paged with some overlap": [
            read("long.txt", start_line=1 + 40 * n, line_count=60) for n in range(10)
        ],
        "a log searched through by sed": [
            sh(f"sed -n '{1 + 50 * n},{50 + 50 * n}p' long.txt") for n in range(10)
        ],
        "twelve empty packages read": [read(f"pkg/sub_{n}/__init__.py") for n in range(12)],
        "ten modules that look the same": [read(f"pkg/mod_{n}.py") for n in range(10)],
        "folders listed one by one": [ls(), *(ls(f"pkg/sub_{n}") for n in range(12))],
        "names searched that are not there": [
            grep(word)
            for word in [
                "login",
                "signin",
                "authenticate",
                "session",
                "cookie",
                "token",
                "bearer",
                "oauth",
                "credential",
                "user",
            ]
        ],
        "names searched that are in one file": [grep(f"LEVEL_{n} =") for n in range(1, 11)],
        "one name, wider each time": [
            grep("retry_after", path="pkg"),
            grep("retry_after"),
            grep("retry", path="pkg"),
            grep("retry"),
            grep("backoff"),
            read("app.py"),
        ],
        "the same file read before each edit": [
            step
            for n in range(1, 8)
            for step in (read("app.py"), edit("app.py", f"LEVEL_{n} = {n}", f"LEVEL_{n} = 4"))
        ],
        "history walked back": [("git_show", {"rev": f"HEAD~{n}"}) for n in range(8)],
        "history of one file after the other": [
            ("git_log", {"path": f"pkg/mod_{n}.py", "max_count": 3}) for n in range(8)
        ],
        "outlines of many": [("outline", {"path": f"pkg/mod_{n}.py"}) for n in range(10)],
        "definitions of many": [("find_symbol", {"name": f"level_{n}"}) for n in range(1, 9)],
        "the status between other things": [
            step
            for n in range(6)
            for step in (STATUS, edit("app.py", f"LEVEL_{n + 1} = {n + 1}", "LEVEL_X = 1"))
        ],
        "parts of a table by awk": [sh(f"awk 'NR=={n}' long.txt") for n in range(1, 12)],
    }


def _trying() -> dict[str, list[Step]]:
    return {
        "ten seeds of a flaky test": [sh(f"python3 flaky.py --seed {n}") for n in range(10)],
        "a command retried after it failed": [
            *[sh("test -e made || (echo no such thing; exit 3)")] * 3,
            sh("touch made"),
            sh("test -e made || (echo no such thing; exit 3)"),
        ],
        "an import repaired step by step": [
            step
            for n in range(6)
            for step in (
                sh("python3 -c 'import broken'"),
                write("broken.py", "\n".join(f"X{k} = {k}" for k in range(n + 1)) + "\nimport nowhere\n"),
            )
        ],
        "inputs tried one after the other": [
            sh(f"python3 check.py {word}") for word in ["a", "bb", "ccc", "dd", "e", "ff", "ggg", "hh"]
        ],
        "a bisection by hand": [
            sh(f"git log --oneline -1 HEAD~{n} && echo good") for n in (8, 4, 2, 1, 3, 5, 6)
        ],
        "flags tried until one is known": [
            sh("python3 check.py --fast"),
            sh("python3 check.py --quick"),
            sh("python3 check.py --speed fast"),
            sh("python3 check.py --help"),
            sh("python3 check.py a"),
        ],
        "tests one file at a time": [
            sh(f"python3 -m unittest -q pkg.test_{n} 2>&1 | tail -1") for n in range(8)
        ],
        "the same tests, other commands between": [
            step
            for n in range(6)
            for step in (sh("python3 -m unittest -q test_app 2>&1 | tail -1"), sh(f"touch mark_{n}"))
        ],
        "dependencies tried": [
            sh(f"python3 -c 'import {name}'")
            for name in ("numpy", "pandas", "scipy", "sklearn", "torch", "jax")
        ],
        "a patch sent again until it fits": [
            edit("app.py", "LEVEL_2 = two", "LEVEL_2 = 22"),
            read("app.py"),
            edit("app.py", "LEVEL_2 = 2", "LEVEL_2 = 22"),
            TESTS,
            DIFF,
        ],
        "one benchmark run five times": [
            sh('python3 -c "import time; b=time.time(); sum(range(10**5)); print(time.time()-b)"')
        ]
        * 5,
    }


def _housekeeping() -> dict[str, list[Step]]:
    return {
        "ten commits": [
            step
            for n in range(5)
            for step in (
                write(f"notes_{n}.md", "note\n"),
                sh(f"git add -A && git commit -qm 'note {n}'"),
                STATUS,
            )
        ],
        "a clean tree seen after each commit": [
            step for n in range(6) for step in (sh(f"git commit -q --allow-empty -m 'step {n}'"), STATUS)
        ],
        "files moved one by one": [
            ("move_path", {"path": f"pkg/mod_{n}.py", "to": f"lib/mod_{n}.py"}) for n in range(8)
        ],
        "files deleted one by one": [("delete_path", {"path": f"pkg/mod_{n}.py"}) for n in range(8)],
        "folders made one by one": [sh(f"mkdir -p out/{n}") for n in range(8)],
        "permissions set one by one": [sh(f"chmod 644 pkg/mod_{n}.py") for n in range(8)],
        "branches gone through": [
            step for n in range(5) for step in (sh(f"git checkout -q -B topic-{n}"), sh("git status --short"))
        ],
        "one and the same check while things are installed": [
            step for n in range(7) for step in (sh(f"mkdir -p vendor/{n}"), sh("ls vendor/missing || true"))
        ],
    }


class Agreeable:
    """Says yes to everything."""

    async def ask(self, question: Question) -> Verdict:
        return Verdict("yes")


def make_project(root: Path) -> None:
    (root / "app.py").write_text(
        "".join(f"LEVEL_{n} = {n}\n" for n in range(1, 12)) + "\n\ndef total():\n    return LEVEL_1\n"
    )
    (root / "test_app.py").write_text(
        "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_total(self):\n"
        "        from app import total\n        self.assertEqual(total(), 12345)\n"
    )
    (root / "long.txt").write_text(
        "".join(f"entry {n}: {n * 7919 % 1000} of {n * 104729 % 977}\n" for n in range(700))
    )
    (root / "status.txt").write_text("building\n")
    (root / "flaky.py").write_text("print('ok')\n")
    (root / "check.py").write_text(
        "import sys\nif sys.argv[1].startswith('--'):\n    sys.exit('unknown option')\nprint('valid')\n"
    )
    (root / "pkg").mkdir()
    for n in range(12):
        (root / f"pkg/mod_{n}.py").write_text("def handle(x):\n    return x\n")
        (root / f"pkg/test_{n}.py").write_text("import unittest\n")
        (root / f"pkg/sub_{n}").mkdir()
        (root / f"pkg/sub_{n}/__init__.py").write_text("")
    for argv in (
        ["init", "-q"],
        ["config", "user.name", "Test"],
        ["config", "user.email", "test@example.invalid"],
    ):
        subprocess.run(["git", *argv], cwd=root, check=True)
    for n in range(9):
        (root / "history.txt").write_text(f"{n}\n")
        subprocess.run(["git", "add", "."], cwd=root, check=True)
        subprocess.run(["git", "commit", "-qm", f"change {n}"], cwd=root, check=True)


async def record(root: Path, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Play ``steps`` in a session in ``root``; what was called and what it said."""
    left: Iterator[Step] = iter(steps)

    def answer(request: ChatRequest) -> Answer:
        step = next(left, None)
        return say("done") if step is None else use(call(step[0], **step[1]))

    said: list[dict[str, Any]] = []
    with Simulator(answer) as sim:
        provider = {
            "name": "moonshot",
            "model": "kimi-k2-0905-preview",
            "base_url": sim.base_url,
            "api_key": TEST_KEY,
        }
        settings = Settings.model_validate(
            {"provider": provider, "agent": {"mode": "edits"}, "safety": {"sandbox": "off"}}
        )
        session = Session.open(root, settings, open_provider(resolve(settings, {}), settings))
        session.approver = Agreeable()
        called: dict[str, dict[str, Any]] = {}
        async for event in session.turn("work"):
            if isinstance(event, CallStarted):
                called[event.call_id] = event.arguments
            elif isinstance(event, CallFinished):
                said.append(
                    {
                        "name": event.name,
                        "arguments": json.dumps(called[event.call_id]),
                        "result": event.outcome.text.replace(str(root), "/repo"),
                        "ok": event.outcome.ok,
                        "changed": bool(event.outcome.changed),
                        "busy": any(task.running for task in session.background),
                    }
                )
        await session.close()
    return said


def main() -> int:
    Circles.heard = lambda self, *given, **more: 0  # type: ignore[method-assign]  # nothing is stopped here
    for name, steps in scenarios().items():
        with tempfile.TemporaryDirectory() as home:
            os.environ.update(HOME=home, XDG_STATE_HOME=f"{home}/state", XDG_CACHE_HOME=f"{home}/cache")
            os.environ["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            root = Path(home, "repo")
            root.mkdir()
            make_project(root)
            said = asyncio.run(record(root, steps))
            assert len(said) == len(steps), name
            print(json.dumps({"name": name, "calls": said}, ensure_ascii=False))
            print(f"{name}: {len(said)} calls", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
