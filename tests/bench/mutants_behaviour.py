"""Compare a function of a repaired library with the original's: ``ORIGINAL REPAIRED PATH FUNCTION``.

The original's suite runs once with an observer, which keeps what the function is called with. These inputs
and variations of them are then given to both, each in a process of its own. Exit code 0 where they agree;
else the first difference is printed.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

_INPUTS, _VARIED = 60, 4
_CALL_S = 0.5
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class TookTooLong(BaseException):
    pass


def main() -> int:
    original, repaired, path, function = sys.argv[1:5]
    where = Path(original).parent / "observed.pickle"
    where.unlink(missing_ok=True)
    env = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{original}"}
    env.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0", OBSERVED=str(where))
    env.update(OBSERVED_PATH=str(Path(original, path)), OBSERVED_FUNCTION=function)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mutants_behaviour", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=original, env=env, capture_output=True, timeout=150, check=False)
    if not where.exists():
        return 0  # nothing that can be given to it by itself: the suite alone decides
    answers = [_replayed(Path(root), where) for root in (original, original, repaired)]
    for number, (once, again, ours) in enumerate(zip(*answers, strict=True)):
        if once == again != ours:
            print(f"input {number}: {ours[:30]} for {once[:30]}")
            return 1
    told = sum(once == again for once, again in zip(*answers[:2], strict=True))
    print(f"alike on {told} inputs" if told else "no answer can be compared")
    return 0


def _replayed(root: Path, where: Path) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, str(Path(__file__).resolve()), "--replay", str(where)]
    done = subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    answers: list[str] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else [done.stderr[-200:]]
    return answers


# --- the observer, a plugin of pytest ---------------------------------------------------------

if os.environ.get("OBSERVED_PATH"):
    _kept: dict[bytes, None] = {}
    _module: list[str] = []

    def _watch(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event != "call" or len(_kept) >= _INPUTS or code.co_qualname != os.environ["OBSERVED_FUNCTION"]:
            return
        if os.path.realpath(code.co_filename) != os.path.realpath(os.environ["OBSERVED_PATH"]):
            return
        sys.setprofile(None)
        try:
            count = code.co_argcount + code.co_kwonlyargcount
            names = code.co_varnames[:count]
            given = [frame.f_locals[name] for name in names[: code.co_argcount]]
            more = code.co_varnames[count] if code.co_flags & 4 else ""
            given += list(frame.f_locals.get(more, ())) if more else []
            keywords = {name: frame.f_locals[name] for name in names[code.co_argcount :]}
            if code.co_flags & 8:
                keywords.update(frame.f_locals[code.co_varnames[count + bool(more)]])
            _kept.setdefault(pickle.dumps((given, keywords)))
            _module[:] = [str(frame.f_globals["__name__"])]
        except Exception:  # outer door: what cannot be kept is left out
            pass
        finally:
            sys.setprofile(_watch)

    def pytest_sessionstart() -> None:
        sys.setprofile(_watch)

    def pytest_sessionfinish() -> None:
        sys.setprofile(None)
        if _kept:
            found = (_module[0], os.environ["OBSERVED_FUNCTION"], list(_kept))
            Path(os.environ["OBSERVED"]).write_bytes(pickle.dumps(found))


# --- the replay -----------------------------------------------------------------------------


def replay(where: Path) -> None:
    module, dotted, inputs = pickle.loads(where.read_bytes())
    function: Any = importlib.import_module(module)
    for name in dotted.split("."):
        function = getattr(function, name)
    function = getattr(function, "__func__", function)
    signal.signal(signal.SIGALRM, _too_long)
    answers = []
    for number, data in enumerate(inputs):
        chance = random.Random(number)
        for variant in range(1 + _VARIED):
            given, keywords = pickle.loads(data)
            if variant:
                given = [_varied(one, chance) for one in given]
            answers.append(_answer(function, given, keywords))
    print(json.dumps(answers))


def _answer(function: Any, given: list[Any], keywords: dict[str, Any]) -> str:
    signal.setitimer(signal.ITIMER_REAL, _CALL_S)
    try:
        value = function(*given, **keywords)
        if hasattr(value, "__next__"):
            value = list(islice(value, 200))
        return _ADDRESS.sub("", repr((value, given)))[:2000]
    except TookTooLong:
        return "too long"
    except Exception as error:
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TookTooLong


def _varied(value: Any, chance: random.Random) -> Any:
    """Something near ``value`` of the same type, often itself."""
    if chance.random() < 0.4:
        return value
    if type(value) is int:
        return value + chance.choice([-2, -1, 1, 2])
    if type(value) is bool:
        return not value
    if type(value) is float:
        return value * chance.choice([-1, 0.5, 2])
    if isinstance(value, str | bytes | list | tuple) and type(value) in (str, bytes, list, tuple) and value:
        at = chance.randrange(len(value))
        return chance.choice([value[:at] + value[at + 1 :], value[at:], value + value[: at + 1], value[::-1]])
    if type(value) is dict and value:
        changed = copy.copy(value)
        del changed[chance.choice(sorted(changed, key=repr))]
        return changed
    return value


if __name__ == "__main__":
    if sys.argv[1] == "--replay":
        replay(Path(sys.argv[2]))
    else:
        sys.exit(main())
