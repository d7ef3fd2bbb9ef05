"""Which lines each JavaScript test runs: V8's counters, asked in the tests' own process after each test.

The script ``inside/kcode_lines.cjs`` is loaded by mocha, jest, vitest and Node's runner, each in its way,
into one run of the failing test files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run
from kcode.testrun.adapter import Suite, Surroundings, Target, Tools, has_file
from kcode.testrun.adapters import adapter

_INSIDE = Path(__file__).resolve().parent / "inside"
_HOOK = ".kcode-lines.cjs"
_VITEST_HOOK, _VITEST_CONFIG = ".kcode-lines-vitest.mjs", ".kcode-lines-vitest.config.mjs"
_RUN_S, _CONFIG_S = 60.0, 20.0
_VITEST = """\
import {{ loadConfigFromFile, mergeConfig }} from 'vite';
export default async (env) => {{
  const found = {config} ? await loadConfigFromFile(env, {config}) : null;
  return mergeConfig(found?.config ?? {{}}, {{ test: {{ setupFiles: ['./{hook}'] }} }});
}};
"""

Lines = dict[str, dict[str, list[int]]]
SCRIPT_RUNNERS = ("mocha", "jest", "vitest", "node")


@dataclass(frozen=True, slots=True)
class _Loading:
    """How a runner is told to load the hook: words behind its program, variables."""

    words: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None


async def script_lines(
    name: str, suite: Suite, tools: Tools, files: Sequence[str], tests: Sequence[str], more: Mapping[str, str]
) -> Lines:
    """Lines by test of a run of ``files`` (relative to the suite's folder, which is a copy that may be
    written to); ``tests`` are the ids that are looked for. Empty where the runner cannot be asked."""
    with _hooked(name, suite.folder) as hook, Surroundings().folder() as temp:
        said = temp / "lines"
        loading = await _loading(name, suite, tools, hook)
        launch = adapter(name).launch(suite, tools, [Target(file) for file in files], temp)
        argv = _with(launch.argv, tools, loading.words)
        own = {"KCODE_LINES": str(said), "KCODE_ROOT": str(suite.folder), "KCODE_RUNNER": name}
        env = child_environment({**tools.env, **launch.env, **more, **(loading.env or {}), **own})
        await run(argv, cwd=suite.folder, env=env, timeout_s=_RUN_S, max_output=1_000_000)
        text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    return _by_test(text, tests)


@contextmanager
def _hooked(name: str, folder: Path) -> Iterator[Path]:
    """The hook lies in the suite's folder, where it finds the runner's own modules."""
    made = [folder / _HOOK]
    shutil.copyfile(_INSIDE / "kcode_lines.cjs", made[0])
    try:
        if name == "vitest":
            made += [folder / _VITEST_HOOK, folder / _VITEST_CONFIG]
            shutil.copyfile(_INSIDE / "kcode_lines_vitest.mjs", made[1])
            names = [f"{kind}.config.{end}" for kind in ("vitest", "vite") for end in _ENDS]
            config = json.dumps(f"./{found}") if (found := has_file(folder, *names)) else "null"
            made[2].write_text(_VITEST.format(config=config, hook=_VITEST_HOOK), encoding="utf-8")
        yield made[0]
    finally:
        for path in made:
            path.unlink(missing_ok=True)


_ENDS = ("ts", "mts", "cts", "js", "mjs", "cjs")


async def _loading(name: str, suite: Suite, tools: Tools, hook: Path) -> _Loading:
    if name == "mocha":
        return _Loading(("--require", str(hook)))
    if name == "vitest":
        return _Loading(("--config", str(hook.with_name(_VITEST_CONFIG))))
    if name == "jest":
        own = await _set_up_files(suite, tools)
        return _Loading(("--setupFilesAfterEnv", *own, str(hook), "--coverage=false"))
    before = os.environ.get("NODE_OPTIONS", "")
    return _Loading(env={"NODE_OPTIONS": f"{before} --require {json.dumps(str(hook))}".strip()})


async def _set_up_files(suite: Suite, tools: Tools) -> list[str]:
    """What the project itself has jest load: naming one file more replaces the list."""
    argv = [*tools.program, "--showConfig"]
    env = child_environment(dict(tools.env))
    with suppress(EnvironmentProblem, ValueError, KeyError, TypeError, IndexError):
        done = await run(argv, cwd=suite.folder, env=env, timeout_s=_CONFIG_S, max_output=2_000_000)
        found = json.loads(done.stdout[done.stdout.index("{") :])["configs"][0]["setupFilesAfterEnv"]
        return [str(path) for path in found]
    return []


def _with(argv: Sequence[str], tools: Tools, words: Sequence[str]) -> list[str]:
    """``words`` right behind the program (and its subcommand)."""
    at = len(tools.program) + (1 if argv[len(tools.program) : len(tools.program) + 1] == ("run",) else 0)
    return [*argv[:at], *words, *argv[at:]]


def _by_test(text: str, tests: Sequence[str]) -> Lines:
    """The reports of the hook, each under the id of its test; ids that are not in ``tests`` too are kept."""
    known = {_plain(test): test for test in tests}
    last = {(test.partition("::")[0], _title(test)): test for test in tests}
    found: Lines = {}
    for line in text.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        titles = [str(one) for one in told["titles"] if one]
        if not titles:
            continue
        file = str(told["file"])
        name = known.get(_plain(f"{file}::{' > '.join(titles)}")) or last.get((file, titles[-1]))
        if name and name not in found:
            found[name] = told["lines"]
    return found


def _title(test: str) -> str:
    return test.partition("::")[2].rpartition(" > ")[2]


def _plain(test: str) -> str:
    """jest joins titles by a space."""
    return re.sub(r"\s+(?:>\s+)?", " ", test)
